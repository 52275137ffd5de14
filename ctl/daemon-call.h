/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* A call of a method of vfioalignd that polkit may let somebody else than root make, and that answers with a
 * document. */

/* A call without its arguments; it starts no daemon that was stopped, and polkit may ask for a password.
 * Says what is wrong; returns 0 or a negative errno. */
int daemon_call_new(sd_bus **ret_bus, const char *method, sd_bus_message **ret_call);

/* usec: how long the work may take at most. Says what is wrong; returns 0 or a negative errno. *ret is the
 * caller's to free. */
int daemon_call(sd_bus *bus, sd_bus_message *call, uint64_t usec, char **ret);
