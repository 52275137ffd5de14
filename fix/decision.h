/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fix.h"

/* What becomes of the start of a guest, by policy and by the facts as they are: host fixes that the
 * configuration lets us apply have been applied before, or could not be. */
struct decision {
        bool allowed;
        bool unaligned;  /* a BAR that counts surely or possibly gets smaller pages than it could */
        bool warn;       /* it is unaligned, and the policy asks for a warning */
        char text[2048]; /* "0000:41:00.0 gets 1 GiB pages", or what limits it and what helps */
};

/* The policy by the configuration and by the domain's own <metadata>, which overrides it. */
struct guest_policy decision_policy(const struct config *c, const struct guest *g);

struct decision decision_make(const struct host *h, const struct config *c, const struct guest *g);
