/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain-place.h"

/* One change that was made for a fix, as it stands in the domain's <metadata>. */
struct domain_edit {
        char *fix; /* its id */
        enum domain_place place;
        char *key;
        char *before; /* text, as it stood there; NULL: nothing did */
        char *after;  /* the value that was set */
        struct place_made made;
};

struct domain_edits {
        struct domain_edit *edits; /* in the order in which they were made */
        size_t n;
};

void domain_edits_done(struct domain_edits *edits);

/* The marks of a domain. 0, -EBADMSG where one cannot be understood, or -ENOMEM. */
int domain_edits_read(struct domain_edits *edits, const struct domain_text *t);

/* Marks the domain with them, which are all of that fix. Errors of domain_text_splice(). */
int domain_edits_mark(struct domain_text *t, const char *fix, const struct domain_edits *edits);

/* Takes the marks of that fix out, or with NULL all, and with the last what was made for them. */
int domain_edits_unmark(struct domain_text *t, const char *fix);
