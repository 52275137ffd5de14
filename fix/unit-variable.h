/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "util/root.h"

/* The value that the files of a service (systemd.unit(5), systemd.exec(5)) give one variable of its
 * environment. */
struct unit_variable {
        bool installed; /* the unit is there, and not masked */
        char *value;    /* NULL: not set */
        char *doubt;    /* one clause: why a drop-in could be overridden, or which file cannot be read; NULL:
                           none    of these */
};

/* Reads it as if there were no drop-in of that name. A file that comes behind that drop-in and has the
 * variable is a doubt. Returns 0 or -ENOMEM. Release with unit_variable_done(). */
int unit_variable_read(struct unit_variable *v, const struct root *root, const char *unit,
                       const char *variable, const char *drop_in);
void unit_variable_done(struct unit_variable *v);
