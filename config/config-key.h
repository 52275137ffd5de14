/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/string-table.h"

/* A key of the configuration as a row of data. A table of them ends with a row without a name. */
struct config_key {
        const char *section;
        const char *name;

        /* Parses the value into *target. Returns 0; -EINVAL for a bad value, with *target as it was; or
         * -ENOMEM. */
        int (*parse)(const struct config_key *key, const char *value, void *target);
        size_t offset; /* of the target, in the struct that the table is for */

        const char *initial;  /* the default, as it would stand in the file; NULL: none */
        const char *expected; /* the values, for an error and for --help */
        const char *help;     /* for --help and the shipped file, without a period */

        double min, max; /* config_parse_seconds() */
        unsigned flags;  /* of the section: device-section.c */
};

/* The row of that key, or NULL. section: NULL: all rows have the same. */
const struct config_key *config_key_find(const struct config_key *keys, const char *section,
                                         const char *name);

/* As `parse` of the row. base: the struct that the table is for. */
int config_key_set(const struct config_key *key, const char *value, void *base);

/* "[Section]", then "  Key=default" and a line of help for each. */
void config_keys_print(const struct config_key *keys, FILE *out);

/* Seconds from key->min to key->max, into a uint64_t of microseconds. */
int config_parse_seconds(const struct config_key *key, const char *value, void *target);

/* A number of bytes, "512" or "64M", into a uint64_t. Returns 0, or -EINVAL with *ret as it was. */
int parse_size(const char *value, uint64_t *ret);
int config_parse_size(const struct config_key *key, const char *value, void *target);
#define SIZE_EXPECTED "a size in bytes, or with the suffix K, M, G or T"

/* A parser of the words in a string table, from the first up to `last`. */
#define DEFINE_CONFIG_PARSE_ENUM(function, name, type, last) \
        int function(const struct config_key *key, const char *value, void *target) \
        { \
                type v = name##_from_string(value); \
                (void) key; \
                if (v < 0 || v > (last)) \
                        return -EINVAL; \
                *(type *) target = v; \
                return 0; \
        }
