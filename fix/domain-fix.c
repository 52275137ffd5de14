/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-fix.h"

#include <assert.h>

#include "audit/emulator-fit.h"
#include "audit/guest-cost.h"
#include "audit/what-if.h"
#include "util/array.h"
#include "util/file.h"
#include "util/kallsyms.h"

/* libvirt's NEWS: <qemu:override> came with 8.2, <driver iommufd=''/> with 12.1. */
#define LIBVIRT_OVERRIDE 8002000
#define LIBVIRT_IOMMUFD 12001000

static bool emulator_aligns(const struct emulator *e)
{
        return e && generation_aligns(e->generation);
}

const struct emulator *domain_fix_emulator(const struct domain_subject *s)
{
        const struct emulator_facts *f;

        assert(s);

        if (s->emulator)
                return s->emulator;
        f = &s->host->emulators;
        for (size_t i = 0; i < f->n_emulators; i++) {
                const struct emulator *e = &f->emulators[i];

                if (emulator_is_hosts(e) && emulator_aligns(e) &&
                    emulator_fits_guest(s->host->root, e, s->guest))
                        return e;
        }
        return NULL;
}

/* The path is shown as it is, before anything is written. */
static int plan_start_with(const struct emulator *e, struct domain_changes *changes, struct fix_plan *plan)
{
        int r = fix_plan_note(plan, "the guest starts with %s%s", e->path,
                              e->changeable ? ", which users other than root can change" : "");

        return r < 0 ? r : domain_changes_add(changes, PLACE_EMULATOR, "", e->path);
}

static int plan_emulator(const struct domain_subject *s, struct domain_changes *changes,
                         struct fix_plan *plan)
{
        const struct emulator *now = guest_emulator(s->host, s->guest), *e = domain_fix_emulator(s);

        if (!s->emulator && emulator_aligns(now))
                return fix_plan_refuse(plan, "its emulator %s aligns by itself", now->path);
        if (!e)
                return fix_plan_refuse(
                        plan,
                        "no other QEMU of this host aligns and knows the machine type %s: install QEMU 9.2 "
                        "or newer (Debian 12 has one in bookworm-backports), or name one with "
                        "--emulator PATH",
                        s->guest->machine ?: "of the guest");
        if (!emulator_may_be_qemu(e))
                return fix_plan_refuse(plan, "%s is not a QEMU", e->path);
        if (e->generation == GENERATION_NONE)
                return fix_plan_refuse(
                        plan, "%s leaves the address to the kernel as well: QEMU aligns since 9.2", e->path);
        if (!emulator_aligns(e))
                return fix_plan_refuse(plan, "%s does not show whether it aligns%s%s", e->path,
                                       e->why ? ": " : "", e->why ?: "");
        if (!emulator_knows_machine(s->host->root, e, s->guest))
                return fix_plan_refuse(
                        plan,
                        "%s does not know the machine type %s of the guest: choose a QEMU that does, or "
                        "change the machine type first",
                        e->path, s->guest->machine);
        return plan_start_with(e, changes, plan);
}

static int plan_preload(const struct domain_subject *s, struct domain_changes *changes,
                        struct fix_plan *plan)
{
        const struct emulator *e = guest_emulator(s->host, s->guest);
        const char *now = s->guest->preload;
        _cleanup_free_ char *value = NULL;

        if (now && strstr(now, "/libvfioalign-preload.so"))
                return 0;
        if (emulator_aligns(e))
                return fix_plan_refuse(plan, "its emulator %s aligns by itself", e->path);
        if (e && !emulator_takes_preload(e))
                return fix_plan_refuse(plan, "its emulator %s is a static program, which loads no library",
                                       e->path);
        if (!exists_at(s->host->root->fd, PRELOAD_LIBRARY + 1))
                return fix_plan_refuse(plan, "%s is not there: QEMU would start without it",
                                       PRELOAD_LIBRARY);
        if (asprintf(&value, "%s%s%s", now ?: "", now && *now ? ":" : "", PRELOAD_LIBRARY) < 0) {
                value = NULL;
                return -ENOMEM;
        }
        return domain_changes_add(changes, PLACE_PRELOAD, "", value);
}

/* The key of a device in the domain for domain_place_set(). NULL: we cannot change this one. */
static const char *device_key(const struct hostdev *h)
{
        if (h->kind != HOSTDEV_PCI && h->kind != HOSTDEV_INTERFACE && h->kind != HOSTDEV_MDEV)
                return NULL;
        return *h->bdf ? h->bdf : h->uuid;
}

static int note_others(const struct domain_subject *s, struct fix_plan *plan)
{
        for (size_t i = 0; i < s->guest->n_hostdevs; i++) {
                const struct hostdev *h = &s->guest->hostdevs[i];
                int r = 0;

                if (h->kind == HOSTDEV_NETWORK)
                        r = fix_plan_note(plan, "the function that the network %s gives it stays as it is",
                                          h->network);
                else if (h->kind == HOSTDEV_ARGUMENT)
                        r = fix_plan_note(plan, "the device in <qemu:commandline> stays as it is");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Whether each VFIO device has a file of its own, which libvirt opens for iommufd (CONFIG_VFIO_DEVICE_CDEV).
 */
static struct fact has_device_files(const struct root *root)
{
        static const char *const symbols[] = { " vfio_device_fops_cdev_open", NULL }, *const vfio[] = {
                " vfio_device_fops", NULL
        };
        _cleanup_(file_lines_close) struct file_lines kallsyms = FILE_LINES_NONE;
        _cleanup_free_ char *file = NULL, *any = NULL;

        if (kallsyms_open(root, &kallsyms) < 0 || file_lines_grep(&kallsyms, vfio, &any) < 0 || !*any)
                return fact_unknown("it cannot be seen while vfio is not loaded: modprobe vfio-pci first");
        return fact_is(file_lines_grep(&kallsyms, symbols, &file) >= 0 && *file, SOURCE_KALLSYMS);
}

static int refuse_version(const struct domain_subject *s, struct fix_plan *plan, const char *what)
{
        if (s->libvirt_version == 0)
                return fix_plan_refuse(plan, "the version of libvirt is unknown");
        return fix_plan_refuse(plan, "libvirt %lu.%lu %s", s->libvirt_version / 1000000,
                               s->libvirt_version / 1000 % 1000, what);
}

static int plan_iommufd(const struct domain_subject *s, struct domain_changes *changes,
                        struct fix_plan *plan)
{
        const struct root *root = s->host->root;
        struct fact qemu = emulator_has_text(root, guest_emulator(s->host, s->guest), "iommufd"), files;

        if (s->libvirt_version < LIBVIRT_IOMMUFD)
                return refuse_version(s, plan, "cannot ask for it, 12.1 can");
        if (qemu.value == FACT_NO)
                return fix_plan_refuse(plan, "its emulator has no iommufd: QEMU has it since 9.0");
        if (qemu.value == FACT_UNKNOWN)
                return fix_plan_refuse(
                        plan, "whether its emulator has iommufd is unknown: its binary cannot be read");
        if (!exists_at(root->fd, "dev/iommu"))
                return fix_plan_refuse(plan, "this kernel has no iommufd: there is no /dev/iommu");
        files = has_device_files(root);
        if (files.value != FACT_YES)
                return fix_plan_refuse(plan, "%s",
                                       files.why
                                               ?: "this kernel gives VFIO devices no files of their own "
                                                  "(CONFIG_VFIO_DEVICE_CDEV)");
        for (size_t i = 0; i < s->guest->n_hostdevs; i++) {
                const struct hostdev *h = &s->guest->hostdevs[i];
                const char *key = device_key(h);
                int r;

                if (!key || h->iommufd || h->kind == HOSTDEV_MDEV)
                        continue;
                r = domain_changes_add(changes, PLACE_IOMMUFD, key, "yes");
                if (r < 0)
                        return r;
        }
        return note_others(s, plan);
}

static bool alias_is_taken(const struct guest *g, const char *alias)
{
        for (size_t i = 0; i < g->n_hostdevs; i++)
                if (g->hostdevs[i].alias && streq(g->hostdevs[i].alias, alias))
                        return true;
        return false;
}

/* The alias by which <qemu:override> names the device. libvirt keeps all names for itself but those that
 * begin with "ua-". *number: the next one to try. */
static int ensure_alias(const struct guest *g, const struct hostdev *h, const char *key, unsigned *number,
                        struct domain_changes *changes, const char **ret)
{
        char ours[64];
        int r;

        if (h->alias && startswith(h->alias, "ua-")) {
                *ret = h->alias;
                return 0;
        }
        do
                snprintf(ours, sizeof(ours), "ua-vfioalign-%u", (*number)++);
        while (alias_is_taken(g, ours));
        r = domain_changes_add(changes, PLACE_ALIAS, key, ours);
        if (r < 0)
                return r;
        *ret = changes->changes[changes->n - 1].value;
        return 0;
}

static int plan_no_mmap(const struct domain_subject *s, struct domain_changes *changes,
                        struct fix_plan *plan)
{
        const struct guest *g = s->guest;
        unsigned number = 0;

        if (s->libvirt_version < LIBVIRT_OVERRIDE)
                return refuse_version(s, plan, "has no <qemu:override>, 8.2 has");
        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct hostdev *h = &g->hostdevs[i];
                const char *key = device_key(h), *alias;
                int r;

                if (!key || h->no_mmap)
                        continue;
                r = ensure_alias(g, h, key, &number, changes, &alias);
                if (r < 0)
                        return r;
                r = domain_changes_add(changes, PLACE_NO_MMAP, alias, "true");
                if (r < 0)
                        return r;
        }
        return note_others(s, plan);
}

const struct domain_fix domain_fixes[DOMAIN_FIXES_MAX] = {
        { .id = FIX_EMULATOR, .plan = plan_emulator },
        { .id = FIX_PRELOAD, .plan = plan_preload },
        { .id = FIX_IOMMUFD, .plan = plan_iommufd, .spares_filling = true },
        { .id = FIX_NO_MMAP, .plan = plan_no_mmap, .spares_filling = true, .consent = true },
};

const struct domain_fix *domain_fix_find(const char *name)
{
        assert(name);

        for (size_t i = 0; i < ELEMENTSOF(domain_fixes); i++)
                if (streq(fix_id_to_string(domain_fixes[i].id), name))
                        return &domain_fixes[i];
        return NULL;
}

bool domain_falls_short(const struct domain_subject *s)
{
        struct guest_cost now;

        assert(s);

        now = guest_cost(&s->host->devices, s->guest, &s->host->kernel, &s->host->module,
                         guest_placer(s->host, s->guest), 0);
        return now.worst.page_size > 0 && now.worst.page_size < now.best_page_size;
}

bool domain_fix_helps(const struct domain_fix *fix, const struct domain_subject *s)
{
        struct help help;

        assert(fix);
        assert(s);

        if (fix->spares_filling)
                return domain_falls_short(s);
        help = help_guest(s->host, s->guest, s->emulator);
        return help_all(&help) & FIX_BIT(fix->id);
}
