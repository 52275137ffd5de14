/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain-place.h"

/* Edits of a persistent domain, XML in and XML out, and what there is to know for the way back: it stands in
 * the domain's own <metadata>, so that it goes where the domain goes and one definition of the domain
 * changes both. */

#define DOMAIN_EDIT_NAMESPACE "https://vfioalign.org/xmlns/domain/1"

struct domain_change {
        enum domain_place place;
        char *key;   /* as for domain_place_get() */
        char *value; /* that is to be there */
};

struct domain_changes {
        struct domain_change *changes; /* in order */
        size_t n;
};

/* Copies. 0 or -ENOMEM. */
int domain_changes_add(struct domain_changes *c, enum domain_place place, const char *key,
                       const char *value);
void domain_changes_done(struct domain_changes *c);

/* What a fix is in a domain. */
enum domain_edit_state {
        DOMAIN_EDIT_NONE,
        DOMAIN_EDIT_APPLIED,
        DOMAIN_EDIT_UNDONE,  /* applied, and some or all of it is by now as it was before */
        DOMAIN_EDIT_CHANGED, /* applied, and what it changed has been changed by somebody else since */
        _DOMAIN_EDIT_STATE_MAX,
        _DOMAIN_EDIT_STATE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(domain_edit_state, enum domain_edit_state);

/* All return a negative errno as domain_place_get() does; -EBADMSG also where a mark of ours cannot be
 * understood. */

/* fix: its id, or NULL for all. An enum domain_edit_state. */
int domain_edit_state(const char *xml, size_t size, const char *fix);

/* Makes the changes, those that are so already left out, and marks them with the id of the fix. Returns 1
 * with *ret, the caller's to free, or 0 where there was nothing to change. The domain has no mark of that
 * fix before. */
int domain_edit_apply(const char *xml, size_t size, const char *fix, const struct domain_changes *changes,
                      char **ret);

/* Puts back what was there before that fix, or with NULL before any. Returns 1 with *ret; 0 where there is
 * no mark; or -ESTALE, nothing being touched, where somebody else has changed it since: *ret is then the
 * domain with our values in their places, for showing the difference. A place that has its old value by now
 * is no such difference. */
int domain_edit_revert(const char *xml, size_t size, const char *fix, char **ret);
