/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config.h"

/* The name in "Device NAME": a pointer into it; NULL where it is another kind of section, "" where it names
 * none or not as it should: with letters, digits and "._:-". */
const char *device_section_name(const char *section);

/* Matches every function, and says nothing. Returns 0 or -ENOMEM, with nothing to release then. */
int device_section_init(struct device_section *d, const char *name, const char *file, unsigned line);

/* Sets one key. *seen: which ones it has, 0 at first. Returns 0; -ENOENT for a key that there is not;
 * -EEXIST for one that it has already; -EINVAL for a bad value, with what was wanted in *ret_wanted; or
 * -ENOMEM. */
int device_section_set(struct device_section *d, unsigned *seen, const char *key, const char *value,
                       const char **ret_wanted);

/* What it lacks, or NULL. */
const char *device_section_lacks(unsigned seen);

void device_section_done(struct device_section *d);
