/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config.h"

/* The pattern in "Guest PATTERN": a pointer into it; NULL where it is another kind of section, [Guest] among
 * them. */
const char *guest_section_name(const char *section);

/* Matches as its name says, and says nothing. Returns 0 or -ENOMEM, with nothing to release then. */
int guest_section_init(struct guest_section *g, const char *name, unsigned line);

/* Sets one key. Returns 0; -ENOENT for a key that there is not; -EEXIST for one that it has already; or
 * -EINVAL for a bad value, with what was wanted in *ret_wanted. */
int guest_section_set(struct guest_section *g, const char *key, const char *value, const char **ret_wanted);

void guest_section_done(struct guest_section *g);

/* The values of these keys, which [Guest] has too. */
int parse_on_unaligned(const char *value, enum on_unaligned *ret);
int parse_size(const char *value, uint64_t *ret);
#define ON_UNALIGNED_WANTED "allow, warn or refuse"
#define SIZE_WANTED "a size in bytes, or with K, M, G or T behind it"
