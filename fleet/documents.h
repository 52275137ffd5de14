/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* Finds the documents in a stream of bytes that strangers wrote: one a line, or any sequence of them.
 *
 * A document begins with the "{" that begins a line, also where the one before has not ended: so a report
 * that was cut takes nothing of the next one with it. Of a whole report, what a fleet does not ask for is
 * skipped where it stands, and takes no memory. */

/* What is larger or deeper cannot be read. */
#define DOCUMENT_MAX_SIZE ((size_t) 64 << 20)
#define DOCUMENT_MAX_KEPT ((size_t) 8 << 20) /* without what is skipped */
#define DOCUMENT_MAX_DEPTH 32

/* document: an object, which is put afterwards; NULL: it could not be read. Returns 0, or a negative errno,
 * which ends the reading. */
typedef int (*on_document_t)(json_object *document, void *userdata);

struct documents {
        on_document_t on_document;
        void *userdata;
        json_tokener *tokener;

        char *kept; /* of the document that is being read */
        size_t n_kept, capacity;
        size_t size;
        size_t key;       /* where the last key of its outermost object begins in `kept` */
        size_t n_members; /* of all objects in it */
        unsigned depth;
        bool in_string, is_escaped, in_value, is_skipped;

        bool line_begins;
        bool is_broken; /* all up to the next "{" at the beginning of a line is left out */
};

/* Returns 0 or -ENOMEM. Released by documents_done(), also after an error. */
int documents_open(struct documents *d, on_document_t on_document, void *userdata);
void documents_done(struct documents *d);

/* The next n bytes. Returns 0, -ENOMEM, or what on_document() returned. */
int documents_feed(struct documents *d, const char *data, size_t n);

/* After the last byte of a file. Returns as documents_feed() does. */
int documents_end(struct documents *d);
