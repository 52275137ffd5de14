/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-scan.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "util/macro.h"

#define DEPTH_MAX 64 /* libvirt's elements are a dozen levels deep, without <metadata> */

/* Bytes of the XML; s is NULL where there are none. */
struct span {
        const char *s;
        size_t n;
};

struct tag {
        struct span name;  /* with its prefix */
        struct span local; /* without it */
        struct span type, value, network, driver;
        bool is_end, is_empty;
};

struct scan {
        const char *p, *end;
        struct span open[DEPTH_MAX]; /* the names of the elements around p */
        size_t depth;
        size_t skipped;   /* depth of the element whose content says nothing; 0: none */
        size_t interface; /* depth of the <interface type='network'> around p; 0: none */
        struct span network;
        bool has_actual;
        guest_scan_pool_t is_pool;
        void *userdata;
};

/* What a step of the scan says: 0 to go on, or one of these. */
enum {
        SCAN_END = 1,
        SCAN_VFIO = 2, /* a device, or doubt */
};

static bool span_is(struct span a, const char *b)
{
        return a.s && a.n == strlen(b) && memcmp(a.s, b, a.n) == 0;
}

static bool span_equal(struct span a, struct span b)
{
        return a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
}

static bool span_has(struct span a, const char *word)
{
        return a.s && memmem(a.s, a.n, word, strlen(word)) != NULL;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct scan *s)
{
        while (s->p < s->end && is_space(*s->p))
                s->p++;
}

static bool take_char(struct scan *s, char c)
{
        if (s->p == s->end || *s->p != c)
                return false;
        s->p++;
        return true;
}

static bool take_word(struct scan *s, const char *word)
{
        size_t n = strlen(word);

        if ((size_t) (s->end - s->p) < n || memcmp(s->p, word, n) != 0)
                return false;
        s->p += n;
        return true;
}

/* Moves behind the word; false where it does not come. */
static bool skip_past(struct scan *s, const char *word)
{
        const char *found = memmem(s->p, (size_t) (s->end - s->p), word, strlen(word));

        if (!found)
                return false;
        s->p = found + strlen(word);
        return true;
}

static bool take_name(struct scan *s, struct span *ret)
{
        const char *start = s->p;

        while (s->p < s->end && !is_space(*s->p) && !strchr("<>/='\"&", *s->p))
                s->p++;
        *ret = (struct span){ start, (size_t) (s->p - start) };
        return ret->n > 0;
}

static void note_attribute(struct tag *t, struct span name, struct span value)
{
        if (span_is(name, "type"))
                t->type = value;
        else if (span_is(name, "value"))
                t->value = value;
        else if (span_is(name, "network"))
                t->network = value;
        else if (span_is(name, "name"))
                t->driver = value;
}

static bool take_attribute(struct scan *s, struct tag *t)
{
        struct span name, value;
        char quote;

        if (!take_name(s, &name))
                return false;
        skip_space(s);
        if (!take_char(s, '='))
                return false;
        skip_space(s);
        if (s->p == s->end || (*s->p != '\'' && *s->p != '"'))
                return false;
        quote = *s->p++;
        value.s = s->p;
        while (s->p < s->end && *s->p != quote && *s->p != '<')
                s->p++;
        value.n = (size_t) (s->p - value.s);
        note_attribute(t, name, value);
        return take_char(s, quote);
}

/* A tag, behind its "<". */
static bool take_tag(struct scan *s, struct tag *t)
{
        const char *colon;

        *t = (struct tag){ .is_end = take_char(s, '/') };
        if (!take_name(s, &t->name))
                return false;
        colon = memchr(t->name.s, ':', t->name.n);
        t->local = t->name;
        if (colon)
                t->local = (struct span){ colon + 1, t->name.n - (size_t) (colon + 1 - t->name.s) };
        for (;;) {
                skip_space(s);
                if (take_char(s, '>'))
                        return true;
                if (!t->is_end && take_word(s, "/>")) {
                        t->is_empty = true;
                        return true;
                }
                if (t->is_end || !take_attribute(s, t))
                        return false;
        }
}

/* Of these kinds no device goes through VFIO. */
static bool is_other_hostdev(const struct tag *t)
{
        static const char *const types[] = { "usb", "scsi", "scsi_host", "storage", "misc", "net" };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (span_is(t->type, types[i]))
                        return true;
        return false;
}

/* Letters can be written as numbers: "&#118;" in XML, "\\u0076" in the JSON of an argument. Nobody does. */
static bool may_hide(struct span value)
{
        return span_has(value, "&#") || span_has(value, "\\u");
}

static bool is_vfio(const struct tag *t)
{
        if (span_is(t->type, "nvme") || may_hide(t->type)) /* a disk, or what is behind one */
                return true;
        if (span_is(t->local, "hostdev"))
                return !is_other_hostdev(t);
        if (span_is(t->local, "interface") || span_is(t->local, "actual"))
                return span_is(t->type, "hostdev");
        if (span_is(t->local, "driver"))
                return span_is(t->driver, "vfio") || may_hide(t->driver);
        if (span_is(t->local, "arg"))
                return span_has(t->value, "vfio") || may_hide(t->value);
        return false;
}

static bool says_nothing(const struct tag *t)
{
        return span_is(t->name, "metadata") || span_is(t->name, "description") || span_is(t->name, "title");
}

static int start_element(struct scan *s, const struct tag *t)
{
        if (s->depth == 0 && !span_is(t->name, "domain"))
                return SCAN_VFIO;
        if (s->skipped == 0 && is_vfio(t))
                return SCAN_VFIO;
        if (s->interface > 0 && s->depth == s->interface) {
                if (span_is(t->local, "source") && !s->network.s)
                        s->network = t->network;
                s->has_actual |= span_is(t->local, "actual");
        }
        if (t->is_empty)
                return s->depth == 0 ? SCAN_END : 0;
        if (s->depth == DEPTH_MAX)
                return SCAN_VFIO;
        s->open[s->depth++] = t->name;
        if (s->skipped == 0 && s->depth == 2 && says_nothing(t))
                s->skipped = s->depth;
        if (s->skipped == 0 && span_is(t->local, "interface") && span_is(t->type, "network")) {
                if (s->interface > 0)
                        return SCAN_VFIO;
                s->interface = s->depth;
                s->network = (struct span){};
                s->has_actual = false;
        }
        return 0;
}

static int end_element(struct scan *s, const struct tag *t)
{
        if (s->depth == 0 || !span_equal(s->open[s->depth - 1], t->name))
                return SCAN_VFIO;
        if (s->skipped == s->depth)
                s->skipped = 0;
        if (s->interface == s->depth) {
                s->interface = 0;
                /* <actual> is what the network gave; that of a pool has been found by its type. */
                if (!s->has_actual && (!s->network.s || s->is_pool(s->network.s, s->network.n, s->userdata)))
                        return SCAN_VFIO;
        }
        return --s->depth == 0 ? SCAN_END : 0;
}

/* What begins with the "<" before s->p. */
static int scan_markup(struct scan *s)
{
        struct tag t;

        if (take_word(s, "!--"))
                return skip_past(s, "-->") ? 0 : SCAN_VFIO;
        if (take_word(s, "![CDATA["))
                return s->depth > 0 && skip_past(s, "]]>") ? 0 : SCAN_VFIO;
        if (take_char(s, '?'))
                return skip_past(s, "?>") ? 0 : SCAN_VFIO;
        if (!take_tag(s, &t)) /* also a DOCTYPE, which can define what it likes */
                return SCAN_VFIO;
        return t.is_end ? end_element(s, &t) : start_element(s, &t);
}

bool guest_scan_has_vfio(const char *xml, size_t size, guest_scan_pool_t is_pool, void *userdata)
{
        struct scan s = { .p = xml, .is_pool = is_pool, .userdata = userdata };
        int r = 0;

        assert(xml);
        assert(is_pool);

        s.end = xml + size;
        if (memchr(xml, '\0', size))
                return true;
        while (r == 0) {
                if (!skip_past(&s, "<"))
                        return true;
                r = scan_markup(&s);
        }
        return r == SCAN_VFIO;
}
