/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/config.h"
#include "domain-edit.h"
#include "facts/host.h"
#include "fix.h"

/* The fixes that are edits of one persistent domain, in the order of preference. */

/* What one of them is asked for. */
struct domain_subject {
        const struct host *host;
        const struct guest *guest; /* by the domain's persistent XML, with its pools of functions */
        unsigned long
                libvirt_version; /* of the daemon: major * 1,000,000 + minor * 1,000 + release; 0: unknown */
        const struct emulator *emulator; /* that the operator names, or NULL */
};

struct domain_fix {
        enum fix_id id; /* what it does, and its price, is in the table of all fixes: fix_get() */
        bool consent;   /* a last resort: only by name, and with a yes to just that */

        /* Adds to changes what it takes, or to the plan why it must not be; and what else is to know, as a
         * note. No change and no refusal: it is so already. Returns 0 or -ENOMEM. */
        int (*plan)(const struct domain_subject *s, struct domain_changes *changes, struct fix_plan *plan);
};

extern const struct domain_fix domain_fixes[];
#define DOMAIN_FIXES_MAX 4

/* By its name; NULL where it is none of these. */
const struct domain_fix *domain_fix_find(const char *id);

/* Would it give a BAR of the guest larger pages, or keep it from being filled page by page? */
bool domain_fix_helps(const struct domain_fix *fix, const struct domain_subject *s);

/* Has the guest a BAR that, as far as is sure, gets smaller pages than it could have? */
bool domain_falls_short(const struct domain_subject *s);

/* An emulator of the host for the guest's machine that aligns, or NULL. */
const struct emulator *domain_fix_emulator(const struct domain_subject *s);
