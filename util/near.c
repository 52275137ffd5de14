/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "near.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "macro.h"

#define LENGTH_MAX 64

static bool same_letter(char a, char b)
{
        return tolower((unsigned char) a) == tolower((unsigned char) b);
}

static size_t size_min(size_t a, size_t b)
{
        return a < b ? a : b;
}

size_t near_distance(const char *a, const char *b)
{
        /* Row i has the distances of the first i letters of a to each beginning of b; three rows suffice. */
        size_t rows[3][LENGTH_MAX + 1], n_a, n_b;

        assert(a);
        assert(b);

        n_a = strlen(a);
        n_b = strlen(b);
        if (n_a > LENGTH_MAX || n_b > LENGTH_MAX)
                return SIZE_MAX;
        for (size_t k = 0; k <= n_b; k++)
                rows[0][k] = k;
        for (size_t i = 1; i <= n_a; i++) {
                size_t *row = rows[i % 3];
                const size_t *above = rows[(i - 1) % 3], *second = rows[(i + 1) % 3]; /* i - 2 */

                row[0] = i;
                for (size_t k = 1; k <= n_b; k++) {
                        row[k] = above[k - 1] + !same_letter(a[i - 1], b[k - 1]);
                        row[k] = size_min(row[k], size_min(above[k], row[k - 1]) + 1);
                        if (i > 1 && k > 1 && same_letter(a[i - 1], b[k - 2]) &&
                            same_letter(a[i - 2], b[k - 1]))
                                row[k] = size_min(row[k], second[k - 2] + 1);
                }
        }
        return rows[n_a % 3][n_b];
}

void near_offer(struct near *near, const char *name)
{
        size_t n_word, n_name, distance, most;

        assert(near && near->word);
        assert(name);

        n_word = strlen(near->word);
        n_name = strlen(name);
        most = (n_word > n_name ? n_word : n_name) / 3 ?: 1;
        distance = near_distance(near->word, name);
        if (n_word >= 2 && strncasecmp(name, near->word, n_word) == 0)
                distance = size_min(distance, 1);
        if (distance > most || n_word == 0 || (near->n > 0 && distance > near->distance))
                return;
        if (near->n > 0 && distance < near->distance)
                near->n = 0;
        near->distance = distance;
        for (size_t i = 0; i < near->n; i++)
                if (streq(near->names[i], name))
                        return;
        if (near->n < NEAR_MAX)
                near->names[near->n++] = name;
}

const char *near_question(const struct near *near, near_t buffer)
{
        size_t n = 0;

        assert(near);
        assert(buffer);

        *buffer = '\0';
        for (size_t i = 0; i < near->n && n < sizeof(near_t); i++) {
                const char *separator = ", ";

                if (i == 0)
                        separator = "; did you mean ";
                else if (i + 1 == near->n)
                        separator = " or ";
                n += (size_t) snprintf(buffer + n, sizeof(near_t) - n, "%s'%s'%s", separator, near->names[i],
                                       i + 1 == near->n ? "?" : "");
        }
        return buffer;
}
