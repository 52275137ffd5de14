/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

#include <errno.h>
#include <stdbool.h>

/* Without a call into the dynamic linker, which the hook would load for that. */
static _Thread_local unsigned long failures __attribute__((tls_model("initial-exec")));

void memory_note_failure(void)
{
        failures++;
}

void *memory_note(void *p)
{
        if (!p)
                memory_note_failure();
        return p;
}

unsigned long memory_failures(void)
{
        return failures;
}

int memory_check(unsigned long before, int r)
{
        return failures != before ? -ENOMEM : r;
}

char *memory_vformat(const char *format, va_list args)
{
        char *text;

        if (vasprintf(&text, format, args) >= 0)
                return text;
        memory_note_failure();
        return NULL;
}

int memory_stream_close(FILE *stream, char *const *text)
{
        bool failed = ferror(stream) != 0;

        return fclose(stream) != 0 || failed || !*text ? -ENOMEM : 0;
}
