/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "print.h"

#include <assert.h>
#include <stdarg.h>

#include "escape.h"
#include "memory.h"

static _printf_(2, 0) int print_format(FILE *out, const char *format, va_list args)
{
        _cleanup_free_ char *text = memory_vformat(format, args), *escaped = NULL;

        if (!text)
                return 0;
        escaped = memory_note(escape(text));
        if (!escaped)
                return 0;
        fputs(escaped, out);
        return (int) strlen(escaped);
}

int print(FILE *out, const char *format, ...)
{
        va_list args;
        int n;

        assert(out);
        assert(format);

        va_start(args, format);
        n = print_format(out, format, args);
        va_end(args);
        return n;
}

void print_line(FILE *out, const char *format, ...)
{
        va_list args;

        assert(out);
        assert(format);

        va_start(args, format);
        (void) print_format(out, format, args);
        va_end(args);
        fputc('\n', out);
}

void print_lines(FILE *out, const char *text)
{
        _cleanup_free_ char *escaped = NULL;
        size_t size;

        assert(out);
        assert(text);

        size = strlen(text) * strlen("\\xNN") + 1;
        escaped = memory_note(malloc(size));
        if (escaped)
                fputs(escape_to(escaped, size, text, "\n\t"), out);
}
