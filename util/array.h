/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* Appends one zeroed element to the array `items` of `n` elements and returns it, or NULL if there is no
 * memory; the array is then unchanged. Its capacity is the next power of two, so an array that did not grow
 * by this function must not be given to it. */
#define array_append(items, n) \
        ((__typeof__(*(items)) *) array_append_internal((void **) &(items), &(n), sizeof(*(items))))

static inline void *array_append_internal(void **items, size_t *n, size_t size)
{
        if ((*n & (*n - 1)) == 0) {
                void *p = reallocarray(*items, *n ? *n * 2 : 1, size);

                if (!p) {
                        memory_note_failure();
                        return NULL;
                }
                *items = p;
        }
        return memset((char *) *items + (*n)++ * size, 0, size);
}
