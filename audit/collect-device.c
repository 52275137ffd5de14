/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with devices: their groups, claims, users and BARs, and what was bound of them. */
#include "collect.h"

#include "facts/device/vfio-driver.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/module-name.h"

static const struct libvirt_guest *guest_with(const struct host *h, const struct device *d)
{
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct guest *g = &h->libvirt.guests[i].xml;

                for (size_t k = 0; k < g->n_hostdevs; k++)
                        if (streq(g->hostdevs[k].bdf, d->bdf))
                                return &h->libvirt.guests[i];
        }
        return NULL;
}

/* The guest that is not running with it, and has it when it starts the next time; or NULL. */
static const struct libvirt_guest *guest_to_have(const struct host *h, const struct device *d)
{
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct libvirt_guest *guest = &h->libvirt.guests[i];
                const struct guest *g = guest->running ? &guest->later : &guest->xml;

                for (size_t k = 0; k < g->n_hostdevs; k++)
                        if (streq(g->hostdevs[k].bdf, d->bdf))
                                return guest;
        }
        return NULL;
}

/* Whether whoever starts the guest binds the function to vfio-pci. */
static bool guest_binds(const struct guest *g, const struct device *d)
{
        for (size_t i = 0; i < g->n_hostdevs; i++)
                if (g->hostdevs[i].managed && streq(g->hostdevs[i].bdf, d->bdf))
                        return true;
        return false;
}

/* Returns a function that will still keep the group from VFIO when the one that is bound to VFIO or meant
 * for a guest is needed, or NULL. libvirt takes what the guest has with managed='yes', Proxmox the whole
 * group. */
static const struct device *find_keeper(const struct host *h, const struct iommu_group *g,
                                        const struct device *assigned)
{
        const struct libvirt_guest *guest = guest_with(h, assigned);

        if (guest ? guest->xml.manager == GUEST_OF_PROXMOX : !assigned->driver_is_vfio)
                return NULL;
        for (size_t i = 0; i < g->n_culprits; i++)
                if (g->culprits[i] != assigned && !(guest && guest_binds(&guest->xml, g->culprits[i])))
                        return g->culprits[i];
        return NULL;
}

/* One finding for each group, about the first function that has to do without it. */
int collect_groups(struct findings *f, const struct host *h)
{
        for (size_t i = 0; i < h->iommu.n_groups; i++) {
                const struct iommu_group *g = &h->iommu.groups[i];
                const struct device *keeper = NULL;
                size_t k = 0;
                int r;

                while (k < g->n_members && !(keeper = find_keeper(h, g, g->members[k])))
                        k++;
                if (!keeper)
                        continue;
                r = findings_add(f, FINDING_GROUP_NOT_VIABLE, g->members[k]->bdf,
                                 "group %d: %s is bound to %s", g->number, keeper->bdf,
                                 keeper->driver ?: "a driver");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Whoever starts a guest binds the function to vfio-pci. libvirt gives it back later, which takes away the
 * driver_override that driverctl has set; an ID that vfio-pci knows stays with it. Proxmox keeps it. */
static bool claim_bears(const struct claim *c, enum guest_manager manager)
{
        if (c->tool == CLAIM_LIBVIRT) /* does the same */
                return true;
        if (!c->driver || !module_name_equal(c->driver, "vfio-pci"))
                return false;
        return manager == GUEST_OF_PROXMOX || c->tool != CLAIM_DRIVERCTL;
}

/* Tools that want the same driver do not undo each other. */
static bool claims_agree(const struct claim *a, const struct claim *b)
{
        if (a->tool == b->tool)
                return true;
        if (a->tool == CLAIM_LIBVIRT || b->tool == CLAIM_LIBVIRT)
                return claim_bears(a->tool == CLAIM_LIBVIRT ? b : a, GUEST_OF_LIBVIRT);
        return a->driver && b->driver && module_name_equal(a->driver, b->driver);
}

static int collect_claims(struct findings *f, const struct host *h, const struct device *d)
{
        const struct libvirt_guest *g = guest_with(h, d);
        const struct claim *first = NULL, *other = NULL;

        for (size_t i = 0; i < h->claims.n_claims; i++) {
                const struct claim *c = &h->claims.claims[i];

                if (!claim_matches(c, d) || boot_ignores_claim(&h->boot, c))
                        continue;
                if (first && !claims_agree(first, c))
                        return findings_add(f, FINDING_DEVICE_CLAIMED, d->bdf, "%s (%s) and %s (%s)",
                                            claim_tool_to_string(first->tool), first->file,
                                            claim_tool_to_string(c->tool), c->file);
                first = first ?: c;
                if (g && !other && !claim_bears(c, g->xml.manager))
                        other = c;
        }
        if (!other || !guest_binds(&g->xml, d))
                return 0;
        return findings_add(f, FINDING_DEVICE_CLAIMED, d->bdf, "%s (%s) and the guest %s (%s)",
                            claim_tool_to_string(other->tool), other->file, g->xml.name,
                            g->xml.manager == GUEST_OF_PROXMOX ? "hostpci" : "managed='yes'");
}

static int collect_use(struct findings *f, const struct host *h, const struct device *d)
{
        const struct libvirt_guest *g = d->driver_is_vfio ? NULL : guest_to_have(h, d);
        const struct device_use *use;

        if (!g)
                return 0;
        use = device_uses_host(&h->uses, d->bdf);
        if (!use)
                return 0;
        return findings_add(f, FINDING_DEVICE_IN_USE, d->bdf, "it is meant for guest %s; %s: %s",
                            g->xml.name, use_kind_to_string(use->kind), use->what);
}

static int collect_driver(struct findings *f, const struct device *d)
{
        if (!d->driver || !d->vfio_driver || !module_name_equal(d->driver, "vfio-pci") ||
            module_name_equal(d->vfio_driver, "vfio-pci"))
                return 0;
        return findings_add(f, FINDING_DEVICE_UNAIDED, d->bdf, "its driver is %s", d->vfio_driver);
}

int collect_devices(struct findings *f, const struct host *h)
{
        for (size_t i = 0; i < h->devices.n_devices; i++) {
                const struct device *d = &h->devices.devices[i];
                int r;

                r = collect_driver(f, d);
                if (r < 0)
                        return r;
                r = collect_claims(f, h, d);
                if (r < 0)
                        return r;
                r = collect_use(f, h, d);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_host_driver(const struct host *h, const char *driver)
{
        return *driver && !module_name_equal(driver, "vfio-pci") &&
               !(h->devices.drivers && vfio_drivers_has(h->devices.drivers, driver));
}

/* "options vfio-pci ids=" names devices by their IDs only, so it would also take a function of the host that
 * has the same IDs. Returns such a function, or NULL. */
static const struct device *find_twin(const struct host *h, const struct bind_member *m)
{
        for (size_t i = 0; i < h->devices.n_devices; i++) {
                const struct device *d = &h->devices.devices[i];

                if (d->vendor == m->vendor && d->device == m->device && !d->driver_is_vfio &&
                    !bind_records_find(&h->binds, d->bdf))
                        return d;
        }
        return NULL;
}

/* Appends the item, after `between` unless it is the first, if the list does not have it yet. */
static int list_add(char **list, const char *between, const char *item)
{
        char *longer;

        if (*list && strstr(*list, item))
                return 0;
        if (asprintf(&longer, "%s%s%s", *list ?: "", *list ? between : "", item) < 0)
                return -ENOMEM;
        free(*list);
        *list = longer;
        return 0;
}

static int collect_bar(struct findings *f, const struct device *d, const struct bar *b)
{
        format_t size;

        format_size(b->size, size);
        if (b->unassigned)
                return findings_add(f, FINDING_BAR_NO_ADDRESS, d->bdf, "BAR %u%s%s", b->index,
                                    b->size ? ", " : "", b->size ? size : "");
        if (b->reserved_by)
                return findings_add(f, FINDING_BAR_RESERVED, d->bdf, "BAR %u, %s: %s", b->index, size,
                                    b->reserved_by);
        return 0;
}

/* Of devices that are meant for a guest: the host's own work without some of their BARs. */
int collect_bars(struct findings *f, const struct host *h)
{
        for (size_t i = 0; i < h->devices.n_devices; i++) {
                const struct device *d = &h->devices.devices[i];

                if (!d->driver_is_vfio && !guest_with(h, d))
                        continue;
                for (size_t k = 0; k < d->n_bars; k++) {
                        int r = collect_bar(f, d, &d->bars[k]);

                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* Whether its driver is built in, so nothing can be loaded before it. */
static bool is_built_in(const struct host *h, const char *driver)
{
        const struct boot_driver *d = boot_facts_find(&h->boot, driver);

        return d && d->built_in.value == FACT_YES;
}

static const char *module_of_driver(const struct host *h, const char *driver)
{
        const struct boot_driver *d = boot_facts_find(&h->boot, driver);

        return d ? d->module : driver;
}

/* The IDs of those functions that VFIO can be first to take: "10de:2684,10de:22ba". softdeps: the lines for
 * modprobe.d(5) about their drivers. Each driver and each ID once. */
static int format_late(const struct host *h, const struct bind_record *b, char **ids, char **softdeps)
{
        for (size_t i = 0; i < b->n_members; i++) {
                const struct bind_member *m = &b->members[i];
                _cleanup_free_ char *softdep = NULL;
                char id[sizeof("10de:2330")];

                if (!is_host_driver(h, m->before.driver) || is_built_in(h, m->before.driver))
                        continue;
                if (asprintf(&softdep, "\"softdep %s pre: vfio-pci\", ",
                             module_of_driver(h, m->before.driver)) < 0)
                        return -ENOMEM;
                snprintf(id, sizeof(id), "%04x:%04x", m->vendor, m->device);
                if (list_add(softdeps, "", softdep) < 0 || list_add(ids, ",", id) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static bool is_claimed_by_cmdline(const struct host *h, const char *bdf)
{
        const struct device *d = device_facts_find(&h->devices, bdf);

        for (size_t i = 0; d && i < h->claims.n_claims; i++)
                if (h->claims.claims[i].tool == CLAIM_CMDLINE && claim_matches(&h->claims.claims[i], d))
                        return true;
        return false;
}

/* What lets VFIO be first for the functions of the record. */
static int add_late(struct findings *f, const struct host *h, const struct bind_record *b,
                    const struct bind_member *late)
{
        _cleanup_free_ char *ids = NULL, *softdeps = NULL;
        const char *driver = late->before.driver;
        int r;

        if (is_built_in(h, driver))
                return findings_add(f, FINDING_BIND_LATE, late->bdf,
                                    "%s had it first, and is built into the kernel: nothing comes before it",
                                    driver);
        r = format_late(h, b, &ids, &softdeps);
        if (r < 0)
                return r;
        if (h->boot.vfio_built_in.value == FACT_YES && is_claimed_by_cmdline(h, late->bdf))
                return findings_add(
                        f, FINDING_BIND_LATE, late->bdf,
                        "%s had it first, although the kernel's command line names it for vfio-pci", driver);
        if (h->boot.vfio_built_in.value == FACT_YES)
                return findings_add(
                        f, FINDING_BIND_LATE, late->bdf,
                        "%s had it first; vfio-pci is built into the kernel, so modprobe.d(5) has "
                        "no effect on it: boot with vfio-pci.ids=%s",
                        driver, ids ?: "");
        return findings_add(f, FINDING_BIND_LATE, late->bdf,
                            "%s had it first; /etc/modprobe.d/vfioalign.conf: %s\"options vfio-pci "
                            "ids=%s\"; then %s",
                            driver, softdeps ?: "", ids ?: "", h->boot.initramfs ?: "rebuild the initramfs");
}

static int collect_late(struct findings *f, const struct host *h, const struct bind_record *b)
{
        const struct bind_member *late = NULL;
        const struct device *twin = NULL;

        for (size_t i = 0; i < b->n_members && !twin; i++)
                if (is_host_driver(h, b->members[i].before.driver)) {
                        late = late ?: &b->members[i];
                        twin = find_twin(h, &b->members[i]);
                }
        if (!late)
                return 0;
        if (!twin)
                return add_late(f, h, b, late);
        return findings_add(
                f, FINDING_BIND_LATE, late->bdf,
                "%s had it first; %s cannot distinguish it from %s, which has the same ID and stays with "
                "the host",
                late->before.driver,
                h->boot.vfio_built_in.value == FACT_YES ? "vfio-pci.ids=" : "modprobe.d(5)", twin->bdf);
}

static int collect_bind(struct findings *f, const struct host *h, const struct bind_record *b)
{
        if (b->state == BIND_STATE_QUARANTINED)
                return findings_add(f, FINDING_BIND_QUARANTINED, b->members[0].bdf, b->reason ? "%s" : NULL,
                                    b->reason);
        if (b->state == BIND_STATE_BOUND && streq(b->owner, "boot"))
                return collect_late(f, h, b);
        return 0;
}

static int collect_damaged_bind(struct findings *f, const struct bind_unread *unread)
{
        if (unread->error != -EBADMSG)
                return 0;
        return findings_add(
                f, FINDING_BIND_QUARANTINED, unread->bdf,
                "its record /" BIND_RECORDS "/%s is damaged, so its drivers are unknown; name one: "
                "vfioalignctl unbind %s --driver NAME; or remove the file where it has its drivers",
                unread->bdf, unread->bdf);
}

int collect_binds(struct findings *f, const struct host *h)
{
        for (size_t i = 0; i < h->binds.n_unread; i++) {
                int r = collect_damaged_bind(f, &h->binds.unread[i]);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < h->binds.n_records; i++) {
                int r = collect_bind(f, h, &h->binds.records[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}
