/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-host.h"
#include "facts/device/vfio-driver.h"
#include "journal.h"
#include "transaction-internal.h"
#include "util/file.h"
#include "util/macro.h"

/* clang-format off */
static const char *const bind_operation_table[_BIND_OPERATION_MAX] = {
        [BIND_BIND] = "bind",
        [BIND_UNBIND] = "unbind",
        [BIND_SETTLE] = "settle",
};
/* clang-format on */
DEFINE_STRING_TABLE(bind_operation, enum bind_operation);

int transaction_finish(struct transaction *t, enum bind_outcome outcome)
{
        t->result->outcome = outcome;
        return 0;
}

int transaction_refuse(struct transaction *t, enum finding_id id, const char *subject, const char *detail)
{
        t->result->outcome = BIND_REFUSED;
        return findings_add(&t->result->findings, id, subject, detail ? "%s" : NULL, detail);
}

int transaction_refuse_journal(struct transaction *t, int error)
{
        char detail[160];

        snprintf(detail, sizeof(detail), "the record in /%s cannot be written: %s", BIND_RECORDS,
                 strerror(-error));
        return error == -ENOMEM ? error
                                : transaction_refuse(t, FINDING_BIND_FAILED,
                                                     t->result->record.members[0].bdf, detail);
}

static int read_boot_id(const struct root *root, char ret[static 37])
{
        _cleanup_free_ char *line = NULL;
        int r = read_line_at(root->fd, "proc/sys/kernel/random/boot_id", &line);

        if (r < 0)
                return r;
        if (strlen(line) != 36)
                return -EBADMSG;
        strcpy(ret, line);
        return 0;
}

static int check_and_carry_out(struct transaction *t, bool after)
{
        int r = transaction_check(t);

        if (r < 0)
                return r;
        if (transaction_is_refused(t))
                return transaction_finish(t, BIND_REFUSED);
        if (t->order->dry_run)
                return transaction_finish(t, BIND_PLANNED);
        return transaction_carry_out(t, after);
}

/* What a guest has is given back when that guest ends: not where somebody else wants it bound meanwhile. */
static int take_over(struct transaction *t)
{
        struct bind_record *record = &t->result->record;
        char *owner;
        int r;

        if (t->order->dry_run || !startswith(record->owner, "guest ") ||
            streq(record->owner, t->order->owner))
                return transaction_finish(t, BIND_UNCHANGED);
        owner = strdup(t->order->owner);
        if (!owner)
                return -ENOMEM;
        free(record->owner);
        record->owner = owner;
        r = journal_write(t->root, record, BIND_STATE_BOUND, NULL);
        return r < 0 ? transaction_refuse_journal(t, r) : transaction_finish(t, BIND_UNCHANGED);
}

static int bind_anew(struct transaction *t)
{
        int r;

        if (!t->group)
                return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, NULL, "it has left the host");
        r = transaction_plan(t);
        if (r < 0 || t->result->outcome == BIND_REFUSED)
                return r;
        if (transaction_changes_nothing(t))
                return transaction_finish(t, BIND_UNCHANGED);
        return check_and_carry_out(t, true);
}

/* A function of the group that is not in its record, and bound to a driver of the host: VFIO gives none of
 * them out. */
static const struct device *find_latecomer(const struct transaction *t)
{
        const struct bind_record *record = &t->result->record;

        for (size_t i = 0; t->group && i < t->group->n_members; i++) {
                const struct device *d = t->group->members[i];
                bool known = d->driver_is_vfio || iommu_group_tolerates(d);

                for (size_t k = 0; k < record->n_members && !known; k++)
                        known = streq(record->members[k].bdf, d->bdf);
                if (!known)
                        return d;
        }
        return NULL;
}

/* By its record, the group is bound. */
static int bind_again(struct transaction *t)
{
        struct bind_record *record = &t->result->record;
        size_t there = 0, held = 0;
        int r;

        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[i];
                struct binding now;

                if (is_same_function(t, m) && binding_read(t->root, m->bdf, &now) >= 0) {
                        there += streq(now.driver, m->after.driver);
                        held += is_with_vfio(t, m, &now);
                }
                if (t->order->driver && !streq(t->order->driver, m->after.driver))
                        return transaction_refuse(t, FINDING_BIND_DRIVER, m->bdf,
                                                  "it is bound to another VFIO driver; unbind it first");
        }
        if (there == record->n_members) {
                const struct device *late = find_latecomer(t);

                return late ? transaction_refuse(
                                      t, FINDING_BIND_BUSY, late->bdf,
                                      "it has come to the group since that was bound; unbind it first")
                            : take_over(t);
        }
        if (held > 0)
                return transaction_refuse(
                        t, FINDING_BIND_BUSY, t->result->record.members[0].bdf,
                        "somebody has changed a driver of its group since; unbind it first");
        /* Somebody has taken all of it back. */
        r = t->order->dry_run ? 0 : journal_remove(t->root, record);
        if (r < 0)
                return transaction_refuse_journal(t, r);
        bind_record_done(record);
        return bind_anew(t);
}

static int bind_group(struct transaction *t)
{
        return t->result->record.n_members > 0 ? bind_again(t) : bind_anew(t);
}

static int unbind_group(struct transaction *t)
{
        struct bind_record *record = &t->result->record;
        bool ours = record->n_members > 0;
        int r;

        if (!ours) {
                if (!t->group)
                        return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, NULL,
                                                  "it has left the host");
                r = transaction_plan(t);
                if (r < 0 || t->result->outcome == BIND_REFUSED)
                        return r;
        } else if (t->order->driver)
                for (size_t i = 0; i < record->n_members; i++) {
                        record->members[i].before = (struct binding){};
                        snprintf(record->members[i].before.driver, BINDING_NAME_MAX, "%s", t->order->driver);
                }
        if (!ours && transaction_changes_nothing(t))
                return transaction_finish(t, BIND_UNCHANGED);
        if (!ours && !t->order->driver)
                return transaction_refuse(
                        t, FINDING_BIND_DRIVER, t->result->record.members[0].bdf,
                        "it was not bound by vfioalign, so that its driver has to be named with --driver");
        return check_and_carry_out(t, false);
}

/* The record that has the function, or another one of its group. */
static const struct bind_record *find_record(const struct transaction *t, const struct bind_records *records,
                                             const char *bdf)
{
        const struct bind_record *found = bind_records_find(records, bdf);

        for (size_t i = 0; t->group && i < t->group->n_members && !found; i++)
                found = bind_records_find(records, t->group->members[i]->bdf);
        return found;
}

static const struct iommu_group *find_group(const struct transaction *t, const char *bdf)
{
        const struct device *d = device_facts_find(&t->host->devices, bdf);

        return d && device_is_assignable(d) ? iommu_facts_find_group(&t->host->iommu, d->group) : NULL;
}

/* The group's first function, which names its record: one that is there may name it by another. */
static int find_key(struct transaction *t, const char *bdf, bdf_t key)
{
        const struct device *d = device_facts_find(&t->host->devices, bdf);
        const struct bind_record *known;

        t->group = find_group(t, bdf);
        known = find_record(t, &t->host->binds, bdf);
        if (known) {
                /* The one that is named may have left; the others are no less used for that. */
                for (size_t i = 0; i < known->n_members && !t->group; i++)
                        t->group = find_group(t, known->members[i].bdf);
                memcpy(key, known->members[0].bdf, sizeof(bdf_t));
                return 0;
        }
        for (size_t i = 0; t->group && i < t->group->n_members; i++)
                if (!device_is_bridge(t->group->members[i])) {
                        memcpy(key, t->group->members[i]->bdf, sizeof(bdf_t));
                        return 0;
                }
        if (!d)
                return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, bdf, "there is no such function");
        return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, bdf,
                                  device_is_bridge(d) ? "it is a bridge" : "it is in no IOMMU group");
}

static int check_named_driver(struct transaction *t, const char *bdf)
{
        const char *driver = t->order->driver;
        bool vfio;

        if (!driver)
                return 0;
        vfio = vfio_drivers_has(t->host->devices.drivers, driver);
        if (t->order->operation == BIND_BIND && !vfio)
                return transaction_refuse(t, FINDING_BIND_DRIVER, bdf,
                                          "the driver that was named is none of VFIO's");
        if (t->order->operation == BIND_UNBIND && vfio)
                return transaction_refuse(t, FINDING_BIND_DRIVER, bdf,
                                          "the driver that was named is one of VFIO's");
        return 0;
}

static int run_locked(struct transaction *t, const char *key);

/* What a killed transaction left comes first; it changes what is known of the host. */
static int settle_first(struct transaction *t, const char *key)
{
        struct host fresh;
        bdf_t wanted;
        int r;

        if (t->order->dry_run)
                return transaction_refuse(
                        t, FINDING_BIND_BUSY, key,
                        "another operation is under way, or was killed and is not settled yet");
        r = transaction_settle(t);
        if (r < 0 || t->result->outcome == BIND_QUARANTINED)
                return r;
        findings_done(&t->result->findings);
        bind_record_done(&t->result->record);
        t->result->outcome = BIND_UNCHANGED;
        memcpy(wanted, t->group ? t->group->members[0]->bdf : key, sizeof(bdf_t));
        r = bind_host_read(&fresh, t->root, &wanted, 1);
        if (r < 0)
                return r;
        t->group = iommu_facts_find_group(&fresh.iommu, t->group ? t->group->number : -1);
        t->host = &fresh;
        r = run_locked(t, key);
        t->host = NULL;
        t->group = NULL;
        bind_claims_release(&t->claims);
        bind_host_done(&fresh);
        return r;
}

static int run_locked(struct transaction *t, const char *key)
{
        struct bind_record *record = &t->result->record;
        int r = bind_record_read(record, t->root, key);

        if (r == -ENOMEM)
                return r;
        if (r < 0 && r != -ENOENT)
                return transaction_refuse(t, FINDING_BIND_UNSEEN, key,
                                          "its record in /" BIND_RECORDS " cannot be read");
        if (r >= 0 && !streq(record->boot_id, t->boot_id)) {
                /* No binding outlives a boot. */
                bind_record_done(record);
                r = -ENOENT;
        }
        if (t->order->operation == BIND_SETTLE)
                return r < 0 ? transaction_finish(t, BIND_UNCHANGED) : transaction_settle(t);
        if (r >= 0 && (record->state == BIND_STATE_BINDING || record->state == BIND_STATE_RETURNING))
                return settle_first(t, key);
        if (r >= 0 && record->state == BIND_STATE_QUARANTINED && t->order->operation == BIND_BIND)
                return transaction_refuse(t, FINDING_BIND_QUARANTINED, key, record->reason);
        return t->order->operation == BIND_BIND ? bind_group(t) : unbind_group(t);
}

int transaction_run(const struct host *h, const char *bdf, const struct bind_order *order,
                    struct bind_result *ret)
{
        struct bind_result result = {};
        struct transaction t = { .host = h, .root = h->root, .order = order, .result = &result };
        _cleanup_close_ int lock = -EBADF;
        bdf_t key;
        int r;

        r = read_boot_id(t.root, t.boot_id);
        r = r < 0 ? transaction_refuse(&t, FINDING_BIND_UNSEEN, bdf, "the kernel's boot_id cannot be read")
                  : check_named_driver(&t, bdf);
        if (r >= 0 && result.outcome != BIND_REFUSED)
                r = find_key(&t, bdf, key);
        if (r >= 0 && result.outcome != BIND_REFUSED && !order->dry_run) {
                lock = journal_lock(t.root, key, order->stop);
                if (lock == -EBUSY)
                        r = transaction_refuse(&t, FINDING_BIND_BUSY, key, NULL);
                else if (lock < 0)
                        r = lock == -ENOMEM
                                    ? lock
                                    : transaction_refuse(&t, FINDING_BIND_FAILED, key,
                                                         "its record in /" BIND_RECORDS " cannot be locked");
        }
        if (r >= 0 && result.outcome != BIND_REFUSED)
                r = run_locked(&t, key);
        bind_claims_release(&t.claims);
        if (r < 0) {
                bind_result_done(&result);
                return r;
        }
        *ret = result;
        return 0;
}

void bind_result_done(struct bind_result *r)
{
        bind_record_done(&r->record);
        findings_done(&r->findings);
        free(r->stack);
        *r = (struct bind_result){};
}
