/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml.h"

#include <assert.h>
#include <errno.h>

#include "util/parse.h"

#define ATTRIBUTES_MAX 1000 /* of one element; libvirt's have a dozen */

DEFINE_TRIVIAL_CLEANUP(xmlParserCtxtPtr, xmlFreeParserCtxt)

/* libxml2 before 2.12 compares each attribute of an element with all others, which takes minutes for as many
 * as 4 MiB can hold. A "<" begins a tag, also where broken XML has left a quote open. */
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

int xml_parse(const char *text, size_t size, size_t max, xmlDocPtr *ret)
{
        _cleanup_(xmlFreeParserCtxtp) xmlParserCtxtPtr parser = NULL;
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;

        assert(text);
        assert(ret);

        if (size > max)
                return -EFBIG;
        if (has_endless_tag(text, size))
                return -EBADMSG;
        parser = xmlNewParserCtxt();
        if (!parser)
                return -ENOMEM;
        doc = xmlCtxtReadMemory(parser, text, (int) size, "libvirt.xml", "UTF-8",
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        /* libvirt writes no DOCTYPE, and nothing but a DOCTYPE can define entities. */
        if (!doc || doc->intSubset || !xmlDocGetRootElement(doc))
                return -EBADMSG;
        *ret = TAKE_PTR(doc);
        return 0;
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

        return text ? strdup((const char *) text) : NULL;
}

char *xml_attribute(xmlNode *node, const char *name)
{
        _cleanup_xml_ xmlChar *v = node ? xmlGetNoNsProp(node, (const xmlChar *) name) : NULL;

        return v ? strdup((const char *) v) : NULL;
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
        if (!number)
                return 0;
        number[strcspn(number, " \t\n")] = '\0';
        scale = unit_size(unit ?: "KiB");
        if (parse_u64(number, 10, &value) < 0 || __builtin_mul_overflow(value, scale, &size))
                return 0;
        return size;
}

int xml_pci_address(xmlNode *address, bdf_t ret)
{
        uint64_t domain, bus, slot, function;

        if (!address)
                return -EBADMSG;
        if (xml_attribute_u64(address, "domain", UINT32_MAX, &domain) < 0)
                domain = 0;
        if (xml_attribute_u64(address, "bus", 0xff, &bus) < 0 ||
            xml_attribute_u64(address, "slot", 0x1f, &slot) < 0 ||
            xml_attribute_u64(address, "function", 7, &function) < 0)
                return -EBADMSG;
        snprintf(ret, sizeof(bdf_t), "%04x:%02x:%02x.%u", (unsigned) domain, (unsigned) bus, (unsigned) slot,
                 (unsigned) function & 7);
        return 0;
}
