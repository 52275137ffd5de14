/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-guest-bind.h"

#include <assert.h>

#include "bind-target.h"
#include "facts/device/vfio-driver.h"
#include "manager-config.h"
#include "manager.h"
#include "running-guest.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

/* A guest whose devices we hand over, from its first start to their return. A request waits while a worker
 * is busy with the guest. Only the last request counts, because libvirt asks in order. */
struct guest_binding {
        struct manager *manager;
        struct guest_binding *next;
        char *name, *owner;
        unsigned jobs;       /* under way */
        uint64_t asked_usec; /* CLOCK_BOOTTIME of the last start */

        const struct guest *wanted; /* its start waits; NULL: nobody waits */
        bool tried;                 /* jobs were made for it */
        uint64_t deadline_usec;
        guest_bind_done_t done;
        void *userdata;
        char problem[512]; /* empty: none */

        bool give_back;
};

static void binding_free(struct guest_binding *b)
{
        for (struct guest_binding **p = &b->manager->guest_bindings; *p; p = &(*p)->next)
                if (*p == b) {
                        *p = b->next;
                        break;
                }
        free(b->name);
        free(b->owner);
        free(b);
}

static struct guest_binding *find_binding(const struct manager *m, const char *name)
{
        for (struct guest_binding *b = m->guest_bindings; b; b = b->next)
                if (streq(b->name, name))
                        return b;
        return NULL;
}

static struct guest_binding *get_binding(struct manager *m, const char *name)
{
        struct guest_binding *b = find_binding(m, name);

        if (b)
                return b;
        b = calloc(1, sizeof(*b));
        if (!b)
                return NULL;
        b->manager = m;
        b->name = strdup(name);
        if (!b->name || asprintf(&b->owner, GUEST_OWNER "%s", name) < 0) {
                free(b->name);
                free(b);
                return NULL;
        }
        b->next = m->guest_bindings;
        m->guest_bindings = b;
        return b;
}

/* Reads it now: a device that has left VFIO since the last audit would be missing in the guest. */
static bool is_vfio_now(const struct manager *m, const struct device *d, char **ret_driver)
{
        char path[sizeof("sys/bus/pci/devices//driver") + sizeof(bdf_t)];

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", d->bdf);
        if (read_link_name_at(m->root.fd, path, ret_driver) < 0)
                return false;
        if (d->driver && streq(d->driver, *ret_driver))
                return d->driver_is_vfio;
        return vfio_drivers_has(m->host.devices.drivers, *ret_driver);
}

/* Finds the functions that the configuration allows us to hand over and that nobody else will. Returns 0 or
 * -ENOMEM. */
static int find_targets(struct guest_binding *b, const struct guest *guest, struct bind_target **ret,
                        size_t *ret_n)
{
        struct manager *m = b->manager;
        _cleanup_free_ struct bind_target *targets = NULL;
        size_t n = 0;

        for (size_t i = 0; i < guest->n_hostdevs; i++) {
                const struct hostdev *h = &guest->hostdevs[i];
                const struct device *d = *h->bdf ? device_facts_find(&m->host.devices, h->bdf) : NULL,
                                    *sibling;
                const struct device_section *s;
                _cleanup_free_ char *driver = NULL;
                struct bind_target *t;

                if (!d || h->managed || is_vfio_now(m, d, &driver))
                        continue;
                s = manager_find_section(m, d, driver);
                if (!s || s->bind != BIND_GUEST || !device_is_assignable(d))
                        continue;
                sibling = manager_group_forbids(m, d);
                if (sibling) {
                        snprintf(b->problem, sizeof(b->problem),
                                 "%s stays with the host: %s is in its IOMMU group, and has Bind=never",
                                 d->bdf, sibling->bdf);
                        continue;
                }
                t = array_append(targets, n);
                if (!t)
                        return -ENOMEM;
                memcpy(t->bdf, d->bdf, sizeof(bdf_t));
                t->driver = s->vfio_driver ?: h->driver;
        }
        *ret = TAKE_PTR(targets);
        *ret_n = n;
        return 0;
}

static void binding_go_on(struct guest_binding *b);

static void on_bound(json_object *groups, const char *failed, void *userdata)
{
        struct guest_binding *b = userdata;

        for (size_t i = 0; i < json_object_array_length(groups) && !*b->problem; i++)
                if (!bind_outcome_is_bound(json_object_array_get_idx(groups, i)))
                        bind_outcome_describe(json_object_array_get_idx(groups, i), b->problem,
                                              sizeof(b->problem));
        if (failed && !*b->problem)
                snprintf(b->problem, sizeof(b->problem), "its devices were not handed to VFIO: %s", failed);
        b->jobs--;
        manager_audit_soon(b->manager);
        binding_go_on(b);
}

static void on_returned(json_object *groups, const char *failed, void *userdata)
{
        struct guest_binding *b = userdata;

        (void) groups, (void) failed;
        b->jobs--;
        manager_audit_soon(b->manager);
        binding_go_on(b);
}

/* Returns the number of jobs that were started, or a negative errno. */
static int start_binding(struct guest_binding *b)
{
        _cleanup_free_ struct bind_target *targets = NULL;
        size_t n;
        int r;

        b->tried = true;
        *b->problem = '\0'; /* of a start before this one */
        r = find_targets(b, b->wanted, &targets, &n);
        if (r < 0 || n == 0)
                return r;
        if (b->manager->audit_timer) {
                /* Uevents came since the last audit: a sibling may have a driver by now that is a reason for
                 * Bind=never. */
                (void) manager_audit(b->manager);
                free(TAKE_PTR(targets));
                r = find_targets(b, b->wanted, &targets, &n);
                if (r < 0 || n == 0)
                        return r;
        }
        if (b->deadline_usec <= clock_usec(CLOCK_BOOTTIME))
                return -ETIMEDOUT;
        r = manager_bind_targets(b->manager, targets, n, b->owner, b->deadline_usec, on_bound, b);
        if (r > 0)
                b->jobs += (unsigned) r;
        return r;
}

/* Only an operator ends a quarantine. */
static bool can_go_back(const struct guest_binding *b, const struct bind_record *r)
{
        return streq(r->owner, b->owner) && r->state != BIND_STATE_QUARANTINED && r->n_members > 0;
}

/* Finds one function of each group that has to go back. Returns 0 or a negative errno. */
static int find_returns(const struct guest_binding *b, bdf_t **ret, size_t *ret_n)
{
        _cleanup_(bind_records_done) struct bind_records records = {};
        _cleanup_free_ bdf_t *devices = NULL;
        size_t n = 0;
        int r;

        r = bind_records_read(&records, &b->manager->root, NULL);
        if (r < 0)
                return r;
        for (size_t i = 0; i < records.n_records; i++) {
                bdf_t *slot;

                if (!can_go_back(b, &records.records[i]))
                        continue;
                slot = array_append(devices, n);
                if (!slot)
                        return -ENOMEM;
                memcpy(*slot, records.records[i].members[0].bdf, sizeof(bdf_t));
        }
        *ret = TAKE_PTR(devices);
        *ret_n = n;
        return 0;
}

static void start_return(struct guest_binding *b, const bdf_t *devices, size_t n)
{
        const struct bind_order order = { .operation = BIND_UNBIND, .owner = b->owner };
        int r = bind_job_new(b->manager, &order, devices, n, on_returned, b);

        if (r < 0)
                log_warning(r, "Failed to give back the devices of guest '%s': %m", b->name);
        else
                b->jobs++;
}

/* Does whatever is next, once nothing is under way. Frees b where nothing is left to do. */
static void binding_go_on(struct guest_binding *b)
{
        _cleanup_free_ bdf_t *devices = NULL;
        size_t n = 0;

        if (b->jobs > 0)
                return;
        if (b->wanted && !b->tried) {
                int r = start_binding(b);

                if (r > 0)
                        return;
                if (r < 0 && !*b->problem)
                        snprintf(b->problem, sizeof(b->problem), "its devices were not handed to VFIO: %s",
                                 strerror(-r));
        }
        if (b->wanted) {
                b->wanted = NULL;
                b->done(*b->problem ? b->problem : NULL, b->userdata);
        }
        if (find_returns(b, &devices, &n) < 0)
                return;
        if (n == 0)
                binding_free(b);
        else if (TAKE(b->give_back, false))
                start_return(b, devices, n);
}

int manager_guest_bind(struct manager *m, const struct guest *guest, uint64_t deadline_usec,
                       guest_bind_done_t done, void *userdata, char *ret_problem, size_t size)
{
        struct guest_binding *b;
        int r;

        assert(guest && done && ret_problem);

        b = get_binding(m, guest->name);
        if (!b)
                return -ENOMEM;
        b->wanted = guest;
        b->tried = false;
        b->deadline_usec = deadline_usec;
        b->done = done;
        b->userdata = userdata;
        (void) sd_event_now(m->event, CLOCK_BOOTTIME, &b->asked_usec);
        b->give_back = false;
        if (b->jobs > 0)
                return 1;
        r = start_binding(b);
        if (r > 0)
                return 1;
        b->wanted = NULL;
        if (*b->problem)
                snprintf(ret_problem, size, "%s", b->problem);
        binding_go_on(b);
        return r;
}

void manager_guest_bind_abandon(struct manager *m, const char *name)
{
        struct guest_binding *b = find_binding(m, name);

        if (!b || !b->wanted)
                return;
        b->wanted = NULL;
        (void) sd_event_now(m->event, CLOCK_BOOTTIME, &b->asked_usec);
        /* libvirt may start the guest all the same: by default the hook allows a start when it gets no
         * answer. */
        manager_reconcile_soon(m);
}

void manager_guest_give_back(struct manager *m, const char *name)
{
        struct guest_binding *b = manager_restraint(m) ? NULL : get_binding(m, name);

        if (!b)
                return;
        b->give_back = true;
        binding_go_on(b);
}

/* Whether its process may still be about to appear. */
static bool guest_is_starting(const struct manager *m, const char *name)
{
        const struct guest_binding *b = find_binding(m, name);

        return b && (b->jobs > 0 || b->wanted || clock_usec(CLOCK_BOOTTIME) < b->asked_usec + m->grace_usec);
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
        _cleanup_(bind_records_done) struct bind_records records = {};

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
                if (guest_is_starting(m, guest))
                        manager_reconcile_soon(m);
                else
                        manager_guest_give_back(m, guest);
        }
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
                log_warning(r, "Failed to schedule a look at what guests have left behind, ignoring: %m");
}

void manager_guest_bindings_close(struct manager *m)
{
        m->reconcile_timer = sd_event_source_disable_unref(m->reconcile_timer);
        while (m->guest_bindings)
                binding_free(m->guest_bindings);
}
