/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe-check.h"

#include <assert.h>
#include <stdarg.h>

#include "util/escape.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"
#include "util/shell.h"

struct check {
        const struct host *host;
        const struct device *device;
        const char *bdf;
        char *line;
};

/* Returns the obstacle with its sentence, or -ENOMEM. */
static _printf_(3, 4) int set_obstacle(struct check *c, enum probe_obstacle what, const char *format, ...)
{
        _cleanup_free_ char *line = NULL;
        va_list args;

        va_start(args, format);
        line = memory_vformat(format, args);
        va_end(args);
        if (!line)
                return -ENOMEM;
        c->line = escape(line);
        if (!c->line)
                return -ENOMEM;
        return (int) what;
}

int probe_cdev(const struct root *root, const char *bdf)
{
        _cleanup_(names_done) struct names names = {};
        char path[64];

        assert(root);
        assert(bdf);

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vfio-dev", bdf);
        if (list_dir_at(root->fd, path, &names) < 0)
                return -1;
        for (size_t i = 0; i < names.n; i++) {
                const char *number = startswith(names.names[i], "vfio");
                uint64_t v;

                if (number && parse_u64(number, 10, &v) >= 0 && v <= INT32_MAX)
                        return (int) v;
        }
        return -1;
}

static int check_iommu(struct check *c)
{
        const struct device *d = c->device;

        if (c->host->iommu.at_work.value == FACT_NO)
                return set_obstacle(c, PROBE_NO_IOMMU,
                                    "%s cannot be opened: this host has no active IOMMU; "
                                    "enable it in the firmware (VT-d, AMD-Vi, SMMU) "
                                    "and, for Intel, with intel_iommu=on on the kernel command line",
                                    c->bdf);
        if (device_is_infrastructure(d))
                return set_obstacle(c, PROBE_NO_IOMMU,
                                    "%s is a bridge, which never goes to a guest; name a device behind it",
                                    c->bdf);
        if (d->group < 0)
                return set_obstacle(c, PROBE_NO_IOMMU,
                                    "%s has no IOMMU group, so VFIO cannot open it; "
                                    "the host's IOMMU does not cover it",
                                    c->bdf);
        return PROBE_FREE;
}

static const struct libvirt_guest *find_guest(const struct host *h, const char *bdf, bool running)
{
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct libvirt_guest *g = &h->libvirt.guests[i];

                for (size_t k = 0; g->running == running && k < g->xml.n_hostdevs; k++)
                        if (streq(g->xml.hostdevs[k].bdf, bdf))
                                return g;
        }
        return NULL;
}

static int check_guests(struct check *c)
{
        static const char *const shutdown_commands[_GUEST_MANAGER_MAX] = {
                [GUEST_OF_LIBVIRT] = "virsh shutdown",
                [GUEST_OF_PROXMOX] = "qm shutdown",
        };
        const struct libvirt_guest *guest = find_guest(c->host, c->bdf, true);
        _cleanup_free_ char *argument = NULL;

        if (!guest)
                return PROBE_FREE;
        argument = shell_argument(guest->xml.name ?: "?");
        if (!argument)
                return -ENOMEM;
        return set_obstacle(c, PROBE_GUEST_RUNS,
                            "%s is in the guest %s, which is running; shut it down first (%s %s)", c->bdf,
                            guest->xml.name ?: "?", shutdown_commands[guest->xml.manager], argument);
}

static int check_uses(struct check *c)
{
        const struct device_use *uses;
        size_t n;

        uses = device_uses_find(&c->host->uses, c->bdf, &n);
        if (!uses)
                return PROBE_FREE;
        /* A reset takes the virtual functions away from whoever has them. */
        if (uses[0].kind == USE_VFS)
                return set_obstacle(c, PROBE_IN_USE,
                                    "%s has %s, which a reset would remove; remove them first (echo 0 "
                                    ">/sys/bus/pci/devices/%s/sriov_numvfs), or probe one of them",
                                    c->bdf, uses[0].what, c->bdf);
        return set_obstacle(c, PROBE_IN_USE, "%s is in use by this host: %s (%s); free it first", c->bdf,
                            uses[0].what, use_kind_to_string(uses[0].kind));
}

static int check_holders(struct check *c)
{
        const struct mapping_facts *m = &c->host->mappings;
        int cdev = probe_cdev(c->host->root, c->bdf);

        for (size_t i = 0; i < m->n_holders; i++) {
                const struct vfio_holder *v = &m->holders[i];

                if (v->group >= 0 && v->group == c->device->group)
                        return set_obstacle(
                                c, PROBE_HELD,
                                "%s cannot be opened: its IOMMU group %d is held open by %s (process %d); "
                                "end that first",
                                c->bdf, v->group, v->command ?: "?", v->pid);
                if (v->cdev >= 0 && v->cdev == cdev)
                        return set_obstacle(
                                c, PROBE_HELD,
                                "%s cannot be opened: its device vfio%d is held open by %s (process %d); "
                                "end that first",
                                c->bdf, cdev, v->command ?: "?", v->pid);
        }
        for (size_t i = 0; i < m->n_mappings; i++)
                if (streq(m->mappings[i].bdf, c->bdf))
                        return set_obstacle(c, PROBE_HELD, "%s is mapped by %s (process %d); end that first",
                                            c->bdf, m->mappings[i].command ?: "?", m->mappings[i].pid);
        return PROBE_FREE;
}

static int check_driver(struct check *c)
{
        if (c->device->driver_is_vfio)
                return PROBE_FREE;
        return set_obstacle(c, PROBE_NOT_BOUND, "%s is bound to %s; bind it to VFIO: vfioalignctl bind %s",
                            c->bdf, c->device->driver ?: "no driver", c->bdf);
}

static int check_group(struct check *c)
{
        const struct iommu_group *g = iommu_facts_find_group(&c->host->iommu, c->device->group);
        const struct device_use *uses;
        size_t n;

        if (!g || g->viable.value != FACT_NO || !g->culprit)
                return PROBE_FREE;
        uses = device_uses_find(&c->host->uses, g->culprit->bdf, &n);
        if (uses)
                return set_obstacle(c, PROBE_NOT_VIABLE,
                                    "%s cannot be opened: %s in the same IOMMU group (%d) is bound to %s "
                                    "and in use by this host: %s (%s)",
                                    c->bdf, g->culprit->bdf, g->number, g->culprit->driver ?: "?",
                                    uses[0].what, use_kind_to_string(uses[0].kind));
        return set_obstacle(c, PROBE_NOT_VIABLE,
                            "%s cannot be opened: %s in the same IOMMU group (%d) is bound to %s; "
                            "bind that to VFIO as well: vfioalignctl bind %s",
                            c->bdf, g->culprit->bdf, g->number, g->culprit->driver ?: "?", g->culprit->bdf);
}

static int check_defined(struct check *c)
{
        const struct libvirt_guest *guest = find_guest(c->host, c->bdf, false);

        if (!guest)
                return PROBE_FREE;
        return set_obstacle(c, PROBE_DEFINED,
                            "%s is a device of the guest %s, which does not run now; "
                            "if it is started during the probe, the start fails",
                            c->bdf, guest->xml.name ?: "?");
}

int probe_check(const struct host *h, const char *bdf, bool root, char **ret_line)
{
        /* Uses come before a driver that is not VFIO's, so nobody is advised to rebind a device that is in
         * use.
         */
        static int (*const checks[])(struct check *) = {
                check_iommu,  check_guests, check_holders, check_uses,
                check_driver, check_group,  check_defined,
        };
        struct check c = { .host = h, .bdf = bdf };
        int r;

        assert(h);
        assert(bdf);
        assert(ret_line);

        c.device = device_facts_find(&h->devices, bdf);
        if (!c.device)
                r = set_obstacle(&c, PROBE_NO_FUNCTION,
                                 "there is no PCI function '%s' on this host; "
                                 "vfioalignctl devices lists them",
                                 bdf);
        else if (!root)
                r = set_obstacle(&c, PROBE_NOT_ROOT, "%s can only be opened by root; run this as root", bdf);
        else
                r = PROBE_FREE;
        for (size_t i = 0; i < ELEMENTSOF(checks) && r == PROBE_FREE; i++)
                r = checks[i](&c);
        if (r < 0)
                return r;
        *ret_line = c.line;
        return r;
}
