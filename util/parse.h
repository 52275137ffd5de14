/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Parses the whole of s as an unsigned number, base as for strtoull(). Signs and white space are refused.
 * Returns 0, -EINVAL if s is anything else, or -ERANGE on overflow; *ret is then untouched. */
int parse_u64(const char *s, int base, uint64_t *ret);

/* Whether s says no, as systemd's settings do: "no", "n", "false", "f", "off" or "0", in any case. */
bool word_is_no(const char *s);
