/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-key.h"

#include <assert.h>

#include "util/macro.h"
#include "util/parse.h"

const struct config_key *config_key_find(const struct config_key *keys, const char *section,
                                         const char *name)
{
        assert(keys && name);

        for (const struct config_key *key = keys; key->name; key++)
                if ((!section || streq(key->section, section)) && streq(key->name, name))
                        return key;
        return NULL;
}

int config_key_set(const struct config_key *key, const char *value, void *base)
{
        assert(key && value && base);

        return key->parse(key, value, (char *) base + key->offset);
}

void config_keys_print(const struct config_key *keys, FILE *out)
{
        const char *section = "";

        for (const struct config_key *key = keys; key->name; key++) {
                if (!streq(key->section, section))
                        fprintf(out, "\n[%s]\n", key->section);
                section = key->section;
                fprintf(out, "  %s=%s\n        %s (%s).\n", key->name, key->initial ?: "", key->help,
                        key->expected);
        }
}

int config_parse_seconds(const struct config_key *key, const char *value, void *target)
{
        double seconds;
        char *end;

        errno = 0;
        seconds = strtod(value, &end);
        /* Turned this way around, the comparison refuses "nan" as well. */
        if (errno || end == value || *end || !(seconds >= key->min && seconds <= key->max))
                return -EINVAL;
        *(uint64_t *) target = (uint64_t) (seconds * 1e6);
        return 0;
}

int parse_size(const char *value, uint64_t *ret)
{
        static const char units[] = "KMGT";
        size_t digits = strspn(value, "0123456789");
        unsigned shift = 0;
        char number[21];
        uint64_t n;

        if (digits == 0 || digits >= sizeof(number))
                return -EINVAL;
        if (value[digits]) {
                const char *unit = strchr(units, value[digits]);

                if (!unit || value[digits + 1])
                        return -EINVAL;
                shift = 10 * (unsigned) (unit - units + 1);
        }
        memcpy(number, value, digits);
        number[digits] = '\0';
        if (parse_u64(number, 10, &n) < 0 || n > UINT64_MAX >> shift)
                return -EINVAL;
        *ret = n << shift;
        return 0;
}

int config_parse_size(const struct config_key *key, const char *value, void *target)
{
        (void) key;
        return parse_size(value, target);
}
