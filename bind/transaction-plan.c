/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-load.h"
#include "facts/device/vfio-driver.h"
#include "transaction-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

/* Where the member is now: its serial number, m->before and m->settings. *ret_unseen: as of
 * binding_read_serial(). */
static int read_member(const struct root *root, struct bind_member *m, int *ret_unseen)
{
        int r;

        r = binding_read_serial(root, m->bdf, m->serial, ret_unseen);
        if (r < 0)
                return r;
        r = binding_read(root, m->bdf, &m->before);
        if (r < 0)
                return r;
        return binding_settings_read(root, m->bdf, &m->settings);
}

static bool order_names(const struct transaction *t, const char *bdf)
{
        const struct bind_order *o = t->order;

        for (size_t i = 0; i < o->n_named; i++)
                if (streq(o->named[i], bdf))
                        return true;
        return streq(t->bdf, bdf);
}

/* Somebody else has bound the group. What has a VFIO driver goes to the driver that is named; the rest
 * stays. A function that was asked for by name has lost its driver on the way if it has none, and goes there
 * as well. */
static int plan_unbind(struct transaction *t, const struct device *d, struct bind_member *m)
{
        const char *driver = t->order->driver;

        if (!d->driver_is_vfio) {
                char detail[160];

                if (!driver || !order_names(t, d->bdf) || streq(d->driver ?: "", driver))
                        return 0;
                if (d->driver) {
                        snprintf(detail, sizeof(detail), "it is bound to %s, which is not a driver of VFIO",
                                 d->driver);
                        return transaction_refuse(t, FINDING_BIND_DRIVER, m->bdf, detail);
                }
        }
        m->before = (struct binding){};
        snprintf(m->before.driver, sizeof(m->before.driver), "%s", driver ?: "");
        return 0;
}

/* Without it, another function of the same kind in the same place would pass for this one. */
static int note_unseen_serial(struct transaction *t, const char *bdf, int error)
{
        return findings_add(&t->result->findings, FINDING_FACTS_UNSEEN, bdf,
                            "the serial number by which it would be recognised (vfioalign-open: %s)",
                            strerror(-error));
}

/* Adds the function to the record, as it is and as it has to be. */
static int plan_member(struct transaction *t, const struct device *d)
{
        struct bind_member *m = array_append(t->result->record.members, t->result->record.n_members);
        const char *driver = t->order->driver;
        int r, unseen;

        if (!m)
                return -ENOMEM;
        memcpy(m->bdf, d->bdf, sizeof(bdf_t));
        m->vendor = d->vendor;
        m->device = d->device;
        m->subsystem_vendor = d->subsystem_vendor;
        m->subsystem_device = d->subsystem_device;
        r = read_member(t->root, m, &unseen);
        if (r < 0)
                return transaction_refuse(t, r == -ENODEV ? FINDING_BIND_UNASSIGNABLE : FINDING_BIND_UNSEEN,
                                          m->bdf, strerror(-r));
        if (unseen < 0) {
                r = note_unseen_serial(t, m->bdf, unseen);
                if (r < 0)
                        return r;
        }
        if (!streq(m->before.driver, d->driver ?: ""))
                return transaction_refuse(t, FINDING_BIND_BUSY, m->bdf, "its driver has just changed");
        m->after = m->before;
        if (t->order->operation == BIND_UNBIND)
                return plan_unbind(t, d, m);
        if (!driver)
                driver = d->driver_is_vfio ? d->driver : d->vfio_driver;
        if (streq(m->before.driver, driver))
                return 0;
        snprintf(m->after.driver, sizeof(m->after.driver), "%s", driver);
        snprintf(m->after.override, sizeof(m->after.override), "%s", driver);
        return 0;
}

int transaction_plan(struct transaction *t)
{
        struct bind_record *record = &t->result->record;
        int r;

        record->group = t->group->number;
        record->owner = strdup(t->order->owner);
        if (!record->owner)
                return -ENOMEM;
        memcpy(record->boot_id, t->boot_id, sizeof(t->boot_id));
        for (size_t i = 0; i < t->group->n_members; i++) {
                if (device_is_infrastructure(t->group->members[i]))
                        continue;
                r = plan_member(t, t->group->members[i]);
                if (r < 0 || t->result->outcome == BIND_REFUSED)
                        return r;
        }
        return 0;
}

bool transaction_changes_nothing(const struct transaction *t)
{
        const struct bind_record *record = &t->result->record;

        for (size_t i = 0; i < record->n_members; i++)
                if (!binding_equal(&record->members[i].before, &record->members[i].after))
                        return false;
        return true;
}

/* Whoever may bind may not therefore load any module by its name: only VFIO's drivers, the one that the
 * function had, and one of the host that is made for the function. */
static bool may_load(const struct transaction *t, const struct bind_member *m, const char *driver)
{
        if (t->order->operation == BIND_BIND)
                return vfio_drivers_has(t->host->devices.drivers, driver);
        if (!t->order->driver)
                return true; /* it is on record */
        return driver_is_for(t->root, m->bdf, driver);
}

/* Loads the drivers that are needed and not there. One that still does not exist takes no function. */
static int check_drivers(struct transaction *t)
{
        const struct bind_record *record = &t->result->record;
        bool returning = t->order->operation == BIND_UNBIND;

        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[i];
                const struct binding *from = returning ? &m->after : &m->before;
                const struct binding *to = returning ? &m->before : &m->after;
                char path[sizeof("sys/bus/pci/drivers/") + BINDING_NAME_MAX], detail[160];
                int r;

                if (!*to->driver || streq(from->driver, to->driver))
                        continue;
                snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", to->driver);
                if (!exists_at(t->root->fd, path) && may_load(t, m, to->driver))
                        driver_load(t->root, to->driver);
                if (exists_at(t->root->fd, path))
                        continue;
                snprintf(detail, sizeof(detail), "%s is not loaded, and could not be", to->driver);
                r = transaction_refuse(t, FINDING_BIND_DRIVER, m->bdf, detail);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_reachable(struct transaction *t)
{
        for (size_t i = 0; i < t->result->record.n_members; i++) {
                const char *bdf = t->result->record.members[i].bdf;
                int r;

                r = binding_reachable(t->root, bdf);
                if (r == 0 || r == -ENODEV)
                        continue;
                if (r == -EHOSTDOWN)
                        r = transaction_refuse(t, FINDING_BIND_UNREACHABLE, bdf, NULL);
                else
                        r = transaction_refuse(t, FINDING_BIND_UNSEEN, bdf,
                                               "its configuration space cannot be read");
                if (r < 0)
                        return r;
        }
        return 0;
}

bool transaction_is_refused(const struct transaction *t)
{
        for (size_t i = 0; i < t->result->findings.n_findings; i++) {
                enum finding_id id = t->result->findings.findings[i].id;

                if (!bind_is_note(id) && !(t->order->force && bind_is_forceable(id)))
                        return true;
        }
        return false;
}

int transaction_check(struct transaction *t)
{
        int r;

        if (t->group) {
                r = bind_check(t->host, t->group, t->order, &t->result->findings);
                if (r < 0)
                        return r;
        }
        r = check_reachable(t);
        if (r < 0)
                return r;
        /* The facts name whoever uses a function. The kernel knows of users that no fact shows, but not
         * their names, so it is asked last. */
        if (t->group && !transaction_is_refused(t)) {
                r = bind_claims_take(t->host, t->group, &t->claims, &t->result->findings);
                if (r < 0)
                        return r;
        }
        /* Nothing is loaded for what is refused. */
        return t->order->dry_run || transaction_is_refused(t) ? 0 : check_drivers(t);
}
