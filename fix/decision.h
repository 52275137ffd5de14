/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fix.h"

/* What becomes of the start of a guest, by the facts as they are and by policy. Host fixes that the
 * configuration lets us apply have been applied before, or could not be. */
struct decision {
        bool allowed;
        bool unaligned;  /* a BAR that counts gets smaller pages than it could, or does not for luck only */
        bool warn;       /* and that is worth a warning */
        char text[2048]; /* "0000:41:00.0 gets 1 GiB pages", or what limits it and what would help */
};

/* Of the configuration and of the domain's own <metadata>, which goes before. */
struct guest_policy decision_policy(const struct config *c, const struct guest *g);

struct decision decision_make(const struct host *h, const struct config *c, const struct guest *g);
