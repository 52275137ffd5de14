/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-section.h"

#include <assert.h>
#include <fnmatch.h>
#include <wctype.h>

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

#define FAULT_OPEN "has a '[' without its ']'; expected '\\[' for the bracket itself"

/* p: behind a "[". Returns what is behind the "]", or NULL with *ret_fault set. fnmatch(3) takes a "["
 * without its end for itself, and lets what is wrong in between match nothing. */
static const char *check_bracket(const char *p, const char **ret_fault)
{
        const char *start;
        int before = -1; /* the character before this one, where a range can begin with it */

        p += *p == '!' || *p == '^';
        for (start = p; *p != ']' || p == start; p++) {
                bool range = before >= 0 && *p == '-' && p[1] && p[1] != ']';

                p += range;
                if (*p == '[' && p[1] && strchr(":.=", p[1])) {
                        const char end[] = { p[1], ']', '\0' }, *close = strstr(p + 2, end);
                        char class[16];

                        if (!close) {
                                *ret_fault = FAULT_OPEN;
                                return NULL;
                        }
                        snprintf(class, sizeof(class), "%.*s", (int) (close - p - 2), p + 2);
                        if (p[1] == ':' && !wctype(class)) {
                                *ret_fault = "has an unknown class of characters";
                                return NULL;
                        }
                        p = close + 1;
                        before = -1;
                        continue;
                }
                p += *p == '\\';
                if (!*p) {
                        *ret_fault = FAULT_OPEN;
                        return NULL;
                }
                if (range && (unsigned char) *p < before) {
                        *ret_fault = "has a range that is the wrong way round";
                        return NULL;
                }
                before = range ? -1 : (unsigned char) *p;
        }
        return p + 1;
}

const char *guest_pattern_fault(const char *pattern)
{
        const char *p, *fault = NULL;

        assert(pattern);

        for (p = pattern; p && *p;) {
                if (*p == '\\' && !p[1])
                        return "ends with a backslash; expected two for the backslash itself";
                if (*p == '[')
                        p = check_bracket(p + 1, &fault);
                else
                        p += *p == '\\' ? 2 : 1;
        }
        return fault;
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

                /* A name with brackets or a backslash may also be written as it is. */
                if (!streq(g->name, guest) && fnmatch(g->name, guest, 0) != 0)
                        continue;
                if (g->has & 1U << KEY_ON_UNALIGNED)
                        p.on_unaligned = g->policy.on_unaligned;
                if (g->has & 1U << KEY_MIN_BAR_SIZE)
                        p.min_bar_size = g->policy.min_bar_size;
        }
        return p;
}
