/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-guest.h"

#include <assert.h>

#include "guest-option.h"
#include "libvirt-network.h"
#include "libvirt-paths.h"
#include "qemu-argument.h"
#include "util/array.h"
#include "util/file.h"
#include "util/memory.h"
#include "util/parse.h"
#include "xml.h"

/* clang-format off */
static const char *const hostdev_kind_table[_HOSTDEV_KIND_MAX] = {
        [HOSTDEV_PCI] = "hostdev",
        [HOSTDEV_INTERFACE] = "interface",
        [HOSTDEV_NETWORK] = "network",
        [HOSTDEV_NVME] = "nvme",
        [HOSTDEV_MDEV] = "mdev",
        [HOSTDEV_ARGUMENT] = "argument",
};
/* clang-format on */

DEFINE_STRING_TABLE(hostdev_kind, enum hostdev_kind)

/* clang-format off */
static const char *const guest_firmware_table[_GUEST_FIRMWARE_MAX] = {
        [GUEST_FIRMWARE_UNKNOWN] = "unknown",
        [GUEST_FIRMWARE_BIOS] = "bios",
        [GUEST_FIRMWARE_EFI] = "efi",
};
/* clang-format on */

DEFINE_STRING_TABLE(guest_firmware, enum guest_firmware)

/* clang-format off */
static const char *const guest_manager_table[_GUEST_MANAGER_MAX] = {
        [GUEST_OF_LIBVIRT] = "libvirt",
        [GUEST_OF_PROXMOX] = "proxmox",
};
/* clang-format on */

DEFINE_STRING_TABLE(guest_manager, enum guest_manager)

static int add_network(struct guest *g, xmlNode *interface)
{
        _cleanup_free_ char *name = xml_attribute(xml_child(interface, "source"), "network");
        char **slot;

        if (!name)
                return 0;
        for (size_t i = 0; i < g->n_networks; i++)
                if (streq(g->networks[i], name))
                        return 0;
        if (g->n_networks == GUEST_NETWORKS_MAX)
                return -EFBIG;
        slot = array_append(g->networks, g->n_networks);
        if (!slot)
                return -ENOMEM;
        *slot = TAKE_PTR(name);
        return 0;
}

/* What <hostdev>, <interface type='hostdev'> and <actual type='hostdev'> have in common. False where VFIO is
 * not used. */
static bool read_driver(xmlNode *node, struct hostdev *h)
{
        xmlNode *driver = xml_child(node, "driver");

        if (!driver_is_vfio(driver))
                return false;
        h->driver = xml_attribute(driver, "model");
        h->iommufd = xml_attribute_is(driver, "iommufd", "yes");
        h->managed = xml_attribute_is(node, "managed", "yes");
        return true;
}

static int add_pci(struct guest *g, xmlNode *node, enum hostdev_kind kind, xmlNode *named)
{
        struct hostdev h = { .kind = kind };

        if (xml_pci_address(xml_child(xml_child(node, "source"), "address"), h.bdf) < 0 ||
            !read_driver(node, &h))
                return 0;
        h.alias = xml_attribute(xml_child(named, "alias"), "name");
        h.withheld = xml_attribute_is(xml_child(named, "address"), "type", "unassigned");
        return guest_add_hostdev(g, &h);
}

static int add_mdev(struct guest *g, xmlNode *node)
{
        struct hostdev h = { .kind = HOSTDEV_MDEV };

        /* vfio-ccw and vfio-ap are not PCI devices. */
        if (!xml_attribute_is(node, "model", "vfio-pci"))
                return 0;
        h.uuid = xml_attribute(xml_child(xml_child(node, "source"), "address"), "uuid");
        if (!h.uuid || !is_uuid(h.uuid)) {
                hostdev_done(&h);
                return 0;
        }
        h.managed = xml_attribute_is(node, "managed", "yes");
        h.alias = xml_attribute(xml_child(node, "alias"), "name");
        return guest_add_hostdev(g, &h);
}

static int add_nvme(struct guest *g, xmlNode *disk)
{
        struct hostdev h = { .kind = HOSTDEV_NVME };
        xmlNode *source = xml_child(disk, "source");

        if (xml_pci_address(xml_child(source, "address"), h.bdf) < 0)
                return 0;
        h.managed = xml_attribute_is(source, "managed", "yes");
        h.alias = xml_attribute(xml_child(disk, "alias"), "name");
        return guest_add_hostdev(g, &h);
}

static int add_interface(struct guest *g, xmlNode *node)
{
        xmlNode *actual = xml_child(node, "actual");

        if (xml_attribute_is(node, "type", "hostdev"))
                return add_pci(g, node, HOSTDEV_INTERFACE, node);
        if (!xml_attribute_is(node, "type", "network"))
                return 0;
        if (!actual)
                return add_network(g, node);
        return xml_attribute_is(actual, "type", "hostdev") ? add_pci(g, actual, HOSTDEV_INTERFACE, node) : 0;
}

static int add_device(struct guest *g, xmlNode *node)
{
        if (xml_is(node, "hostdev") && xml_attribute_is(node, "type", "pci"))
                return add_pci(g, node, HOSTDEV_PCI, node);
        if (xml_is(node, "hostdev") && xml_attribute_is(node, "type", "mdev"))
                return add_mdev(g, node);
        if (xml_is(node, "interface"))
                return add_interface(g, node);
        if (xml_is(node, "disk") && xml_attribute_is(node, "type", "nvme"))
                return add_nvme(g, node);
        return 0;
}

static void read_controller(struct guest *g, xmlNode *node)
{
        if (xml_attribute_is(node, "type", "pci") &&
            (xml_attribute_is(node, "model", "pcie-root") || xml_attribute_is(node, "model", "pci-root")) &&
            xml_child(node, "pcihole64"))
                g->hole64 = xml_size(xml_child(node, "pcihole64"));
}

static int read_devices(struct guest *g, const xmlNode *devices)
{
        xml_foreach (node, devices) {
                int r = add_device(g, node);

                if (r < 0)
                        return r;
                if (xml_is(node, "controller"))
                        read_controller(g, node);
        }
        if (!g->emulator)
                g->emulator = xml_child_text(devices, "emulator");
        return 0;
}

/* libvirt asks for "./devices/hostdev": all of them count where somebody has written two lists. */
static int read_all_devices(struct guest *g, xmlNode *domain)
{
        xml_foreach (node, domain) {
                int r = xml_is(node, "devices") ? read_devices(g, node) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The same in libvirt's own words: <entry name='opt/ovmf/X-PciMmio64Mb'>65536</entry> */
static int read_fw_cfg_entry(struct guest *g, xmlNode *entry)
{
        _cleanup_free_ char *file = xml_attribute(entry, "file");
        _cleanup_xml_ xmlChar *text = NULL;

        if (!xml_is(entry, "entry") || !xml_attribute_is(entry, "name", EFI_WINDOW_NAME))
                return 0;
        if (file) {
                g->efi_window_unread = true;
                return 0;
        }
        text = xmlNodeGetContent(entry);
        if (!text)
                return -ENOMEM;
        (void) efi_window_parse((const char *) text, &g->efi_window);
        return 0;
}

static int read_sysinfo(struct guest *g, xmlNode *domain)
{
        xml_foreach (node, domain) {
                if (!xml_is(node, "sysinfo") || !xml_attribute_is(node, "type", "fwcfg"))
                        continue;
                xml_foreach (entry, node) {
                        int r = read_fw_cfg_entry(g, entry);

                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static xmlNode *qemu_child(xmlNode *node, const char *name)
{
        xml_foreach (n, node)
                if (xml_is(n, name) && n->ns && streq((const char *) n->ns->href, QEMU_NAMESPACE))
                        return n;
        return NULL;
}

static int read_arguments(struct guest *g, xmlNode *commandline)
{
        _cleanup_(words_done) struct words words = {};

        xml_foreach (node, commandline) {
                _cleanup_free_ char *arg = xml_is(node, "arg") ? xml_attribute(node, "value") : NULL;
                int r;

                if (!arg)
                        continue;
                r = words_add(&words, arg, strlen(arg));
                if (r < 0)
                        return r;
        }
        return guest_read_options(g, &words);
}

static void read_environment(struct guest *g, xmlNode *commandline)
{
        xml_foreach (node, commandline)
                if (xml_is(node, "env") && xml_attribute_is(node, "name", "LD_PRELOAD") && !g->preload)
                        g->preload = xml_attribute(node, "value");
}

/* <qemu:device alias='ua-gpu'><qemu:frontend><qemu:property name='x-no-mmap' type='bool' value='true'/> */
static void read_override(struct guest *g, xmlNode *override)
{
        xml_foreach (device, override) {
                _cleanup_free_ char *alias = xml_attribute(device, "alias");
                bool no_mmap = false;

                xml_foreach (property, xml_child(device, "frontend"))
                        no_mmap |= xml_attribute_is(property, "name", "x-no-mmap") &&
                                   xml_attribute_is(property, "value", "true");
                for (size_t i = 0; no_mmap && alias && i < g->n_hostdevs; i++)
                        if (g->hostdevs[i].alias && streq(g->hostdevs[i].alias, alias))
                                g->hostdevs[i].no_mmap = true;
        }
}

static void read_policy(struct guest *g, xmlNode *metadata)
{
        xml_foreach (node, metadata)
                if (xml_is(node, "policy") && node->ns &&
                    streq((const char *) node->ns->href, POLICY_XMLNS) && !g->on_unaligned &&
                    !g->min_bar_size) {
                        g->on_unaligned = xml_attribute(node, "on-unaligned");
                        g->min_bar_size = xml_attribute(node, "min-bar-size");
                }
}

static enum guest_firmware read_firmware(const struct guest *g, const xmlNode *os)
{
        xmlNode *loader = xml_child(os, "loader");

        if (xml_attribute_is((xmlNode *) os, "firmware", "efi") ||
            xml_attribute_is(loader, "type", "pflash"))
                return GUEST_FIRMWARE_EFI;
        if (xml_attribute_is((xmlNode *) os, "firmware", "bios"))
                return GUEST_FIRMWARE_BIOS;
        /* A ROM that somebody named can be anything. */
        if (loader || !g->machine)
                return GUEST_FIRMWARE_UNKNOWN;
        /* SeaBIOS is QEMU's default for PCs. */
        if (strstr(g->machine, "q35") || strstr(g->machine, "pc-i440fx") || streq(g->machine, "pc"))
                return GUEST_FIRMWARE_BIOS;
        return GUEST_FIRMWARE_UNKNOWN;
}

static void read_width(struct guest *g, xmlNode *domain)
{
        xmlNode *cpu = xml_child(domain, "cpu"), *width = xml_child(cpu, "maxphysaddr");
        uint64_t bits = 0;

        if (width)
                g->host_phys_bits = xml_attribute_is(width, "mode", "passthrough");
        else /* QEMU's models "host" and "max" take the host's width, where KVM runs them. */
                g->host_phys_bits = xml_attribute_is(domain, "type", "kvm") &&
                                    (xml_attribute_is(cpu, "mode", "host-passthrough") ||
                                     xml_attribute_is(cpu, "mode", "maximum"));
        if (xml_attribute_u64(width, g->host_phys_bits ? "limit" : "bits", 52, &bits) >= 0)
                g->phys_bits = (unsigned) bits;
}

static void read_machine(struct guest *g, xmlNode *domain)
{
        xmlNode *os = xml_child(domain, "os");
        uint64_t memory = xml_size(xml_child(domain, "memory")),
                 max = xml_size(xml_child(domain, "maxMemory"));

        g->arch = xml_attribute(xml_child(os, "type"), "arch");
        g->machine = xml_attribute(xml_child(os, "type"), "machine");
        g->firmware = read_firmware(g, os);
        g->memory = memory > max ? memory : max;
        read_width(g, domain);
}

static int read_domain(struct guest *g, xmlNode *domain)
{
        xmlNode *commandline = qemu_child(domain, "commandline");
        int r;

        g->name = xml_child_text(domain, "name");
        if (!g->name)
                return -EBADMSG;
        g->uuid = xml_child_text(domain, "uuid");
        read_machine(g, domain);
        r = read_all_devices(g, domain);
        if (r < 0)
                return r;
        r = read_sysinfo(g, domain);
        if (r < 0)
                return r;
        r = read_arguments(g, commandline);
        if (r < 0)
                return r;
        read_environment(g, commandline);
        read_policy(g, xml_child(domain, "metadata"));
        read_override(g, qemu_child(domain, "override"));
        if (xml_attribute_is(xml_child(domain, "iommufd"), "enabled", "yes"))
                for (size_t i = 0; i < g->n_hostdevs; i++)
                        g->hostdevs[i].iommufd |= g->hostdevs[i].kind == HOSTDEV_PCI ||
                                                  g->hostdevs[i].kind == HOSTDEV_INTERFACE;
        return 0;
}

int guest_parse_status(struct guest *g, const char *xml, size_t size, pid_t *ret_pid)
{
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
        xmlNode *status, *domain;
        unsigned long failures = memory_failures();
        uint64_t pid = 0;
        int r;

        assert(g);
        assert(xml);
        assert(ret_pid);

        *g = (struct guest){};
        r = xml_parse(xml, size, GUEST_XML_MAX, &doc);
        if (r < 0)
                return r;
        status = xmlDocGetRootElement(doc);
        domain = xml_is(status, "domstatus") ? xml_child(status, "domain") : NULL;
        if (!domain)
                return -EBADMSG;
        (void) xml_attribute_u64(status, "pid", INT32_MAX, &pid);
        r = memory_check(failures, read_domain(g, domain));
        if (r < 0) {
                guest_done(g);
                return r;
        }
        *ret_pid = (pid_t) pid;
        return 0;
}

int guest_parse(struct guest *g, const char *xml, size_t size)
{
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
        unsigned long failures = memory_failures();
        xmlNode *domain;
        int r;

        assert(g);
        assert(xml);

        *g = (struct guest){};
        r = xml_parse(xml, size, GUEST_XML_MAX, &doc);
        if (r < 0)
                return r;
        domain = xmlDocGetRootElement(doc);
        if (!xml_is(domain, "domain"))
                return -EBADMSG;
        r = memory_check(failures, read_domain(g, domain));
        if (r < 0)
                guest_done(g);
        return r;
}

bool hostdev_has_no_bars(const struct hostdev *h)
{
        assert(h);

        /* QEMU's own nvme driver maps only a few pages. */
        return h->no_mmap || h->withheld || h->kind == HOSTDEV_NVME;
}

/* A transient network is only in the second directory. */
static int read_network(const struct root *root, const char *name, xmlDocPtr *ret)
{
        static const char *const directories[] = LIBVIRT_NETWORK_DIRS;

        if (strchr(name, '/') || strlen(name) > 255)
                return -ENOENT;
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *xml = NULL;
                char path[512];
                size_t size;
                int r;

                snprintf(path, sizeof(path), "%s/%s.xml", directories[i], name);
                r = read_file_at(root->fd, path, GUEST_XML_MAX, &xml, &size);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                return xml_parse(xml, size, GUEST_XML_MAX, ret);
        }
        return -ENOENT;
}

/* Adds the network's functions where it is a pool of them. */
static int add_pool(struct guest *g, const char *name, xmlDocPtr doc)
{
        struct hostdev h = { .kind = HOSTDEV_NETWORK };
        xmlNode *forward = network_pool(doc);

        if (!forward || !read_driver(forward, &h))
                return 0;
        h.parent = xml_attribute(xml_child(forward, "pf"), "dev");
        h.network = strdup(name);
        if (!h.network) {
                hostdev_done(&h);
                return -ENOMEM;
        }
        return guest_add_hostdev(g, &h);
}

int guest_read_networks(struct guest *g, const struct root *root)
{
        int complete = 1;

        assert(g);
        assert(root);

        for (size_t i = 0; i < g->n_networks; i++) {
                _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
                int r;

                r = read_network(root, g->networks[i], &doc);
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        complete = 0;
                        continue;
                }
                r = add_pool(g, g->networks[i], doc);
                if (r == -ENOMEM)
                        return r;
        }
        return complete;
}

void guest_done(struct guest *g)
{
        for (size_t i = 0; i < g->n_hostdevs; i++)
                hostdev_done(&g->hostdevs[i]);
        for (size_t i = 0; i < g->n_networks; i++)
                free(g->networks[i]);
        free(g->name);
        free(g->title);
        free(g->uuid);
        free(g->emulator);
        free(g->hostdevs);
        free(g->networks);
        free(g->arch);
        free(g->machine);
        free(g->preload);
        free(g->on_unaligned);
        free(g->min_bar_size);
        *g = (struct guest){};
}
