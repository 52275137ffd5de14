/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* Calls of those methods of vfioalignd that polkit may let somebody other than root make, and that answer
 * with a document. */

/* A call without its arguments, and the bus to send it on. It starts no daemon that was stopped, and polkit
 * may ask for a password. Prints what is wrong; returns 0 or a negative errno. */
int daemon_call_new(sd_bus **ret_bus, const char *method, sd_bus_message **ret_call);

/* Makes the call. usec: how long the daemon may work at most. Prints what is wrong; returns 0 or a negative
 * errno. *ret: the document, the caller's to free. */
int daemon_call(sd_bus *bus, sd_bus_message *call, uint64_t usec, char **ret);
