/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/root.h"

/* Called with each line of modprobe.d(5), joined with those that continue it, without the blanks at its
 * start; file and number of the first. A negative return ends the reading. libkmod reads them only with the
 * command line of the running kernel, which is another's where a recorded host is looked at. */
typedef int (*modprobe_line_t)(const char *line, const char *file, unsigned number, void *userdata);

/* Returns 0, -ENOMEM, or what `line` returned. *ret_unread: 0, or why something could not be read. */
int modprobe_conf_read(const struct root *root, modprobe_line_t line, void *userdata, int *ret_unread);
