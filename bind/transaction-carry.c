/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/device/vfio-driver.h"
#include "journal.h"
#include "transaction-internal.h"
#include "util/macro.h"

static const char *explain(int error, const struct binding *to, char text[static 160])
{
        switch (error) {
        case -ENOTUNIQ:
                if (*to->driver)
                        snprintf(text, 160, "the kernel took every write, and %s did not take the function",
                                 to->driver);
                else
                        snprintf(text, 160,
                                 "the kernel took every write, and a driver took the function again");
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

/* Another function may have come to the address since. */
bool is_same_function(const struct transaction *t, const struct bind_member *m)
{
        const struct device *d = device_facts_find(&t->host->devices, m->bdf);
        char serial[24];

        return d && d->vendor == m->vendor && d->device == m->device &&
               d->subsystem_vendor == m->subsystem_vendor && d->subsystem_device == m->subsystem_device &&
               (!*m->serial || (binding_read_serial(t->root, m->bdf, serial) >= 0 &&
                                (!*serial || streq(serial, m->serial))));
}

bool is_with_vfio(const struct transaction *t, const struct bind_member *m, const struct binding *now)
{
        return streq(now->driver, m->after.driver) ||
               (*now->driver && vfio_drivers_has(t->host->devices.drivers, now->driver));
}

/* Brings one function to its side; what a driver has changed meanwhile goes back with it. */
static int bring(struct binding_writer *w, const struct bind_member *m, bool after)
{
        int r = binding_bring(w, m->bdf, after ? &m->after : &m->before);

        if (r >= 0 && !after)
                /* Not worth a function that works: a setting that the kernel refuses stays. */
                (void) binding_settings_bring(w, m->bdf, &m->settings);
        return r;
}

/* Brings all functions to one side, bind in their order, the way back in reverse. The first that cannot ends
 * it: *ret_failed. One that has left the host needs nothing where `all` is not asked for. Returns 0 or its
 * error. */
static int bring_all(struct transaction *t, struct binding_writer *w, bool after, bool all,
                     const struct bind_member **ret_failed)
{
        const struct bind_record *record = &t->result->record;
        int r, error = 0;

        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[after ? i : record->n_members - 1 - i];

                r = is_same_function(t, m) ? bring(w, m, after) : -ENODEV;
                if (r >= 0 || (r == -ENODEV && !all))
                        continue;
                *ret_failed = m;
                if (all)
                        return r;
                /* The way back takes along whatever it can. */
                error = error ?: r;
        }
        return error;
}

/* Neither here nor there. */
static int quarantine(struct transaction *t, const struct bind_member *m, int error, bool after)
{
        _cleanup_free_ char *reason = NULL;
        char text[160];
        int r;

        if (asprintf(&reason, "%s: %s", m->bdf, explain(error, after ? &m->after : &m->before, text)) < 0) {
                reason = NULL;
                return -ENOMEM;
        }
        r = journal_write(t->root, &t->result->record, BIND_STATE_QUARANTINED, reason);
        if (r == -ENOMEM)
                return r;
        t->result->outcome = BIND_QUARANTINED;
        return findings_add(&t->result->findings, FINDING_BIND_QUARANTINED, m->bdf, "%s", reason);
}

/* Back to where all was before this transaction: `after` is that side. */
static int roll_back(struct transaction *t, const struct bind_member *failed, int error, bool after)
{
        struct binding_writer w = { .root = t->root };
        const struct bind_member *m = NULL;
        char text[160];
        int r, k;

        r = findings_add(&t->result->findings, FINDING_BIND_FAILED, failed->bdf, "%s",
                         explain(error, after ? &failed->before : &failed->after, text));
        if (r < 0)
                return r;
        k = bring_all(t, &w, after, false, &m);
        t->result->writes += w.writes;
        if (k < 0)
                return quarantine(t, m, k, after);
        r = after ? journal_write(t->root, &t->result->record, BIND_STATE_BOUND, NULL)
                  : journal_remove(t->root, &t->result->record);
        return r == -ENOMEM ? r : transaction_finish(t, BIND_FAILED);
}

/* The way there: record, write, verify, commit. */
int transaction_carry_out(struct transaction *t, bool after)
{
        struct binding_writer w = { .root = t->root,
                                    .stop = t->order->stop,
                                    .deadline_usec = t->order->deadline_usec };
        struct bind_record *record = &t->result->record;
        const enum bind_state was =
                record->state; /* BIND_STATE_BINDING: it has just been planned, and is on no record yet */
        _cleanup_free_ char *reason = record->reason ? strdup(record->reason) : NULL;
        const struct bind_member *failed = NULL;
        int r, error;

        if (record->reason && !reason)
                return -ENOMEM;
        r = journal_write(t->root, record, after ? BIND_STATE_BINDING : BIND_STATE_RETURNING, NULL);
        if (r < 0) {
                /* It may be there all the same, where only its directory could not be synced: what is
                 * refused is not done later. */
                (void) (was == BIND_STATE_BINDING ? journal_remove(t->root, record)
                                                  : journal_write(t->root, record, was, reason));
                return transaction_refuse_journal(t, r);
        }
        /* On the way to VFIO it is all or none; back, what has left the host needs nothing. */
        error = bring_all(t, &w, after, after, &failed);
        t->result->writes += w.writes;
        if (error < 0)
                return roll_back(t, failed, error, !after);
        r = after ? journal_write(t->root, record, BIND_STATE_BOUND, NULL) : journal_remove(t->root, record);
        if (r == -ENOMEM)
                return r;
        /* Without its commit the record says "on the way", and the next to settle finds all where it should
         * be. */
        return transaction_finish(t, after ? BIND_BOUND : BIND_RETURNED);
}

/* What a killed transaction left. */
int transaction_settle(struct transaction *t)
{
        struct bind_record *record = &t->result->record;
        const struct bind_member *failed = NULL;
        struct binding_writer w = { .root = t->root };
        size_t here = 0, there = 0;
        int r;

        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[i];
                struct binding now;

                if (!is_same_function(t, m) || binding_read(t->root, m->bdf, &now) < 0)
                        continue;
                here++;
                /* Of what is bound, only that VFIO has it counts: an override that others cleared, or
                 * another VFIO driver of their choice, takes nothing away. */
                there += record->state == BIND_STATE_BOUND ? is_with_vfio(t, m, &now)
                                                           : binding_equal(&now, &m->after);
        }
        if (here == 0) {
                r = journal_remove(t->root, record);
                return r == -ENOMEM ? r : transaction_finish(t, BIND_GONE);
        }
        if (record->state == BIND_STATE_QUARANTINED)
                return transaction_finish(t, BIND_UNCHANGED);
        if (record->state == BIND_STATE_BOUND && there > 0)
                return transaction_finish(t, BIND_UNCHANGED);
        if (record->state == BIND_STATE_BOUND) {
                /* Somebody else has it in hand now. */
                r = journal_remove(t->root, record);
                return r == -ENOMEM ? r : transaction_finish(t, BIND_UNCHANGED);
        }
        if (record->state == BIND_STATE_BINDING && there == record->n_members) {
                r = journal_write(t->root, record, BIND_STATE_BOUND, NULL);
                return r == -ENOMEM ? r : transaction_finish(t, BIND_BOUND);
        }

        r = bring_all(t, &w, false, false, &failed);
        t->result->writes += w.writes;
        if (r < 0 && record->state == BIND_STATE_RETURNING)
                return roll_back(t, failed, r, true);
        if (r < 0)
                return quarantine(t, failed, r, false);
        r = journal_remove(t->root, record);
        return r == -ENOMEM ? r : transaction_finish(t, BIND_RETURNED);
}
