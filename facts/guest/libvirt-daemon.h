/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-libvirt.h"

#define LIBVIRT_HOOKS "etc/libvirt/hooks/qemu.d"

/* The parts of the facts that are about the daemon (running, thp, preload, unit, pid, start_usec), and about
 * its hooks (hook_installed, site_hook, hook_seen), which need the former. */
void libvirt_daemon_read(struct libvirt_facts *l, const struct root *root);
void libvirt_hook_read(struct libvirt_facts *l, const struct root *root);
