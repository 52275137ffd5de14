/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest;
struct manager;

#define GUEST_OWNER "guest " /* and its name, in bind_record */

/* Called once, unless it is abandoned. problem: why not all could be handed over, or NULL. */
typedef void (*guest_bind_done_t)(const char *problem, void *userdata);

/* Hands over the functions of a guest that is about to start, where the configuration lets us and libvirt
 * does not do it. guest: has to live until `done` or manager_guest_bind_abandon(). deadline_usec:
 * CLOCK_BOOTTIME. Returns 1 where `done` will be called; 0 where there is nothing to do, with a problem or
 * an empty string in ret_problem; or a negative errno. */
int manager_guest_bind(struct manager *m, const struct guest *guest, uint64_t deadline_usec,
                       guest_bind_done_t done, void *userdata, char *ret_problem, size_t size);

/* Nobody waits any longer. What is still handed over goes back, unless the guest runs a while later. */
void manager_guest_bind_abandon(struct manager *m, const char *name);

/* Gives back what was handed over for it, as soon as what is under way has ended. */
void manager_guest_give_back(struct manager *m, const char *name);

/* Soon, but not before a guest that starts has its process: gives back what guests have that do not run. */
void manager_reconcile_soon(struct manager *m);

void manager_guest_bindings_close(struct manager *m);
