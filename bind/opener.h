/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "util/pci-address.h"
#include "util/root.h"

/* Two files show the worker what it needs only if CAP_SYS_ADMIN has opened them: the configuration space of
 * a function past its first 64 bytes, and where in the kernel a task hangs. The service lacks that right. So
 * vfioalign-open, which systemd starts for the first question, opens them for reading, and sends the
 * descriptor, which keeps the right: the kernel goes by who opened it (file_ns_capable()).
 *
 * A question is one packet, the path without the leading slash; the answer is one too, an int: 0 with the
 * descriptor, or a negative errno. Each connection has one of both. */

#define OPENER_SOCKET "run/vfioalign/open"
#define OPENER_PATH_MAX 80

typedef char opener_path_t[OPENER_PATH_MAX];

/* The only two files that vfioalign-open opens. */
const char *opener_config_path(const char *bdf, opener_path_t ret);
const char *opener_stack_path(pid_t pid, opener_path_t ret);

/* Returns the descriptor, or a negative errno: that of vfioalign-open's open(2), or -ENOENT or -ECONNREFUSED
 * where nobody listens, -EACCES where the caller may not ask, -ETIMEDOUT or -ECONNRESET where no answer
 * comes. After one that did not come in time, the process does not wait again. */
int opener_open(const struct root *root, const char *path);

/* The other end: answers root's questions, and returns 0 once there was none for idle_msec, or a negative
 * errno. */
int opener_serve(const struct root *root, int listening, int idle_msec);
