/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "redact.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>

#include "facts/guest/facts-guest.h"
#include "facts/guest/xml.h"
#include "util/file.h"

#define REDACTED "redacted"

static const struct {
        const char *pattern; /* "*" also stands for several parts of a path */
        enum redaction how;
} files[] = {
        { "/proc/*/cmdline", REDACT_ARGUMENTS },
        { "/proc/cmdline", REDACT_KERNEL_ARGUMENTS },
        { "/etc/libvirt/*.xml", REDACT_XML },
        { "/run/libvirt/*.xml", REDACT_XML },
};

enum redaction redaction_of(const char *path)
{
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (fnmatch(files[i].pattern, path, 0) == 0)
                        return files[i].how;
        return REDACT_NOTHING;
}

static bool mentions_any(const char *s, const char *const words[])
{
        for (size_t i = 0; words[i]; i++)
                if (strcasestr(s, words[i]))
                        return true;
        return false;
}

static bool is_secret(const char *s)
{
        static const char *const words[] = { "passw", "secret", "token", "credential", "key=", "@", NULL };

        return mentions_any(s, words);
}

/* Each argument ends with a NUL. */
static int redact_arguments(const char *data, size_t size, char **ret, size_t *ret_size)
{
        char *text = malloc(size + 1), *to = text;
        bool name = false;
        int left_out = 0;

        if (!text)
                return -ENOMEM;
        for (size_t i = 0, n; i < size; i += n) {
                bool keep = i == 0 || name || strcasestr(data + i, "vfio");

                n = strlen(data + i) + 1; /* data ends with a NUL of its own */
                name = streq(data + i, "-name");
                if (!keep && !name) {
                        left_out = 1;
                        continue;
                }
                memcpy(to, data + i, n);
                to += n;
        }
        *to = '\0';
        *ret_size = (size_t) (to - text) < size ? (size_t) (to - text) : size;
        *ret = text;
        return left_out;
}

static int redact_kernel_arguments(const char *data, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *copy = strdup(data), *text = NULL;
        const char *space = "";
        char *save = NULL;
        int left_out = 0;
        FILE *out;

        out = copy ? open_memstream(&text, ret_size) : NULL;
        if (!out)
                return -ENOMEM;
        for (char *word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
                size_t n = strcspn(word, "=");

                fputs(space, out);
                space = " ";
                if (word[n] && is_secret(word)) {
                        fprintf(out, "%.*s=" REDACTED, (int) n, word);
                        left_out = 1;
                } else {
                        fputs(word, out);
                }
        }
        fputc('\n', out);
        if (fclose(out) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return left_out;
}

static bool is_private_element(const xmlNode *node)
{
        static const char *const names[] = {
                "auth",           "cloudinit", "cookies", "description", "keywrap",
                "launchSecurity", "metadata",  "secret",  "sysinfo",     "title",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (xml_is(node, names[i]))
                        return true;
        return node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE;
}

static bool is_private_attribute(const xmlNode *node, const char *name, const char *value)
{
        static const char *const about_vfio[] = { "vfio", "x-no-mmap", "X-PciMmio64Mb", NULL };

        if (strcasestr(name, "passw") || streq(name, "username") || streq(name, "keyid"))
                return true;
        if (!streq(name, "value"))
                return false;
        if (xml_is(node, "arg")) /* <qemu:arg>; an option's name is not a secret */
                return *value != '-' && !mentions_any(value, about_vfio);
        if (xml_is(node, "env"))
                return !xml_attribute_is((xmlNode *) node, "name", "LD_PRELOAD");
        return false;
}

static int redact_attributes(xmlNode *node)
{
        int left_out = 0;

        for (xmlAttr *a = node->properties; a; a = a->next) {
                _cleanup_xml_ xmlChar *value = xmlNodeListGetString(node->doc, a->children, 1);

                if (!value || !is_private_attribute(node, (const char *) a->name, (const char *) value))
                        continue;
                xmlSetProp(node, a->name, (const xmlChar *) REDACTED);
                left_out = 1;
        }
        return left_out;
}

/* libxml2 bounds how deep elements are nested. */
static int redact_element(xmlNode *node)
{
        xmlNode *next;
        int left_out = redact_attributes(node);

        if (xml_is(node, "cmdline") && node->children) { /* of the guest's kernel */
                xmlNodeSetContent(node, (const xmlChar *) REDACTED);
                return 1;
        }
        for (xmlNode *n = node->children; n; n = next) {
                next = n->next;
                if (is_private_element(n)) {
                        xmlUnlinkNode(n);
                        xmlFreeNode(n);
                        left_out = 1;
                } else if (n->type == XML_ELEMENT_NODE) {
                        left_out |= redact_element(n);
                }
        }
        return left_out;
}

/* Comments around the root element go as well: libvirt has one there that warns against editing the file. */
static int redact_document(xmlDocPtr doc)
{
        xmlNode *next;

        for (xmlNode *n = doc->children; n; n = next) {
                next = n->next;
                if (n->type == XML_ELEMENT_NODE)
                        continue;
                xmlUnlinkNode(n);
                xmlFreeNode(n);
        }
        return redact_element(xmlDocGetRootElement(doc));
}

static int redact_xml(const char *data, size_t size, char **ret, size_t *ret_size)
{
        _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
        _cleanup_xml_ xmlChar *text = NULL;
        int left_out, n = 0, r;

        r = xml_parse(data, size, GUEST_XML_MAX, &doc);
        if (r == -ENOMEM)
                return r;
        if (r < 0) { /* still not XML, and without its content */
                *ret = strdup("<");
                *ret_size = 1;
                return *ret ? 1 : -ENOMEM;
        }
        left_out = redact_document(doc);
        xmlDocDumpMemory(doc, &text, &n);
        if (!text)
                return -ENOMEM;
        *ret = malloc((size_t) n + 1);
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, text, (size_t) n + 1);
        *ret_size = (size_t) n;
        return left_out;
}

int redact(enum redaction how, const char *data, size_t size, char **ret, size_t *ret_size)
{
        assert(data);
        assert(ret);
        assert(ret_size);

        switch (how) {
        case REDACT_ARGUMENTS:
                return redact_arguments(data, size, ret, ret_size);
        case REDACT_KERNEL_ARGUMENTS:
                return redact_kernel_arguments(data, ret, ret_size);
        case REDACT_XML:
                return redact_xml(data, size, ret, ret_size);
        default:
                *ret = malloc(size + 1);
                if (!*ret)
                        return -ENOMEM;
                memcpy(*ret, data, size);
                (*ret)[size] = '\0';
                *ret_size = size;
                return 0;
        }
}
