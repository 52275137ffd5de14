/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

struct manager;

/* Who sends a call. Only the bus knows, and it is asked without waiting for it: a call that waits inside the
 * event loop (as sd_bus_query_sender_creds() and sd-bus's own check of privileges do) lets strangers fill
 * the queue of messages meanwhile, with descriptors and without end. */

/* Whether an argument is as short as anything that makes sense. One that is not must not be quoted in an
 * error: where the call is as large as a message may be, the answer would be larger, and the bus disconnects
 * who sends that. Returns 0, or a negative errno with *error set. */
int check_argument(const char *text, sd_bus_error *error);

/* Checks the path of each call and the texts that it begins with, before sd-bus, which quotes them, or a
 * method of ours sees it. */
int manager_limit_messages(struct manager *m);

/* Called once. error: 0; -ENXIO where the sender has left the bus; or another negative errno where the bus
 * did not say who it is. uid: valid where error is 0. */
typedef void (*caller_known_t)(int error, uid_t uid, void *userdata);

/* Asks for the user of a message's sender. `known` is called later, or at once where the sender is known
 * already. Senders are answered in the order of their calls. Returns 0, or a negative errno without a call
 * of known, with *error set where there is more to say. */
int manager_ask_caller(struct manager *m, sd_bus_message *message, caller_known_t known, void *userdata,
                       sd_bus_error *error);

/* Whether that user may do everything: root, and in tests whoever runs the daemon. */
bool caller_is_privileged(uid_t uid);

/* A method for root only. `call` is called once root is known to be the sender; where it returns a negative
 * errno, the call is answered with that, or with *error where it is set. outlives: the call also counts
 * where its sender has left before the bus was asked. The bus's policy then is all that keeps others off
 * (systemd/org.vfioalign1.conf). Returns as a method's handler does. */
typedef int (*privileged_call_t)(struct manager *m, sd_bus_message *message, sd_bus_error *error);
int manager_call_as_root(struct manager *m, sd_bus_message *message, privileged_call_t call, bool outlives,
                         sd_bus_error *error);

/* Drops all questions; their callers get -ESHUTDOWN. */
void manager_callers_close(struct manager *m);
