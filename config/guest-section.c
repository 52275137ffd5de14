/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-section.h"

#include <fnmatch.h>

#include "util/macro.h"
#include "util/parse.h"

/* clang-format off */
static const char *const on_unaligned_table[_ON_UNALIGNED_MAX] = {
        [ON_UNALIGNED_ALLOW] = "allow",
        [ON_UNALIGNED_WARN] = "warn",
        [ON_UNALIGNED_REFUSE] = "refuse",
};
/* clang-format on */
DEFINE_STRING_TABLE(on_unaligned, enum on_unaligned);

int parse_on_unaligned(const char *value, enum on_unaligned *ret)
{
        enum on_unaligned v = on_unaligned_from_string(value);

        if (v < 0)
                return -EINVAL;
        *ret = v;
        return 0;
}

int parse_size(const char *value, uint64_t *ret)
{
        static const char units[] = "KMGT";
        size_t digits = strspn(value, "0123456789");
        const char *unit = value[digits] ? strchr(units, value[digits]) : NULL;
        char number[21];
        unsigned shift;
        uint64_t n;

        if (digits == 0 || digits >= sizeof(number) || (value[digits] && (!unit || value[digits + 1])))
                return -EINVAL;
        memcpy(number, value, digits);
        number[digits] = '\0';
        shift = unit ? 10 * (unsigned) (unit - units + 1) : 0;
        if (parse_u64(number, 10, &n) < 0 || n > UINT64_MAX >> shift)
                return -EINVAL;
        *ret = n << shift;
        return 0;
}

static int parse_section_on_unaligned(struct guest_section *g, const char *value)
{
        return parse_on_unaligned(value, &g->policy.on_unaligned);
}

static int parse_section_min_bar_size(struct guest_section *g, const char *value)
{
        return parse_size(value, &g->policy.min_bar_size);
}

static const struct {
        const char *key;
        int (*parse)(struct guest_section *g, const char *value);
        const char *wanted;
} keys[] = {
        { "OnUnaligned", parse_section_on_unaligned, ON_UNALIGNED_WANTED },
        { "MinBarSize", parse_section_min_bar_size, SIZE_WANTED },
};

enum {
        HAS_ON_UNALIGNED = 1U << 0, /* as in `keys` */
        HAS_MIN_BAR_SIZE = 1U << 1,
};

const char *guest_section_name(const char *section)
{
        const char *name = startswith(section, "Guest ");

        if (!name)
                return NULL;
        name += strspn(name, " ");
        return *name ? name : NULL;
}

int guest_section_init(struct guest_section *g, const char *name, unsigned line)
{
        *g = (struct guest_section){ .name = strdup(name), .line = line };
        return g->name ? 0 : -ENOMEM;
}

int guest_section_set(struct guest_section *g, const char *key, const char *value, const char **ret_wanted)
{
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (!streq(keys[i].key, key))
                        continue;
                if (g->has & 1U << i)
                        return -EEXIST;
                g->has |= 1U << i;
                *ret_wanted = keys[i].wanted;
                return keys[i].parse(g, value);
        }
        return -ENOENT;
}

void guest_section_done(struct guest_section *g)
{
        free(g->name);
        *g = (struct guest_section){};
}

struct guest_policy config_guest_policy(const struct config *c, const char *guest)
{
        struct guest_policy p = c->guest;

        for (size_t i = 0; i < c->n_guests; i++) {
                const struct guest_section *g = &c->guests[i];

                if (fnmatch(g->name, guest, 0) != 0)
                        continue;
                if (g->has & HAS_ON_UNALIGNED)
                        p.on_unaligned = g->policy.on_unaligned;
                if (g->has & HAS_MIN_BAR_SIZE)
                        p.min_bar_size = g->policy.min_bar_size;
        }
        return p;
}
