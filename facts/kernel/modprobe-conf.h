/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/root.h"

/* Called with each line of modprobe.d(5), joined with those that continue it, without the blanks at its
 * start. file and number: where the first of them is. A negative return value ends the reading. */
typedef int (*modprobe_line_t)(const char *line, const char *file, unsigned number, void *userdata);

/* Reads modprobe.d(5) as libkmod does. This is not done by libkmod itself, because that includes the command
 * line of the running kernel, which is not the recorded host's. Returns 0, -ENOMEM, or what `on_line`
 * returned. *ret_unread: 0, or the negative errno of something that could not be read. */
int modprobe_conf_read(const struct root *root, modprobe_line_t on_line, void *userdata, int *ret_unread);
