/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-text.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "facts/guest/facts-guest.h"
#include "facts/guest/xml.h"
#include "util/array.h"

#define WHITE " \t\r\n"

static bool is_white(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How far the parser has read. False where it has read another text than ours, so our offsets are wrong. */
static bool parser_position(xmlParserCtxtPtr p, const struct domain_text *t, size_t *ret)
{
#if LIBXML_VERSION >= 21500
        unsigned long at;

        if (xmlCtxtGetInputPosition(p, 0, NULL, NULL, NULL, &at) < 0)
                return false;
#else
        long at = xmlByteConsumed(p);

        if (at < 0)
                return false;
#endif
        if ((size_t) at > t->size)
                return false;
        *ret = (size_t) at;
        return true;
}

/* Looks back for the "<" of the tag that ends there: none can stand inside a tag, not even in a value. */
static bool find_tag_start(const struct domain_text *t, size_t at, size_t *ret)
{
        while (at > 0)
                if (t->xml[--at] == '<') {
                        *ret = at;
                        return true;
                }
        return false;
}

/* The parser converts other encodings: its offsets are then not those of our bytes, and each of them takes
 * it as long as what it has read ahead. */
static bool declares_other_encoding(const char *xml)
{
        const char *end, *p;

        xml = startswith(xml, "\xef\xbb\xbf") ?: xml;
        end = startswith(xml, "<?xml") ? strstr(xml, "?>") : NULL;
        p = end ? memmem(xml, (size_t) (end - xml), "encoding", strlen("encoding")) : NULL;
        if (!p)
                return false;
        p += strlen("encoding");
        p += strspn(p, WHITE "=");
        return strncasecmp(p, "'UTF-8'", strlen("'UTF-8'")) != 0 &&
               strncasecmp(p, "\"UTF-8\"", strlen("\"UTF-8\"")) != 0;
}

static bool on_start(xmlParserCtxtPtr p, void *userdata)
{
        struct domain_text *t = userdata;
        struct text_span span = {}, *slot;
        size_t at;

        if (!p->node || p->node->_private || !parser_position(p, t, &at) ||
            !find_tag_start(t, at, &span.start))
                return false;
        at += strspn(t->xml + at, WHITE);
        slot = array_append(t->spans, t->n_spans);
        if (!slot || (t->xml[at] != '>' && t->xml[at] != '/'))
                return false;
        span.inner = at + (t->xml[at] == '/' ? strlen("/>") : strlen(">"));
        *slot = span;
        p->node->_private = (void *) (uintptr_t) t->n_spans;
        return true;
}

static bool on_end(xmlParserCtxtPtr p, void *userdata)
{
        struct domain_text *t = userdata;
        struct text_span *span;

        if (!p->node || !p->node->_private)
                return false;
        span = t->spans + (uintptr_t) p->node->_private - 1;
        if (!parser_position(p, t, &span->end) || span->end < span->inner || t->xml[span->end - 1] != '>')
                return false;
        span->inner_end = span->end;
        if (span->end == span->inner)
                return true;
        return find_tag_start(t, span->end, &span->inner_end) && span->inner_end >= span->inner;
}

/* Fills in all but t->xml and t->size, which are there. */
static int read_text(struct domain_text *t)
{
        const struct xml_follower follower = { on_start, on_end, t };
        xmlNode *root;
        int r;

        if (declares_other_encoding(t->xml))
                return -EBADMSG;
        r = xml_parse_following(t->xml, t->size, NULL, &follower, &t->doc);
        if (r < 0)
                return r;
        root = xmlDocGetRootElement(t->doc);
        if (!root->_private || root->ns || !xml_is(root, "domain"))
                return -EBADMSG;
        return 0;
}

int domain_text_parse(struct domain_text *t, const char *xml, size_t size)
{
        int r;

        assert(t);
        assert(xml);

        *t = (struct domain_text){};
        if (size > GUEST_XML_MAX)
                return -EFBIG;
        if (memchr(xml, '\0', size))
                return -EBADMSG;
        t->xml = strndup(xml, size);
        if (!t->xml)
                return -ENOMEM;
        t->size = size;
        r = read_text(t);
        if (r < 0)
                domain_text_done(t);
        return r;
}

void domain_text_done(struct domain_text *t)
{
        if (t->doc)
                xmlFreeDoc(t->doc);
        free(t->spans);
        free(t->xml);
        *t = (struct domain_text){};
}

xmlNode *domain_text_root(const struct domain_text *t)
{
        return xmlDocGetRootElement(t->doc);
}

const struct text_span *domain_text_span(const struct domain_text *t, const xmlNode *element)
{
        return t->spans + (uintptr_t) element->_private - 1;
}

int domain_text_splice(struct domain_text *t, size_t start, size_t end, const char *by)
{
        _cleanup_(domain_text_done) struct domain_text spliced = {};
        _cleanup_free_ char *xml = NULL;
        int n, r;

        assert(start <= end && end <= t->size);
        assert(by);

        if (t->size - (end - start) + strlen(by) > GUEST_XML_MAX)
                return -EFBIG;
        n = asprintf(&xml, "%.*s%s%s", (int) start, t->xml, by, t->xml + end);
        if (n < 0) {
                xml = NULL;
                return -ENOMEM;
        }
        r = domain_text_parse(&spliced, xml, (size_t) n);
        if (r < 0)
                return r;
        SWAP(*t, spliced);
        return 0;
}

bool domain_text_is_empty(const struct domain_text *t, const xmlNode *element)
{
        const struct text_span *s = domain_text_span(t, element);

        return s->inner + strspn(t->xml + s->inner, WHITE) >= s->inner_end;
}

int domain_text_indent(const struct domain_text *t, const xmlNode *element)
{
        size_t at = domain_text_span(t, element)->start, begin = at;

        while (begin > 0 && (t->xml[begin - 1] == ' ' || t->xml[begin - 1] == '\t'))
                begin--;
        /* One that follows others in its line is not indented. */
        return begin == 0 || t->xml[begin - 1] == '\n' ? (int) (at - begin) : 0;
}

size_t domain_text_name_size(const struct domain_text *t, const xmlNode *element)
{
        return strcspn(t->xml + domain_text_span(t, element)->start + 1, WHITE "/>");
}

int domain_text_insert(struct domain_text *t, const xmlNode *element, const xmlNode *behind,
                       const char *text, bool *ret_opened)
{
        const struct text_span s = *domain_text_span(t, element);
        bool opened = s.inner == s.end;
        size_t at = behind ? domain_text_span(t, behind)->end : s.inner_end;
        int r;

        if (opened) {
                _cleanup_free_ char *by = NULL;

                if (asprintf(&by, ">%s\n%*s</%.*s>", text, domain_text_indent(t, element), "",
                             (int) domain_text_name_size(t, element), t->xml + s.start + 1) < 0) {
                        by = NULL;
                        return -ENOMEM;
                }
                r = domain_text_splice(t, s.end - strlen("/>"), s.end, by);
        } else {
                while (at > s.inner && is_white(t->xml[at - 1]))
                        at--;
                r = domain_text_splice(t, at, at, text);
        }
        if (r < 0)
                return r;
        *ret_opened = opened;
        return 0;
}

int domain_text_close(struct domain_text *t, const xmlNode *element)
{
        const struct text_span *s = domain_text_span(t, element);

        return domain_text_splice(t, s->inner - strlen(">"), s->end, "/>");
}

int domain_text_remove(struct domain_text *t, const xmlNode *element)
{
        const struct text_span *s = domain_text_span(t, element);
        size_t start = s->start;

        while (start > 0 && is_white(t->xml[start - 1]))
                start--;
        return domain_text_splice(t, start, s->end, "");
}

bool domain_text_attribute(const struct domain_text *t, const xmlNode *element, const char *name,
                           struct text_span *ret)
{
        size_t at = domain_text_span(t, element)->start + 1 + domain_text_name_size(t, element);
        struct text_span s;

        /* The parser has accepted it, so it is a list of name = "value", with optional white space. */
        for (;;) {
                const char *word;
                size_t n;

                s.start = at;
                at += strspn(t->xml + at, WHITE);
                word = t->xml + at;
                n = strcspn(word, WHITE "=/>");
                if (n == 0)
                        return false;
                at += n;
                at += strcspn(t->xml + at, "\"'");
                s.inner = at + 1;
                s.inner_end = s.inner + strcspn(t->xml + s.inner, t->xml[at] == '"' ? "\"" : "'");
                s.end = at = s.inner_end + 1;
                if (strlen(name) == n && strncmp(word, name, n) == 0) {
                        *ret = s;
                        return true;
                }
        }
}

char *domain_text_escape(const char *value)
{
        static const struct {
                char c;
                const char *by;
        } escapes[] = {
                { '&', "&amp;" },   { '<', "&lt;" },  { '>', "&gt;" },   { '"', "&quot;" },
                { '\'', "&apos;" }, { '\t', "&#9;" }, { '\n', "&#10;" }, { '\r', "&#13;" },
        };
        char *text = malloc(strlen(value) * strlen("&quot;") + 1), *end = text;

        if (!text)
                return NULL;
        for (; *value; value++) {
                char plain[] = { *value, '\0' };
                const char *by = plain;

                for (size_t i = 0; i < ELEMENTSOF(escapes); i++)
                        if (*value == escapes[i].c)
                                by = escapes[i].by;
                end = stpcpy(end, by);
        }
        *end = '\0';
        return text;
}
