/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-libvirt.h"
#include "libvirt-paths.h"

/* The first daemon whose pid file names a process that is that daemon; NULL where none does. ret_pid may be
 * NULL. */
const struct libvirt_daemon *libvirt_daemon_by_pid_file(const struct root *root, pid_t *ret_pid);

/* Sets the facts about the daemon: running, thp, preload, unit, pid, start_usec. */
void libvirt_daemon_read(struct libvirt_facts *l, const struct root *root);

/* Sets the facts about its hooks: hook_installed, site_hook, hook_seen. After libvirt_daemon_read(). */
void libvirt_hook_read(struct libvirt_facts *l, const struct root *root);
