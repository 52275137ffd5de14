/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* What somebody may have meant by a word that is not known: the names that differ least from it, as in
 *
 *     struct near near = { .word = word };
 *
 *     for each name
 *             near_offer(&near, name);
 *     print_line(stderr, "unknown verb '%s'%s", word, near_question(&near, question));
 */

#define NEAR_MAX 3

struct near {
        const char *word;
        const char *names[NEAR_MAX]; /* those with the least distance so far, as they were offered */
        size_t n, distance;
};

/* How many letters have to be added, removed, replaced, or swapped with the next one, to make b of a. Case
 * does not count. Texts of more than 64 bytes are SIZE_MAX apart. */
size_t near_distance(const char *a, const char *b);

/* Keeps the name if no other one is nearer. One that begins with the word is near, and one that differs in
 * more than a third of its letters is not. name: outlives the structure. */
void near_offer(struct near *near, const char *name);

typedef char near_t[256];

/* "; did you mean 'guest' or 'guests'?", or "" where no name is near. Returns the buffer. */
const char *near_question(const struct near *near, near_t buffer);
