/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include "format.h"
#include "util/macro.h"

static void add_string(json_object *o, const char *key, const char *value)
{
        json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static void add_count(json_object *o, const char *key, uint64_t n)
{
        json_object_object_add(o, key, n == COUNT_UNKNOWN ? NULL : json_object_new_uint64(n));
}

static void add_bool(json_object *o, const char *key, bool b)
{
        json_object_object_add(o, key, json_object_new_boolean(b));
}

static void add_fact(json_object *o, const char *key, struct fact f)
{
        json_object *fact = json_object_new_object();

        add_string(fact, "value", fact_value_to_string(f.value));
        add_string(fact, "source", fact_source_to_string(f.source));
        if (f.why)
                add_string(fact, "why", f.why);
        json_object_object_add(o, key, fact);
}

static json_object *new_kernel(const struct kernel_facts *k)
{
        json_object *o = json_object_new_object();

        add_string(o, "release", k->release);
        add_count(o, "page_size", k->page_size);
        add_count(o, "pmd_size", k->pmd_size);
        add_count(o, "pud_size", k->pud_size);
        add_fact(o, "vfio", k->vfio);
        add_fact(o, "huge_pmd", k->huge_pmd);
        add_fact(o, "huge_pud", k->huge_pud);
        add_fact(o, "places_pmd", k->places_pmd);
        add_fact(o, "places_pud", k->places_pud);
        add_string(o, "thp", thp_mode_to_string(k->thp));
        add_fact(o, "thp_exempt", k->thp_exempt);
        add_fact(o, "pin_by_leaf", k->pin_by_leaf);
        return o;
}

static json_object *new_module(const struct module_facts *m)
{
        json_object *o = json_object_new_object();

        add_fact(o, "installed", m->installed);
        add_fact(o, "loadable", m->loadable);
        add_fact(o, "loaded", m->loaded);
        add_fact(o, "enabled", m->enabled);
        add_count(o, "hits", m->hits);
        add_count(o, "aligned", m->aligned);
        return o;
}

static json_object *new_emulators(const struct emulator_facts *f)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < f->n_emulators; i++) {
                const struct emulator *e = &f->emulators[i];
                json_object *o = json_object_new_object();

                add_string(o, "path", e->path);
                add_string(o, "generation", emulator_generation_to_string(e->generation));
                add_string(o, "source", fact_source_to_string(e->source));
                if (e->why)
                        add_string(o, "why", e->why);
                json_object_array_add(array, o);
        }
        return array;
}

json_object *report_verdict(const struct verdict *v)
{
        json_object *o = json_object_new_object();

        add_count(o, "page_size", v->page_size ?: COUNT_UNKNOWN);
        add_bool(o, "luck", v->luck);
        add_count(o, "faults", v->faults);
        add_count(o, "pin_steps", v->pin_steps);
        add_string(o, "limit", condition_to_string(v->limit));
        return o;
}

/* What the BAR gets when it is placed by `by`: now, and after each remedy that changes something. */
static json_object *new_placement(const struct host *h, const char *by, enum emulator_generation g, uint64_t size)
{
        json_object *o = json_object_new_object(), *after = json_object_new_object();
        struct verdict now = verdict_bar(&h->kernel, &h->module, g, size);

        add_string(o, "by", by);
        json_object_object_add(o, "now", report_verdict(&now));
        for (enum remedy r = 0; r < _REMEDY_MAX; r++) {
                struct kernel_facts k = h->kernel;
                struct module_facts m = h->module;
                struct verdict then;

                if (!remedy_assume(r, &k, &m))
                        continue;
                then = verdict_bar(&k, &m, g, size);
                if (then.page_size != now.page_size)
                        json_object_object_add(after, remedy_to_string(r), report_verdict(&then));
        }
        json_object_object_add(o, "after", after);
        return o;
}

static json_object *new_bar(const struct host *h, const struct bar *bar)
{
        json_object *o = json_object_new_object(), *placements = json_object_new_array();

        add_count(o, "index", bar->index);
        add_count(o, "size", bar->size);
        add_bool(o, "prefetchable", bar->prefetchable);
        add_bool(o, "64bit", bar->wide);
        json_object_array_add(placements, new_placement(h, "kernel", GENERATION_NONE, bar->size));
        for (size_t i = 0; i < h->emulators.n_emulators; i++) {
                const struct emulator *e = &h->emulators.emulators[i];

                json_object_array_add(placements, new_placement(h, e->path, e->generation, bar->size));
        }
        json_object_object_add(o, "placements", placements);
        return o;
}

static json_object *new_devices(const struct host *h)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < h->devices.n_devices; i++) {
                const struct device *d = &h->devices.devices[i];
                json_object *o = json_object_new_object(), *bars = json_object_new_array();
                format_t id;

                add_string(o, "address", d->bdf);
                snprintf(id, sizeof(id), "%04x:%04x", d->vendor, d->device);
                add_string(o, "id", id);
                snprintf(id, sizeof(id), "%06x", d->class);
                add_string(o, "class", id);
                add_string(o, "name", d->name);
                add_string(o, "driver", d->driver);
                json_object_object_add(o, "iommu_group", d->group < 0 ? NULL : json_object_new_int(d->group));
                add_bool(o, "assignable", device_is_assignable(d));
                for (size_t k = 0; k < d->n_bars; k++)
                        json_object_array_add(bars, new_bar(h, &d->bars[k]));
                json_object_object_add(o, "bars", bars);
                json_object_array_add(array, o);
        }
        return array;
}

json_object *report_mapping(const struct kernel_facts *k, const struct mapping *m)
{
        json_object *o = json_object_new_object();
        struct verdict v = verdict_mapping(k, m);
        format_t address;

        add_count(o, "pid", (uint64_t) m->pid);
        add_string(o, "command", m->command);
        add_string(o, "device", *m->bdf ? m->bdf : NULL);
        json_object_object_add(o, "region", m->region < 0 ? NULL : json_object_new_int(m->region));
        snprintf(address, sizeof(address), "%#jx", (uintmax_t) m->start);
        add_string(o, "address", address);
        add_count(o, "offset", m->offset);
        add_count(o, "size", m->size);
        add_count(o, "best_page_size", verdict_best_page(k, m->size));
        json_object_object_add(o, "verdict", report_verdict(&v));
        return o;
}

static json_object *new_mappings(const struct host *h)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < h->mappings.n_mappings; i++)
                json_object_array_add(array, report_mapping(&h->kernel, &h->mappings.mappings[i]));
        return array;
}

static json_object *new_findings(const struct findings *f)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < f->n_findings; i++) {
                const struct finding *finding = &f->findings[i];
                const struct finding_type *type = finding_type(finding->id);
                json_object *o = json_object_new_object();

                add_string(o, "id", finding_to_string(finding->id));
                add_string(o, "severity", severity_to_string(type->severity));
                add_string(o, "subject", finding->subject);
                add_string(o, "text", type->text);
                add_string(o, "detail", finding->detail);
                add_string(o, "remedy", type->remedy);
                json_object_array_add(array, o);
        }
        return array;
}

json_object *report_new(const struct host *h, const struct findings *f)
{
        json_object *o = json_object_new_object();
        format_t time;

        if (!o)
                return NULL;
        json_object_object_add(o, "schema_version", json_object_new_int(REPORT_SCHEMA_VERSION));
        add_string(o, "version", PROJECT_VERSION);
        add_string(o, "time", format_time(h->time_usec, time));
        json_object_object_add(o, "kernel", new_kernel(&h->kernel));
        json_object_object_add(o, "module", new_module(&h->module));
        add_fact(o, "iommu", h->devices.iommu);
        json_object_object_add(o, "emulators", new_emulators(&h->emulators));
        json_object_object_add(o, "devices", new_devices(h));
        json_object_object_add(o, "mappings", new_mappings(h));
        add_fact(o, "mappings_complete", h->mappings.complete);
        json_object_object_add(o, "findings", new_findings(f));
        return o;
}

void report_print_json(json_object *report, FILE *out)
{
        fputs(json_object_to_json_string_ext(report, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE), out);
        fputc('\n', out);
}
