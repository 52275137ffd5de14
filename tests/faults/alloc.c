/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The C library's own, and where there is ASan, its. A program's malloc() comes before both. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);
void *__interceptor_malloc(size_t size) __attribute__((weak));
void *__interceptor_calloc(size_t n, size_t size) __attribute__((weak));
void *__interceptor_realloc(void *p, size_t size) __attribute__((weak));
void __interceptor_free(void *p) __attribute__((weak));

/* Of LSan, where there is one. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

#define EXPORTED __attribute__((visibility("default")))

static enum alloc_fault armed_fault;
static unsigned long armed_at, counted;
static bool armed, paused, failed;
static long in_use;
static void *where[16];
static int n_where;

static bool fails(void)
{
        if (!armed || paused)
                return false;
        counted++;
        if (armed_fault == ALLOC_COUNT || counted < armed_at ||
            (armed_fault == ALLOC_ONE && counted > armed_at))
                return false;
        if (!failed) {
                armed = false; /* backtrace() may want memory */
                n_where = backtrace(where, (int) (sizeof(where) / sizeof(where[0])));
                armed = true;
        }
        failed = true;
        errno = ENOMEM;
        return true;
}

EXPORTED void *malloc(size_t size)
{
        void *p;

        if (fails())
                return NULL;
        p = __interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size);
        in_use += p != NULL;
        return p;
}

EXPORTED void *calloc(size_t n, size_t size)
{
        void *p;

        if (fails())
                return NULL;
        p = __interceptor_calloc ? __interceptor_calloc(n, size) : __libc_calloc(n, size);
        in_use += p != NULL;
        return p;
}

EXPORTED void *realloc(void *old, size_t size)
{
        void *p;

        if (fails())
                return NULL;
        p = __interceptor_realloc ? __interceptor_realloc(old, size) : __libc_realloc(old, size);
        in_use += !old && p;
        in_use -= old && !p && size == 0;
        return p;
}

EXPORTED void *reallocarray(void *old, size_t n, size_t size)
{
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(old, bytes);
}

EXPORTED void free(void *p)
{
        int error = errno;

        in_use -= p != NULL;
        if (__interceptor_free)
                __interceptor_free(p);
        else
                __libc_free(p);
        errno = error;
}

/* It loads a library, once; what the dynamic linker keeps of that is not lost. */
static void load_backtrace(void)
{
        if (__lsan_disable)
                __lsan_disable();
        n_where = backtrace(where, 1);
        if (__lsan_enable)
                __lsan_enable();
}

void alloc_arm(enum alloc_fault fault, unsigned long at)
{
        if (n_where == 0)
                load_backtrace();
        armed_fault = fault;
        armed_at = at;
        counted = 0;
        failed = false;
        armed = true;
}

unsigned long alloc_disarm(void)
{
        armed = false;
        return counted;
}

void alloc_pause(bool pause)
{
        paused = pause;
}

bool alloc_has_failed(void)
{
        return failed;
}

static bool is_allocator(void *address)
{
        static const char *const names[] = { "malloc", "calloc", "realloc", "reallocarray" };
        Dl_info info;

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (dladdr(address, &info) != 0 && info.dli_sname && strcmp(info.dli_sname, names[i]) == 0)
                        return true;
        return false;
}

/* The frames of this file come first: under ASan, whose backtrace() has a frame of its own, there is one
 * more. */
static int first_frame(void)
{
        int first = 0;

        for (int i = 0; i < n_where && i < 5; i++)
                if (is_allocator(where[i]))
                        first = i + 1;
        return first;
}

void alloc_print_where(void)
{
        armed = false;
        if (failed)
                backtrace_symbols_fd(where + first_frame(), n_where - first_frame(), STDERR_FILENO);
}

static const char *object_of(void *address)
{
        Dl_info info;

        return dladdr(address, &info) != 0 ? info.dli_fname : "";
}

bool alloc_failed_in_library(void)
{
        const char *self = object_of(alloc_arm);

        armed = false;
        for (int i = first_frame(); i < n_where; i++) {
                const char *object = object_of(where[i]);

                if (strstr(object, "/libc.so")) /* on the caller's behalf */
                        continue;
                /* Memory that one of ours gives to a library is the library's. */
                return strcmp(object, self) != 0 ||
                       (i + 1 < n_where && strcmp(object_of(where[i + 1]), self) != 0);
        }
        return false;
}

long alloc_in_use(void)
{
        return in_use;
}
