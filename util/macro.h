/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Scope-bound release, as systemd does it. Every destructor named here accepts NULL (or a negative fd). */
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_closedir_ _cleanup_(closedirp)
#define _cleanup_fclose_ _cleanup_(fclosep)

#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _const_ __attribute__((const))
#define _pure_ __attribute__((pure))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

#define KIB(n) ((uint64_t) (n) << 10)
#define MIB(n) ((uint64_t) (n) << 20)
#define GIB(n) ((uint64_t) (n) << 30)

#define SWAP(a, b) \
        do { \
                __typeof__(a) _swapped = (a); \
                (a) = (b); \
                (b) = _swapped; \
        } while (0)

/* Moves ownership out of a variable with _cleanup_. */
#define TAKE(x, empty) \
        ({ \
                __typeof__(x) _taken = (x); \
                (x) = (empty); \
                _taken; \
        })
#define TAKE_PTR(p) TAKE(p, NULL)
#define TAKE_FD(fd) TAKE(fd, -EBADF)

#define DEFINE_TRIVIAL_CLEANUP(type, func) \
        static inline void func##p(type *p) \
        { \
                if (*p) \
                        func(*p); \
        }

static inline void freep(void *p)
{
        free(*(void **) p);
}

static inline void closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

DEFINE_TRIVIAL_CLEANUP(DIR *, closedir)
DEFINE_TRIVIAL_CLEANUP(FILE *, fclose)

static inline bool streq(const char *a, const char *b)
{
        return strcmp(a, b) == 0;
}

/* The rest of s after prefix, or NULL if s does not start with it. */
static inline const char *startswith(const char *s, const char *prefix)
{
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}
