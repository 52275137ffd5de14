/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/device/vfio-driver.h"
#include "manager.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/switch.h"

/* A guest whose devices we hand over, from its first start to their return. What is asked for while a worker
 * is at it waits: the last wish counts, and libvirt asks in order. */
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

static struct guest_binding *binding_find(const struct manager *m, const char *name)
{
        for (struct guest_binding *b = m->guest_bindings; b; b = b->next)
                if (streq(b->name, name))
                        return b;
        return NULL;
}

static struct guest_binding *binding_get(struct manager *m, const char *name)
{
        struct guest_binding *b = binding_find(m, name);

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

/* An audit is up to a moment old, and a device that came back since would be missing in the guest. */
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

/* The functions that nobody but us will hand over, and that the configuration lets us. Returns 0 or -ENOMEM.
 */
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

static void go_on(struct guest_binding *b);

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
        go_on(b);
}

static void on_returned(json_object *groups, const char *failed, void *userdata)
{
        struct guest_binding *b = userdata;

        (void) groups, (void) failed;
        b->jobs--;
        manager_audit_soon(b->manager);
        go_on(b);
}

/* Returns the number of jobs that were made, or a negative errno. */
static int start_binding(struct guest_binding *b)
{
        _cleanup_free_ struct bind_target *targets = NULL;
        size_t n;
        int r;

        b->tried = true;
        *b->problem = '\0'; /* of a start before this one */
        r = find_targets(b, b->wanted, &targets, &n);
        if (r >= 0 && n > 0 && b->manager->audit_timer) {
                /* Uevents came since the last audit, and a sibling may have a driver by now that Bind=never
                 * is for. */
                (void) manager_audit(b->manager);
                free(TAKE_PTR(targets));
                r = find_targets(b, b->wanted, &targets, &n);
        }
        if (r < 0 || n == 0)
                return r;
        if (b->deadline_usec <= clock_usec(CLOCK_BOOTTIME))
                return -ETIMEDOUT;
        r = manager_bind_targets(b->manager, targets, n, b->owner, b->deadline_usec, on_bound, b);
        if (r > 0)
                b->jobs += (unsigned) r;
        return r;
}

/* A quarantine ends by an operator only. */
static bool can_go_back(const struct guest_binding *b, const struct bind_record *r)
{
        return streq(r->owner, b->owner) && r->state != BIND_STATE_QUARANTINED && r->n_members > 0;
}

/* One function of each group that has to go back. Returns 0 or -ENOMEM. */
static int find_returns(const struct guest_binding *b, bdf_t **ret, size_t *ret_n)
{
        struct bind_records records = {};
        int r = bind_records_read(&records, &b->manager->root, NULL);

        for (size_t i = 0; r >= 0 && i < records.n_records; i++) {
                bdf_t *slot;

                if (!can_go_back(b, &records.records[i]))
                        continue;
                slot = array_append(*ret, *ret_n);
                if (slot)
                        memcpy(*slot, records.records[i].members[0].bdf, sizeof(bdf_t));
                else
                        r = -ENOMEM;
        }
        bind_records_done(&records);
        return r;
}

static void start_return(struct guest_binding *b, const bdf_t *devices, size_t n)
{
        const struct bind_order order = { .operation = BIND_UNBIND, .owner = b->owner };
        int r = bind_job_new(b->manager, &order, devices, n, on_returned, b);

        if (r < 0)
                log_warning(r, "Failed to give back what guest '%s' had: %m", b->name);
        else
                b->jobs++;
}

/* Whatever is next, as soon as nothing is under way. b can be gone then. */
static void go_on(struct guest_binding *b)
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
        struct guest_binding *b = binding_get(m, guest->name);
        int r;

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
        go_on(b);
        return r;
}

void manager_guest_bind_abandon(struct manager *m, const char *name)
{
        struct guest_binding *b = binding_find(m, name);

        if (!b || !b->wanted)
                return;
        b->wanted = NULL;
        (void) sd_event_now(m->event, CLOCK_BOOTTIME, &b->asked_usec);
        /* libvirt may start the guest all the same: its hook allows what it gets no answer to. */
        manager_reconcile_soon(m);
}

bool manager_guest_is_starting(const struct manager *m, const char *name)
{
        const struct guest_binding *b = binding_find(m, name);

        return b && (b->jobs > 0 || b->wanted || clock_usec(CLOCK_BOOTTIME) < b->asked_usec + m->grace_usec);
}

void manager_guest_give_back(struct manager *m, const char *name)
{
        struct guest_binding *b = switched_off(&m->root) ? NULL : binding_get(m, name);

        if (!b)
                return;
        b->give_back = true;
        go_on(b);
}

void manager_guest_bindings_close(struct manager *m)
{
        while (m->guest_bindings)
                binding_free(m->guest_bindings);
}
