/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "util/root.h"

/* What the files of a service (systemd.unit(5), systemd.exec(5)) make of one variable of its environment. */
struct unit_variable {
        bool installed; /* the unit is there, and not masked */
        char *value;    /* NULL: not set */
        char *doubt;    /* one clause: why a drop-in would not have the last word, or what cannot be told; or
                           NULL */
};

/* As if there were no drop-in of that name; what comes behind it and says something of the variable is a
 * doubt. Returns 0 or -ENOMEM. Release with unit_variable_done(). */
int unit_variable_read(struct unit_variable *v, const struct root *root, const char *unit,
                       const char *variable, const char *drop_in);
void unit_variable_done(struct unit_variable *v);
