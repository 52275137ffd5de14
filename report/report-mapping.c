/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/guest-cost.h"
#include "report-parts.h"

json_object *report_mapping(const struct kernel_facts *k, const struct mapping_facts *f,
                            struct placer placer, const struct mapping *m)
{
        const struct mapping_process *p = mapping_facts_find_process(f, m->pid);
        json_object *o = json_new_object();
        struct verdict v = verdict_mapping(k, p ? p->thp : fact_unknown(NULL), placer, m);
        format_t address;

        if (process_uses_iommufd(f, m->pid))
                v.pin_steps = 0;
        json_add_count(o, "pid", (uint64_t) m->pid);
        json_add_string(o, "command", m->command);
        json_add_string(o, "device", *m->bdf ? m->bdf : NULL);
        json_add_count(o, "region", m->region < 0 ? COUNT_UNKNOWN : (uint64_t) m->region);
        snprintf(address, sizeof(address), "%#jx", (uintmax_t) m->start);
        json_add_string(o, "address", address);
        json_add_count(o, "offset", m->offset);
        json_add_count(o, "size", m->size);
        json_add_count(o, "best_page_size", verdict_best_page(k, m->size));
        json_add_fact(o, "huge", m->huge);
        json_add(o, "verdict", report_verdict(&v));
        return o;
}

json_object *report_host_mapping(const struct host *h, const struct mapping *m)
{
        json_object *o = report_mapping(&h->kernel, &h->mappings, process_placer(h, m->pid), m),
                    *verdict = json_get(o, "verdict");
        const struct start_rates rates = start_rates(h);

        report_add_start_time(o, start_time(&rates, json_get_number(verdict, "faults"),
                                            json_get_number(verdict, "pin_steps")));
        return o;
}

json_object *report_processes(const struct host *h)
{
        const struct mapping_facts *f = &h->mappings;
        json_object *array = json_new_array();

        for (size_t i = 0; i < f->n_processes; i++) {
                const struct mapping_process *p = &f->processes[i];
                json_object *o = json_new_object();

                json_add_count(o, "pid", (uint64_t) p->pid);
                json_add_string(o, "command", p->command);
                json_add_string(o, "exe", p->exe);
                json_add_bool(o, "exe_deleted", p->exe_deleted);
                json_add_count(o, "mapped", p->mapped);
                json_add_count(o, "page_tables", p->page_tables ?: COUNT_UNKNOWN);
                json_add_fact(o, "thp", p->thp);
                json_add_fact(o, "huge", p->huge);
                json_append(array, o);
        }
        return array;
}

json_object *report_holders(const struct host *h)
{
        const struct mapping_facts *f = &h->mappings;
        json_object *array = json_new_array();

        for (size_t i = 0; i < f->n_holders; i++) {
                const struct vfio_holder *v = &f->holders[i];
                json_object *o = json_new_object();

                json_add_count(o, "pid", (uint64_t) v->pid);
                json_add_string(o, "command", v->command);
                json_add_count(o, "group", v->group < 0 ? COUNT_UNKNOWN : (uint64_t) v->group);
                json_add_count(o, "cdev", v->cdev < 0 ? COUNT_UNKNOWN : (uint64_t) v->cdev);
                json_append(array, o);
        }
        return array;
}

json_object *report_mappings(const struct host *h)
{
        json_object *array = json_new_array();

        for (size_t i = 0; i < h->mappings.n_mappings; i++)
                json_append(array, report_host_mapping(h, &h->mappings.mappings[i]));
        return array;
}
