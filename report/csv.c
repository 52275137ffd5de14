/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "csv.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "util/escape.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"

/* "-1", "+2.5": what no spreadsheet evaluates. */
static bool is_number(const char *text)
{
        static const char digits[] = "0123456789";
        size_t n;

        text += *text == '+' || *text == '-';
        n = strspn(text, digits);
        if (n == 0)
                return false;
        text += n;
        if (*text == '.')
                text += 1 + strspn(text + 1, digits);
        return !*text;
}

static bool looks_like_formula(const char *text)
{
        return *text && strchr("=+-@", *text) && !is_number(text);
}

static void print_quoted(const char *text, FILE *out)
{
        for (; *text; text++) {
                if (*text == '"')
                        fputc('"', out);
                fputc(*text, out);
        }
}

static void print_cell(const char *text, FILE *out)
{
        _cleanup_free_ char *escaped = memory_note(escape(text));
        bool formula;

        if (!escaped)
                return;
        formula = looks_like_formula(escaped);
        if (!formula && !strpbrk(escaped, ",\"") && *escaped != ' ') {
                print(out, "%s", escaped);
                return;
        }
        fputs(formula ? "\"'" : "\"", out);
        print_quoted(escaped, out);
        fputc('"', out);
}

void csv_print_record(const char *const cells[], size_t n, FILE *out)
{
        assert(cells || n == 0);
        assert(out);

        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        fputc(',', out);
                if (cells[i])
                        print_cell(cells[i], out);
        }
        if (n == 1 && (!cells[0] || !*cells[0]))
                fputs("\"\"", out); /* an empty line would be no record */
        fputs("\r\n", out);
}
