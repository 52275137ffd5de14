/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-edit.h"

#include "domain-mark.h"
#include "util/array.h"

/* clang-format off */
static const char *const domain_edit_state_table[_DOMAIN_EDIT_STATE_MAX] = {
        [DOMAIN_EDIT_NONE] = "absent",
        [DOMAIN_EDIT_APPLIED] = "applied",
        [DOMAIN_EDIT_UNDONE] = "undone",
        [DOMAIN_EDIT_CHANGED] = "changed",
};
/* clang-format on */
DEFINE_STRING_TABLE(domain_edit_state, enum domain_edit_state)

int domain_changes_add(struct domain_changes *c, enum domain_place place, const char *key, const char *value)
{
        struct domain_change *slot = array_append(c->changes, c->n);

        if (!slot)
                return -ENOMEM;
        slot->place = place;
        slot->key = strdup(key);
        slot->value = strdup(value);
        return slot->key && slot->value ? 0 : -ENOMEM;
}

void domain_changes_done(struct domain_changes *c)
{
        for (size_t i = 0; i < c->n; i++) {
                free(c->changes[i].key);
                free(c->changes[i].value);
        }
        free(c->changes);
        *c = (struct domain_changes){};
}

static bool same(const char *a, const char *b)
{
        return a && b ? streq(a, b) : !a && !b;
}

/* What has become of an edit. */
enum what {
        IN_PLACE,
        TAKEN_BACK, /* by hand, or its device is gone */
        CHANGED,
};

static int look(const struct domain_text *t, const struct domain_edit *e)
{
        _cleanup_free_ char *value = NULL, *text = NULL;
        int r;

        r = domain_place_get(t, e->place, e->key, &value, &text);
        if (r == -ENODEV)
                return TAKEN_BACK;
        if (r < 0)
                return r;
        if (same(value, e->after))
                return IN_PLACE;
        return same(text, e->before) ? TAKEN_BACK : CHANGED;
}

static int look_at_all(const struct domain_text *t, const struct domain_edits *edits, const char *fix)
{
        int state = DOMAIN_EDIT_NONE;

        for (size_t i = 0; i < edits->n; i++) {
                int r;

                if (fix && !streq(edits->edits[i].fix, fix))
                        continue;
                r = look(t, &edits->edits[i]);
                if (r < 0)
                        return r;
                if (r == CHANGED)
                        return DOMAIN_EDIT_CHANGED;
                if (state != DOMAIN_EDIT_UNDONE)
                        state = r == TAKEN_BACK ? DOMAIN_EDIT_UNDONE : DOMAIN_EDIT_APPLIED;
        }
        return state;
}

int domain_edit_state(const char *xml, size_t size, const char *fix)
{
        _cleanup_(domain_text_done) struct domain_text t = {};
        _cleanup_(domain_edits_done) struct domain_edits edits = {};
        int r;

        r = domain_text_parse(&t, xml, size);
        if (r >= 0)
                r = domain_edits_read(&edits, &t);
        return r < 0 ? r : look_at_all(&t, &edits, fix);
}

/* Adds to edits what it takes to undo it. */
static int change(struct domain_text *t, const char *fix, const struct domain_change *c,
                  struct domain_edits *edits)
{
        _cleanup_free_ char *value = NULL, *text = NULL, *escaped = domain_text_escape(c->value);
        struct domain_edit *e;
        int r;

        if (!escaped)
                return -ENOMEM;
        r = domain_place_get(t, c->place, c->key, &value, &text);
        if (r < 0 || same(value, c->value))
                return r;
        e = array_append(edits->edits, edits->n);
        if (!e)
                return -ENOMEM;
        e->place = c->place;
        e->before = TAKE_PTR(text);
        e->fix = strdup(fix);
        e->key = strdup(c->key);
        e->after = strdup(c->value);
        return e->fix && e->key && e->after ? domain_place_set(t, c->place, c->key, escaped, &e->made)
                                            : -ENOMEM;
}

int domain_edit_apply(const char *xml, size_t size, const char *fix, const struct domain_changes *changes,
                      char **ret)
{
        _cleanup_(domain_text_done) struct domain_text t = {};
        _cleanup_(domain_edits_done) struct domain_edits edits = {};
        int r;

        r = domain_text_parse(&t, xml, size);
        for (size_t i = 0; i < changes->n && r >= 0; i++)
                r = change(&t, fix, &changes->changes[i], &edits);
        if (r < 0 || edits.n == 0)
                return r;
        r = domain_edits_mark(&t, fix, &edits);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t.xml);
        return 1;
}

static int undo(struct domain_text *t, const struct domain_edit *e)
{
        struct place_made made;
        int r = look(t, e);

        if (r != IN_PLACE)
                return r < 0 ? r : 0;
        return e->before ? domain_place_set(t, e->place, e->key, e->before, &made)
                         : domain_place_unset(t, e->place, e->key, e->made);
}

/* The domain as we left it, in those places. */
static int as_left(struct domain_text *t, const struct domain_edits *edits, const char *fix)
{
        for (size_t i = 0; i < edits->n; i++) {
                const struct domain_edit *e = &edits->edits[i];
                _cleanup_free_ char *text = domain_text_escape(e->after);
                struct place_made made;
                int r;

                if (!text)
                        return -ENOMEM;
                if (fix && !streq(e->fix, fix))
                        continue;
                r = look(t, e);
                if (r == CHANGED)
                        r = domain_place_set(t, e->place, e->key, text, &made);
                if (r < 0)
                        return r;
        }
        return 0;
}

int domain_edit_revert(const char *xml, size_t size, const char *fix, char **ret)
{
        _cleanup_(domain_text_done) struct domain_text t = {};
        _cleanup_(domain_edits_done) struct domain_edits edits = {};
        int state, r;

        r = domain_text_parse(&t, xml, size);
        if (r >= 0)
                r = domain_edits_read(&edits, &t);
        if (r < 0)
                return r;
        state = look_at_all(&t, &edits, fix);
        if (state <= DOMAIN_EDIT_NONE)
                return state;
        if (state == DOMAIN_EDIT_CHANGED) {
                r = as_left(&t, &edits, fix);
                if (r < 0)
                        return r;
                *ret = TAKE_PTR(t.xml);
                return -ESTALE;
        }
        /* The last first, as what was made for an earlier one can hold a later one. */
        for (size_t i = edits.n; i-- > 0;) {
                const struct domain_edit *e = &edits.edits[i];

                if (fix && !streq(e->fix, fix))
                        continue;
                r = undo(&t, e);
                if (r < 0)
                        return r;
        }
        r = domain_edits_unmark(&t, fix);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t.xml);
        return 1;
}
