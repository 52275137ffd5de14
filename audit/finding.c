/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finding.h"

#include <inttypes.h>
#include <stdarg.h>

#include "util/array.h"
#include "util/macro.h"
#include "verdict.h"

static const char *const severity_table[_SEVERITY_MAX] = {
        [SEVERITY_INFO] = "info",
        [SEVERITY_NOTICE] = "notice",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_ERROR] = "error",
};
DEFINE_STRING_TABLE(severity, enum severity);

static const char *const finding_table[_FINDING_MAX] = {
        [FINDING_NO_IOMMU] = "no-iommu",
        [FINDING_NO_VFIO] = "no-vfio",
        [FINDING_KERNEL_NO_HUGE_FAULT] = "kernel-no-huge-fault",
        [FINDING_KERNEL_UNALIGNED] = "kernel-unaligned",
        [FINDING_KERNEL_PARTLY_ALIGNED] = "kernel-partly-aligned",
        [FINDING_KERNEL_PINS_PAGES] = "kernel-pins-pages",
        [FINDING_THP_RESTRICTS] = "thp-restricts",
        [FINDING_MODULE_NOT_INSTALLED] = "module-not-installed",
        [FINDING_MODULE_NOT_LOADED] = "module-not-loaded",
        [FINDING_MODULE_DISABLED] = "module-disabled",
        [FINDING_MODULE_FORBIDDEN] = "module-forbidden",
        [FINDING_EMULATOR_UNALIGNED] = "emulator-unaligned",
        [FINDING_EMULATOR_UNKNOWN] = "emulator-unknown",
        [FINDING_MAPPING_SMALL_PAGES] = "mapping-small-pages",
        [FINDING_MAPPINGS_UNSEEN] = "mappings-unseen",
};
DEFINE_STRING_TABLE(finding, enum finding_id);

static const struct finding_type types[_FINDING_MAX] = {
        [FINDING_NO_IOMMU] = {
                .severity = SEVERITY_INFO,
                .text = "No IOMMU is at work, so that no device can be handed to a guest",
                .remedy = "Enable it in the firmware; on Intel boot with intel_iommu=on",
                .message_id = "52567e8302b044d686c335bbe0cd3a9f",
        },
        [FINDING_NO_VFIO] = {
                .severity = SEVERITY_INFO,
                .text = "This kernel has no vfio-pci, neither loaded nor installed",
                .remedy = "Install the kernel's full module package",
                .message_id = "2385c97bed374e3fb53db523fe1ed653",
        },
        [FINDING_KERNEL_NO_HUGE_FAULT] = {
                .severity = SEVERITY_NOTICE,
                .text = "This kernel maps device memory with 4 KiB entries only",
                .remedy = "Boot a kernel of 6.12 or later, or a distribution kernel that carries huge VFIO faults",
                .message_id = "61d202d23b7a4171963cbb23ecbed6f7",
        },
        [FINDING_KERNEL_UNALIGNED] = {
                .severity = SEVERITY_WARNING,
                .text = "The kernel puts VFIO mappings at addresses that fit no huge page",
                .remedy = "Load the module: modprobe vfio_align",
                .message_id = "df20b5a49d734bb4a65d5d466c1474e2",
        },
        [FINDING_KERNEL_PARTLY_ALIGNED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The kernel aligns VFIO mappings to 2 MiB by accident, never to 1 GiB",
                .remedy = "Load the module: modprobe vfio_align",
                .message_id = "599248a20a6e43ce98f3987fe3e6eaad",
        },
        [FINDING_KERNEL_PINS_PAGES] = {
                .severity = SEVERITY_NOTICE,
                .text = "Mapping a BAR for DMA walks it by 4 KiB pages, however large its entries are",
                .remedy = "Boot a kernel of 6.15 or later",
                .message_id = "db69b51ffb234d88a614a92d258cdf01",
        },
        [FINDING_THP_RESTRICTS] = {
                .severity = SEVERITY_WARNING,
                .text = "This kernel gives VFIO huge pages only with transparent_hugepage=always",
                .remedy = "echo always >/sys/kernel/mm/transparent_hugepage/enabled",
                .message_id = "9b4c16f14ade43dd8be02bf95d5ffcf4",
        },
        [FINDING_MODULE_NOT_INSTALLED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The module vfio_align is not installed for this kernel",
                .remedy = "Install the package vfioalign-dkms and the kernel's headers",
                .message_id = "35c9d63efae64d838737448261c1f3b1",
        },
        [FINDING_MODULE_NOT_LOADED] = {
                .severity = SEVERITY_WARNING,
                .text = "The module vfio_align is installed, and not loaded",
                .remedy = "modprobe vfio_align",
                .message_id = "52a648ea738844368d35f711d97c6e3b",
        },
        [FINDING_MODULE_DISABLED] = {
                .severity = SEVERITY_NOTICE,
                .text = "The module vfio_align is loaded, and switched off",
                .remedy = "echo 1 >/sys/module/vfio_align/parameters/enabled",
                .message_id = "c96d03a566e246da91bad87fe5c3f235",
        },
        [FINDING_MODULE_FORBIDDEN] = {
                .severity = SEVERITY_WARNING,
                .text = "This host forbids loading the module vfio_align",
                .remedy = "Lift what forbids it, or run guests with QEMU 9.2 or later",
                .message_id = "49fd3e72191540b8b7f352ef5d7fe01b",
        },
        [FINDING_EMULATOR_UNALIGNED] = {
                .severity = SEVERITY_NOTICE,
                .text = "This emulator leaves the address of a BAR to the kernel",
                .remedy = "Install QEMU 9.2 or later, or load the module vfio_align",
                .message_id = "99b9d4dcc2244c17ab5e57fe877a571b",
        },
        [FINDING_EMULATOR_UNKNOWN] = {
                .severity = SEVERITY_INFO,
                .text = "Whether this emulator aligns BARs cannot be seen in its code",
                .remedy = "Start a guest and read: vfioalignctl mappings",
                .message_id = "cc20fdc805cc4164abd201f30435208e",
        },
        [FINDING_MAPPING_SMALL_PAGES] = {
                .severity = SEVERITY_WARNING,
                .text = "A BAR is mapped in smaller pages than it could have",
                .remedy = "Apply what this report names, then start the guest anew",
                .message_id = "ea28228f2e3b4853b373557f5807527b",
        },
        [FINDING_MAPPINGS_UNSEEN] = {
                .severity = SEVERITY_INFO,
                .text = "The mappings of some processes could not be looked at",
                .remedy = "Run the audit as root",
                .message_id = "c687c5fbe2bc479bb33d0045375632ee",
        },
};
const struct finding_type *finding_type(enum finding_id id)
{
        return id >= 0 && id < _FINDING_MAX ? &types[id] : NULL;
}

static _printf_(4, 5) int add(struct findings *f, enum finding_id id, const char *subject, const char *format, ...)
{
        struct finding *finding = array_append(f->findings, f->n_findings);
        va_list args;
        int r = 0;

        if (!finding)
                return -ENOMEM;
        finding->id = id;
        if (subject) {
                finding->subject = strdup(subject);
                if (!finding->subject)
                        return -ENOMEM;
        }
        if (format) {
                va_start(args, format);
                r = vasprintf(&finding->detail, format, args);
                va_end(args);
                if (r < 0)
                        finding->detail = NULL;
        }
        return r < 0 ? -ENOMEM : 0;
}

static int add_plain(struct findings *f, enum finding_id id)
{
        return add(f, id, NULL, NULL);
}

static bool module_works(const struct host *h)
{
        return h->module.loaded.value == FACT_YES && h->module.enabled.value == FACT_YES;
}

/* What the module would do, or why it does not do it. */
static int collect_module(struct findings *f, const struct host *h)
{
        const struct module_facts *m = &h->module;

        if (module_works(h))
                return 0;
        if (m->loaded.value == FACT_YES && m->enabled.value == FACT_NO)
                return add_plain(f, FINDING_MODULE_DISABLED);
        if (m->installed.value == FACT_NO)
                return add_plain(f, FINDING_MODULE_NOT_INSTALLED);
        if (m->loadable.value == FACT_NO)
                return add(f, FINDING_MODULE_FORBIDDEN, NULL, "%s", m->loadable.why);
        return m->installed.value == FACT_YES ? add_plain(f, FINDING_MODULE_NOT_LOADED) : 0;
}

static int collect_kernel(struct findings *f, const struct host *h)
{
        const struct kernel_facts *k = &h->kernel;
        int r = 0;

        if (h->devices.iommu.value == FACT_NO)
                r = add_plain(f, FINDING_NO_IOMMU);
        if (r >= 0 && k->vfio.value == FACT_NO)
                r = add_plain(f, FINDING_NO_VFIO);
        if (r >= 0 && k->huge_pmd.value == FACT_NO)
                r = add_plain(f, FINDING_KERNEL_NO_HUGE_FAULT);
        if (r < 0 || k->huge_pmd.value != FACT_YES)
                return r; /* the rest matters only where there are huge entries to be had */

        if (!module_works(h) && k->places_pmd.value == FACT_NO)
                r = add_plain(f, FINDING_KERNEL_UNALIGNED);
        else if (!module_works(h) && k->places_pud.value == FACT_NO && k->huge_pud.value == FACT_YES)
                r = add_plain(f, FINDING_KERNEL_PARTLY_ALIGNED);
        if (r >= 0 && k->pin_by_leaf.value == FACT_NO)
                r = add_plain(f, FINDING_KERNEL_PINS_PAGES);
        if (r >= 0 && k->thp != THP_ALWAYS && k->thp != THP_UNKNOWN && k->thp_exempt.value == FACT_NO)
                r = add(f, FINDING_THP_RESTRICTS, NULL, "transparent_hugepage is \"%s\"", thp_mode_to_string(k->thp));
        return r < 0 ? r : collect_module(f, h);
}

static int collect_emulators(struct findings *f, const struct host *h)
{
        int r = 0;

        for (size_t i = 0; i < h->emulators.n_emulators && r >= 0; i++) {
                const struct emulator *e = &h->emulators.emulators[i];

                if (e->generation == GENERATION_UNKNOWN)
                        r = add(f, FINDING_EMULATOR_UNKNOWN, e->path, "%s", e->why);
                else if (e->generation == GENERATION_NONE && h->kernel.huge_pmd.value == FACT_YES && !module_works(h))
                        r = add(f, FINDING_EMULATOR_UNALIGNED, e->path, NULL);
        }
        return r;
}

static int collect_mappings(struct findings *f, const struct host *h)
{
        int r = 0;

        for (size_t i = 0; i < h->mappings.n_mappings && r >= 0; i++) {
                const struct mapping *m = &h->mappings.mappings[i];
                struct verdict v = verdict_mapping(&h->kernel, m);

                if (v.page_size > 0 && v.page_size < verdict_best_page(&h->kernel, m->size))
                        r = add(f, FINDING_MAPPING_SMALL_PAGES, *m->bdf ? m->bdf : NULL,
                                "region %d in process %d (%s): %" PRIu64 " KiB pages at %#" PRIx64, m->region,
                                m->pid, m->command ?: "?", v.page_size / KIB(1), m->start);
        }
        if (r >= 0 && h->mappings.complete.value == FACT_UNKNOWN)
                r = add(f, FINDING_MAPPINGS_UNSEEN, NULL, "%s", h->mappings.complete.why);
        return r;
}

int findings_collect(struct findings *f, const struct host *h)
{
        int r;

        *f = (struct findings) {};
        r = collect_kernel(f, h);
        if (r >= 0)
                r = collect_emulators(f, h);
        if (r >= 0)
                r = collect_mappings(f, h);
        if (r < 0)
                findings_done(f);
        return r < 0 ? r : 0;
}

void findings_done(struct findings *f)
{
        for (size_t i = 0; i < f->n_findings; i++) {
                free(f->findings[i].subject);
                free(f->findings[i].detail);
        }
        free(f->findings);
        *f = (struct findings) {};
}

enum severity findings_severity(const struct findings *f)
{
        enum severity worst = SEVERITY_INFO;

        for (size_t i = 0; i < f->n_findings; i++)
                if (types[f->findings[i].id].severity > worst)
                        worst = types[f->findings[i].id].severity;
        return worst;
}
