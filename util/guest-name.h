/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "root.h"

/* Finds the guest that a process runs, by QEMU's "-name guest=web1,debug-threads=on", as libvirt writes it.
 * *ret: the caller's to free; NULL where there is none, or the process is gone. Returns 0, -ENOMEM, or an
 * error of process_is_unread() where the process did not answer in time. */
int guest_name_of(const struct root *root, pid_t pid, char **ret);
