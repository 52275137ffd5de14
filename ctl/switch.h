/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "util/root.h"

/* What the verbs off and on do to a host. They print each step, and log what fails. Return 0 or the negative
 * errno of the first step that failed; called again, they complete what was cut off. */
int switch_off(const struct root *root, bool persistent, bool dry_run);
int switch_on(const struct root *root, bool dry_run);
