/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

/* A domain XML as text, which libxml2 has parsed, with the place of each element in it. A change is a splice
 * of the text, so all the rest stays as it is, byte for byte. */

/* Offsets into the text, of <a ...>inner</a>. Those of <a/> have the same inner, inner_end and end. */
struct text_span {
        size_t start, inner, inner_end, end;
};

struct domain_text {
        char *xml;
        size_t size;
        xmlDocPtr doc; /* its nodes are freed by the next splice */
        struct text_span *spans;
        size_t n_spans;
};

/* Copies the text. Returns 0; -EFBIG over GUEST_XML_MAX; -EBADMSG where it is not a domain XML, has a
 * DOCTYPE, or is not in UTF-8; or -ENOMEM. */
int domain_text_parse(struct domain_text *t, const char *xml, size_t size);
void domain_text_done(struct domain_text *t);

xmlNode *domain_text_root(const struct domain_text *t);
const struct text_span *domain_text_span(const struct domain_text *t, const xmlNode *element);

/* Replaces those bytes with `by`, and parses the text again. Errors as above; the old text is kept then. */
int domain_text_splice(struct domain_text *t, size_t start, size_t end, const char *by);

/* Whether there is nothing but white space in it. */
bool domain_text_is_empty(const struct domain_text *t, const xmlNode *element);

/* How far it is indented, in columns. */
int domain_text_indent(const struct domain_text *t, const xmlNode *element);

/* Puts text into an element, behind that child of it; NULL: behind all that is in it. *ret_opened: the
 * element was <a/>, and domain_text_close() makes it <a/> again. */
int domain_text_insert(struct domain_text *t, const xmlNode *element, const xmlNode *behind,
                       const char *text, bool *ret_opened);
int domain_text_close(struct domain_text *t, const xmlNode *element);

/* Removes it with the white space before it: the reverse of domain_text_insert() with "\n  <a/>". */
int domain_text_remove(struct domain_text *t, const xmlNode *element);

/* Finds the attribute of that name, which has no prefix. In *ret, `start` is the white space before it, and
 * `inner` its value without the quotes. False where there is none. */
bool domain_text_attribute(const struct domain_text *t, const xmlNode *element, const char *name,
                           struct text_span *ret);

/* The length of its name with the prefix, as it stands in the text right behind the "<". */
size_t domain_text_name_size(const struct domain_text *t, const xmlNode *element);

/* The value as text that can stand between any quotes, or as content. The caller's to free; NULL: out of
 * memory. */
char *domain_text_escape(const char *value);
