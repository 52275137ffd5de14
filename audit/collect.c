/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judges the facts of a host: which findings they amount to. */
#include "collect.h"

#include <assert.h>
#include <inttypes.h>

#include "guest-cost.h"
#include "guest-evidence.h"
#include "guest-window.h"
#include "rank.h"
#include "start-time.h"
#include "util/format.h"
#include "util/macro.h"
#include "verdict.h"
#include "what-if.h"

static int add_plain(struct findings *f, enum finding_id id)
{
        return findings_add(f, id, NULL, NULL);
}

bool kernel_aligns(const struct host *h)
{
        const struct kernel_facts *k = &h->kernel;

        return k->aligns.value == FACT_YES &&
               (k->places_pud.value != FACT_NO || k->huge_pud.value != FACT_YES);
}

static int collect_interrupts(struct findings *f, const struct iommu_facts *i)
{
        if (i->remaps_interrupts.value == FACT_NO && i->allows_unsafe_interrupts.value == FACT_NO)
                return add_plain(f, FINDING_NO_INTERRUPT_REMAPPING);
        if (i->remaps_interrupts.value != FACT_YES && i->allows_unsafe_interrupts.value == FACT_YES)
                return add_plain(f, FINDING_UNSAFE_INTERRUPTS);
        return 0;
}

static int collect_iommu(struct findings *f, const struct host *h)
{
        const struct iommu_facts *i = &h->iommu;
        int r;

        if (i->at_work.value == FACT_NO)
                return add_plain(f, FINDING_NO_IOMMU);

        r = collect_interrupts(f, i);
        if (r < 0)
                return r;
        if (i->huge_pmd.value == FACT_NO) {
                r = findings_add(f, FINDING_IOMMU_SMALL_PAGES, NULL, i->huge_pmd.why ? "%s" : NULL,
                                 i->huge_pmd.why);
                if (r < 0)
                        return r;
        }
        if (i->kvm.value == FACT_YES && i->kvm_huge_pud.value == FACT_NO)
                return add_plain(f, FINDING_KVM_NO_GIGANTIC);
        return 0;
}

static bool module_would_help(const struct host *h)
{
        struct help help = help_host_unless_forbidden(h);

        return help_all(&help) & FIX_BIT(FIX_MODULE);
}

static int collect_module_not_installed(struct findings *f, const struct module_facts *m)
{
        if (!*m->other_release)
                return add_plain(f, FINDING_MODULE_NOT_INSTALLED);
        return findings_add(f, FINDING_MODULE_NOT_INSTALLED, NULL, "it is installed for another kernel: %s",
                            m->other_release);
}

static int collect_module_forbidden(struct findings *f, const struct host *h)
{
        int r = findings_add(f, FINDING_MODULE_FORBIDDEN, NULL, "%s", h->module.loadable.why);

        if (r < 0 || !h->module.lacks_key)
                return r;
        return set_remedy_of_key(f, h->module.is_signed, &h->module.mok, h->module.source_version,
                                 h->kernel.release);
}

/* Why the module does not do what it is for, if it has anything to do. */
static int collect_module(struct findings *f, const struct host *h)
{
        const struct module_facts *m = &h->module;

        if (kernel_aligns(h))
                return 0;
        if (module_works(m))
                return m->alive.value == FACT_NO ? add_plain(f, FINDING_MODULE_NOT_ALIVE) : 0;
        if (m->loaded.value == FACT_YES && m->enabled.value == FACT_NO)
                return add_plain(f, FINDING_MODULE_DISABLED);
        if (!module_would_help(h))
                return 0;
        if (m->installed.value == FACT_NO && h->kernel.takes_module.value != FACT_NO)
                return collect_module_not_installed(f, m);
        if (m->loadable.value == FACT_NO)
                return collect_module_forbidden(f, h);
        return m->installed.value == FACT_YES ? add_plain(f, FINDING_MODULE_NOT_LOADED) : 0;
}

/* Who chooses the addresses of mappings, if anybody does. */
static int collect_placement(struct findings *f, const struct host *h)
{
        const struct kernel_facts *k = &h->kernel;

        if (kernel_aligns(h))
                return findings_add(f, FINDING_KERNEL_ALIGNS, NULL, k->hook_function ? "by %s()" : NULL,
                                    k->hook_function);
        if (k->hook.value == FACT_YES && k->hook_module && !streq(k->hook_module, VFIO_ALIGN_MODULE))
                return findings_add(f, FINDING_HOOK_FOREIGN, NULL, "%s() of the module %s",
                                    k->hook_function ?: "a function", k->hook_module);
        if (module_works(&h->module))
                return 0;
        if (k->places_pmd.value == FACT_NO)
                return add_plain(f, FINDING_KERNEL_UNALIGNED);
        if (k->places_pud.value == FACT_NO && k->huge_pud.value == FACT_YES)
                return findings_add(f, FINDING_KERNEL_PARTLY_ALIGNED, NULL, "%s",
                                    k->aligns.value == FACT_YES ? "on purpose, by thp_get_unmapped_area()"
                                                                : "as a side effect");
        return 0;
}

static int collect_thp(struct findings *f, const struct kernel_facts *k)
{
        if (k->thp_exempt.value != FACT_NO)
                return 0;
        if (k->thp == THP_NEVER)
                return add_plain(f, FINDING_THP_RESTRICTS);
        return k->thp == THP_MADVISE ? add_plain(f, FINDING_THP_ASKS) : 0;
}

static int collect_no_huge_fault(struct findings *f, const struct kernel_facts *k)
{
        if (k->fault_fills.value != FACT_NO)
                return add_plain(f, FINDING_KERNEL_NO_HUGE_FAULT);
        return findings_add(f, FINDING_KERNEL_NO_HUGE_FAULT, NULL,
                            "each page of a BAR takes a fault of its own: this kernel has the handler, "
                            "and was built without transparent huge pages");
}

static int collect_kernel(struct findings *f, const struct host *h)
{
        const struct kernel_facts *k = &h->kernel;
        int r;

        if (k->vfio.value == FACT_NO) {
                r = add_plain(f, FINDING_NO_VFIO);
                if (r < 0)
                        return r;
        }
        /* All the rest matters only if there are huge entries to be had. */
        if (k->huge_pmd.value == FACT_NO)
                return collect_no_huge_fault(f, k);
        if (k->huge_pmd.value != FACT_YES)
                return 0;

        r = collect_placement(f, h);
        if (r < 0)
                return r;
        if (k->pin_by_leaf.value == FACT_NO) {
                r = add_plain(f, FINDING_KERNEL_PINS_PAGES);
                if (r < 0)
                        return r;
        }
        r = collect_thp(f, k);
        if (r < 0)
                return r;
        return collect_module(f, h);
}

static int collect_evidence(struct findings *f, const struct host *h, const struct emulator *e)
{
        format_t size, page, predicted;
        uint64_t predicted_size;
        const struct sighting *s = emulator_contradiction(h, e, &predicted_size);

        if (!s)
                return 0;
        return findings_add(f, FINDING_EMULATOR_CONTRADICTED, e->path,
                            "a guest got %s pages for a BAR of %s where %s were predicted",
                            format_size(s->page_size, page), format_size(s->bar_size, size),
                            format_size(predicted_size, predicted));
}

/* What helps depends on whose program it is. NULL: what helps with a QEMU. */
static const char *remedy_of_emulator(const struct emulator *e)
{
        if (emulator_may_be_qemu(e))
                return NULL;
        if (e->generation == GENERATION_UNKNOWN)
                return "vfioalignctl mappings, while it runs a guest";
        return e->program == PROGRAM_CLOUD_HYPERVISOR
                       ? "Install cloud-hypervisor 53 or later"
                       : "None but the module: no version of it that aligns is known";
}

static int add_emulator(struct findings *f, enum finding_id id, const struct emulator *e, const char *detail)
{
        int r = findings_add(f, id, e->path, detail ? "%s" : NULL, detail);

        if (r < 0)
                return r;
        f->findings[f->n_findings - 1].remedy = remedy_of_emulator(e);
        return 0;
}

static int collect_emulator(struct findings *f, const struct host *h, const struct emulator *e)
{
        int r;

        r = collect_evidence(f, h, e);
        if (r < 0)
                return r;
        if (e->contradicted) {
                r = findings_add(f, FINDING_EMULATOR_CONTRADICTED, e->path, "it is \"%s\"",
                                 emulator_generation_to_string(e->generation));
                if (r < 0)
                        return r;
        }
        if (e->replaced)
                return findings_add(f, FINDING_EMULATOR_STALE, e->path, "used by %zu process%s",
                                    e->n_processes, e->n_processes == 1 ? "" : "es");
        if (e->generation == GENERATION_UNKNOWN)
                return add_emulator(f, FINDING_EMULATOR_UNKNOWN, e, e->why ?: "it could not be read");
        if (e->generation == GENERATION_NONE && h->kernel.huge_pmd.value == FACT_YES &&
            !module_works(&h->module) && !kernel_aligns(h))
                return add_emulator(
                        f, FINDING_EMULATOR_UNALIGNED, e,
                        e->source == SOURCE_PROC
                                ? "a process that runs it has mapped a BAR where nobody aligned it"
                                : NULL);
        return 0;
}

static int collect_emulators(struct findings *f, const struct host *h)
{
        for (size_t i = 0; i < h->emulators.n_emulators; i++) {
                int r = collect_emulator(f, h, &h->emulators.emulators[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* What to do first, out of the fixes that the type of the finding names. Two fixes that only help together
 * are named together. */
static unsigned choose_fixes(enum finding_id id, const struct help *help)
{
        const unsigned both = FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP);
        unsigned fixes = finding_type(id)->fixes;

        return help_choose(help, help->together && fixes & both ? fixes | both : fixes);
}

/* Applies to the finding that was added last. guest: the one that the fixes would be for; NULL: the host. */
static int set_fixes(struct findings *f, const struct help *help, const char *guest)
{
        struct finding *last = &f->findings[f->n_findings - 1];

        last->fixes = choose_fixes(last->id, help);
        if (!guest)
                return 0;
        last->guest = strdup(guest);
        return last->guest ? 0 : -ENOMEM;
}

static int collect_guest_pages(struct findings *f, const struct host *h, const struct libvirt_guest *g)
{
        struct guest_cost cost = guest_cost(&h->devices, &g->xml, &h->kernel, &h->module,
                                            guest_placer(h, &g->xml), 0);
        const char *faults = "unknown";
        format_t page, best, count;
        struct help help;
        int r;

        if (g->running || cost.worst.page_size == 0 || cost.worst.page_size >= cost.best_page_size)
                return 0;
        if (cost.faults != COUNT_UNKNOWN)
                faults = format_count(cost.faults, count);
        r = findings_add(f, FINDING_GUEST_SMALL_PAGES, g->xml.name,
                         "%s pages where %s are possible (%s%s): %s faults",
                         format_size(cost.worst.page_size, page), format_size(cost.best_page_size, best),
                         condition_to_string(cost.worst.limit),
                         cost.worst.chance ? "; it may get more by chance" : "", faults);
        if (r < 0)
                return r;
        help = help_guest(h, &g->xml, NULL);
        return set_fixes(f, &help, g->xml.name);
}

static int collect_hostdev(struct findings *f, const struct host *h, const struct guest *g,
                           const struct hostdev *hostdev)
{
        static const char *const corrections[_GUEST_MANAGER_MAX] = {
                [GUEST_OF_PROXMOX] = "Correct the address: qm set GUEST --hostpciN ADDRESS",
        };
        const char *bdf = *hostdev->bdf ? hostdev->bdf : NULL;
        int r;

        if (hostdev->kind == HOSTDEV_ARGUMENT && g->manager != GUEST_OF_PROXMOX) {
                r = findings_add(f, FINDING_GUEST_RAW_DEVICE, g->name, "%s", bdf ?: "unknown device");
                if (r < 0)
                        return r;
        }
        if (hostdev->no_mmap) {
                r = findings_add(f, FINDING_GUEST_TRAPS, g->name, "%s", bdf ?: "unknown device");
                if (r < 0)
                        return r;
        }
        if (!bdf || h->devices.listed.value != FACT_YES || device_facts_find(&h->devices, bdf))
                return 0;
        r = findings_add(f, FINDING_GUEST_DEVICE_MISSING, g->name, "%s", bdf);
        if (r < 0)
                return r;
        f->findings[f->n_findings - 1].remedy = corrections[g->manager];
        return 0;
}

static int collect_guest(struct findings *f, const struct host *h, const struct libvirt_guest *g)
{
        struct fact window = guest_window(h, &g->xml);
        int r;

        for (size_t i = 0; i < g->xml.n_hostdevs; i++) {
                r = collect_hostdev(f, h, &g->xml, &g->xml.hostdevs[i]);
                if (r < 0)
                        return r;
        }
        if (window.value == FACT_NO) {
                r = findings_add(f, FINDING_GUEST_WINDOW_SMALL, g->xml.name, window.why ? "%s" : NULL,
                                 window.why);
                if (r < 0)
                        return r;
                f->findings[f->n_findings - 1].remedy = guest_window_remedy(h, &g->xml);
        }
        return collect_guest_pages(f, h, g);
}

static int collect_hook_forbidden(struct findings *f, const struct libvirt_facts *l)
{
        static const char *const remedies[_HOOK_OBSTACLE_MAX] = {
                [HOOK_OBSTACLE_SELINUX] = "setsebool -P virt_hooks_unconfined 1 && restorecon -R "
                                          "/etc/libvirt/hooks",
                [HOOK_OBSTACLE_APPARMOR] =
                        "Remove what denies /etc/libvirt/hooks from the profile in "
                        "/etc/apparmor.d or its local/, and reload that: apparmor_parser -r",
                [HOOK_OBSTACLE_CONTAINER] =
                        "None needed for the module, which helps every guest; to have "
                        "guests checked, mount the hook, vfioalignctl and the system bus "
                        "into the container",
        };
        int r = findings_add(f, FINDING_HOOK_FORBIDDEN, NULL, "%s", l->hook_allowed.why);

        if (r < 0)
                return r;
        f->findings[f->n_findings - 1].remedy = remedies[l->hook_obstacle];
        return 0;
}

static int collect_hook(struct findings *f, const struct libvirt_facts *l)
{
        /* In a container, whether the host has a hook makes no difference. */
        if (l->hook_allowed.value == FACT_NO &&
            (l->hook_installed.value == FACT_YES || l->hook_obstacle == HOOK_OBSTACLE_CONTAINER)) {
                int r = collect_hook_forbidden(f, l);

                if (r < 0 || l->hook_obstacle == HOOK_OBSTACLE_CONTAINER)
                        return r;
        }
        if (l->installed.value == FACT_YES && l->hook_installed.value == FACT_NO)
                return add_plain(f, FINDING_HOOK_MISSING);
        if (l->hook_installed.value == FACT_YES && l->running.value == FACT_YES &&
            l->hook_seen.value != FACT_YES)
                return findings_add(f, FINDING_HOOK_UNSEEN, NULL, "%s%s%s", l->hook_seen.why ?: "unknown",
                                    l->unit ? "; the unit is " : "", l->unit ?: "");
        return 0;
}

static int collect_libvirt(struct findings *f, const struct host *h)
{
        const struct libvirt_facts *l = &h->libvirt;
        int r;

        r = collect_hook(f, l);
        if (r < 0)
                return r;
        if (l->thp.value == FACT_NO) {
                r = add_plain(f, FINDING_THP_DISABLED_FOR_LIBVIRT);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < l->n_damaged; i++) {
                r = findings_add(f, FINDING_GUEST_DAMAGED, NULL, "%s", l->damaged[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < h->starts.n_damaged; i++) {
                r = findings_add(f, FINDING_START_DAMAGED, NULL, "/" STARTS_DIR "/%s", h->starts.damaged[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < l->n_guests; i++) {
                if (l->guests[i].xml.n_hostdevs == 0)
                        continue;
                r = collect_guest(f, h, &l->guests[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What the faults took that fill it. */
static void set_costs_of_mapping(struct finding *finding, const struct host *h, const struct verdict *v)
{
        const struct start_rates rates = start_rates(h);
        struct start_time t = start_time(&rates, v->faults, 0);

        finding->costs = t.seconds;
        finding->costs_estimated = t.estimated;
}

static int collect_mapping(struct findings *f, const struct host *h, const struct mapping *m)
{
        const struct mapping_process *p = mapping_facts_find_process(&h->mappings, m->pid);
        const struct libvirt_guest *g = libvirt_facts_find_pid(&h->libvirt, m->pid);
        struct fact thp = p ? p->thp : fact_unknown(NULL);
        struct verdict v = verdict_mapping(&h->kernel, thp, process_placer(h, m->pid), m);
        struct help help;
        const struct emulator *e = emulator_facts_of_process(&h->emulators, m->pid);
        format_t page;
        int r;

        if (v.page_size == 0 || v.page_size >= verdict_best_page(&h->kernel, m->size))
                return 0;
        r = findings_add(f, FINDING_MAPPING_SMALL_PAGES, *m->bdf ? m->bdf : NULL,
                         "region %d in process %d (%s): %s pages at %#" PRIx64 "%s", m->region, m->pid,
                         m->command ?: "?", format_size(v.page_size, page), m->start,
                         e && e->unpreloadable ? "; nothing can be preloaded into this static program" : "");
        if (r < 0)
                return r;
        set_costs_of_mapping(&f->findings[f->n_findings - 1], h, &v);
        help = g ? help_guest(h, &g->xml, NULL) : help_mapping(h, m);
        return set_fixes(f, &help, g ? g->xml.name : NULL);
}

static int collect_omissions(struct findings *f, const struct mapping_facts *m)
{
        int r;

        for (size_t i = 0; i < m->n_omissions; i++) {
                const struct mapping_omission *o = &m->omissions[i];

                if (o->mappings > 0 && o->descriptors > 0)
                        r = findings_add(
                                f, FINDING_MAPPINGS_OMITTED, NULL,
                                "%zu further mappings and %zu further descriptors of process %d (%s) "
                                "are not shown",
                                o->mappings, o->descriptors, o->pid, o->command ?: "?");
                else
                        r = findings_add(f, FINDING_MAPPINGS_OMITTED, NULL,
                                         "%zu further %s of process %d (%s) are not shown",
                                         o->mappings ?: o->descriptors,
                                         o->mappings > 0 ? "mappings" : "descriptors", o->pid,
                                         o->command ?: "?");
                if (r < 0)
                        return r;
        }
        if (m->n_more_omissions == 0)
                return 0;
        return findings_add(f, FINDING_MAPPINGS_OMITTED, NULL, "and the same of %zu further processes",
                            m->n_more_omissions);
}

/* As many processes as a person would read about. */
#define UNREAD_SHOWN 16

static int collect_unread(struct findings *f, const struct host *h)
{
        const struct unread_processes *u = &h->unread;
        int r;

        for (size_t i = 0; i < u->n && i < UNREAD_SHOWN; i++) {
                r = findings_add(f, FINDING_PROCESS_UNREAD, NULL, "process %d (%s)", u->processes[i].pid,
                                 u->processes[i].command ?: "?");
                if (r < 0)
                        return r;
        }
        if (u->n > UNREAD_SHOWN) {
                r = findings_add(f, FINDING_PROCESS_UNREAD, NULL, "and %zu further processes",
                                 u->n - UNREAD_SHOWN);
                if (r < 0)
                        return r;
        }
        if (u->n_unasked == 0)
                return 0;
        return findings_add(f, FINDING_PROCESS_UNREAD, NULL,
                            "there was no time left to ask %zu further processes", u->n_unasked);
}

static int collect_mappings_unseen(struct findings *f, const struct mapping_facts *m)
{
        if (m->complete.value != FACT_UNKNOWN)
                return 0;
        if (m->n_denied == 0)
                return findings_add(f, FINDING_MAPPINGS_UNSEEN, NULL, "%s", m->complete.why);
        if (m->n_denied == 1)
                return findings_add(f, FINDING_MAPPINGS_UNSEEN, NULL, "%s: process %d (%s)", m->complete.why,
                                    m->denied, m->denied_command ?: "?");
        return findings_add(f, FINDING_MAPPINGS_UNSEEN, NULL, "%s: process %d (%s) and %zu more",
                            m->complete.why, m->denied, m->denied_command ?: "?", m->n_denied - 1);
}

static int collect_mappings(struct findings *f, const struct host *h)
{
        int r;

        for (size_t i = 0; i < h->mappings.n_processes; i++) {
                const struct mapping_process *p = &h->mappings.processes[i];

                if (p->thp.value != FACT_NO)
                        continue;
                r = findings_add(f, FINDING_THP_DISABLED_FOR_PROCESS, NULL, "process %d (%s)", p->pid,
                                 p->command ?: "?");
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < h->mappings.n_mappings; i++) {
                r = collect_mapping(f, h, &h->mappings.mappings[i]);
                if (r < 0)
                        return r;
        }
        r = collect_mappings_unseen(f, &h->mappings);
        if (r < 0)
                return r;
        r = collect_omissions(f, &h->mappings);
        if (r < 0)
                return r;
        return collect_unread(f, h);
}

static bool has_unseen_bar(const struct device_facts *f)
{
        for (size_t i = 0; i < f->n_devices; i++)
                for (size_t k = 0; k < f->devices[i].n_bars; k++)
                        if (f->devices[i].bars[k].unseen)
                                return true;
        return false;
}

/* The facts that matter but are unknown: one finding, however many they are. */
static int collect_unseen(struct findings *f, const struct host *h)
{
        const struct {
                const char *name;
                struct fact fact;
                bool matters;
        } facts[] = {
                /* A fact about what does not exist or makes no difference may stay unknown. */
                { "whether an IOMMU is active", h->iommu.at_work, true },
                { "large entries for VFIO", h->kernel.huge_pmd, h->kernel.vfio.value != FACT_NO },
                { "what a fault in a BAR fills", h->kernel.fault_fills,
                  h->kernel.huge_pmd.value == FACT_NO },
                { "where the kernel places mappings", h->kernel.places_pmd, !module_works(&h->module) },
                { "how memory is pinned for DMA", h->kernel.pin_by_leaf, true },
                { "whether THP settings apply to VFIO", h->kernel.thp_exempt,
                  h->kernel.thp != THP_ALWAYS && h->kernel.huge_pmd.value == FACT_YES },
                { "whether the module is active", h->module.alive, module_works(&h->module) },
                { "what is bound to VFIO", h->binds_readable, h->binds_readable.why != NULL },
                { "the guests", h->libvirt.readable,
                  h->libvirt.installed.value != FACT_NO || h->libvirt.proxmox },
                { "the networks that are pools", fact_unknown(h->libvirt.networks_unread),
                  h->libvirt.networks_unread && h->libvirt.readable.value == FACT_YES },
                { "what other tools are to take", h->claims.complete,
                  h->claims.complete.why && h->devices.n_devices > 0 },
                { "whether a framebuffer has a part of a device", h->devices.reservations,
                  has_unseen_bar(&h->devices) },
                { "which block devices are in use", h->uses.block, h->devices.n_devices > 0 },
                { "which network interfaces are in use", h->uses.network, h->devices.n_devices > 0 },
                { "which processes use devices", h->uses.processes, h->devices.n_devices > 0 },
        };
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < ELEMENTSOF(facts); i++) {
                char *longer;

                if (!facts[i].matters || facts[i].fact.value != FACT_UNKNOWN)
                        continue;
                if (asprintf(&longer, "%s%s%s%s%s%s", text ?: "", text ? "; " : "", facts[i].name,
                             facts[i].fact.why ? " (" : "", facts[i].fact.why ?: "",
                             facts[i].fact.why ? ")" : "") < 0)
                        return -ENOMEM;
                free(text);
                text = longer;
        }
        return text ? findings_add(f, FINDING_FACTS_UNSEEN, NULL, "%s", text) : 0;
}

/* Adds to the findings about the host what to do first, and lowers those that harm no user of it. */
static void judge_by_help(struct findings *f, const struct host *h)
{
        struct help help = help_host(h), allowed = help;

        /* Asking walks all guests, and gives the same where nothing is forbidden. */
        if (h->module.loadable.value == FACT_NO)
                allowed = help_host_unless_forbidden(h);

        for (size_t i = 0; i < f->n_findings; i++) {
                struct finding *finding = &f->findings[i];
                const struct finding_type *type = finding_type(finding->id);

                finding->recorded = !h->root || !h->root->live;
                if (finding->id != FINDING_GUEST_SMALL_PAGES && finding->id != FINDING_MAPPING_SMALL_PAGES)
                        finding->fixes = choose_fixes(finding->id, &help);
                if (type->lacks && !(allowed.here & type->lacks))
                        finding->severity = SEVERITY_INFO;
        }
}

int findings_collect(struct findings *f, const struct host *h)
{
        int (*const parts[])(struct findings *, const struct host *) = {
                collect_iommu,     collect_kernel,  collect_module_version, collect_next_kernel,
                collect_groups,    collect_devices, collect_bars,           collect_binds,
                collect_emulators, collect_libvirt, collect_mappings,       collect_unseen,
        };

        assert(f);
        assert(h);

        *f = (struct findings){};
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                int r = parts[i](f, h);

                if (r < 0) {
                        findings_done(f);
                        return r;
                }
        }
        judge_by_help(f, h);
        if (findings_rank(f, h) < 0) {
                findings_done(f);
                return -ENOMEM;
        }
        return 0;
}
