/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

/* A domain XML as text, which libxml2 has read, with the place of each element in it. A change is a splice
 * of the text, so that all the rest stays as it is, byte for byte. */

/* Offsets: <a ...>inner</a>; of <a/> inner, inner_end and end are the same. */
struct text_span {
        size_t start, inner, inner_end, end;
};

struct domain_text {
        char *xml;
        size_t size;
        xmlDocPtr doc; /* its nodes are void after the next splice */
        struct text_span *spans;
        size_t n_spans;
};

/* Copies the text. Returns 0; -EFBIG over GUEST_XML_MAX; -EBADMSG where it is no domain XML, has a DOCTYPE,
 * or is not in UTF-8; or -ENOMEM. */
int domain_text_parse(struct domain_text *t, const char *xml, size_t size);
void domain_text_done(struct domain_text *t);

xmlNode *domain_text_root(const struct domain_text *t);
const struct text_span *domain_text_span(const struct domain_text *t, const xmlNode *element);

/* Puts `by` in the place of those bytes, and reads the text anew. Errors as above; the old text is then
 * unharmed. */
int domain_text_splice(struct domain_text *t, size_t start, size_t end, const char *by);

/* Is there nothing but white space in it? */
bool domain_text_is_empty(const struct domain_text *t, const xmlNode *element);

/* Where it is indented to, in columns. */
int domain_text_indent(const struct domain_text *t, const xmlNode *element);

/* Puts text into an element: behind that child of it, or NULL, behind all that is in it. *ret_opened: it was
 * <a/>, and domain_text_close() makes it so again. */
int domain_text_insert(struct domain_text *t, const xmlNode *element, const xmlNode *behind,
                       const char *text, bool *ret_opened);
int domain_text_close(struct domain_text *t, const xmlNode *element);

/* Takes it out, with the white space before it: what domain_text_insert() does with "\n  <a/>". */
int domain_text_remove(struct domain_text *t, const xmlNode *element);

/* The attribute of that name, which has no prefix: "start" is the first byte of white space before it,
 * "inner" of its value, without quotes. False where there is none. */
bool domain_text_attribute(const struct domain_text *t, const xmlNode *element, const char *name,
                           struct text_span *ret);

/* As the name stands in the text, with its prefix: its first byte is behind the "<". */
size_t domain_text_name_size(const struct domain_text *t, const xmlNode *element);

/* For a value between any quotes, or as content. The caller's to free; NULL: memory is out. */
char *domain_text_escape(const char *value);
