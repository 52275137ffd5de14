/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-network.h"

#include <assert.h>
#include <net/if.h>

#include "facts-guest.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

xmlNode *network_pool(xmlDocPtr doc)
{
        xmlNode *network = xmlDocGetRootElement(doc), *forward;

        if (!xml_is(network, "network"))
                network = xml_child(network, "network");
        forward = xml_child(network, "forward");
        return xml_attribute_is(forward, "mode", "hostdev") ? forward : NULL;
}

bool driver_is_vfio(xmlNode *driver)
{
        _cleanup_free_ char *name = xml_attribute(driver, "name");

        return !name || streq(name, "vfio");
}

/* The function that a network interface belongs to, by the link .../0000:5e:00.0/net/ens3f0. ret stays empty
 * where there is none. */
static void find_function(const struct root *root, const char *interface, bdf_t ret)
{
        char path[sizeof("sys/class/net/") + IF_NAMESIZE];
        _cleanup_free_ char *target = NULL;
        char *end, *name;

        if (strlen(interface) >= IF_NAMESIZE || strchr(interface, '/') || *interface == '.')
                return;
        snprintf(path, sizeof(path), "sys/class/net/%s", interface);
        if (read_link_at(root->fd, path, &target) < 0)
                return;
        end = strstr(target, "/net/");
        if (!end)
                return;
        *end = '\0';
        name = strrchr(target, '/');
        (void) bdf_parse(name ? name + 1 : target, ret);
}

static int read_addresses(struct libvirt_network *n, xmlNode *forward)
{
        xml_foreach (node, forward) {
                bdf_t *slot, bdf;

                if (!xml_is(node, "address") || xml_pci_address(node, bdf) < 0)
                        continue;
                slot = array_append(n->functions, n->n_functions);
                if (!slot)
                        return -ENOMEM;
                memcpy(*slot, bdf, sizeof(bdf));
        }
        return 0;
}

static int read_pool(struct libvirt_network *n, const struct root *root, xmlDocPtr doc)
{
        xmlNode *forward = network_pool(doc);
        _cleanup_free_ char *interface = NULL;

        if (!forward || !xml_attribute_is(forward, "managed", "yes") ||
            !driver_is_vfio(xml_child(forward, "driver")))
                return 0;
        interface = xml_attribute(xml_child(forward, "pf"), "dev");
        if (interface)
                find_function(root, interface, n->physical_function);
        /* Of an active network with <pf>, libvirt lists the virtual functions as well. */
        if (!*n->physical_function) {
                int r = read_addresses(n, forward);

                if (r < 0)
                        return r;
        }
        return *n->physical_function || n->n_functions > 0;
}

static bool is_network(xmlDocPtr doc)
{
        xmlNode *root = xmlDocGetRootElement(doc);

        return xml_is(root, "network") || (xml_is(root, "networkstatus") && xml_child(root, "network"));
}

int libvirt_network_read(struct libvirt_network *n, const struct root *root, const char *path)
{
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
        _cleanup_free_ char *xml = NULL;
        unsigned long failures = memory_failures();
        size_t size;
        int r;

        assert(n);
        assert(root);
        assert(path);

        *n = (struct libvirt_network){};
        r = read_file_at(root->fd, path, GUEST_XML_MAX, &xml, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        size = strlen(xml); /* as libvirt, which takes it for a string */
        r = xml_parse(xml, size, GUEST_XML_MAX, &doc);
        if (r == -EBADMSG && xml_is_damaged(xml, size))
                return -EUCLEAN;
        if (r < 0)
                return r;
        if (!is_network(doc))
                return -EBADMSG;
        r = read_pool(n, root, doc);
        if (r > 0 && asprintf(&n->file, "/%s", path) < 0) {
                n->file = NULL;
                r = -ENOMEM;
        }
        if (memory_failures() != failures)
                r = -ENOMEM;
        if (r <= 0)
                libvirt_network_done(n);
        return r;
}
