/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

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

        if (error == -ENOMEM)
                return error;
        snprintf(detail, sizeof(detail), "the record in /%s cannot be written: %s", BIND_RECORDS,
                 strerror(-error));
        return transaction_refuse(t, FINDING_BIND_FAILED, t->result->record.members[0].bdf, detail);
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

static int check_and_carry_out(struct transaction *t, enum bind_side to)
{
        int r;

        r = transaction_check(t);
        if (r < 0)
                return r;
        if (transaction_is_refused(t))
                return transaction_finish(t, BIND_REFUSED);
        if (!t->order->dry_run)
                return transaction_carry_out(t, to);
        r = transaction_plan_writes(t, to);
        if (r < 0)
                return r;
        return transaction_finish(t, BIND_PLANNED);
}

/* Devices of a guest are given back when it ends. That must not happen once somebody else wants them bound.
 */
static int take_over_record(struct transaction *t)
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
        if (r < 0)
                return transaction_refuse_journal(t, r);
        return transaction_finish(t, BIND_UNCHANGED);
}

static int bind_unrecorded(struct transaction *t)
{
        int r;

        if (!t->group)
                return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, NULL, "it has left the host");
        r = transaction_plan(t);
        if (r < 0 || t->result->outcome == BIND_REFUSED)
                return r;
        if (transaction_changes_nothing(t))
                return transaction_finish(t, BIND_UNCHANGED);
        return check_and_carry_out(t, SIDE_VFIO);
}

/* A function of the group that is not in its record and has a driver of the host: VFIO gives out no function
 * of the group as long as that is so. */
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
static int bind_recorded(struct transaction *t)
{
        struct bind_record *record = &t->result->record;
        const struct device *late;
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
                late = find_latecomer(t);
                if (!late)
                        return take_over_record(t);
                return transaction_refuse(t, FINDING_BIND_BUSY, late->bdf,
                                          "it came to the group after that was bound; unbind it first");
        }
        if (held > 0)
                return transaction_refuse(
                        t, FINDING_BIND_BUSY, record->members[0].bdf,
                        "somebody has changed a driver of its group since; unbind it first");

        /* Somebody has taken all of it back, so the record says nothing any more. */
        if (!t->order->dry_run) {
                r = journal_remove(t->root, record);
                if (r < 0)
                        return transaction_refuse_journal(t, r);
        }
        bind_record_done(record);
        return bind_unrecorded(t);
}

static int unbind_recorded(struct transaction *t)
{
        struct bind_record *record = &t->result->record;

        for (size_t i = 0; t->order->driver && i < record->n_members; i++) {
                record->members[i].before = (struct binding){};
                snprintf(record->members[i].before.driver, BINDING_NAME_MAX, "%s", t->order->driver);
        }
        return check_and_carry_out(t, SIDE_HOST);
}

static int unbind_unrecorded(struct transaction *t)
{
        int r;

        if (!t->group)
                return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, NULL, "it has left the host");
        r = transaction_plan(t);
        if (r < 0 || t->result->outcome == BIND_REFUSED)
                return r;
        if (transaction_changes_nothing(t))
                return transaction_finish(t, BIND_UNCHANGED);
        if (!t->order->driver)
                return transaction_refuse(
                        t, FINDING_BIND_DRIVER, t->result->record.members[0].bdf,
                        "it was not bound by vfioalign, so its driver has to be named with --driver");
        return check_and_carry_out(t, SIDE_HOST);
}

/* Where it had to go back to is not known, so it stays where it is until somebody says so. */
static int refuse_unread(struct transaction *t, const char *key, int error)
{
        char detail[256];

        if (error == -EBADMSG)
                snprintf(detail, sizeof(detail),
                         "its record /" BIND_RECORDS "/%s is damaged, so its drivers are unknown; name one: "
                         "vfioalignctl unbind %s --driver NAME; or remove the file where it has its drivers",
                         key, key);
        else
                snprintf(detail, sizeof(detail), "its record /" BIND_RECORDS "/%s cannot be read: %s", key,
                         strerror(-error));
        return transaction_refuse(t, error == -EBADMSG ? FINDING_BIND_QUARANTINED : FINDING_BIND_UNSEEN, key,
                                  detail);
}

/* The way out for a group whose record is damaged: to the driver that is named, as where there is no record.
 * The new record replaces the damaged one. */
static int unbind_damaged(struct transaction *t, const char *key)
{
        struct bind_record *record = &t->result->record;
        int r;

        if (!t->group)
                return refuse_unread(t, key, -EBADMSG);
        r = transaction_plan(t);
        if (r < 0 || t->result->outcome == BIND_REFUSED)
                return r;
        /* Another one would be locked and recorded by another name. */
        if (!streq(record->members[0].bdf, key))
                return refuse_unread(t, key, -EBADMSG);
        if (!transaction_changes_nothing(t))
                return check_and_carry_out(t, SIDE_HOST);
        if (!t->order->dry_run) {
                r = journal_remove(t->root, record);
                if (r < 0)
                        return transaction_refuse_journal(t, r);
        }
        return transaction_finish(t, BIND_UNCHANGED);
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

/* One of the group's functions that a record is named after which cannot be read, or NULL. */
static const char *find_unread(const struct transaction *t, const char *bdf)
{
        const struct bind_records *records = &t->host->binds;

        for (size_t i = 0; i < records->n_unread; i++) {
                if (streq(records->unread[i].bdf, bdf))
                        return records->unread[i].bdf;
                for (size_t k = 0; t->group && k < t->group->n_members; k++)
                        if (streq(records->unread[i].bdf, t->group->members[k]->bdf))
                                return records->unread[i].bdf;
        }
        return NULL;
}

/* The function that the group's record is named after: the first one of the record where there is one, or
 * the first one of the group. Sets t->group as well. */
static int find_key(struct transaction *t, const char *bdf, bdf_t key)
{
        const struct device *d = device_facts_find(&t->host->devices, bdf);
        const struct bind_record *known;
        const char *unread;

        t->group = find_group(t, bdf);
        known = find_record(t, &t->host->binds, bdf);
        if (known) {
                /* The named function may have left. The others can be in use all the same. */
                for (size_t i = 0; i < known->n_members && !t->group; i++)
                        t->group = find_group(t, known->members[i].bdf);
                memcpy(key, known->members[0].bdf, sizeof(bdf_t));
                return 0;
        }
        unread = find_unread(t, bdf);
        if (unread) {
                memcpy(key, unread, sizeof(bdf_t));
                return 0;
        }
        for (size_t i = 0; t->group && i < t->group->n_members; i++)
                if (!device_is_infrastructure(t->group->members[i])) {
                        memcpy(key, t->group->members[i]->bdf, sizeof(bdf_t));
                        return 0;
                }
        if (!d)
                return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, bdf, "there is no such function");
        return transaction_refuse(t, FINDING_BIND_UNASSIGNABLE, bdf,
                                  device_is_infrastructure(d) ? "it is a bridge"
                                                              : "it is in no IOMMU group");
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

/* Reads the record into the result, where it stays empty without one. No binding outlives a boot, so a
 * record of an earlier one does not count. */
static int read_record(struct transaction *t, const char *key)
{
        struct bind_record *record = &t->result->record;
        int r;

        r = bind_record_read(record, t->root, key);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (!streq(record->boot_id, t->boot_id))
                bind_record_done(record);
        return 0;
}

/* Functions may have left, and drivers have changed, since the caller read the host. */
static int read_host_again(struct transaction *t, const char *key)
{
        int r, group = t->group ? t->group->number : -1;
        bdf_t wanted;

        memcpy(wanted, t->group ? t->group->members[0]->bdf : key, sizeof(bdf_t));
        r = bind_host_read(&t->own_host, t->root, &wanted, 1);
        if (r < 0)
                return r;
        t->host = &t->own_host;
        t->group = iommu_facts_find_group(&t->host->iommu, group);
        return 0;
}

/* Settles what a killed transaction left, and forgets all of it but the number of writes: the result is
 * about what comes next. Where the group is quarantined, nothing comes next. */
static int settle_first(struct transaction *t, const char *key)
{
        int r;

        r = transaction_settle(t);
        if (r < 0 || t->result->outcome == BIND_QUARANTINED)
                return r;
        findings_done(&t->result->findings);
        bind_record_done(&t->result->record);
        t->result->outcome = BIND_UNCHANGED;
        return read_host_again(t, key);
}

static int run_locked(struct transaction *t, const char *key)
{
        struct bind_record *record = &t->result->record;
        bool binds = t->order->operation == BIND_BIND, settled = false;
        int r;

        for (;;) {
                r = read_record(t, key);
                if (r == -ENOMEM)
                        return r;
                if (r == -EBADMSG && t->order->operation == BIND_UNBIND && t->order->driver)
                        return unbind_damaged(t, key);
                if (r < 0)
                        return refuse_unread(t, key, r);
                if (t->order->operation == BIND_SETTLE)
                        return record->n_members > 0 ? transaction_settle(t)
                                                     : transaction_finish(t, BIND_UNCHANGED);
                if (record->n_members == 0)
                        return binds ? bind_unrecorded(t) : unbind_unrecorded(t);
                if (record->state != BIND_STATE_BINDING && record->state != BIND_STATE_RETURNING)
                        break;

                if (t->order->dry_run)
                        return transaction_refuse(
                                t, FINDING_BIND_BUSY, key,
                                "another operation is under way, or was killed and is not settled yet");
                if (settled)
                        /* A settle whose commit fails is none the worse for it, but others cannot go on. */
                        return transaction_refuse(t, FINDING_BIND_FAILED, key,
                                                  "its record in /" BIND_RECORDS " cannot be written");
                r = settle_first(t, key);
                if (r < 0 || t->result->outcome == BIND_QUARANTINED)
                        return r;
                settled = true;
        }

        if (record->state == BIND_STATE_QUARANTINED && binds)
                return transaction_refuse(t, FINDING_BIND_QUARANTINED, key, record->reason);
        return binds ? bind_recorded(t) : unbind_recorded(t);
}

static int take_lock(struct transaction *t, const char *key)
{
        t->lock = journal_lock(t->root, key, t->order->stop);
        if (t->lock >= 0)
                return 0;
        if (t->lock == -ENOMEM)
                return t->lock;
        if (t->lock == -EBUSY)
                return transaction_refuse(t, FINDING_BIND_BUSY, key, NULL);
        return transaction_refuse(t, FINDING_BIND_FAILED, key,
                                  "its record in /" BIND_RECORDS " cannot be locked");
}

static int lock_and_run(struct transaction *t, const char *bdf)
{
        bdf_t key;
        int r;

        r = read_boot_id(t->root, t->boot_id);
        if (r < 0)
                return transaction_refuse(t, FINDING_BIND_UNSEEN, bdf,
                                          "the kernel's boot_id cannot be read");
        r = check_named_driver(t, bdf);
        if (r < 0 || t->result->outcome == BIND_REFUSED)
                return r;
        r = find_key(t, bdf, key);
        if (r < 0 || t->result->outcome == BIND_REFUSED)
                return r;
        /* A dry run writes no lock file. */
        if (!t->order->dry_run) {
                r = take_lock(t, key);
                if (r < 0 || t->result->outcome == BIND_REFUSED)
                        return r;
        }
        return run_locked(t, key);
}

/* The lock goes last: whoever gets it next must find the devices free. */
static void transaction_done(struct transaction *t)
{
        bind_claims_release(&t->claims);
        if (t->host == &t->own_host)
                bind_host_done(&t->own_host);
        if (t->lock >= 0)
                close(t->lock);
}

int transaction_run(const struct host *h, const char *bdf, const struct bind_order *order,
                    struct bind_result *ret)
{
        struct bind_result result = {};
        struct transaction t = {
                .host = h,
                .root = h->root,
                .order = order,
                .bdf = bdf,
                .result = &result,
                .lock = -EBADF,
        };
        int r;

        assert(h && bdf && order && ret);
        assert(order->operation >= 0 && order->operation < _BIND_OPERATION_MAX);
        assert(order->operation == BIND_SETTLE || order->owner);

        r = lock_and_run(&t, bdf);
        transaction_done(&t);
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
        free(r->planned);
        free(r->stack);
        *r = (struct bind_result){};
}
