/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-argument.h"

#include <ctype.h>
#include <errno.h>

#include "util/macro.h"
#include "util/parse.h"

static bool is_json(const char *arg)
{
        return *arg == '{';
}

/* The value behind "key": in the object; values that QEMU's devices take hold no escapes. */
static const char *json_value(const char *arg, const char *key, size_t *ret_n)
{
        size_t n = strlen(key);

        for (const char *p = arg; (p = strstr(p, key)); p += n) {
                const char *v = p + n + 1;

                if (p[-1] != '"' || p[n] != '"')
                        continue;
                v += strspn(v, " ");
                if (*v++ != ':')
                        continue;
                v += strspn(v, " ");
                *ret_n = *v == '"' ? strcspn(++v, "\"") : strcspn(v, ",} ");
                return v;
        }
        return NULL;
}

/* In "a,b=c" a double comma stands for one that is part of a value; no value that we ask for has one. */
static const char *plain_value(const char *arg, const char *key, size_t *ret_n)
{
        for (const char *p = arg; p; p = strchr(p, ',')) {
                const char *v;

                p += *p == ',';
                v = startswith(p, key);
                if (!v || *v != '=')
                        continue;
                *ret_n = strcspn(v + 1, ",");
                return v + 1;
        }
        return NULL;
}

bool qemu_argument_get(const char *arg, const char *key, char *ret, size_t size)
{
        size_t n;
        const char *v = is_json(arg) ? json_value(arg + 1, key, &n) : plain_value(arg, key, &n);

        if (!v || n == 0)
                return false;
        snprintf(ret, size, "%.*s", n < size ? (int) n : (int) size, v);
        return true;
}

bool qemu_argument_is_on(const char *arg, const char *key)
{
        char value[8];

        return qemu_argument_get(arg, key, value, sizeof(value)) &&
               (streq(value, "on") || streq(value, "yes") || streq(value, "true") || streq(value, "y"));
}

bool qemu_argument_is_vfio(const char *arg)
{
        char driver[32];

        if (!qemu_argument_get(arg, "driver", driver, sizeof(driver))) {
                if (is_json(arg))
                        return false;
                snprintf(driver, sizeof(driver), "%.*s", (int) strcspn(arg, ","), arg);
        }
        return streq(driver, "vfio-pci") || streq(driver, "vfio-pci-nohotplug");
}

bool qemu_argument_device(const char *arg, char *ret, size_t size)
{
        char path[4096];
        const char *slash;

        if (qemu_argument_get(arg, "host", ret, size))
                return true;
        if (!qemu_argument_get(arg, "sysfsdev", path, sizeof(path)))
                return false;
        while (strlen(path) > 1 && path[strlen(path) - 1] == '/')
                path[strlen(path) - 1] = '\0';
        slash = strrchr(path, '/');
        snprintf(ret, size, "%s", slash ? slash + 1 : path);
        return *ret;
}

bool qemu_argument_is_efi_window(const char *arg)
{
        char name[sizeof(EFI_WINDOW_NAME) + 1];

        if (!qemu_argument_get(arg, "name", name, sizeof(name))) /* "name=" may be left out */
                snprintf(name, sizeof(name), "%.*s", (int) strcspn(arg, ","), arg);
        return streq(name, EFI_WINDOW_NAME);
}

int efi_window_parse(const char *text, uint64_t *ret_bytes)
{
        static const char blank[] = " \t\r\n";
        const char *digits = text + strspn(text, blank);
        size_t n = strcspn(digits, blank);
        char value[16];
        uint64_t mib;

        if (n >= sizeof(value) || digits[n + strspn(digits + n, blank)])
                return -EINVAL;
        snprintf(value, sizeof(value), "%.*s", (int) n, digits);
        if (parse_u64(value, 10, &mib) < 0 || mib > 0x1000000)
                return -EINVAL;
        *ret_bytes = mib << 20;
        return 0;
}

bool is_uuid(const char *s)
{
        for (size_t i = 0; i < MDEV_UUID_LENGTH; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? s[i] != '-' : !isxdigit((unsigned char) s[i]))
                        return false;
        }
        return s[MDEV_UUID_LENGTH] == '\0';
}
