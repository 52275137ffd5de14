/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain-place.h"

/* One change made for a fix, as the domain's <metadata> records it. */
struct domain_edit {
        char *fix; /* its id */
        enum domain_place place;
        char *key;
        char *before; /* the text that stood there; NULL: none did */
        char *after;  /* the value that was set */
        struct place_made made;
};

struct domain_edits {
        struct domain_edit *edits; /* in the order in which they were made */
        size_t n;
};

void domain_edits_done(struct domain_edits *edits);

/* Reads the marks of a domain. Returns 0, -EBADMSG where one cannot be understood, or -ENOMEM. Release with
 * domain_edits_done(). */
int domain_edits_read(struct domain_edits *edits, const struct domain_text *t);

/* Marks the domain with these edits, which are all those of that fix. Errors of domain_text_splice(). */
int domain_edits_mark(struct domain_text *t, const char *fix, const struct domain_edits *edits);

/* Removes the marks of that fix, or with NULL all; with the last one also what was created to hold them. */
int domain_edits_unmark(struct domain_text *t, const char *fix);
