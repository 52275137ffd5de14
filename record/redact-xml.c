/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "redact-xml.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "facts/guest/facts-guest.h"
#include "facts/guest/qemu-argument.h"
#include "facts/guest/xml.h"
#include "util/memory.h"

#define REDACTED "redacted"
#define PATH_MAX_SIZE 128 /* longer than any path below */

/* All that is kept of an XML. The status of a domain or a network has the document itself in it; paths begin
 * there again. */
static const struct kept_element {
        const char *path;
        bool text;
        const char *attributes[6];
        const char *name;           /* only the element whose attribute "name" says this */
        const char *prefix, *xmlns; /* only the element of this namespace */
} kept_elements[] = {
        { "domstatus", .attributes = { "pid" } },
        { "networkstatus" },

        { "domain", .attributes = { "type" } },
        { "domain/name", .text = true },
        { "domain/uuid", .text = true },
        { "domain/memory", .text = true, .attributes = { "unit" } },
        { "domain/maxMemory", .text = true, .attributes = { "unit" } },
        { "domain/os", .attributes = { "firmware" } },
        { "domain/os/type", .attributes = { "arch", "machine" } },
        { "domain/os/loader", .attributes = { "type" } },
        { "domain/cpu", .attributes = { "mode" } },
        { "domain/cpu/maxphysaddr", .attributes = { "mode", "bits", "limit" } },
        { "domain/iommufd", .attributes = { "enabled" } },
        { "domain/sysinfo", .attributes = { "type" } },
        { "domain/sysinfo/entry", .text = true, .attributes = { "name", "file" }, .name = EFI_WINDOW_NAME },
        { "domain/metadata" },
        { "domain/metadata/policy", .attributes = { "on-unaligned", "min-bar-size" }, .prefix = "vfioalign",
          .xmlns = POLICY_XMLNS },

        { "domain/devices" },
        { "domain/devices/emulator", .text = true },
        { "domain/devices/controller", .attributes = { "type", "model" } },
        { "domain/devices/controller/pcihole64", .text = true, .attributes = { "unit" } },
        { "domain/devices/hostdev", .attributes = { "mode", "type", "model", "managed" } },
        { "domain/devices/hostdev/alias", .attributes = { "name" } },
        { "domain/devices/hostdev/driver", .attributes = { "name", "model", "iommufd" } },
        { "domain/devices/hostdev/source" },
        { "domain/devices/hostdev/source/address",
          .attributes = { "domain", "bus", "slot", "function", "uuid" } },
        { "domain/devices/interface", .attributes = { "type", "managed" } },
        { "domain/devices/interface/alias", .attributes = { "name" } },
        { "domain/devices/interface/driver", .attributes = { "name", "model", "iommufd" } },
        { "domain/devices/interface/source", .attributes = { "network" } },
        { "domain/devices/interface/source/address", .attributes = { "domain", "bus", "slot", "function" } },
        { "domain/devices/interface/actual", .attributes = { "type", "managed" } },
        { "domain/devices/interface/actual/driver", .attributes = { "name", "model", "iommufd" } },
        { "domain/devices/interface/actual/source" },
        { "domain/devices/interface/actual/source/address",
          .attributes = { "domain", "bus", "slot", "function" } },
        { "domain/devices/disk", .attributes = { "type" } },
        { "domain/devices/disk/alias", .attributes = { "name" } },
        { "domain/devices/disk/source", .attributes = { "managed" } },
        { "domain/devices/disk/source/address", .attributes = { "domain", "bus", "slot", "function" } },

        { "domain/commandline", .prefix = "qemu", .xmlns = QEMU_NAMESPACE },
        { "domain/commandline/arg" }, /* with a value: copy_option() */
        { "domain/commandline/env", .attributes = { "name", "value" }, .name = "LD_PRELOAD" },
        { "domain/override", .prefix = "qemu", .xmlns = QEMU_NAMESPACE },
        { "domain/override/device", .attributes = { "alias" } },
        { "domain/override/device/frontend" },
        { "domain/override/device/frontend/property", .attributes = { "name", "value" },
          .name = "x-no-mmap" },

        { "network" },
        { "network/forward", .attributes = { "mode", "managed" } },
        { "network/forward/driver", .attributes = { "name", "model", "iommufd" } },
        { "network/forward/pf", .attributes = { "dev" } },
        { "network/forward/address", .attributes = { "type", "domain", "bus", "slot", "function" } },
};

static const struct kept_element *find_kept(const char *path, xmlNode *node)
{
        for (size_t i = 0; i < ELEMENTSOF(kept_elements); i++) {
                const struct kept_element *kept = &kept_elements[i];

                if (!streq(kept->path, path))
                        continue;
                if (kept->name && !xml_attribute_is(node, "name", kept->name))
                        return NULL;
                if (kept->xmlns && (!node->ns || !streq((const char *) node->ns->href, kept->xmlns)))
                        return NULL;
                return kept;
        }
        return NULL;
}

int redact_device_argument(const char *argument, char **ret)
{
        _cleanup_free_ char *text = NULL;
        char value[256], device[64];
        size_t size;
        FILE *out;

        assert(argument);
        assert(ret);

        if (!qemu_argument_is_vfio(argument))
                return 0;
        out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        /* A name with a comma, which only JSON can have, would end there. */
        fputs("vfio-pci", out);
        if (qemu_argument_device(argument, device, sizeof(device)) && !strchr(device, ','))
                fprintf(out, ",host=%s", device);
        if (qemu_argument_get(argument, "id", value, sizeof(value)) && !strchr(value, ','))
                fprintf(out, ",id=%s", value);
        if (qemu_argument_get(argument, "iommufd", value, sizeof(value)))
                fputs(",iommufd=on", out);
        if (qemu_argument_is_on(argument, "x-no-mmap"))
                fputs(",x-no-mmap=on", out);
        if (memory_stream_close(out, &text) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 1;
}

static const char *on_or_off(const char *argument)
{
        return qemu_argument_is_on(argument, "x-no-mmap") ? "on" : "off";
}

int redact_option(const char *option, const char *value, char **ret)
{
        int n = -1;

        assert(option);
        assert(value);
        assert(ret);

        if (streq(option, "device"))
                return redact_device_argument(value, ret);
        if (streq(option, "set")) {
                const char *id = startswith(value, "device."), *dot = id ? strstr(id, ".x-no-mmap=") : NULL;

                if (!dot || strcspn(id, ",=") < (size_t) (dot - id))
                        return 0;
                n = asprintf(ret, "device.%.*s.x-no-mmap=%s", (int) (dot - id), id, on_or_off(dot + 1));
        } else if (streq(option, "global")) {
                if (!startswith(value, "vfio-pci.x-no-mmap="))
                        return 0;
                n = asprintf(ret, "vfio-pci.x-no-mmap=%s", on_or_off(value + strlen("vfio-pci.")));
        } else if (streq(option, "fw_cfg")) {
                char number[64];
                uint64_t bytes;

                if (!qemu_argument_is_efi_window(value))
                        return 0;
                if (!qemu_argument_get(value, "string", number, sizeof(number)))
                        n = asprintf(ret, "name=" EFI_WINDOW_NAME ",file=" REDACTED);
                else if (efi_window_parse(number, &bytes) >= 0)
                        n = asprintf(ret, "name=" EFI_WINDOW_NAME ",string=%" PRIu64, bytes >> 20);
                else
                        return 0;
        } else {
                return 0;
        }
        return n < 0 ? -ENOMEM : 1;
}

bool option_is_kept(const char *word)
{
        static const char *const names[] = { "device", "set", "global", "fw_cfg" };

        assert(word);

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(word + strspn(word, "-"), names[i]))
                        return true;
        return false;
}

/* The value of the <qemu:arg> before this one: an option and its value stand in two. */
static char *argument_before(const xmlNode *node)
{
        for (xmlNode *n = node->prev; n; n = n->prev) {
                char *value = xml_is(n, "arg") ? xml_attribute(n, "value") : NULL;

                if (value)
                        return value;
        }
        return NULL;
}

/* An argument that is not kept stays in its place without its text: it divides an option from a value. */
static int copy_option(xmlNode *from, xmlNode *to)
{
        _cleanup_free_ char *value = xml_attribute(from, "value"), *before = NULL, *kept = NULL;
        const char *text = REDACTED;
        int r = 0;

        if (!value)
                return 0;
        before = argument_before(from);
        if (before)
                r = redact_option(before + strspn(before, "-"), value, &kept);
        if (r < 0)
                return r;
        if (r > 0)
                text = kept;
        else if (option_is_kept(value))
                text = value;
        return xmlNewProp(to, (const xmlChar *) "value", (const xmlChar *) text) ? 0 : -ENOMEM;
}

static int copy_attributes(xmlNode *from, xmlNode *to, const struct kept_element *kept)
{
        for (size_t i = 0; i < ELEMENTSOF(kept->attributes) && kept->attributes[i]; i++) {
                _cleanup_xml_ xmlChar *value = xmlGetNoNsProp(from, (const xmlChar *) kept->attributes[i]);

                if (value && !xmlNewProp(to, (const xmlChar *) kept->attributes[i], value))
                        return -ENOMEM;
        }
        return 0;
}

static int copy_content(xmlNode *from, xmlNode *to, const struct kept_element *kept)
{
        if (kept->xmlns) {
                xmlNs *ns = xmlNewNs(to, (const xmlChar *) kept->xmlns, (const xmlChar *) kept->prefix);

                if (!ns)
                        return -ENOMEM;
                xmlSetNs(to, ns);
        }
        if (kept->text) {
                _cleanup_xml_ xmlChar *text = xmlNodeGetContent(from);

                if (text)
                        xmlNodeAddContent(to, text);
        }
        if (streq(kept->path, "domain/commandline/arg"))
                return copy_option(from, to);
        return copy_attributes(from, to, kept);
}

/* Copies what is kept of the elements below `from`. No path of the list is deep, so neither is this. */
static int copy_children(const xmlNode *from, xmlNode *to, const char *path)
{
        bool is_status = streq(path, "domstatus") || streq(path, "networkstatus");

        xml_foreach (node, from) {
                const struct kept_element *kept;
                char child[PATH_MAX_SIZE];
                xmlNode *copy;
                int r;

                if (snprintf(child, sizeof(child), "%s%s%s", is_status ? "" : path, is_status ? "" : "/",
                             (const char *) node->name) >= (int) sizeof(child))
                        continue;
                kept = find_kept(child, node);
                if (!kept)
                        continue;
                copy = xmlNewChild(to, NULL, (const xmlChar *) node->name, NULL);
                if (!copy)
                        return -ENOMEM;
                r = copy_content(node, copy, kept);
                if (r < 0)
                        return r;
                r = copy_children(node, copy, kept->path);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_document(xmlDocPtr from, xmlDocPtr to)
{
        xmlNode *root = xmlDocGetRootElement(from), *copy;
        const struct kept_element *kept = NULL;
        const char *name = (const char *) root->name;
        int r;

        if (!strchr(name, '/'))
                kept = find_kept(name, root);
        copy = xmlNewDocNode(to, NULL, (const xmlChar *) (kept ? name : REDACTED), NULL);
        if (!copy)
                return -ENOMEM;
        (void) xmlDocSetRootElement(to, copy);
        if (!kept)
                return 0;
        r = copy_content(root, copy, kept);
        if (r < 0)
                return r;
        return copy_children(root, copy, kept->path);
}

int redact_xml(const char *data, size_t size, char **ret, size_t *ret_size)
{
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL, kept = NULL;
        _cleanup_xml_ xmlChar *text = NULL;
        unsigned long failures;
        int n = 0, r;

        assert(data);
        assert(ret);
        assert(ret_size);

        r = xml_parse(data, size, GUEST_XML_MAX, &doc);
        if (r == -ENOMEM)
                return r;
        if (r < 0) { /* still not XML, and without its content */
                *ret = strdup("<");
                *ret_size = 1;
                return *ret ? 0 : -ENOMEM;
        }
        failures = memory_failures();
        kept = xmlNewDoc((const xmlChar *) "1.0");
        if (!kept)
                return -ENOMEM;
        r = copy_document(doc, kept);
        if (r < 0)
                return r;
        xmlDocDumpMemory(kept, &text, &n);
        if (!text || memory_failures() != failures) /* or a part of it may be missing */
                return -ENOMEM;
        *ret = malloc((size_t) n + 1);
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, text, (size_t) n + 1);
        *ret_size = (size_t) n;
        return 0;
}
