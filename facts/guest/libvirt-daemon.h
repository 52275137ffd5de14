/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-libvirt.h"
#include "libvirt-paths.h"

/* The daemon that has written its pid and runs, for the first that does; NULL where none does. ret_pid may
 * be NULL. */
const struct libvirt_daemon *libvirt_daemon_by_pid_file(const struct root *root, pid_t *ret_pid);

/* The parts of the facts that are about the daemon (running, thp, preload, unit, pid, start_usec), and about
 * its hooks (hook_installed, site_hook, hook_seen), which need the former. */
void libvirt_daemon_read(struct libvirt_facts *l, const struct root *root);
void libvirt_hook_read(struct libvirt_facts *l, const struct root *root);
