/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transaction.h"

#include <assert.h>

#include "util/file.h"
#include "util/macro.h"
#include "util/panic-on-taint.h"

bool bind_is_forceable(enum finding_id id)
{
        return id == FINDING_BIND_CONSOLE || id == FINDING_BIND_CLAIMED;
}

bool bind_is_note(enum finding_id id)
{
        return id == FINDING_GUEST_DAMAGED || id == FINDING_FACTS_UNSEEN;
}

static enum finding_id finding_of_use(enum use_kind kind)
{
        switch (kind) {
        case USE_CONSOLE:
        case USE_KEYBOARD:
                return FINDING_BIND_CONSOLE;
        case USE_VFS:
                return FINDING_BIND_VIRTUAL_FUNCTIONS;
        default:
                return FINDING_BIND_IN_USE;
        }
}

static int check_uses(const struct host *h, const struct device *d, bool only_vfio, struct findings *ret)
{
        const struct device_use *uses;
        size_t n;

        uses = device_uses_find(&h->uses, d->bdf, &n);
        for (size_t i = 0; i < n; i++) {
                int r;

                /* An exclusive open settles that: bind_claims_take(). */
                if (uses[i].kind == USE_UNKNOWN)
                        continue;
                if (only_vfio && uses[i].kind != USE_GUEST && uses[i].kind != USE_PROCESS &&
                    uses[i].kind != USE_VFS)
                        continue;
                r = findings_add(ret, finding_of_use(uses[i].kind), d->bdf, "%s: %s",
                                 use_kind_to_string(uses[i].kind), uses[i].what);
                if (r < 0)
                        return r;
        }
        return 0;
}

static const struct hostdev *find_hostdev(const struct guest *g, const char *bdf)
{
        for (size_t i = 0; i < g->n_hostdevs; i++)
                if (streq(g->hostdevs[i].bdf, bdf))
                        return &g->hostdevs[i];
        return NULL;
}

/* libvirt takes a device with managed='yes' by itself when its guest starts, and gives it back; Proxmox
 * takes each, and keeps it. */
static int check_guests(const struct host *h, const struct device *d, bool returning, struct findings *ret)
{
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct libvirt_guest *g = &h->libvirt.guests[i];
                const struct hostdev *next = find_hostdev(g->running ? &g->later : &g->xml, d->bdf);
                int r = 0;

                if (g->running && find_hostdev(&g->xml, d->bdf))
                        r = findings_add(ret, FINDING_BIND_IN_USE, d->bdf, "the guest %s runs with it",
                                         g->xml.name ?: "?");
                else if (next && next->managed && !returning)
                        r = findings_add(ret, FINDING_BIND_CLAIMED, d->bdf,
                                         g->xml.manager == GUEST_OF_PROXMOX
                                                 ? "Proxmox binds it for the guest %s (hostpci)"
                                                 : "libvirt binds it for the guest %s (managed='yes')",
                                         g->xml.name ?: "?");
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_claim(const struct device *d, const struct claim *c, struct findings *ret)
{
        if (c->tool == CLAIM_LIBVIRT)
                return findings_add(ret, FINDING_BIND_CLAIMED, d->bdf,
                                    "libvirt binds it for guests of the network %s (%s)", c->network,
                                    c->file);
        return findings_add(ret, FINDING_BIND_CLAIMED, d->bdf, "%s (%s)", claim_tool_to_string(c->tool),
                            c->file);
}

/* A module option that claims a device for a VFIO driver wants the same as a bind, so it is not against it.
 * A network of libvirt is like a guest that does not run: check_guests(). */
static int check_claims(const struct host *h, const struct device *d, bool returning, struct findings *ret)
{
        for (size_t i = 0; i < h->claims.n_claims; i++) {
                const struct claim *c = &h->claims.claims[i];
                int r;

                if (c->tool == CLAIM_CMDLINE || c->tool == CLAIM_MODPROBE || !claim_matches(c, d) ||
                    (c->tool == CLAIM_LIBVIRT && returning))
                        continue;
                r = add_claim(d, c, ret);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_unseen(const struct host *h, const struct device *d, struct findings *ret)
{
        const struct fact *const facts[] = { &h->uses.block, &h->uses.network, &h->uses.processes,
                                             &h->libvirt.readable };

        for (size_t i = 0; i < ELEMENTSOF(facts); i++)
                if (facts[i]->value == FACT_UNKNOWN)
                        return findings_add(ret, FINDING_BIND_UNSEEN, d->bdf, "%s",
                                            facts[i]->why ?: "its uses are unknown");
        return 0;
}

/* What a damaged file hides is what its guest or network would have. libvirt has to read the file again
 * before it can start that, so it does not speak against a bind; whoever asked for the bind should know of
 * it. Nor does a network, or a file of another tool, that could not be read: it could only be a claim, and
 * --force overrides those. */
static int note_files(const struct host *h, struct findings *ret)
{
        int r;

        for (size_t i = 0; i < h->libvirt.n_damaged; i++) {
                r = findings_add(ret, FINDING_GUEST_DAMAGED, NULL, "%s", h->libvirt.damaged[i]);
                if (r < 0)
                        return r;
        }
        if (h->claims.complete.value == FACT_UNKNOWN && h->claims.complete.why) {
                r = findings_add(ret, FINDING_FACTS_UNSEEN, NULL, "%s", h->claims.complete.why);
                if (r < 0)
                        return r;
        }
        if (!h->libvirt.networks_unread)
                return 0;
        return findings_add(ret, FINDING_FACTS_UNSEEN, NULL, "%s", h->libvirt.networks_unread);
}

/* Documentation/admin-guide/tainted-kernels.rst of Linux 7.3 ends with bit 19. TAINT_FORCED_BIND was on its
 * way then (driver-core, September 2026): which bit it gets is not known. */
#define TAINTS_KNOWN UINT64_C(0xfffff)
#define TAINTS_KNOWN_TO "7.3"

/* Would a bind panic the host? Where the release is not seen, it may. */
static int check_taint(const struct host *h, const struct device *d, struct findings *ret)
{
        _cleanup_free_ char *release = NULL;
        uint64_t mask = h->root ? panic_on_taint_read(h->root) : 0;

        if (!(mask & ~TAINTS_KNOWN))
                return 0;
        if (read_line_at(h->root->fd, "proc/sys/kernel/osrelease", &release) >= 0) {
                release[strspn(release, "0123456789.")] = '\0'; /* "7.3.4+deb13-amd64", "7.4-rc1" */
                if (strncmp(release, TAINTS_KNOWN_TO ".", strlen(TAINTS_KNOWN_TO ".")) == 0 ||
                    strverscmp(release, TAINTS_KNOWN_TO) <= 0)
                        return 0;
        }
        return findings_add(ret, FINDING_BIND_TAINT, d->bdf, "panic_on_taint=%jx, Linux %s",
                            (uintmax_t) mask, release ?: "of an unknown release");
}

static int check_infrastructure(const struct iommu_group *g, const struct device *d, bool returning,
                                struct findings *ret)
{
        if (returning || iommu_group_tolerates(d))
                return 0;
        return findings_add(ret, FINDING_BIND_GROUP, d->bdf, "group %d: it is bound to %s", g->number,
                            d->driver);
}

/* Whether the path of a device in sysfs goes through that function. */
static bool path_leads_through(const char *path, const char *bdf)
{
        size_t n = strlen(bdf);

        for (const char *s = path; (s = strstr(s, bdf)); s += n)
                if (s > path && s[-1] == '/' && s[n] == '/')
                        return true;
        return false;
}

/* A VMD controller has its disks in a PCI domain of its own, which only such controllers number beyond 16
 * bits (drivers/pci/controller/vmd.c). A recording may lack the links that show what is below what. */
static bool is_in_domain_of(const struct device *d, const struct device *parent)
{
        return parent->driver && streq(parent->driver, "vmd") && strtoul(d->bdf, NULL, 16) > UINT16_MAX &&
               strtoul(parent->bdf, NULL, 16) <= UINT16_MAX;
}

/* Returns 1 if it is, 0 or -ENOMEM. */
static int is_below(const struct host *h, const struct device *d, const struct device *parent)
{
        char link[sizeof("sys/bus/pci/devices/") + sizeof(bdf_t)];
        _cleanup_free_ char *target = NULL;
        int r;

        snprintf(link, sizeof(link), "sys/bus/pci/devices/%s", d->bdf);
        r = read_link_at(h->root->fd, link, &target);
        if (r == -ENOMEM)
                return r;
        return (r >= 0 && path_leads_through(target, parent->bdf)) || is_in_domain_of(d, parent);
}

/* Functions below one that loses its driver vanish with it, so neither can they be bound, nor does anything
 * that uses them survive. */
static int check_children(const struct host *h, const struct iommu_group *g, const struct device *d,
                          struct findings *ret)
{
        for (size_t i = 0; d->driver && !d->driver_is_vfio && i < g->n_members; i++) {
                const struct device *child = g->members[i];
                int r;

                if (child == d || device_is_infrastructure(child))
                        continue;
                r = is_below(h, child, d);
                if (r < 0)
                        return r;
                if (r > 0)
                        return findings_add(
                                ret, FINDING_BIND_GROUP, d->bdf,
                                "group %d: %s is below it, and would vanish without its driver %s",
                                g->number, child->bdf, d->driver);
        }
        return 0;
}

static int check_function(const struct host *h, const struct iommu_group *g, const struct device *d,
                          const struct bind_order *order, struct findings *ret)
{
        bool returning = order->operation == BIND_UNBIND;
        int r;

        r = check_uses(h, d, returning, ret);
        if (r < 0)
                return r;
        r = check_guests(h, d, returning, ret);
        if (r < 0)
                return r;
        if (!returning) {
                r = check_children(h, g, d, ret);
                if (r < 0)
                        return r;
        }
        /* To give back what we took is against nobody's claim. To give away what somebody else has bound is,
         * and then a driver is named. */
        if (returning && !order->driver)
                return 0;
        return check_claims(h, d, returning, ret);
}

int bind_check(const struct host *h, const struct iommu_group *g, const struct bind_order *order,
               struct findings *ret)
{
        bool checked_unseen = false;
        int r;

        assert(h && g && order && ret);

        for (size_t i = 0; i < g->n_members; i++) {
                const struct device *d = g->members[i];

                if (device_is_infrastructure(d)) {
                        r = check_infrastructure(g, d, order->operation == BIND_UNBIND, ret);
                        if (r < 0)
                                return r;
                        continue;
                }
                r = check_function(h, g, d, order, ret);
                if (r < 0)
                        return r;
                if (checked_unseen)
                        continue; /* it is about the host: once is enough */
                checked_unseen = true;
                r = check_unseen(h, d, ret);
                if (r < 0)
                        return r;
                if (order->operation != BIND_BIND)
                        continue;
                r = check_taint(h, d, ret);
                if (r < 0)
                        return r;
                r = note_files(h, ret);
                if (r < 0)
                        return r;
        }
        return 0;
}
