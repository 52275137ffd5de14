/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transaction-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

/* The functions of the group as they stand, those to come included. */
static int plan_member(struct transaction *t, const struct device *d)
{
        struct bind_member *m = array_append(t->result->record.members, t->result->record.n_members);
        const char *driver = t->order->driver ?: d->driver_is_vfio ? d->driver : d->vfio_driver;
        char detail[160];
        int r;

        if (!m)
                return -ENOMEM;
        memcpy(m->bdf, d->bdf, sizeof(bdf_t));
        m->vendor = d->vendor;
        m->device = d->device;
        m->subsystem_vendor = d->subsystem_vendor;
        m->subsystem_device = d->subsystem_device;
        r = binding_read_serial(t->root, m->bdf, m->serial);
        if (r >= 0)
                r = binding_read(t->root, m->bdf, &m->before);
        if (r >= 0)
                r = binding_settings_read(t->root, m->bdf, &m->settings);
        if (r < 0) {
                snprintf(detail, sizeof(detail), "%s", strerror(-r));
                return transaction_refuse(t, r == -ENODEV ? FINDING_BIND_UNASSIGNABLE : FINDING_BIND_UNSEEN,
                                          m->bdf, detail);
        }
        if (!streq(m->before.driver, d->driver ?: ""))
                return transaction_refuse(t, FINDING_BIND_BUSY, m->bdf, "its driver has just changed");
        m->after = m->before;
        if (t->order->operation == BIND_UNBIND) {
                /* Bound by somebody else: it goes to the driver that is named, and what was bound otherwise
                 * stays. */
                if (!d->driver_is_vfio)
                        return 0;
                m->before = (struct binding){};
                snprintf(m->before.driver, sizeof(m->before.driver), "%s", t->order->driver ?: "");
                return 0;
        }
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
        for (size_t i = 0; i < t->group->n_members; i++)
                if (!device_is_bridge(t->group->members[i])) {
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

/* A driver that does not exist takes no function; the worker has tried to load it. */
static int check_drivers(struct transaction *t)
{
        const struct bind_record *record = &t->result->record;

        for (size_t i = 0; i < record->n_members; i++) {
                const struct bind_member *m = &record->members[i];
                bool returning = t->order->operation == BIND_UNBIND;
                const struct binding *from = returning ? &m->after : &m->before,
                                     *to = returning ? &m->before : &m->after;
                char path[sizeof("sys/bus/pci/drivers/") + BINDING_NAME_MAX], detail[160];
                int r;

                if (!*to->driver || streq(from->driver, to->driver))
                        continue;
                snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", to->driver);
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
                int r = binding_reachable(t->root, bdf);

                if (r < 0 && r != -ENODEV)
                        r = transaction_refuse(
                                t, r == -EHOSTDOWN ? FINDING_BIND_UNREACHABLE : FINDING_BIND_UNSEEN, bdf,
                                r == -EHOSTDOWN ? NULL : "its configuration space cannot be read");
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

bool transaction_is_refused(const struct transaction *t)
{
        for (size_t i = 0; i < t->result->findings.n_findings; i++)
                if (!t->order->force || !bind_is_forceable(t->result->findings.findings[i].id))
                        return true;
        return false;
}

int transaction_check(struct transaction *t)
{
        int r = t->group ? bind_check(t->host, t->group, t->order, &t->result->findings) : 0;

        if (r >= 0)
                r = check_reachable(t);
        /* Names are told first; what nobody could name, the kernel knows. */
        if (r >= 0 && t->group && !transaction_is_refused(t))
                r = bind_claims_take(t->host, t->group, &t->claims, &t->result->findings);
        if (r >= 0 && !t->order->dry_run)
                r = check_drivers(t);
        return r;
}
