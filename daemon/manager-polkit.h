/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

struct manager;

/* Called once. denied: the error to answer the sender with; NULL: the sender, who is that user, may do it.
 */
typedef void (*authorized_t)(const sd_bus_error *denied, uid_t uid, void *userdata);

/* Asks whether the sender may do that: root always, others where polkit says so. Never waits: `done` is
 * called later, or at once where the sender is known to be root. action: static. Returns 0; or a negative
 * errno without a call of done, with *error set where there is more to say. */
int manager_authorize(struct manager *m, sd_bus_message *message, const char *action, authorized_t done,
                      void *userdata, sd_bus_error *error);

/* Denies what polkit has not answered; to be called after manager_callers_close(). */
void manager_authorizations_close(struct manager *m);
