/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

/* Loads vfio_align through systemd (modprobe@.service), so that this process needs no right to load modules and
 * never waits in modprobe. */
struct module_load;

/* Told once: 0 where systemd ran modprobe to its end, whatever came of it (modprobe@.service hides that: read the
 * facts again), or a negative errno. The load frees itself after the call. */
typedef void (*module_load_done_t)(int error, void *userdata);

/* Starts the load, bounded by timeout_usec. On success *ret stays valid until done is called. */
int module_load_start(sd_bus *bus, uint64_t timeout_usec, module_load_done_t done, void *userdata,
                      struct module_load **ret);

/* Forgets the load without calling done; systemd may still finish it. NULL is fine. */
void module_load_cancel(struct module_load *load);
