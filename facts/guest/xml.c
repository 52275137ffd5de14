/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml.h"

#include <assert.h>
#include <errno.h>
#include <libxml/parserInternals.h>
#include <libxml/SAX2.h>
#include <limits.h>
#include <pthread.h>

#include "util/memory.h"
#include "util/parse.h"

/* libxml2 is slow where much of these meets: it compares each attribute of an element with all others
 * (before 2.12), looks up each prefix in all namespaces that are declared around it and in all elements
 * around it, and keeps all names in one table. libvirt's domains have a dozen attributes in an element, ten
 * levels, a few namespaces and some hundred names. */
#define ATTRIBUTES_MAX 250 /* of one element */
#define DEPTH_MAX 128
#define NAMESPACES_MAX 64 /* that hold at one place */
#define NAMES_MAX 10000   /* different ones */

DEFINE_TRIVIAL_CLEANUP(xmlParserCtxtPtr, xmlFreeParserCtxt)

/* libxml2 does not always say that memory was out: it leaves out a node, or takes the document for a broken
 * one. Its memory comes from here, and is that of malloc() all the same. */
static void *xml_malloc(size_t size)
{
        void *p = malloc(size);

        if (!p && size > 0)
                memory_note_failure();
        return p;
}

static void *xml_realloc(void *old, size_t size)
{
        void *p = realloc(old, size);

        if (!p && size > 0)
                memory_note_failure();
        return p;
}

static char *xml_strdup(const char *s)
{
        char *p = strdup(s);

        if (!p)
                memory_note_failure();
        return p;
}

static void set_up_memory(void)
{
        (void) xmlMemSetup(free, xml_malloc, xml_realloc, xml_strdup);
}

void xml_watch_memory(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        (void) pthread_once(&once, set_up_memory);
}

struct guard {
        const struct xml_follower *follower;
        bool refused;
        size_t depth, n_namespaces;
        int declared[DEPTH_MAX]; /* namespaces, by each open element */
};

/* The parser reads all attributes of a tag before anybody can stop it. A "<" begins a tag, also where broken
 * XML has left a quote open. */
static bool has_endless_tag(const char *text, size_t size)
{
        size_t attributes = 0;
        bool in_tag = false;
        char quote = '\0';

        for (const char *p = text; p < text + size; p++) {
                if (*p == '<') {
                        in_tag = true;
                        quote = '\0';
                        attributes = 0;
                } else if (!in_tag) {
                        continue;
                } else if (quote) {
                        if (*p == quote)
                                quote = '\0';
                } else if (*p == '>') {
                        in_tag = false;
                } else if (*p == '\'' || *p == '"') {
                        quote = *p;
                        if (++attributes > ATTRIBUTES_MAX)
                                return true;
                }
        }
        return false;
}

static void guard_refuse(xmlParserCtxtPtr parser)
{
        struct guard *g = parser->_private;

        g->refused = true;
        xmlStopParser(parser);
}

static bool guard_enter(struct guard *g, xmlParserCtxtPtr parser, int n_namespaces)
{
        if (g->depth == DEPTH_MAX || xmlDictSize(parser->dict) > NAMES_MAX)
                return false;
        g->declared[g->depth++] = n_namespaces;
        g->n_namespaces += (size_t) n_namespaces;
        return g->n_namespaces <= NAMESPACES_MAX;
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
                     const xmlChar **attributes)
{
        xmlParserCtxtPtr parser = context;
        struct guard *g = parser->_private;

        if (!guard_enter(g, parser, n_namespaces)) {
                guard_refuse(parser);
                return;
        }
        xmlSAX2StartElementNs(context, name, prefix, uri, n_namespaces, namespaces, n_attributes,
                              n_defaulted, attributes);
        if (g->follower && !g->follower->start(parser, g->follower->userdata))
                guard_refuse(parser);
}

static void on_end(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
        xmlParserCtxtPtr parser = context;
        struct guard *g = parser->_private;

        if (g->follower && !g->follower->end(parser, g->follower->userdata))
                guard_refuse(parser);
        xmlSAX2EndElementNs(context, name, prefix, uri);
        if (g->depth > 0)
                g->n_namespaces -= (size_t) g->declared[--g->depth];
}

/* libvirt writes no DOCTYPE, and nothing but a DOCTYPE can define entities. */
static void on_doctype(void *context, const xmlChar *name, const xmlChar *id, const xmlChar *uri)
{
        (void) name, (void) id, (void) uri;
        guard_refuse(context);
}

/* XML_PARSE_NOERROR does not silence what is said of an xml:id, which quotes the text. */
static void on_error(void *context, xmlErrorPtr error)
{
        (void) context, (void) error;
}

#define PARSE_OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)

static xmlParserCtxtPtr new_parser(struct guard *g)
{
        xmlParserCtxtPtr parser = xmlNewParserCtxt();

        if (!parser)
                return NULL;
        parser->_private = g;
        parser->sax->startElementNs = on_start;
        parser->sax->endElementNs = on_end;
        parser->sax->internalSubset = on_doctype;
        parser->sax->serror = (xmlStructuredErrorFunc) on_error;
        return parser;
}

int xml_parse_following(const char *text, size_t size, const char *encoding,
                        const struct xml_follower *follower, xmlDocPtr *ret)
{
        _cleanup_(xmlFreeParserCtxtp) xmlParserCtxtPtr parser = NULL;
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
        struct guard guard = { .follower = follower };
        unsigned long failures = memory_failures();

        assert(text);
        assert(ret);

        if (has_endless_tag(text, size))
                return -EBADMSG;
        xml_watch_memory();
        parser = new_parser(&guard);
        if (!parser)
                return -ENOMEM;
        doc = xmlCtxtReadMemory(parser, text, (int) size, "libvirt.xml", encoding, PARSE_OPTIONS);
        if (memory_failures() != failures)
                return -ENOMEM;
        /* A parser that was stopped hands out what it had. */
        if (!doc || guard.refused || !xmlDocGetRootElement(doc))
                return -EBADMSG;
        *ret = TAKE_PTR(doc);
        return 0;
}

int xml_parse(const char *text, size_t size, size_t max, xmlDocPtr *ret)
{
        return size > max ? -EFBIG : xml_parse_following(text, size, "UTF-8", NULL, ret);
}

bool xml_is_damaged(const char *text, size_t size)
{
        _cleanup_(xmlFreeParserCtxtp) xmlParserCtxtPtr parser = NULL;
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
        unsigned long failures = memory_failures();
        struct guard guard = {};

        assert(text);

        if (size == 0)
                return true;
        if (size > INT_MAX || has_endless_tag(text, size))
                return false;
        xml_watch_memory();
        parser = new_parser(&guard);
        if (!parser)
                return false;
        /* Without an encoding of ours: the file may declare one. */
        doc = xmlCtxtReadMemory(parser, text, (int) size, "libvirt.xml", NULL, PARSE_OPTIONS);
        return !doc && !guard.refused && !parser->wellFormed && memory_failures() == failures;
}

bool xml_is(const xmlNode *node, const char *name)
{
        return node->type == XML_ELEMENT_NODE && streq((const char *) node->name, name);
}

xmlNode *xml_child(const xmlNode *node, const char *name)
{
        for (xmlNode *n = node ? node->children : NULL; n; n = n->next)
                if (xml_is(n, name))
                        return n;
        return NULL;
}

char *xml_child_text(const xmlNode *node, const char *name)
{
        const xmlNode *n = xml_child(node, name);
        _cleanup_xml_ xmlChar *text = n ? xmlNodeGetContent(n) : NULL;

        return text ? xml_strdup((const char *) text) : NULL;
}

char *xml_attribute(xmlNode *node, const char *name)
{
        _cleanup_xml_ xmlChar *v = node ? xmlGetNoNsProp(node, (const xmlChar *) name) : NULL;

        return v ? xml_strdup((const char *) v) : NULL;
}

bool xml_attribute_is(xmlNode *node, const char *name, const char *value)
{
        _cleanup_xml_ xmlChar *v = node ? xmlGetNoNsProp(node, (const xmlChar *) name) : NULL;

        return v && streq((const char *) v, value);
}

int xml_attribute_u64(xmlNode *node, const char *name, uint64_t max, uint64_t *ret)
{
        _cleanup_xml_ xmlChar *v = node ? xmlGetNoNsProp(node, (const xmlChar *) name) : NULL;
        uint64_t value;

        if (!v || parse_u64((const char *) v, 0, &value) < 0 || value > max)
                return -EBADMSG;
        *ret = value;
        return 0;
}

static uint64_t unit_size(const char *unit)
{
        /* libvirt's virScaleInteger(), docs/formatdomain: "KiB" by default, in upper or lower case */
        static const struct {
                const char *name;
                uint64_t size;
        } units[] = {
                { "b", 1 },           { "bytes", 1 },
                { "k", KIB(1) },      { "kib", KIB(1) },
                { "kb", 1000 },       { "m", MIB(1) },
                { "mib", MIB(1) },    { "mb", 1000000 },
                { "g", GIB(1) },      { "gib", GIB(1) },
                { "gb", 1000000000 }, { "t", GIB(1024) },
                { "tib", GIB(1024) }, { "tb", UINT64_C(1000000000000) },
        };

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strcasecmp(unit, units[i].name) == 0)
                        return units[i].size;
        return 0;
}

uint64_t xml_size(xmlNode *node)
{
        _cleanup_xml_ xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
        _cleanup_free_ char *unit = xml_attribute(node, "unit"), *number = NULL;
        uint64_t value, scale, size;

        if (!text)
                return 0;
        number = strndup((const char *) text + strspn((const char *) text, " \t\n"), 20);
        if (!number) {
                memory_note_failure();
                return 0;
        }
        number[strcspn(number, " \t\n")] = '\0';
        scale = unit_size(unit ?: "KiB");
        if (parse_u64(number, 10, &value) < 0 || __builtin_mul_overflow(value, scale, &size))
                return 0;
        return size;
}

static bool xml_has(xmlNode *node, const char *name)
{
        return xmlHasProp(node, (const xmlChar *) name) != NULL;
}

/* libvirt takes a part that is left out for 0 (src/conf/device_conf.c, virPCIDeviceAddressParseXML()). */
static int xml_address_part(xmlNode *address, const char *name, uint64_t max, uint64_t *ret)
{
        *ret = 0;
        return xml_has(address, name) ? xml_attribute_u64(address, name, max, ret) : 0;
}

int xml_pci_address(xmlNode *address, bdf_t ret)
{
        uint64_t domain, bus, slot, function;

        if (!address || xml_address_part(address, "domain", UINT32_MAX, &domain) < 0 ||
            xml_address_part(address, "bus", 0xff, &bus) < 0 ||
            xml_address_part(address, "slot", 0x1f, &slot) < 0 ||
            xml_address_part(address, "function", 7, &function) < 0)
                return -EBADMSG;
        if (!xml_has(address, "bus") && !xml_has(address, "slot") && !xml_has(address, "function"))
                return -EBADMSG; /* no address, or one of another kind of device */
        snprintf(ret, sizeof(bdf_t), "%04x:%02x:%02x.%u", (unsigned) domain, (unsigned) bus, (unsigned) slot,
                 (unsigned) function & 7);
        return 0;
}
