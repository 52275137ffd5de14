/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-bind.h"

#include <assert.h>

#include "bind-target.h"
#include "manager-config.h"
#include "manager-guest-bind.h"
#include "manager.h"
#include "util/array.h"
#include "util/file.h"
#include "util/log.h"

/* A function that was tried once. Without this, each audit would try again what was refused, and what an
 * operator took back. It is forgotten when the function appears again. */
struct boot_attempt {
        bdf_t bdf;
        bool bound;    /* seen with VFIO */
        bool returned; /* and later no longer, without our doing */
};

static struct boot_attempt *find_attempt(struct manager *m, const char *bdf)
{
        for (size_t i = 0; i < m->n_boot_attempts; i++)
                if (streq(m->boot_attempts[i].bdf, bdf))
                        return &m->boot_attempts[i];
        return NULL;
}

static struct boot_attempt *add_attempt(struct manager *m, const char *bdf)
{
        struct boot_attempt *a = array_append(m->boot_attempts, m->n_boot_attempts);

        if (a)
                snprintf(a->bdf, sizeof(a->bdf), "%s", bdf);
        return a;
}

static void remove_attempt(struct manager *m, struct boot_attempt *a)
{
        *a = m->boot_attempts[--m->n_boot_attempts];
}

void manager_boot_device_added(struct manager *m, const char *bdf)
{
        struct boot_attempt *a = find_attempt(m, bdf);

        if (a)
                remove_attempt(m, a);
}

void manager_boot_events_lost(struct manager *m)
{
        for (size_t i = m->n_boot_attempts; i > 0; i--)
                if (!m->boot_attempts[i - 1].returned)
                        remove_attempt(m, &m->boot_attempts[i - 1]);
}

static void remove_vanished(struct manager *m)
{
        for (size_t i = m->n_boot_attempts; i > 0; i--)
                if (!device_facts_find(&m->host.devices, m->boot_attempts[i - 1].bdf))
                        remove_attempt(m, &m->boot_attempts[i - 1]);
}

void manager_boot_reset(struct manager *m)
{
        m->n_boot_attempts = 0;
        free(TAKE_PTR(m->boot_attempts));
}

static void on_boot_done(json_object *groups, const char *failed, void *userdata)
{
        (void) groups, (void) failed;
        manager_audit_soon(userdata);
}

/* Whether it is to be bound now. Also notes what was seen of it. */
static bool device_is_due(struct manager *m, const struct device *d, const char **ret_driver)
{
        const struct device_section *s = manager_find_section(m, d, d->driver);
        bool wanted = s && s->bind == BIND_BOOT && device_is_assignable(d);
        struct boot_attempt *a = find_attempt(m, d->bdf);
        const struct device *sibling;

        if (d->driver_is_vfio) {
                a = a ?: add_attempt(m, d->bdf);
                if (a)
                        a->bound = true;
                return false;
        }
        if (a && a->bound && !a->returned) {
                a->returned = true;
                if (wanted)
                        log_notice("%s was taken from VFIO again, leaving it alone until the configuration "
                                   "is reloaded",
                                   d->bdf);
        }
        if (a || !wanted || !add_attempt(m, d->bdf))
                return false;
        sibling = manager_group_forbids(m, d);
        if (sibling) {
                log_warning(0, "%s stays with the host: %s is in its IOMMU group, and has Bind=never",
                            d->bdf, sibling->bdf);
                return false;
        }
        *ret_driver = s->vfio_driver;
        return true;
}

static void on_gone_settled(json_object *groups, const char *failed, void *userdata)
{
        (void) groups, (void) failed, (void) userdata;
}

static bool record_is_gone(const struct manager *m, const struct bind_record *b)
{
        for (size_t i = 0; i < b->n_members; i++)
                if (device_facts_find(&m->host.devices, b->members[i].bdf))
                        return false;
        return true;
}

/* A device that was pulled leaves its record behind; the next one in its slot must not find it. */
static void settle_gone(struct manager *m)
{
        const struct bind_order order = { .operation = BIND_SETTLE, .owner = "settle" };
        bool gone = false;
        int r;

        for (size_t i = 0; i < m->host.binds.n_records && !gone; i++)
                gone = record_is_gone(m, &m->host.binds.records[i]);
        if (!gone)
                return;
        r = bind_job_new(m, &order, NULL, 0, on_gone_settled, m);
        if (r < 0)
                log_warning(r, "Failed to settle the record of a device that was pulled, ignoring: %m");
}

void manager_bind_boot(struct manager *m)
{
        const struct device_facts *devices = &m->host.devices;
        _cleanup_free_ struct bind_target *targets = NULL;
        size_t n = 0;
        int r;

        if (!m->settled || m->generation == 0 || m->stopping || manager_restraint(m))
                return;
        remove_vanished(m);
        settle_gone(m);
        for (size_t i = 0; i < devices->n_devices; i++) {
                const char *driver;
                struct bind_target *t;

                if (!device_is_due(m, &devices->devices[i], &driver))
                        continue;
                t = array_append(targets, n);
                if (!t)
                        return;
                memcpy(t->bdf, devices->devices[i].bdf, sizeof(bdf_t));
                t->driver = driver;
        }
        if (n == 0)
                return;
        r = manager_bind_targets(m, targets, n, "boot", 0, on_boot_done, m);
        if (r < 0)
                log_warning(r, "Failed to bind the devices with Bind=boot: %m");
}

static void on_settled(json_object *groups, const char *failed, void *userdata)
{
        struct manager *m = userdata;

        (void) groups, (void) failed;
        m->settled = true;
        manager_reconcile_soon(m);
        if (m->generation > 0 && !m->stopping)
                manager_audit_soon(m);
}

void manager_bind_start(struct manager *m)
{
        const struct bind_order order = { .operation = BIND_SETTLE, .owner = "settle" };
        _cleanup_(names_done) struct names names = {};
        int r;

        assert(m);

        m->settled = list_dir_at(m->root.fd, BIND_RECORDS, &names) < 0 || names.n == 0;
        if (m->settled)
                return;
        r = bind_job_new(m, &order, NULL, 0, on_settled, m);
        if (r < 0) {
                log_warning(r, "Failed to settle what a killed daemon or worker left, ignoring: %m");
                m->settled = true;
        }
}

void manager_bind_close(struct manager *m)
{
        bind_jobs_close(m);
        manager_boot_reset(m);
}
