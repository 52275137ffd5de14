/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-load.h"
#include "facts/device/vfio-driver.h"
#include "journal.h"
#include "transaction-internal.h"
#include "util/macro.h"

static enum bind_side other_side(enum bind_side side)
{
        return side == SIDE_VFIO ? SIDE_HOST : SIDE_VFIO;
}

static const struct binding *member_place(const struct bind_member *m, enum bind_side side)
{
        return side == SIDE_VFIO ? &m->after : &m->before;
}

/* Why the function did not get there. */
static const char *explain_error(int error, const struct binding *to, char text[static 160])
{
        switch (error) {
        case -ENOTUNIQ:
                if (*to->driver)
                        snprintf(text, 160, "the kernel took every write, but %s did not take the function",
                                 to->driver);
                else
                        snprintf(text, 160,
                                 "the kernel took every write, but a driver took the function again");
                break;
        case -ECANCELED:
                snprintf(text, 160, "the time for it was over, or it was stopped");
                break;
        case -ENODEV:
                snprintf(text, 160, "the function has left the host");
                break;
        default:
                snprintf(text, 160, "on the way to %s: %s", *to->driver ? to->driver : "no driver",
                         strerror(-error));
        }
        return text;
}

bool is_same_function(const struct transaction *t, const struct bind_member *m)
{
        const struct device *d = device_facts_find(&t->host->devices, m->bdf);
        char serial[24];

        return d && d->vendor == m->vendor && d->device == m->device &&
               d->subsystem_vendor == m->subsystem_vendor && d->subsystem_device == m->subsystem_device &&
               (!*m->serial || (binding_read_serial(t->root, m->bdf, serial, NULL) >= 0 &&
                                (!*serial || streq(serial, m->serial))));
}

bool is_with_vfio(const struct transaction *t, const struct bind_member *m, const struct binding *now)
{
        return streq(now->driver, m->after.driver) ||
               (*now->driver && vfio_drivers_has(t->host->devices.drivers, now->driver));
}

static int member_bring(struct binding_writer *w, const struct bind_member *m, enum bind_side to)
{
        int r;

        r = binding_bring(w, m->bdf, member_place(m, to));
        if (r < 0)
                return r;
        /* What its drivers have changed goes back with it. A setting that the kernel refuses stays as it is:
         * it is not worth a function that works. */
        r = to == SIDE_HOST ? binding_settings_bring(w, m->bdf, &m->settings) : 0;
        return r == -ENOMEM ? r : 0;
}

/* To VFIO it is all or none, so the first function that does not get there ends it, also one that has left
 * the host. Returns 0 or that function's error, and the function. */
static int bring_all_to_vfio(struct transaction *t, struct binding_writer *w,
                             const struct bind_member **ret_failed)
{
        const struct bind_record *record = &t->result->record;

        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[i];
                int r = is_same_function(t, m) ? member_bring(w, m, SIDE_VFIO) : -ENODEV;

                if (r < 0) {
                        *ret_failed = m;
                        return r;
                }
        }
        return 0;
}

/* Brings back what can be brought back: one failure does not keep the others away from where they belong,
 * and what has left the host needs nothing. The functions go in the reverse of the order in which they went
 * to the other side. Returns 0 or the first error, and its function. */
static int bring_rest(struct transaction *t, struct binding_writer *w, enum bind_side to,
                      const struct bind_member **ret_failed)
{
        const struct bind_record *record = &t->result->record;
        int error = 0;

        for (size_t i = 0; i < record->n_members; i++) {
                size_t k = to == SIDE_VFIO ? i : record->n_members - 1 - i;
                const struct bind_member *m = &record->members[k];
                int r;

                if (!is_same_function(t, m))
                        continue;
                r = member_bring(w, m, to);
                if (r < 0 && r != -ENODEV && error == 0) {
                        *ret_failed = m;
                        error = r;
                }
        }
        return error;
}

/* Whether any function of it has a driver there. Functions that had none, and were to be given one, have
 * none. */
static bool is_held_by_vfio(const struct bind_record *record)
{
        for (size_t i = 0; i < record->n_members; i++)
                if (*record->members[i].after.driver &&
                    !streq(record->members[i].after.driver, record->members[i].before.driver))
                        return true;
        return false;
}

/* All functions are on that side. */
static int commit_record(struct transaction *t, enum bind_side side)
{
        if (side == SIDE_VFIO && is_held_by_vfio(&t->result->record))
                return journal_write(t->root, &t->result->record, BIND_STATE_BOUND, NULL);
        return journal_remove(t->root, &t->result->record);
}

/* The function got neither to that side nor back, or the way back of another one failed with it. */
static int quarantine_group(struct transaction *t, const struct bind_member *m, int error, enum bind_side to)
{
        _cleanup_free_ char *reason = NULL;
        char text[160];
        int r;

        if (asprintf(&reason, "%s: %s", m->bdf, explain_error(error, member_place(m, to), text)) < 0) {
                reason = NULL;
                return -ENOMEM;
        }
        r = journal_write(t->root, &t->result->record, BIND_STATE_QUARANTINED, reason);
        if (r == -ENOMEM)
                return r;
        t->result->outcome = BIND_QUARANTINED;
        return findings_add(&t->result->findings, FINDING_BIND_QUARANTINED, m->bdf, "%s", reason);
}

/* Back to the side where everything was before: `failed` did not get to the other one. */
static int roll_back(struct transaction *t, const struct bind_member *failed, int error, enum bind_side back)
{
        struct binding_writer w = { .root = t->root };
        const struct bind_member *m = NULL;
        char text[160];
        int r, k;

        r = findings_add(&t->result->findings, FINDING_BIND_FAILED, failed->bdf, "%s",
                         explain_error(error, member_place(failed, other_side(back)), text));
        if (r < 0)
                return r;
        k = bring_rest(t, &w, back, &m);
        t->result->writes += w.writes;
        if (k < 0)
                return quarantine_group(t, m, k, back);
        r = commit_record(t, back);
        if (r == -ENOMEM)
                return r;
        return transaction_finish(t, BIND_FAILED);
}

/* The write of a new record has failed. It may be there all the same, if only its directory could not be
 * synced: take it back, or a later settle would do what is refused here. A damaged one that it had to
 * replace stays. */
static void take_back_record(struct transaction *t)
{
        struct bind_record now = {};

        if (bind_record_read(&now, t->root, t->result->record.members[0].bdf) == -EBADMSG)
                return;
        bind_record_done(&now);
        (void) journal_remove(t->root, &t->result->record);
}

int transaction_carry_out(struct transaction *t, enum bind_side to)
{
        struct binding_writer w = { .root = t->root,
                                    .stop = t->order->stop,
                                    .deadline_usec = t->order->deadline_usec };
        struct bind_record *record = &t->result->record;
        /* Where this is BIND_STATE_BINDING, it has just been planned and is not on disk yet. */
        const enum bind_state was = record->state;
        _cleanup_free_ char *reason = NULL;
        const struct bind_member *failed = NULL;
        int r;

        if (record->reason) {
                reason = strdup(record->reason);
                if (!reason)
                        return -ENOMEM;
        }

        /* Step 1: write down where everything has to go, before anything moves. */
        r = journal_write(t->root, record, to == SIDE_VFIO ? BIND_STATE_BINDING : BIND_STATE_RETURNING,
                          NULL);
        if (r < 0) {
                if (was == BIND_STATE_BINDING)
                        take_back_record(t);
                else
                        (void) journal_write(t->root, record, was, reason);
                return transaction_refuse_journal(t, r);
        }

        /* Step 2: move every function, and verify each. */
        r = to == SIDE_VFIO ? bring_all_to_vfio(t, &w, &failed) : bring_rest(t, &w, SIDE_HOST, &failed);
        t->result->writes += w.writes;
        if (r < 0)
                return roll_back(t, failed, r, other_side(to));

        /* Step 3: commit. If that fails the record still says "on the way", and the next settle finds that
         * everything is where it should be. */
        r = commit_record(t, to);
        if (r == -ENOMEM)
                return r;
        return transaction_finish(t, to == SIDE_VFIO ? BIND_BOUND : BIND_RETURNED);
}

int transaction_plan_writes(struct transaction *t, enum bind_side to)
{
        const struct bind_record *record = &t->result->record;
        struct binding_writes *planned = calloc(record->n_members ?: 1, sizeof(*planned));

        if (!planned)
                return -ENOMEM;
        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[i];
                struct binding now;

                /* What has left the host is not written to. */
                if (is_same_function(t, m) && binding_read(t->root, m->bdf, &now) >= 0)
                        binding_plan(m->bdf, &now, member_place(m, to), &planned[i]);
        }
        t->result->planned = planned;
        return 0;
}

/* Counts the functions of the record that are there, and those of them that are where the record wants them.
 */
static void count_members(const struct transaction *t, size_t *ret_here, size_t *ret_there)
{
        const struct bind_record *record = &t->result->record;
        size_t here = 0, there = 0;

        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[i];
                struct binding now;

                if (!is_same_function(t, m) || binding_read(t->root, m->bdf, &now) < 0)
                        continue;
                here++;
                /* Of a bound function it only counts that VFIO has it. An override that others cleared, or
                 * another VFIO driver of their choice, changes nothing about giving it back. */
                if (record->state == BIND_STATE_BOUND)
                        there += is_with_vfio(t, m, &now);
                else
                        there += binding_equal(&now, &m->after);
        }
        *ret_here = here;
        *ret_there = there;
}

static int drop_record(struct transaction *t, enum bind_outcome outcome)
{
        int r;

        r = journal_remove(t->root, &t->result->record);
        if (r == -ENOMEM)
                return r;
        return transaction_finish(t, outcome);
}

/* A bind or an unbind was killed on its way, and did not get to VFIO or had left it: back to the host. */
static int settle_to_host(struct transaction *t)
{
        struct binding_writer w = { .root = t->root };
        const struct bind_member *failed = NULL;
        int r;

        for (size_t i = 0; i < t->result->record.n_members; i++)
                if (*t->result->record.members[i].before.driver)
                        driver_load(t->root, t->result->record.members[i].before.driver);
        r = bring_rest(t, &w, SIDE_HOST, &failed);
        t->result->writes += w.writes;
        if (r == 0)
                return drop_record(t, BIND_RETURNED);
        /* An unbind that cannot go on leads back to VFIO, as one that fails does. */
        if (t->result->record.state == BIND_STATE_RETURNING)
                return roll_back(t, failed, r, SIDE_VFIO);
        return quarantine_group(t, failed, r, SIDE_HOST);
}

int transaction_settle(struct transaction *t)
{
        struct bind_record *record = &t->result->record;
        size_t here, there;
        int r;

        count_members(t, &here, &there);
        if (here == 0)
                return drop_record(t, BIND_GONE);

        switch (record->state) {
        case BIND_STATE_QUARANTINED:
                return transaction_finish(t, BIND_UNCHANGED);
        case BIND_STATE_BOUND:
                if (there > 0)
                        return transaction_finish(t, BIND_UNCHANGED);
                /* Somebody else has taken all of it back. */
                return drop_record(t, BIND_UNCHANGED);
        case BIND_STATE_BINDING:
                if (there < record->n_members)
                        return settle_to_host(t);
                r = commit_record(t, SIDE_VFIO);
                if (r == -ENOMEM)
                        return r;
                return transaction_finish(t, BIND_BOUND);
        default:
                return settle_to_host(t);
        }
}
