/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-section.h"

#include <assert.h>
#include <fnmatch.h>

#include "util/macro.h"

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

int config_parse_on_unaligned(const struct config_key *key, const char *value, void *target)
{
        (void) key;
        return parse_on_unaligned(value, target);
}

enum {
        KEY_ON_UNALIGNED,
        KEY_MIN_BAR_SIZE,
        _KEY_MAX,
};

/* clang-format off */
#define FIELD(member) offsetof(struct guest_section, policy.member)
const struct config_key guest_section_keys[_KEY_MAX + 1] = {
        [KEY_ON_UNALIGNED] = {
                "Guest NAME", "OnUnaligned", config_parse_on_unaligned, FIELD(on_unaligned), NULL,
                ON_UNALIGNED_EXPECTED, "As in [Guest], for guests whose name matches NAME",
        },
        [KEY_MIN_BAR_SIZE] = {
                "Guest NAME", "MinBarSize", config_parse_size, FIELD(min_bar_size), NULL,
                SIZE_EXPECTED, "As in [Guest], for guests whose name matches NAME",
        },
};
/* clang-format on */

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
        assert(g && name);

        *g = (struct guest_section){ .name = strdup(name), .line = line };
        return g->name ? 0 : -ENOMEM;
}

void guest_section_done(struct guest_section *g)
{
        free(g->name);
        *g = (struct guest_section){};
}

struct guest_policy config_guest_policy(const struct config *c, const char *guest)
{
        struct guest_policy p = c->guest;

        assert(guest);

        for (size_t i = 0; i < c->n_guests; i++) {
                const struct guest_section *g = &c->guests[i];

                if (fnmatch(g->name, guest, 0) != 0)
                        continue;
                if (g->has & 1U << KEY_ON_UNALIGNED)
                        p.on_unaligned = g->policy.on_unaligned;
                if (g->has & 1U << KEY_MIN_BAR_SIZE)
                        p.min_bar_size = g->policy.min_bar_size;
        }
        return p;
}
