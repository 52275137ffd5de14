/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain-place.h"

/* Edits of a persistent domain: XML goes in and XML comes out. What it takes to undo them is kept in the
 * domain's own <metadata>, so it goes where the domain goes, and one definition of the domain changes both.
 */

#define DOMAIN_EDIT_NAMESPACE "https://vfioalign.org/xmlns/domain/1"

struct domain_change {
        enum domain_place place;
        char *key;   /* as for domain_place_get() */
        char *value; /* the new one */
};

struct domain_changes {
        struct domain_change *changes; /* in order */
        size_t n;
};

/* Copies key and value. Returns 0 or -ENOMEM. */
int domain_changes_add(struct domain_changes *c, enum domain_place place, const char *key,
                       const char *value);
void domain_changes_done(struct domain_changes *c);

/* How much of a fix is in a domain. The order is one of severity. */
enum domain_edit_state {
        DOMAIN_EDIT_NONE,
        DOMAIN_EDIT_APPLIED,
        DOMAIN_EDIT_UNDONE,  /* applied, and some or all of it is as it was before by now */
        DOMAIN_EDIT_CHANGED, /* applied, and somebody else has changed since what it had changed */
        _DOMAIN_EDIT_STATE_MAX,
        _DOMAIN_EDIT_STATE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(domain_edit_state, enum domain_edit_state);

/* Errors of all three are those of domain_place_get(); -EBADMSG also where a mark of ours cannot be
 * understood. */

/* fix: its id, or NULL for all. Returns an enum domain_edit_state. */
int domain_edit_state(const char *xml, size_t size, const char *fix);

/* Makes those changes that are not there already, and marks them with the id of the fix. Returns 1 with
 * *ret, the caller's to free, or 0 where there was nothing to change. The domain must not have a mark of
 * that fix yet. */
int domain_edit_apply(const char *xml, size_t size, const char *fix, const struct domain_changes *changes,
                      char **ret);

/* Puts back what was there before that fix, or with NULL before any. Returns 1 with *ret; 0 where there is
 * no mark; or -ESTALE, and touches nothing, where somebody else has changed it since. *ret is then the
 * domain with our values in their places, to show the difference. A place that has its old value again is
 * not a difference. */
int domain_edit_revert(const char *xml, size_t size, const char *fix, char **ret);
