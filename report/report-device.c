/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "report-parts.h"
#include "util/array.h"
#include "util/macro.h"

void devices_open(struct devices *d, const struct host *h)
{
        assert(d);
        assert(h);

        *d = (struct devices){ .host = h };
}

void devices_close(struct devices *d)
{
        for (size_t i = 0; i < d->n_placed; i++)
                json_object_put(d->placed[i].placements);
        free(d->placed);
        *d = (struct devices){};
}

json_object *report_verdict(const struct verdict *v)
{
        json_object *o = json_new_object();

        json_add_count(o, "page_size", v->page_size ?: COUNT_UNKNOWN);
        json_add_bool(o, "chance", v->chance);
        json_add_count(o, "faults", v->faults);
        json_add_count(o, "pin_steps", v->pin_steps);
        json_add_string(o, "limit", condition_to_string(v->limit));
        return o;
}

json_object *report_after(const struct help *help, uint64_t now, report_then_t then, const void *subject)
{
        json_object *after = json_new_object(), *answer;
        uint64_t best = now, page_size;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                answer = help->alone & FIX_BIT(id) ? then(subject, FIX_BIT(id), &page_size) : NULL;
                if (!answer)
                        continue;
                json_add(after, fix_id_to_string(id), answer);
                if (page_size > best)
                        best = page_size;
        }
        answer = then(subject, FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_THP), &page_size);
        if (answer && (help->together || page_size > best))
                json_add(after, "module+thp", answer);
        else
                json_object_put(answer);
        return after;
}

struct placed_area {
        const struct host *host;
        struct placer placer;
        const struct area *area;
};

static json_object *area_then(const void *subject, unsigned fixes, uint64_t *ret_page_size)
{
        const struct placed_area *p = subject;
        struct verdict v;

        if (!what_if_area(p->host, p->placer, p->area, fixes, &v))
                return NULL;
        *ret_page_size = v.page_size;
        return report_verdict(&v);
}

/* unknown: the driver shows a region of its own instead of the BAR, or the BAR may be reserved. How the
 * kernel maps that is not known, and no fix helps for sure. */
static json_object *new_placement(const struct host *h, const char *by, struct placer placer,
                                  const struct area *area, bool unknown)
{
        const struct placed_area subject = { h, placer, area };
        json_object *o = json_new_object(), *after;
        struct kernel_facts k = h->kernel;
        struct verdict now;

        if (unknown) {
                k.huge_pmd = k.huge_pud = fact_unknown(NULL);
                now = verdict_area(&k, &h->module, placer, area);
                after = json_new_object();
        } else {
                struct help help = help_area(h, placer, area);

                now = verdict_area(&k, &h->module, placer, area);
                after = report_after(&help, now.page_size, area_then, &subject);
        }
        json_add_string(o, "by", by);
        json_add(o, "now", report_verdict(&now));
        json_add(o, "after", after);
        return o;
}

static json_object *new_placements(const struct host *h, const struct area *area, bool unknown)
{
        json_object *placements = json_new_array();

        json_append(placements, new_placement(h, "kernel", PLACER_PROGRAM, area, unknown));
        for (size_t i = 0; i < h->emulators.n_emulators; i++) {
                const struct emulator *e = &h->emulators.emulators[i];

                /* No start would use these. */
                if (e->replaced || e->container)
                        continue;
                json_append(placements, new_placement(h, e->path, placer_emulator(e), area, unknown));
        }
        return placements;
}

json_object *report_placements(const struct host *h, const struct area *area)
{
        return new_placements(h, area, false);
}

/* BARs of one size share the answer: a host has thousands of BARs, and few sizes. */
static json_object *shared_placements(struct devices *d, const struct bar *bar)
{
        const struct area whole = { .region_size = bar->size, .size = bar->size };
        uint64_t size = bar->size;
        struct placed *placed;

        if (bar_is_unknown(bar))
                return new_placements(d->host, &whole, true);
        for (size_t i = 0; i < d->n_placed; i++)
                if (d->placed[i].size == size)
                        return json_object_get(d->placed[i].placements);
        placed = array_append(d->placed, d->n_placed);
        if (!placed)
                return NULL;
        *placed = (struct placed){ size, new_placements(d->host, &whole, false) };
        return json_object_get(placed->placements);
}

static json_object *new_bar(struct devices *d, const struct bar *bar)
{
        json_object *o = json_new_object();

        json_add_count(o, "index", bar->index);
        json_add_count(o, "size", bar->size);
        json_add_bool(o, "prefetchable", bar->prefetchable);
        json_add_bool(o, "64bit", bar->wide);
        json_add_bool(o, "replaced", bar->replaced);
        json_add_count(o, "resizable_to", bar_largest_size(bar) ?: COUNT_UNKNOWN);
        if (bar_is_mappable(bar)) {
                json_add(o, "placements", shared_placements(d, bar));
                return o;
        }
        json_add(o, "placements", json_new_array());
        json_add_string(o, "obstacle", bar->unassigned ? "no-address" : "reserved");
        if (bar->reserved_by)
                json_add_string(o, "reserved_by", bar->reserved_by);
        return o;
}

static json_object *new_uses(const struct host *h, const struct device *d)
{
        json_object *array = json_new_array();
        const struct device_use *uses;
        size_t n;

        uses = device_uses_find(&h->uses, d->bdf, &n);
        for (size_t i = 0; i < n; i++) {
                json_object *o = json_new_object();

                json_add_string(o, "kind", use_kind_to_string(uses[i].kind));
                json_add_string(o, "what", uses[i].what);
                json_append(array, o);
        }
        return array;
}

static json_object *new_claims(const struct host *h, const struct device *d)
{
        json_object *array = json_new_array();

        for (size_t i = 0; i < h->claims.n_claims; i++) {
                const struct claim *c = &h->claims.claims[i];
                json_object *o;

                if (!claim_matches(c, d))
                        continue;
                o = json_new_object();
                json_add_string(o, "tool", claim_tool_to_string(c->tool));
                json_add_string(o, "driver", c->driver);
                json_add_string(o, "file", c->file);
                json_add_count(o, "line", c->line ?: COUNT_UNKNOWN);
                json_add_bool(o, "in_force", !boot_ignores_claim(&h->boot, c));
                json_append(array, o);
        }
        return array;
}

/* NULL where vfioalign has nothing to do with the function. */
static json_object *new_bound_by(const struct host *h, const struct device *d)
{
        const struct bind_record *b = bind_records_find(&h->binds, d->bdf);
        json_object *o = b ? json_new_object() : NULL;

        for (size_t i = 0; b && i < b->n_members; i++) {
                const char *before = b->members[i].before.driver;

                if (!streq(b->members[i].bdf, d->bdf))
                        continue;
                json_add_string(o, "owner", b->owner);
                json_add_string(o, "state", bind_state_to_string(b->state));
                json_add_string(o, "before_driver", *before ? before : NULL);
        }
        return o;
}

static void add_ids(json_object *o, const struct device *d)
{
        format_t id;

        snprintf(id, sizeof(id), "%04x:%04x", d->vendor, d->device);
        json_add_string(o, "id", id);
        snprintf(id, sizeof(id), "%04x:%04x", d->subsystem_vendor, d->subsystem_device);
        json_add_string(o, "subsystem_id", d->subsystem_vendor ? id : NULL);
        snprintf(id, sizeof(id), "%06x", d->class);
        json_add_string(o, "class", id);
        json_add_string(o, "name", d->name);
}

static json_object *new_device(struct devices *devices, const struct device *d)
{
        const struct host *h = devices->host;
        const struct iommu_group *group = d->group < 0 ? NULL : iommu_facts_find_group(&h->iommu, d->group);
        json_object *o = json_new_object(), *bars = json_new_array();

        json_add_string(o, "address", d->bdf);
        add_ids(o, d);
        json_add_string(o, "driver", d->driver);
        json_add_string(o, "driver_override", d->driver_override);
        json_add_bool(o, "driver_is_vfio", d->driver_is_vfio);
        json_add_string(o, "vfio_driver", d->vfio_driver);
        json_add_count(o, "iommu_group", d->group < 0 ? COUNT_UNKNOWN : (uint64_t) d->group);
        json_add_string(o, "group_viable", fact_value_to_string(group ? group->viable.value : FACT_UNKNOWN));
        json_add_string(o, "group_culprit", group && group->culprit ? group->culprit->bdf : NULL);
        json_add_bool(o, "assignable", device_is_assignable(d));
        json_add_count(o, "numa_node", d->numa_node < 0 ? COUNT_UNKNOWN : (uint64_t) d->numa_node);
        json_add_string(o, "reset_method", d->reset_method);
        json_add_string(o, "physical_function", *d->physical_function ? d->physical_function : NULL);
        json_add_count(o, "vfs_total", d->vfs_total);
        json_add_count(o, "vfs_enabled", d->vfs_enabled);
        json_add(o, "uses", new_uses(h, d));
        json_add(o, "claims", new_claims(h, d));
        json_add(o, "bound_by", new_bound_by(h, d));
        for (size_t k = 0; k < d->n_bars; k++)
                json_append(bars, new_bar(devices, &d->bars[k]));
        json_add(o, "bars", bars);
        return o;
}

json_object *devices_get(struct devices *d, size_t i)
{
        assert(d);
        assert(i < d->host->devices.n_devices);

        return new_device(d, &d->host->devices.devices[i]);
}
