/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>

#include "macro.h"

/* An enum's names live in one array, NAME_table[]. NAME_to_string() returns NULL for a value out of range,
 * NAME_from_string() returns -EINVAL for NULL and for a word that is not one of them. */
#define DECLARE_STRING_TABLE(name, type) \
        const char *name##_to_string(type v); \
        type name##_from_string(const char *s)

#define DEFINE_STRING_TABLE(name, type) \
        const char *name##_to_string(type v) \
        { \
                return v >= 0 && (size_t) v < ELEMENTSOF(name##_table) ? name##_table[v] : NULL; \
        } \
        type name##_from_string(const char *s) \
        { \
                for (size_t i = 0; s && i < ELEMENTSOF(name##_table); i++) \
                        if (name##_table[i] && streq(name##_table[i], s)) \
                                return (type) i; \
                return (type) -EINVAL; \
        }
