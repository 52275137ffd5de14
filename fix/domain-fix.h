/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/config.h"
#include "domain-edit.h"
#include "facts/host.h"
#include "fix.h"

/* The fixes that are edits of one persistent domain. */

/* The guest that they are planned for. */
struct domain_subject {
        const struct host *host;
        const struct guest *guest; /* by the domain's persistent XML, with its pools of functions */
        /* Of the daemon: major * 1,000,000 + minor * 1,000 + release; 0: unknown */
        unsigned long libvirt_version;
        const struct emulator *emulator; /* the one that the operator names; NULL: none */
};

struct domain_fix {
        enum fix_id id;      /* one of FIXES_OF_GUEST; what it does and costs is in struct fix_type */
        bool consent;        /* a last resort: it is applied only by name, and after a yes to that */
        bool spares_filling; /* it gives no larger pages, but keeps BARs from being filled page by page */

        /* Adds the changes that it takes, or the reason against it as a refusal of the plan; and whatever
         * else people should know as a note. With neither changes nor a refusal, it is in force already.
         * Returns 0 or -ENOMEM. */
        int (*plan)(const struct domain_subject *s, struct domain_changes *changes, struct fix_plan *plan);
};

/* One for each of FIXES_OF_GUEST, in the order of preference. */
#define DOMAIN_FIXES_MAX ((size_t) __builtin_popcount(FIXES_OF_GUEST))
extern const struct domain_fix domain_fixes[DOMAIN_FIXES_MAX];

/* By its name; NULL where it is not one of these. */
const struct domain_fix *domain_fix_find(const char *name);

/* Whether it would give a BAR of the guest larger pages, or keep it from being filled page by page. */
bool domain_fix_helps(const struct domain_fix *fix, const struct domain_subject *s);

/* Whether the guest has a BAR that, as far as is sure, gets smaller pages than it could have. */
bool domain_falls_short(const struct domain_subject *s);

/* The one that the operator names, else an emulator of the host that aligns and can run the guest, or NULL.
 */
const struct emulator *domain_fix_emulator(const struct domain_subject *s);
