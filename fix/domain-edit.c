/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-edit.h"

#include <assert.h>

#include "domain-mark.h"
#include "util/array.h"
#include "util/macro.h"
#include "util/memory.h"

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
        struct domain_change *slot;

        assert(c);
        assert(place >= 0 && place < _DOMAIN_PLACE_MAX);
        assert(key);
        assert(value);

        slot = array_append(c->changes, c->n);
        if (!slot)
                return -ENOMEM;
        slot->place = place;
        slot->key = strdup(key);
        slot->value = strdup(value);
        if (!slot->key || !slot->value)
                return -ENOMEM;
        return 0;
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

/* Either may be NULL. */
static bool is_same_text(const char *a, const char *b)
{
        if (!a || !b)
                return a == b;
        return streq(a, b);
}

static bool is_edit_of(const struct domain_edit *e, const char *fix)
{
        return !fix || streq(e->fix, fix);
}

/* DOMAIN_EDIT_APPLIED, _UNDONE (also where its device is gone), _CHANGED, or a negative errno. */
static int edit_state(const struct domain_text *t, const struct domain_edit *e)
{
        _cleanup_free_ char *value = NULL, *text = NULL;
        int r;

        r = domain_place_get(t, e->place, e->key, &value, &text);
        if (r == -ENODEV)
                return DOMAIN_EDIT_UNDONE;
        if (r < 0)
                return r;
        if (is_same_text(value, e->after))
                return DOMAIN_EDIT_APPLIED;
        return is_same_text(text, e->before) ? DOMAIN_EDIT_UNDONE : DOMAIN_EDIT_CHANGED;
}

/* Of all edits of the fix: the worst one counts. */
static int edits_state(const struct domain_text *t, const struct domain_edits *edits, const char *fix)
{
        int state = DOMAIN_EDIT_NONE;

        for (size_t i = 0; i < edits->n; i++) {
                int r;

                if (!is_edit_of(&edits->edits[i], fix))
                        continue;
                r = edit_state(t, &edits->edits[i]);
                if (r < 0 || r == DOMAIN_EDIT_CHANGED)
                        return r;
                if (r > state)
                        state = r;
        }
        return state;
}

static int read_state(const char *xml, size_t size, const char *fix)
{
        _cleanup_(domain_text_done) struct domain_text t = {};
        _cleanup_(domain_edits_done) struct domain_edits edits = {};
        int r;

        r = domain_text_parse(&t, xml, size);
        if (r < 0)
                return r;
        r = domain_edits_read(&edits, &t);
        if (r < 0)
                return r;
        return edits_state(&t, &edits, fix);
}

int domain_edit_state(const char *xml, size_t size, const char *fix)
{
        unsigned long failures = memory_failures();

        assert(xml);

        return memory_check(failures, read_state(xml, size, fix));
}

/* Adds to edits what it takes to undo the change. */
static int make_change(struct domain_text *t, const char *fix, const struct domain_change *c,
                       struct domain_edits *edits)
{
        _cleanup_free_ char *value = NULL, *text = NULL, *escaped = domain_text_escape(c->value);
        struct domain_edit *e;
        int r;

        if (!escaped)
                return -ENOMEM;
        r = domain_place_get(t, c->place, c->key, &value, &text);
        if (r < 0 || is_same_text(value, c->value))
                return r;
        e = array_append(edits->edits, edits->n);
        if (!e)
                return -ENOMEM;
        e->place = c->place;
        e->before = TAKE_PTR(text);
        e->fix = strdup(fix);
        e->key = strdup(c->key);
        e->after = strdup(c->value);
        if (!e->fix || !e->key || !e->after)
                return -ENOMEM;
        return domain_place_set(t, c->place, c->key, escaped, &e->made);
}

static int apply_changes(const char *xml, size_t size, const char *fix, const struct domain_changes *changes,
                         char **ret)
{
        _cleanup_(domain_text_done) struct domain_text t = {};
        _cleanup_(domain_edits_done) struct domain_edits edits = {};
        int r;

        r = domain_text_parse(&t, xml, size);
        if (r < 0)
                return r;
        for (size_t i = 0; i < changes->n; i++) {
                r = make_change(&t, fix, &changes->changes[i], &edits);
                if (r < 0)
                        return r;
        }
        if (edits.n == 0)
                return 0;
        r = domain_edits_mark(&t, fix, &edits);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t.xml);
        return 1;
}

/* An edit that lacks a part because memory was out must not get into the domain. */
static int check_edit(unsigned long failures, int r, char *xml, char **ret)
{
        r = memory_check(failures, r);
        if (r == -ENOMEM)
                free(xml);
        else if (xml)
                *ret = xml;
        return r;
}

int domain_edit_apply(const char *xml, size_t size, const char *fix, const struct domain_changes *changes,
                      char **ret)
{
        unsigned long failures = memory_failures();
        char *edited = NULL;
        int r;

        assert(xml);
        assert(fix);
        assert(changes);
        assert(ret);

        r = apply_changes(xml, size, fix, changes, &edited);
        return check_edit(failures, r, edited, ret);
}

static int undo_edit(struct domain_text *t, const struct domain_edit *e)
{
        struct place_made made;
        int r;

        r = edit_state(t, e);
        if (r < 0)
                return r;
        if (r != DOMAIN_EDIT_APPLIED)
                return 0;
        if (e->before)
                return domain_place_set(t, e->place, e->key, e->before, &made);
        return domain_place_unset(t, e->place, e->key, e->made);
}

/* Makes the places that somebody else has changed hold what we put there. */
static int restore_our_values(struct domain_text *t, const struct domain_edits *edits, const char *fix)
{
        for (size_t i = 0; i < edits->n; i++) {
                const struct domain_edit *e = &edits->edits[i];
                _cleanup_free_ char *text = domain_text_escape(e->after);
                struct place_made made;
                int r;

                if (!text)
                        return -ENOMEM;
                if (!is_edit_of(e, fix))
                        continue;
                r = edit_state(t, e);
                if (r < 0)
                        return r;
                if (r != DOMAIN_EDIT_CHANGED)
                        continue;
                r = domain_place_set(t, e->place, e->key, text, &made);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int revert_edits(const char *xml, size_t size, const char *fix, char **ret)
{
        _cleanup_(domain_text_done) struct domain_text t = {};
        _cleanup_(domain_edits_done) struct domain_edits edits = {};
        int state, r;

        r = domain_text_parse(&t, xml, size);
        if (r < 0)
                return r;
        r = domain_edits_read(&edits, &t);
        if (r < 0)
                return r;
        state = edits_state(&t, &edits, fix);
        if (state <= DOMAIN_EDIT_NONE)
                return state;
        if (state == DOMAIN_EDIT_CHANGED) {
                r = restore_our_values(&t, &edits, fix);
                if (r < 0)
                        return r;
                *ret = TAKE_PTR(t.xml);
                return -ESTALE;
        }
        /* The last edit first, because an element created for an earlier one can hold a later one. */
        for (size_t i = edits.n; i-- > 0;) {
                if (!is_edit_of(&edits.edits[i], fix))
                        continue;
                r = undo_edit(&t, &edits.edits[i]);
                if (r < 0)
                        return r;
        }
        r = domain_edits_unmark(&t, fix);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t.xml);
        return 1;
}

int domain_edit_revert(const char *xml, size_t size, const char *fix, char **ret)
{
        unsigned long failures = memory_failures();
        char *reverted = NULL;
        int r;

        assert(xml);
        assert(ret);

        r = revert_edits(xml, size, fix, &reverted);
        return check_edit(failures, r, reverted, ret);
}
