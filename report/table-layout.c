/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table-layout.h"

#include <assert.h>
#include <string.h>
#include <wchar.h>

#include "util/macro.h"

/* A column that can be broken is not made narrower than this while another one can be dropped instead. */
#define COMFORTABLE 12

static size_t width_of(const char *text, size_t n)
{
        mbstate_t state = {};
        size_t width = 0;

        while (n > 0) {
                wchar_t c;
                size_t k = mbrtowc(&c, text, n, &state);
                int columns = 1;

                if (k == 0 || k == (size_t) -1 || k == (size_t) -2) {
                        k = 1;
                        state = (mbstate_t){};
                } else {
                        columns = wcwidth(c);
                }
                width += columns > 0 ? (size_t) columns : 0;
                text += k;
                n -= k;
        }
        return width;
}

size_t layout_text_width(const char *text)
{
        assert(text);

        return width_of(text, strlen(text));
}

size_t layout_word_width(const char *text)
{
        size_t longest = 0;

        assert(text);

        while (*text) {
                size_t n = strcspn(text, " "), width = width_of(text, n);

                longest = width > longest ? width : longest;
                text += n;
                text += strspn(text, " ");
        }
        return longest;
}

static size_t comfortable_width(const struct layout_column *c)
{
        size_t wanted = c->natural < COMFORTABLE ? c->natural : COMFORTABLE;

        return c->least > wanted ? c->least : wanted;
}

/* Of the columns that stay. */
static size_t total_width(const struct layout_column columns[], size_t n)
{
        size_t total = 0;

        for (size_t i = 0; i < n; i++)
                if (columns[i].width > 0)
                        total += columns[i].width + (total > 0);
        return total;
}

static struct layout_column *find_droppable(struct layout_column columns[], size_t n)
{
        struct layout_column *found = NULL;

        for (size_t i = 0; i < n; i++)
                if (columns[i].width > 0 && columns[i].rank > 0 && (!found || columns[i].rank > found->rank))
                        found = &columns[i];
        return found;
}

/* The one that lacks the most. */
static struct layout_column *find_shortest(struct layout_column columns[], size_t n)
{
        struct layout_column *found = NULL;

        for (size_t i = 0; i < n; i++) {
                struct layout_column *c = &columns[i];

                if (c->width == 0 || c->width >= c->natural)
                        continue;
                if (!found || c->natural - c->width > found->natural - found->width)
                        found = c;
        }
        return found;
}

void layout_fit(struct layout_column columns[], size_t n, size_t width)
{
        struct layout_column *c;

        assert(columns || n == 0);

        for (size_t i = 0; i < n; i++)
                columns[i].width = width == 0 ? columns[i].natural : comfortable_width(&columns[i]);
        if (width == 0)
                return;
        while (total_width(columns, n) > width && (c = find_droppable(columns, n)))
                c->width = 0;
        for (size_t i = 0; i < n && total_width(columns, n) > width; i++)
                if (columns[i].width > 0)
                        columns[i].width = columns[i].least;
        while (total_width(columns, n) < width && (c = find_shortest(columns, n)))
                c->width++;
}

char *layout_wrap(const char *text, size_t width)
{
        char *lines, *to;
        size_t column = 0;

        assert(text);

        lines = to = malloc(strlen(text) + 1);
        if (!lines)
                return NULL;
        while (*text) {
                size_t n = strcspn(text, " "), n_blanks = strspn(text + n, " "), word = width_of(text, n);

                if (column > 0 && column + 1 + word > width) {
                        *to++ = '\n';
                        column = 0;
                } else if (column > 0) {
                        *to++ = ' ';
                        column++;
                }
                to = mempcpy(to, text, n);
                column += word;
                text += n + n_blanks;
        }
        *to = '\0';
        return lines;
}
