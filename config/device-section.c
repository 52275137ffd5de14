/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-section.h"

#include <ctype.h>

#include "util/macro.h"
#include "util/parse.h"

/* clang-format off */
static const char *const bind_policy_table[_BIND_POLICY_MAX] = {
        [BIND_NEVER] = "never",
        [BIND_GUEST] = "guest",
        [BIND_BOOT] = "boot",
};
/* clang-format on */
DEFINE_STRING_TABLE(bind_policy, enum bind_policy);

static int parse_hex(const char *s, size_t digits, uint32_t *ret)
{
        char text[9];
        uint64_t n;

        if (strnlen(s, digits) < digits || strspn(s, "0123456789abcdefABCDEF") < digits)
                return -EINVAL;
        memcpy(text, s, digits);
        text[digits] = '\0';
        if (parse_u64(text, 16, &n) < 0)
                return -EINVAL;
        *ret = (uint32_t) n;
        return 0;
}

static int parse_address(struct device_section *d, const char *value)
{
        return bdf_parse(value, d->address);
}

static int parse_id(struct device_section *d, const char *value)
{
        uint32_t vendor, device = UINT32_MAX;

        if (parse_hex(value, 4, &vendor) < 0 || value[4] != ':')
                return -EINVAL;
        value += 5;
        if (!streq(value, "*") && (strlen(value) != 4 || parse_hex(value, 4, &device) < 0))
                return -EINVAL;
        d->vendor = vendor;
        d->device = device;
        return 0;
}

static int parse_class(struct device_section *d, const char *value)
{
        size_t digits = strlen(value);
        uint32_t class;

        if ((digits != 2 && digits != 4 && digits != 6) || parse_hex(value, digits, &class) < 0)
                return -EINVAL;
        d->class = class << (24 - 4 * digits);
        d->class_mask = 0xffffff & (0xffffffU << (24 - 4 * digits));
        return 0;
}

static int set_driver(char **driver, const char *value)
{
        if (!driver_name_is_valid(value))
                return -EINVAL;
        *driver = strdup(value);
        return *driver ? 0 : -ENOMEM;
}

static int parse_driver(struct device_section *d, const char *value)
{
        return set_driver(&d->driver, value);
}

static int parse_bind(struct device_section *d, const char *value)
{
        d->bind = bind_policy_from_string(value);
        return d->bind < 0 ? -EINVAL : 0;
}

static int parse_vfio_driver(struct device_section *d, const char *value)
{
        return streq(value, "auto") ? 0 : set_driver(&d->vfio_driver, value);
}

#define DRIVER_WANTED "the name of a driver, of up to 63 letters, digits and signs but for a slash"

static const struct {
        const char *key;
        int (*parse)(struct device_section *d, const char *value);
        const char *wanted;
        bool matches; /* says which functions it is about */
} keys[] = {
        { "Address", parse_address, "a PCI address, like 0000:41:00.0", true },
        { "ID", parse_id, "vendor and device in four hex digits each, like 10de:2330, or 10de:*", true },
        { "Class", parse_class, "2, 4 or 6 hex digits, like 0302", true },
        { "Driver", parse_driver, DRIVER_WANTED, true },
        { "Bind", parse_bind, "boot, guest or never", false },
        { "VfioDriver", parse_vfio_driver, "auto, or " DRIVER_WANTED, false },
};

const char *device_section_name(const char *section)
{
        const char *name = startswith(section, "Device");

        if (!name || (*name && *name != ' '))
                return NULL;
        name += strspn(name, " ");
        for (const char *c = name; *c; c++)
                if (!isalnum((unsigned char) *c) && !strchr("._:-", *c))
                        return "";
        return name;
}

int device_section_init(struct device_section *d, const char *name, const char *file, unsigned line)
{
        *d = (struct device_section){
                .name = strdup(name),
                .file = strdup(file),
                .line = line,
                .vendor = UINT32_MAX,
                .device = UINT32_MAX,
        };
        if (d->name && d->file)
                return 0;
        device_section_done(d);
        return -ENOMEM;
}

int device_section_set(struct device_section *d, unsigned *seen, const char *key, const char *value,
                       const char **ret_wanted)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                int r;

                if (!streq(keys[i].key, key))
                        continue;
                if (*seen & 1U << i)
                        return -EEXIST;
                *seen |= 1U << i;
                r = keys[i].parse(d, value);
                if (r == -EINVAL)
                        *ret_wanted = keys[i].wanted;
                return r;
        }
        return -ENOENT;
}

const char *device_section_lacks(unsigned seen)
{
        bool matches = false, says = false;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                matches |= (seen & 1U << i) && keys[i].matches;
                says |= (seen & 1U << i) && keys[i].parse == parse_bind;
        }
        if (!matches)
                return "names no device: wanted Address=, ID=, Class= or Driver=";
        return says ? NULL : "says nothing to do: wanted Bind=";
}

void device_section_done(struct device_section *d)
{
        free(d->name);
        free(d->file);
        free(d->driver);
        free(d->vfio_driver);
        *d = (struct device_section){};
}

static bool matches(const struct device_section *d, const char *address, uint16_t vendor, uint16_t device,
                    uint32_t class, const char *driver)
{
        return (!*d->address || streq(d->address, address)) &&
               (d->vendor == UINT32_MAX || d->vendor == vendor) &&
               (d->device == UINT32_MAX || d->device == device) && (class & d->class_mask) == d->class &&
               (!d->driver || (driver && streq(d->driver, driver)));
}

const struct device_section *config_find_device(const struct config *c, const char *address, uint16_t vendor,
                                                uint16_t device, uint32_t class, const char *driver)
{
        for (size_t i = c->n_devices; i > 0; i--)
                if (matches(&c->devices[i - 1], address, vendor, device, class, driver))
                        return &c->devices[i - 1];
        return NULL;
}
