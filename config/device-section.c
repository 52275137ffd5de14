/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-section.h"

#include <assert.h>
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

/* Exactly that many hex digits at the start of s. */
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

static int parse_address(const struct config_key *key, const char *value, void *target)
{
        (void) key;
        return bdf_parse(value, target);
}

static int parse_id(const struct config_key *key, const char *value, void *target)
{
        struct device_section *d = target;
        uint32_t vendor, device = UINT32_MAX;

        (void) key;
        if (parse_hex(value, 4, &vendor) < 0 || value[4] != ':')
                return -EINVAL;
        value += 5;
        if (!streq(value, "*") && (strlen(value) != 4 || parse_hex(value, 4, &device) < 0))
                return -EINVAL;
        d->vendor = vendor;
        d->device = device;
        return 0;
}

static int parse_class(const struct config_key *key, const char *value, void *target)
{
        struct device_section *d = target;
        size_t digits = strlen(value);
        uint32_t class;

        (void) key;
        if ((digits != 2 && digits != 4 && digits != 6) || parse_hex(value, digits, &class) < 0)
                return -EINVAL;
        d->class = class << (24 - 4 * digits);
        d->class_mask = 0xffffff & (0xffffffU << (24 - 4 * digits));
        return 0;
}

static int parse_driver(const struct config_key *key, const char *value, void *target)
{
        char **driver = target;

        (void) key;
        if (!driver_name_is_valid(value))
                return -EINVAL;
        *driver = strdup(value);
        return *driver ? 0 : -ENOMEM;
}

static int parse_vfio_driver(const struct config_key *key, const char *value, void *target)
{
        if (streq(value, "auto"))
                return 0;
        return parse_driver(key, value, target);
}

static DEFINE_CONFIG_PARSE_ENUM(parse_bind, bind_policy, enum bind_policy, BIND_BOOT);

enum {
        KEY_SELECTS = 1 << 0,  /* says which functions the section is about: one of these is needed */
        KEY_REQUIRED = 1 << 1, /* says what to do with them */
};

#define DRIVER_EXPECTED "a driver name of at most 63 letters, digits and signs, without '/'"

/* clang-format off */
#define FIELD(member) offsetof(struct device_section, member)
#define SELECTS .flags = KEY_SELECTS
const struct config_key device_section_keys[] = {
        { "Device NAME", "Address", parse_address, FIELD(address), NULL,
          "a PCI address, like 0000:41:00.0", "The address of the function", SELECTS },
        { "Device NAME", "ID", parse_id, 0, NULL,
          "vendor and device in four hex digits each, like 10de:2330, or 10de:*",
          "The ID of the function", SELECTS },
        { "Device NAME", "Class", parse_class, 0, NULL,
          "2, 4 or 6 hex digits, like 0302", "The class of the function", SELECTS },
        { "Device NAME", "Driver", parse_driver, FIELD(driver), NULL,
          DRIVER_EXPECTED, "The host's driver of the function", SELECTS },
        { "Device NAME", "Bind", parse_bind, FIELD(bind), NULL,
          "boot, guest or never", "When to bind the function to VFIO", .flags = KEY_REQUIRED },
        { "Device NAME", "VfioDriver", parse_vfio_driver, FIELD(vfio_driver), "auto",
          "auto, or " DRIVER_EXPECTED, "The VFIO driver to bind it to" },
        {},
};
/* clang-format on */

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
        assert(d && name && file);

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

const char *device_section_lacks(unsigned seen)
{
        unsigned flags = 0;

        for (size_t i = 0; device_section_keys[i].name; i++)
                if (seen & 1U << i)
                        flags |= device_section_keys[i].flags;
        if (!(flags & KEY_SELECTS))
                return "names no device; expected Address=, ID=, Class= or Driver=";
        if (!(flags & KEY_REQUIRED))
                return "does not say what to do; expected Bind=";
        return NULL;
}

void device_section_done(struct device_section *d)
{
        free(d->name);
        free(d->file);
        free(d->driver);
        free(d->vfio_driver);
        *d = (struct device_section){};
}

static bool section_matches(const struct device_section *d, const char *address, uint16_t vendor,
                            uint16_t device, uint32_t class, const char *driver)
{
        return (!*d->address || streq(d->address, address)) &&
               (d->vendor == UINT32_MAX || d->vendor == vendor) &&
               (d->device == UINT32_MAX || d->device == device) && (class & d->class_mask) == d->class &&
               (!d->driver || (driver && streq(d->driver, driver)));
}

const struct device_section *config_find_device(const struct config *c, const char *address, uint16_t vendor,
                                                uint16_t device, uint32_t class, const char *driver)
{
        assert(address);

        for (size_t i = c->n_devices; i > 0; i--)
                if (section_matches(&c->devices[i - 1], address, vendor, device, class, driver))
                        return &c->devices[i - 1];
        return NULL;
}
