/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Follows the functions and VFIO devices that come, go, or change their driver: each event causes an audit
 * soon. Returns 0 or a negative errno. */
int manager_udev_watch(struct manager *m);
void manager_udev_close(struct manager *m);
