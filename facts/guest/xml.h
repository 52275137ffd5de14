/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "facts/device/facts-device.h"
#include "util/macro.h"

/* libvirt's XML, read with libxml2: what its files have in common. */

/* docs/drvqemu.rst of libvirt: the namespace of <qemu:commandline> and <qemu:override> */
#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

DEFINE_TRIVIAL_CLEANUP(xmlDocPtr, xmlFreeDoc)

static inline void xml_freep(xmlChar **s)
{
        if (*s)
                xmlFree(*s);
}
#define _cleanup_xml_ _cleanup_(xml_freep)

/* From then on memory_failures() counts what libxml2 lacks as well. All that parse here do it. */
void xml_watch_memory(void);

/* Parses `size` bytes: no entities, no network, and nothing that would take libxml2 more than a second.
 * Returns 0, -EFBIG over `max` bytes, -EBADMSG where it is not XML, has a DOCTYPE, or has more attributes,
 * levels, namespaces or names than a domain can need, or -ENOMEM. *ret is the caller's to free. */
int xml_parse(const char *text, size_t size, size_t max, xmlDocPtr *ret);

/* Looks at each element while it is parsed: `start` is called behind its attributes, before ">" or "/>", and
 * `end` behind "</a>" or "/>". The element is parser->node. false: the document is refused. */
struct xml_follower {
        bool (*start)(xmlParserCtxtPtr parser, void *userdata);
        bool (*end)(xmlParserCtxtPtr parser, void *userdata);
        void *userdata;
};

/* The same, whatever the size (below 2 GiB). encoding: NULL: as the text says. follower may be NULL. */
int xml_parse_following(const char *text, size_t size, const char *encoding,
                        const struct xml_follower *follower, xmlDocPtr *ret);

/* Whether a parser without our own limits, such as libvirt's, cannot read it either: it is empty, cut off or
 * garbled. False in doubt. */
bool xml_is_damaged(const char *text, size_t size);

/* Is the node an element of that name? */
bool xml_is(const xmlNode *node, const char *name);

/* The first such element below the node; node may be NULL. */
xmlNode *xml_child(const xmlNode *node, const char *name);

static inline xmlNode *xml_first(const xmlNode *node)
{
        return node ? node->children : NULL;
}

/* For each element below the node, which may be NULL. */
#define xml_foreach(n, node) \
        for (xmlNode *n = xml_first(node); n; n = n->next) \
                if (n->type == XML_ELEMENT_NODE)

/* What follows notes where memory is out (util/memory.h), and says that there is nothing. */

/* Copies, the caller's to free; NULL where there is none. node may be NULL. */
char *xml_child_text(const xmlNode *node, const char *name);
char *xml_attribute(xmlNode *node, const char *name);

/* False where there is none. node may be NULL. */
bool xml_attribute_is(xmlNode *node, const char *name, const char *value);

/* Returns 0, or -EBADMSG where it is missing, not a number, or over max. node may be NULL. */
int xml_attribute_u64(xmlNode *node, const char *name, uint64_t max, uint64_t *ret);

/* Bytes, of <... unit='KiB'>1024</...>; the unit is KiB where none is given. 0 where it makes no sense, or
 * node is NULL. */
uint64_t xml_size(xmlNode *node);

/* Of <address domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>. Returns 0, or -EBADMSG where it is
 * not one or is NULL. */
int xml_pci_address(xmlNode *address, bdf_t ret);
