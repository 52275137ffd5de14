/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report-parts.h"

static const char *text_or_null(const char *text)
{
        return *text ? text : NULL;
}

json_object *report_identity(const struct host *h)
{
        json_object *o = json_new_object();

        json_add_string(o, "name", text_or_null(h->identity.name));
        json_add_string(o, "id", text_or_null(h->identity.id));
        json_add_string(o, "boot_id", text_or_null(h->identity.boot_id));
        return o;
}

json_object *report_kernel(const struct host *h)
{
        const struct kernel_facts *k = &h->kernel;
        json_object *o = json_new_object();

        json_add_string(o, "release", k->release);
        json_add_count(o, "page_size", k->page_size);
        json_add_count(o, "pmd_size", k->pmd_size);
        json_add_count(o, "pud_size", k->pud_size);
        json_add_fact(o, "vfio", k->vfio);
        json_add_fact(o, "huge_pmd", k->huge_pmd);
        json_add_fact(o, "huge_pud", k->huge_pud);
        json_add_fact(o, "fault_fills", k->fault_fills);
        json_add_fact(o, "places_pmd", k->places_pmd);
        json_add_fact(o, "places_pud", k->places_pud);
        json_add_string(o, "thp", thp_mode_to_string(k->thp));
        json_add_fact(o, "thp_exempt", k->thp_exempt);
        json_add_fact(o, "pin_by_leaf", k->pin_by_leaf);
        json_add_fact(o, "dma_buf", k->dma_buf);
        json_add_fact(o, "hook", k->hook);
        json_add_string(o, "hook_function", k->hook_function);
        json_add_string(o, "hook_module", k->hook_module);
        json_add_fact(o, "aligns", k->aligns);
        return o;
}

/* NULL where no kernel is seen in /boot. */
static json_object *report_next_kernel(const struct next_kernel *n)
{
        json_object *o;

        if (!*n->boot.release)
                return NULL;
        o = json_new_object();
        json_add_string(o, "release", n->boot.release);
        json_add_fact(o, "known", n->boot.known);
        json_add_bool(o, "other", n->other);
        json_add_fact(o, "installed", n->installed);
        json_add_fact(o, "has_huge_entries", n->has_huge_entries);
        json_add_fact(o, "takes_module", n->takes_module);
        json_add_fact(o, "headers", n->headers);
        json_add_fact(o, "key_enrolled", n->key_enrolled);
        json_add_string(o, "dkms_error", n->dkms_error);
        return o;
}

json_object *report_module(const struct host *h)
{
        const struct module_facts *m = &h->module;
        json_object *o = json_new_object();

        json_add_fact(o, "installed", m->installed);
        json_add_fact(o, "built_for_kernel", m->built_for_kernel);
        json_add_string(o, "other_release", text_or_null(m->other_release));
        json_add_fact(o, "is_signed", m->is_signed);
        json_add_string(o, "signer", text_or_null(m->signer));
        json_add_fact(o, "key_enrolled", m->key_enrolled);
        json_add_fact(o, "signature_enforced", m->signature_enforced);
        json_add_fact(o, "secure_boot", m->secure_boot);
        json_add_fact(o, "loadable", m->loadable);
        json_add_fact(o, "loaded", m->loaded);
        json_add_fact(o, "enabled", m->enabled);
        json_add_fact(o, "alive", m->alive);
        json_add_count(o, "hits", m->hits);
        json_add_count(o, "aligned", m->aligned);
        json_add_string(o, "loaded_version", *m->loaded_version ? m->loaded_version : NULL);
        json_add_string(o, "file_version", *m->file_version ? m->file_version : NULL);
        json_add_string(o, "source_version", *m->source_version ? m->source_version : NULL);
        json_add_string(o, "certificate", m->mok.certificate);
        json_add_fact(o, "key_listed", m->mok.listed);
        json_add_fact(o, "key_pending", m->mok.pending);
        json_add(o, "next_kernel", report_next_kernel(&h->next_kernel));
        return o;
}

json_object *report_iommu(const struct host *h)
{
        const struct iommu_facts *f = &h->iommu;
        json_object *o = json_new_object(), *units = json_new_array();

        json_add_fact(o, "at_work", f->at_work);
        for (size_t i = 0; i < f->n_iommus; i++) {
                json_object *unit = json_new_object();

                json_add_string(unit, "name", f->iommus[i].name);
                json_add_string(unit, "type", iommu_type_to_string(f->iommus[i].type));
                json_add_fact(unit, "remaps_interrupts", f->iommus[i].remaps_interrupts);
                json_add_fact(unit, "huge_pmd", f->iommus[i].huge_pmd);
                json_add_fact(unit, "huge_pud", f->iommus[i].huge_pud);
                json_append(units, unit);
        }
        json_add(o, "units", units);
        json_add_fact(o, "remaps_interrupts", f->remaps_interrupts);
        json_add_fact(o, "allows_unsafe_interrupts", f->allows_unsafe_interrupts);
        json_add_fact(o, "huge_pmd", f->huge_pmd);
        json_add_fact(o, "huge_pud", f->huge_pud);
        json_add_fact(o, "passthrough", f->passthrough);
        json_add_count(o, "dma_entry_limit", f->dma_entry_limit ?: COUNT_UNKNOWN);
        json_add_count(o, "groups", f->n_groups);
        return o;
}

json_object *report_kvm(const struct host *h)
{
        const struct iommu_facts *f = &h->iommu;
        json_object *o = json_new_object();

        json_add_fact(o, "present", f->kvm);
        json_add_fact(o, "huge_pud", f->kvm_huge_pud);
        json_add_fact(o, "tdp_mmu", f->kvm_tdp_mmu);
        json_add_fact(o, "nx_huge_pages", f->kvm_nx_huge_pages);
        return o;
}

json_object *report_emulators(const struct host *h)
{
        const struct emulator_facts *f = &h->emulators;
        json_object *array = json_new_array();

        for (size_t i = 0; i < f->n_emulators; i++) {
                const struct emulator *e = &f->emulators[i];
                json_object *o = json_new_object();

                json_add_string(o, "path", e->path);
                json_add_string(o, "target", e->target);
                json_add_string(o, "build_id", e->build_id);
                json_add_string(o, "generation", emulator_generation_to_string(e->generation));
                json_add_string(o, "source", fact_source_to_string(e->source));
                if (e->why)
                        json_add_string(o, "why", e->why);
                json_add_bool(o, "distribution", e->distribution);
                json_add_bool(o, "libvirt", e->libvirt);
                json_add_count(o, "processes", e->n_processes);
                json_add_bool(o, "replaced", e->replaced);
                json_add_bool(o, "container", e->container);
                json_add_bool(o, "contradicted", e->contradicted);
                json_append(array, o);
        }
        return array;
}
