/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config-key.h"
#include "config.h"

/* The keys of a struct device_section. */
extern const struct config_key device_section_keys[];

/* The name in "Device NAME": a pointer into it; NULL where it is another kind of section; "" where the name
 * is missing, or has other characters than letters, digits and "._:-". */
const char *device_section_name(const char *section);

/* A section without keys, which matches all functions. Returns 0 or -ENOMEM, with nothing to release then.
 */
int device_section_init(struct device_section *d, const char *name, const char *file, unsigned line);
void device_section_done(struct device_section *d);

/* What a section with these keys lacks, for an error; NULL: nothing. seen: the mask of their places in the
 * table. */
const char *device_section_lacks(unsigned seen);
