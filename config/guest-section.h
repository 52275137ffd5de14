/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config-key.h"
#include "config.h"

/* The keys of a struct guest_section, whose `has` is the mask of their places in this table. */
extern const struct config_key guest_section_keys[];

/* The pattern in "Guest PATTERN": a pointer into it; NULL where it is another kind of section, [Guest] among
 * them. */
const char *guest_section_name(const char *section);

/* Why the pattern could never match as it is meant, as the end of a sentence (static); NULL where it can. */
const char *guest_pattern_fault(const char *pattern);

/* A section without keys. Returns 0 or -ENOMEM, with nothing to release then. */
int guest_section_init(struct guest_section *g, const char *name, unsigned line);
void guest_section_done(struct guest_section *g);

/* OnUnaligned=, which [Guest] has too, and which the metadata of a domain can have. Returns 0, or -EINVAL
 * with *ret as it was. */
int parse_on_unaligned(const char *value, enum on_unaligned *ret);
int config_parse_on_unaligned(const struct config_key *key, const char *value, void *target);
#define ON_UNALIGNED_EXPECTED "allow, warn or refuse"
