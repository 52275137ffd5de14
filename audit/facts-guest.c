/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-guest.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(xmlDocPtr, xmlFreeDoc)
DEFINE_TRIVIAL_CLEANUP(xmlParserCtxtPtr, xmlFreeParserCtxt)

static inline void xml_freep(xmlChar **s)
{
        if (*s)
                xmlFree(*s);
}
#define _cleanup_xml_ _cleanup_(xml_freep)

static bool is_element(const xmlNode *node, const char *name)
{
        return node->type == XML_ELEMENT_NODE && streq((const char *) node->name, name);
}

static xmlNode *child(const xmlNode *node, const char *name)
{
        for (xmlNode *n = node ? node->children : NULL; n; n = n->next)
                if (is_element(n, name))
                        return n;
        return NULL;
}

static char *child_text(const xmlNode *node, const char *name)
{
        const xmlNode *n = child(node, name);
        _cleanup_xml_ xmlChar *text = n ? xmlNodeGetContent(n) : NULL;

        return text ? strdup((const char *) text) : NULL;
}

static bool attribute_is(xmlNode *node, const char *name, const char *value)
{
        _cleanup_xml_ xmlChar *v = xmlGetNoNsProp(node, (const xmlChar *) name);

        return v && streq((const char *) v, value);
}

static int attribute_u64(xmlNode *node, const char *name, uint64_t max, uint64_t *ret)
{
        _cleanup_xml_ xmlChar *v = xmlGetNoNsProp(node, (const xmlChar *) name);
        int r;

        if (!v)
                return -EBADMSG;
        r = parse_u64((const char *) v, 0, ret);
        return r < 0 || *ret > max ? -EBADMSG : 0;
}

/* <source><address domain='0x0000' bus='0x00' slot='0x05' function='0x0'/></source> */
static int parse_address(const xmlNode *hostdev, bdf_t ret)
{
        xmlNode *address = child(child(hostdev, "source"), "address");
        uint64_t domain, bus, slot, function;

        if (!address)
                return -EBADMSG;
        if (attribute_u64(address, "domain", UINT32_MAX, &domain) < 0)
                domain = 0;
        if (attribute_u64(address, "bus", 0xff, &bus) < 0 || attribute_u64(address, "slot", 0x1f, &slot) < 0 ||
            attribute_u64(address, "function", 7, &function) < 0)
                return -EBADMSG;
        snprintf(ret, sizeof(bdf_t), "%04x:%02x:%02x.%u", (unsigned) domain, (unsigned) bus, (unsigned) slot,
                 (unsigned) function & 7);
        return 0;
}

static bool is_pci_hostdev(xmlNode *node)
{
        if (is_element(node, "hostdev"))
                return attribute_is(node, "type", "pci");
        return is_element(node, "interface") && attribute_is(node, "type", "hostdev");
}

static int parse_devices(struct guest *g, const xmlNode *devices)
{
        for (xmlNode *node = devices ? devices->children : NULL; node; node = node->next) {
                struct hostdev h = {}, *slot;

                if (!is_pci_hostdev(node) || parse_address(node, h.bdf) < 0)
                        continue;
                if (g->n_hostdevs == GUEST_HOSTDEVS_MAX)
                        return -EFBIG;
                h.managed = attribute_is(node, "managed", "yes");
                slot = array_append(g->hostdevs, g->n_hostdevs);
                if (!slot)
                        return -ENOMEM;
                *slot = h;
        }
        return 0;
}

int guest_parse(struct guest *g, const char *xml, size_t size)
{
        _cleanup_(xmlFreeParserCtxtp) xmlParserCtxtPtr parser = NULL;
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
        xmlNode *domain, *devices;
        int r;

        *g = (struct guest) {};
        if (size > GUEST_XML_MAX)
                return -EFBIG;
        parser = xmlNewParserCtxt();
        if (!parser)
                return -ENOMEM;
        doc = xmlCtxtReadMemory(parser, xml, (int) size, "domain.xml", NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        /* libvirt writes no DOCTYPE, and nothing but a DOCTYPE can define entities. */
        if (!doc || doc->intSubset)
                return -EBADMSG;
        domain = xmlDocGetRootElement(doc);
        if (!domain || !is_element(domain, "domain"))
                return -EBADMSG;

        g->name = child_text(domain, "name");
        if (!g->name)
                return -EBADMSG;
        g->uuid = child_text(domain, "uuid");
        devices = child(domain, "devices");
        g->emulator = child_text(devices, "emulator");
        r = parse_devices(g, devices);
        if (r < 0)
                guest_done(g);
        return r;
}

void guest_done(struct guest *g)
{
        free(g->name);
        free(g->uuid);
        free(g->emulator);
        free(g->hostdevs);
        *g = (struct guest) {};
}
