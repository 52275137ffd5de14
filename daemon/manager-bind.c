/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-job.h"
#include "manager.h"
#include "util/array.h"
#include "util/file.h"
#include "util/log.h"
#include "util/switch.h"

/* A function that is not tried again: with each audit it would be, for ever, what is refused and what an
 * operator took back. Forgotten when the function appears anew. */
struct boot_attempt {
        bdf_t bdf;
        bool bound;    /* seen with VFIO */
        bool returned; /* and then not any more, without us */
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

static void forget(struct manager *m,
                   bool (*which)(const struct manager *m, const struct boot_attempt *a, const char *bdf),
                   const char *bdf)
{
        for (size_t i = 0; i < m->n_boot_attempts;)
                if (which(m, &m->boot_attempts[i], bdf))
                        m->boot_attempts[i] = m->boot_attempts[--m->n_boot_attempts];
                else
                        i++;
}

static bool is_that(const struct manager *m, const struct boot_attempt *a, const char *bdf)
{
        (void) m;
        return streq(a->bdf, bdf);
}

static bool has_vanished(const struct manager *m, const struct boot_attempt *a, const char *bdf)
{
        (void) bdf;
        return !device_facts_find(&m->host.devices, a->bdf);
}

static bool is_not_returned(const struct manager *m, const struct boot_attempt *a, const char *bdf)
{
        (void) m, (void) bdf;
        return !a->returned;
}

void manager_boot_device_added(struct manager *m, const char *bdf)
{
        forget(m, is_that, bdf);
}

void manager_boot_events_lost(struct manager *m)
{
        forget(m, is_not_returned, NULL);
}

void manager_boot_reset(struct manager *m)
{
        m->n_boot_attempts = 0;
        free(TAKE_PTR(m->boot_attempts));
}

const struct device_section *manager_find_section(const struct manager *m, const struct device *d,
                                                  const char *driver)
{
        return config_find_device(&m->config, d->bdf, d->vendor, d->device, d->class, driver);
}

/* The whole group goes, and somebody may have said that one of it never shall. */
const struct device *manager_group_forbids(const struct manager *m, const struct device *d)
{
        const struct iommu_group *g = iommu_facts_find_group(&m->host.iommu, d->group);

        for (size_t i = 0; g && i < g->n_members; i++) {
                const struct device_section *s = manager_find_section(m, g->members[i],
                                                                      g->members[i]->driver);

                if (s && s->bind == BIND_NEVER && !device_is_bridge(g->members[i]))
                        return g->members[i];
        }
        return NULL;
}

static int compare_drivers(const void *a, const void *b)
{
        const struct bind_target *x = a, *y = b;

        return strcmp(x->driver ?: "", y->driver ?: "");
}

int manager_bind_targets(struct manager *m, struct bind_target *targets, size_t n, const char *owner,
                         uint64_t deadline_usec, bind_job_done_t done, void *userdata)
{
        _cleanup_free_ bdf_t *devices = calloc(n ?: 1, sizeof(bdf_t));
        int jobs = 0, r;

        if (!devices)
                return -ENOMEM;
        if (n > 0)
                qsort(targets, n, sizeof(*targets), compare_drivers);
        for (size_t i = 0, n_devices; i < n; i += n_devices) {
                struct bind_order order = {
                        .operation = BIND_BIND,
                        .driver = targets[i].driver,
                        .owner = owner,
                        .deadline_usec = deadline_usec,
                };

                for (n_devices = 0;
                     i + n_devices < n && compare_drivers(&targets[i], &targets[i + n_devices]) == 0;
                     n_devices++)
                        memcpy(devices[n_devices], targets[i + n_devices].bdf, sizeof(bdf_t));
                r = bind_job_new(m, &order, devices, n_devices, done, userdata);
                if (r >= 0)
                        jobs++;
                else if (jobs == 0)
                        return r;
                else
                        log_warning(r, "Failed to bind %zu functions for %s: %m", n_devices, owner);
        }
        return jobs;
}

static void on_boot_done(json_object *groups, const char *failed, void *userdata)
{
        (void) groups, (void) failed;
        manager_audit_soon(userdata);
}

/* Is it to be bound now. What was seen is noted. */
static bool boot_wants(struct manager *m, const struct device *d, const char **ret_driver)
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
                        log_notice("%s was taken from VFIO again, it is left alone until the configuration "
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

/* A device that was pulled leaves a record of which nothing is left; the one that comes next shall not find
 * it. */
static void settle_gone(struct manager *m)
{
        const struct bind_order order = { .operation = BIND_SETTLE, .owner = "settle" };
        bool gone = false;
        int r;

        for (size_t i = 0; i < m->host.binds.n_records && !gone; i++) {
                const struct bind_record *b = &m->host.binds.records[i];

                gone = true;
                for (size_t k = 0; k < b->n_members && gone; k++)
                        gone = !device_facts_find(&m->host.devices, b->members[k].bdf);
        }
        r = gone ? bind_job_new(m, &order, NULL, 0, on_gone_settled, m) : 0;
        if (r < 0)
                log_warning(r, "Failed to settle the record of a device that was pulled: %m");
}

void manager_bind_boot(struct manager *m)
{
        const struct device_facts *devices = &m->host.devices;
        _cleanup_free_ struct bind_target *targets = NULL;
        size_t n = 0;
        int r;

        if (!m->settled || m->generation == 0 || m->stopping || switched_off(&m->root))
                return;
        forget(m, has_vanished, NULL);
        settle_gone(m);
        for (size_t i = 0; i < devices->n_devices; i++) {
                const char *driver;
                struct bind_target *t;

                if (!boot_wants(m, &devices->devices[i], &driver))
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
                log_warning(r, "Failed to bind what has Bind=boot: %m");
}

static bool group_is_open(const struct manager *m, const struct bind_record *r)
{
        for (size_t i = 0; i < r->n_members; i++) {
                size_t n = 0;
                const struct device_use *uses = device_uses_find(&m->host.uses, r->members[i].bdf, &n);

                for (size_t k = 0; k < n; k++)
                        if (uses[k].kind == USE_GUEST)
                                return true;
        }
        return false;
}

static int on_reconcile(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct manager *m = userdata;
        struct bind_records records = {};

        (void) source, (void) usec;
        m->reconcile_timer = sd_event_source_disable_unref(m->reconcile_timer);
        (void) manager_audit(m); /* who has a group open */
        if (bind_records_read(&records, &m->root, NULL) < 0)
                return 0;
        for (size_t i = 0; i < records.n_records; i++) {
                const struct bind_record *r = &records.records[i];
                const char *guest = startswith(r->owner, GUEST_OWNER);

                if (!guest || manager_guest_runs(m, guest) || group_is_open(m, r))
                        continue;
                if (manager_guest_is_starting(m, guest))
                        manager_reconcile_soon(m);
                else
                        manager_guest_give_back(m, guest);
        }
        bind_records_done(&records);
        return 0;
}

void manager_reconcile_soon(struct manager *m)
{
        int r;

        if (m->reconcile_timer)
                return;
        r = sd_event_add_time_relative(m->event, &m->reconcile_timer, CLOCK_BOOTTIME, m->grace_usec, 0,
                                       on_reconcile, m);
        if (r < 0)
                log_warning(r, "Failed to schedule a look at what guests have left behind: %m");
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
        struct names names = {};
        bool any = list_dir_at(m->root.fd, BIND_RECORDS, &names) >= 0 && names.n > 0;
        int r;

        names_done(&names);
        m->settled = !any;
        if (!any)
                return;
        r = bind_job_new(m, &order, NULL, 0, on_settled, m);
        if (r < 0) {
                log_warning(r, "Failed to settle what was under way: %m");
                m->settled = true;
        }
}

void manager_bind_close(struct manager *m)
{
        bind_jobs_close(m);
        m->reconcile_timer = sd_event_source_disable_unref(m->reconcile_timer);
        manager_boot_reset(m);
}
