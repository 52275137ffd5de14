/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/guest-cost.h"
#include "audit/guest-evidence.h"
#include "audit/guest-window.h"
#include "audit/remedy.h"
#include "report-parts.h"
#include "util/macro.h"
#include "util/memory.h"

static json_object *new_hostdev(const struct host *h, const struct guest *g, const struct hostdev *d)
{
        json_object *o = json_new_object();

        json_add_string(o, "kind", hostdev_kind_to_string(d->kind));
        json_add_string(o, "address", *d->bdf ? d->bdf : NULL);
        if (*d->bdf)
                json_add_bool(o, "present", device_facts_find(&h->devices, d->bdf) != NULL);
        else
                json_add(o, "present", NULL);
        json_add_bool(o, "managed", d->managed);
        json_add_bool(o, "no_mmap", d->no_mmap);
        json_add_bool(o, "iommufd", d->iommufd);
        json_add_string(o, "dma", dma_route_to_string(guest_dma_route(h, g, d)));
        json_add_string(o, "driver", d->driver);
        json_add_string(o, "uuid", d->uuid);
        json_add_string(o, "network", d->network);
        return o;
}

/* Where a guest's functions are only decided at its start, nothing can be predicted. */
static enum condition limit_of(const struct guest_cost *c)
{
        return c->incomplete && c->best_page_size == 0 ? CONDITION_UNKNOWN : c->worst.limit;
}

/* time: what a start with that takes. */
static json_object *new_cost(const struct host *h, const struct guest_cost *c, struct start_time time)
{
        const struct start_rates rates = start_rates(h);
        json_object *o = json_new_object();

        json_add_count(o, "bars", c->n_bars);
        json_add_count(o, "page_size", c->worst.page_size > 0 ? c->worst.page_size : COUNT_UNKNOWN);
        json_add_count(o, "best_page_size", c->best_page_size);
        json_add_bool(o, "chance", c->worst.chance);
        json_add_string(o, "limit", condition_to_string(limit_of(c)));
        json_add_count(o, "faults", c->faults);
        json_add_count(o, "pin_steps", c->pin_steps);
        report_add_start_time(o, time);
        report_add_seconds(o, "fault_seconds", start_time(&rates, c->faults, 0).seconds);
        if (c->why)
                json_add_string(o, "why", c->why);
        return o;
}

struct guest_on_host {
        const struct host *host;
        const struct guest *guest;
        const struct emulator *emulator; /* for FIX_EMULATOR */
};

static json_object *guest_then(const void *subject, unsigned fixes, uint64_t *ret_page_size)
{
        const struct guest_on_host *g = subject;
        struct guest_cost cost;

        if (!what_if_guest(g->host, g->guest, fixes, g->emulator, &cost))
                return NULL;
        *ret_page_size = cost.worst.page_size;
        return new_cost(g->host, &cost, start_time_of_cost(g->host, g->guest, &cost));
}

static json_object *new_after(const struct host *h, const struct guest *g, const struct guest_cost *now)
{
        struct help help = help_guest(h, g, NULL);
        const struct guest_on_host subject = { h, g, help.emulator };

        return report_after(&help, now->worst.page_size, guest_then, &subject);
}

/* What shortens its starts, best first. */
static json_object *new_remedies(const struct host *h, const struct guest *g)
{
        struct remedies r = remedies_of_guest(h, g);
        json_object *array = json_new_array();

        for (size_t i = 0; i < r.n; i++) {
                const struct remedy *remedy = &r.remedies[i];
                _cleanup_free_ char *name = memory_note(remedy_name(remedy)),
                                    *price = memory_note(remedy_price(remedy)),
                                    *command = remedy_command(remedy, g->name);
                json_object *o = json_new_object();

                report_add_fixes(o, remedy->fixes);
                json_add_bool(o, "newer_kernel", remedy->newer_kernel);
                json_add_string(o, "name", name);
                json_add_string(o, "price", price);
                json_add_string(o, "command", command);
                report_add_start_time(o, remedy->after);
                report_add_seconds(o, "saves_seconds", remedy->saves);
                if (remedy->newer_kernel && remedy->fixes != 0)
                        report_add_seconds(o, "without_fixes_seconds", r.without_others);
                json_append(array, o);
        }
        return array;
}

static json_object *new_mappings(const struct host *h, pid_t pid)
{
        json_object *array = json_new_array();

        for (size_t i = 0; i < h->mappings.n_mappings; i++)
                if (h->mappings.mappings[i].pid == pid)
                        json_append(array, report_host_mapping(h, &h->mappings.mappings[i]));
        return array;
}

/* NULL where nothing was seen. */
static json_object *new_evidence(const struct host *h, const struct guest *g)
{
        const struct sighting *seen[EVIDENCE_MAX];
        size_t n = guest_evidence(h, g, seen);
        json_object *array = n > 0 ? json_new_array() : NULL;

        for (size_t i = 0; i < n; i++) {
                json_object *o = json_new_object();
                format_t time;

                json_add_count(o, "bar_size", seen[i]->bar_size);
                json_add_count(o, "page_size", seen[i]->page_size);
                json_add_count(o, "count", seen[i]->count);
                json_add_string(o, "last", format_time(seen[i]->time_usec, time));
                json_append(array, o);
        }
        return array;
}

static json_object *new_guest(const struct host *h, const struct libvirt_guest *guest)
{
        const struct guest *g = &guest->xml;
        const struct emulator *e = guest_emulator(h, g);
        struct guest_cost foretold = guest_cost(&h->devices, g, &h->kernel, &h->module, guest_placer(h, g),
                                                0);
        struct guest_cost got = guest->pid > 0 ? process_cost(h, guest->pid) : (struct guest_cost){};
        const struct guest_cost *shown = got.n_bars > 0 ? &got : &foretold;
        json_object *o = json_new_object(), *devices = json_new_array(), *evidence = new_evidence(h, g);
        const struct start *last = starts_find(&h->starts, g->name);

        json_add_string(o, "name", g->name);
        json_add_string(o, "uuid", g->uuid);
        json_add_string(o, "manager", guest_manager_to_string(g->manager));
        json_add_string(o, "title", g->title);
        json_add_bool(o, "defined", guest->defined);
        json_add_bool(o, "running", guest->running);
        json_add_bool(o, "autostart", guest->autostart);
        json_add_count(o, "pid", guest->pid > 0 ? (uint64_t) guest->pid : COUNT_UNKNOWN);
        json_add_string(o, "emulator", g->emulator ?: e ? e->path : NULL);
        json_add_string(o, "generation",
                        emulator_generation_to_string(e ? e->generation : GENERATION_UNKNOWN));
        json_add_string(o, "machine", g->machine);
        for (size_t i = 0; i < g->n_hostdevs; i++)
                json_append(devices, new_hostdev(h, g, &g->hostdevs[i]));
        json_add(o, "devices", devices);
        json_add_fact(o, "window", guest_window(h, g));

        /* What was measured, where the guest runs and can be seen; else what is predicted. */
        json_add_bool(o, "measured", got.n_bars > 0);
        json_add_count(o, "page_size", shown->worst.page_size > 0 ? shown->worst.page_size : COUNT_UNKNOWN);
        json_add_count(o, "best_page_size", shown->best_page_size);
        json_add_string(o, "limit", condition_to_string(limit_of(shown)));
        json_add(o, "mappings", guest->pid > 0 ? new_mappings(h, guest->pid) : json_new_array());
        json_add(o, "foretold", new_cost(h, &foretold, start_time_now(h, g, &foretold)));
        json_add(o, "after", new_after(h, g, &foretold));
        json_add(o, "remedies", new_remedies(h, g));
        if (evidence)
                json_add(o, "evidence", evidence);
        if (last)
                json_add(o, "last_start", report_start(last));
        return o;
}

json_object *report_guests(const struct host *h)
{
        json_object *array = json_new_array();

        for (size_t i = 0; i < h->libvirt.n_guests; i++)
                if (h->libvirt.guests[i].xml.n_hostdevs > 0)
                        json_append(array, new_guest(h, &h->libvirt.guests[i]));
        return array;
}

json_object *report_libvirt(const struct host *h)
{
        const struct libvirt_facts *l = &h->libvirt;
        struct guest_cost total = host_cost(h);
        json_object *o = json_new_object(), *cost = json_new_object();
        uint64_t all = 0, assigned = 0, others = 0;

        for (size_t i = 0; i < l->n_guests; i++) {
                const struct guest *g = &l->guests[i].xml;

                all += g->manager == GUEST_OF_LIBVIRT;
                if (g->n_hostdevs == 0)
                        continue;
                if (g->manager == GUEST_OF_LIBVIRT)
                        assigned++;
                else
                        others++;
        }
        json_add_fact(o, "installed", l->installed);
        json_add_fact(o, "running", l->running);
        json_add_fact(o, "hook_installed", l->hook_installed);
        json_add_fact(o, "hook_seen", l->hook_seen);
        json_add_fact(o, "hook_allowed", l->hook_allowed);
        json_add_fact(o, "site_hook", l->site_hook);
        json_add_fact(o, "thp", l->thp);
        json_add_fact(o, "preload", l->preload);
        json_add_fact(o, "guests_readable", l->readable);
        json_add_count(o, "guests", all);
        json_add_count(o, "guests_with_vfio", assigned);
        json_add_count(o, "other_guests_with_vfio", others);
        json_add_count(cost, "bars", total.n_bars);
        json_add_count(cost, "faults", total.faults);
        json_add_count(cost, "pin_steps", total.pin_steps);
        json_add(o, "cost", cost);
        return o;
}
