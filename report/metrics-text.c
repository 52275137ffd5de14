/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics-text.h"

#include <assert.h>
#include <stdint.h>

#include "util/escape.h"
#include "util/macro.h"

/* The format knows three escapes. It would take any other character as it is, and so would the terminal to
 * which somebody prints it. */
static void print_value(FILE *out, const char *text)
{
        while (*text) {
                uint32_t code;
                size_t n = utf8_decode(text, &code);

                if (*text == '\n')
                        fputs("\\n", out);
                else if (*text == '\\' || *text == '"')
                        fprintf(out, "\\%c", *text);
                else if (n == 0 || code_is_harmful(code))
                        fputc('?', out);
                else
                        fwrite(text, 1, n, out);
                text += n ?: 1;
        }
}

/* Counts and sizes are whole numbers, which are shown to the last digit; nothing here is below 0. */
static void print_number(FILE *out, double value)
{
        fprintf(out, value == (double) (uint64_t) value ? " %.0f\n" : " %.6f\n", value);
}

static void print_head(struct metrics_text *t, const struct metric_family *family)
{
        if (t->last == family)
                return;
        t->last = family;
        fprintf(t->out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                family->type);
}

void metrics_add(struct metrics_text *t, const struct metric_family *family, struct metric_label a,
                 struct metric_label b, double value)
{
        const struct metric_label labels[] = { a, b };
        const char *before = "{";

        assert(t && family);

        print_head(t, family);
        fputs(family->name, t->out);
        for (size_t i = 0; i < ELEMENTSOF(labels); i++) {
                if (!labels[i].name)
                        continue;
                fprintf(t->out, "%s%s=\"", before, labels[i].name);
                print_value(t->out, labels[i].value ?: "");
                fputc('"', t->out);
                before = ",";
        }
        if (*before == ',')
                fputc('}', t->out);
        print_number(t->out, value);
}

void metrics_add_histogram(struct metrics_text *t, const struct metric_family *family, const double bounds[],
                           const unsigned long counts[], size_t n, unsigned long count, double sum)
{
        assert(t && family);
        assert(bounds && counts);

        print_head(t, family);
        for (size_t i = 0; i < n; i++)
                fprintf(t->out, "%s_bucket{le=\"%g\"} %lu\n", family->name, bounds[i], counts[i]);
        fprintf(t->out, "%s_bucket{le=\"+Inf\"} %lu\n%s_sum", family->name, count, family->name);
        print_number(t->out, sum);
        fprintf(t->out, "%s_count %lu\n", family->name, count);
}
