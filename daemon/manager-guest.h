/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct guest;
struct manager;

/* The hook asks whether a guest may start. Answers the message, now or by deadline_usec (CLOCK_BOOTTIME);
 * returns as the handler of a bus method does. */
int manager_prepare_guest(struct manager *m, sd_bus_message *message, const char *xml, size_t size,
                          uint64_t deadline_usec);

/* All calls of manager_prepare_guest() that wait: go on with them, or drop them without an answer. */
void manager_requests_resume(struct manager *m);
void manager_requests_cancel(struct manager *m);

/* The guest runs, or has other devices now. */
void manager_guest_started(struct manager *m, const struct guest *guest);
void manager_guest_released(struct manager *m, const char *name);
