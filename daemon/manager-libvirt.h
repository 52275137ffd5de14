/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Follows the guests that libvirt knows, for all that no hook reports. Never starts libvirt's daemon, and
 * never waits for it. Returns 0 or a negative errno; what works goes on all the same. */
int manager_libvirt_watch(struct manager *m);
void manager_libvirt_close(struct manager *m);
