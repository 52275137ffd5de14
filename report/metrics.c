/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include <assert.h>

#include "audit/finding.h"
#include "config/fix-id.h"
#include "row.h"
#include "util/array.h"
#include "util/escape.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/switch.h"

/* A name of libvirt's is the name of a file. Who hands us one by other ways does not fill up the metrics. */
#define NAME_SHOWN_MAX 255

/* Of each guest, so that it has no more than ten series. They are in the order of preference. */
#define REMEDIES_SHOWN 2

/* clang-format off */
static const char *const start_result_table[_START_RESULT_MAX] = {
        [START_BEST] = "best",
        [START_SHORT] = "short",
        [START_UNKNOWN] = "unknown",
        [START_REFUSED] = "refused",
};

static const char *const handover_table[_HANDOVER_MAX] = {
        [HANDOVER_BIND] = "bind",
        [HANDOVER_UNBIND] = "unbind",
};

static const char *const handover_result_table[_HANDOVER_RESULT_MAX] = {
        [HANDOVER_DONE] = "done",
        [HANDOVER_REFUSED] = "refused",
        [HANDOVER_ROLLED_BACK] = "rolled-back",
        [HANDOVER_QUARANTINED] = "quarantined",
};
/* clang-format on */
DEFINE_STRING_TABLE(start_result, enum start_result);
DEFINE_STRING_TABLE(handover, enum handover);
DEFINE_STRING_TABLE(handover_result, enum handover_result);

static const double hook_bounds[] = { .01, .05, .1, .25, .5, 1, 2.5, 5 };
static const double measured_bounds[] = { 1, 2.5, 5, 10, 30, 60, 120, 300, 600 };

enum metric {
        BUILD_INFO,
        ENABLED,
        START_TIME,
        AUDIT_TIMESTAMP,
        AUDIT_DURATION,
        AUDITS,
        KERNEL_PAGE_SIZE,
        EMULATOR_INFO,
        MODULE_STATE,
        MODULE_MAPPINGS,
        MODULE_ALIGNED,
        HOOK_ACTIVE,
        FINDINGS,
        FINDING,
        PCI_FUNCTIONS,
        QUARANTINED,
        MAPPED,
        MAPPED_SHORT,
        GUESTS,
        GUEST_RUNNING,
        GUEST_PAGE_SIZE,
        GUEST_BEST_PAGE_SIZE,
        GUEST_FAULTS,
        GUEST_STEPS,
        GUEST_LIMIT,
        GUEST_REMEDY,
        GUEST_START_SECONDS,
        GUEST_BAR_SECONDS,
        REMEDY_GUESTS,
        GUEST_STARTS,
        MEASURED_DURATION,
        HOOK_DURATION,
        BIND_OPERATIONS,
        _METRIC_MAX,
};

#define ROW(name, type, labels, help) \
        { \
                "vfioalign_" name, type, labels, help \
        }
static const struct metric_family families[_METRIC_MAX] = {
        [BUILD_INFO] = ROW("build_info", "gauge", "version", "The version of vfioalign"),
        [ENABLED] = ROW("enabled", "gauge", "", "Whether vfioalign is on; 0 while it is switched off"),
        [START_TIME] = ROW("start_time_seconds", "gauge", "", "When vfioalignd was started"),
        [AUDIT_TIMESTAMP] = ROW("audit_timestamp_seconds", "gauge", "", "When these facts were read"),
        [AUDIT_DURATION] = ROW("audit_duration_seconds", "gauge", "", "How long that took"),
        [AUDITS] = ROW("audits_total", "counter", "", "Audits since vfioalignd was started"),
        [KERNEL_PAGE_SIZE] = ROW("kernel_page_size_bytes", "gauge", "",
                                 "The largest page by which this kernel maps a VFIO device"),
        [EMULATOR_INFO] = ROW("emulator_info", "gauge", "path, generation",
                              "An installed emulator, and how it places BARs"),
        [MODULE_STATE] = ROW("module_state", "gauge", "state",
                             "The kernel module vfio_align; one of these states is 1"),
        [MODULE_MAPPINGS] = ROW("module_mappings_total", "counter", "",
                                "Mappings of VFIO devices that the module has seen"),
        [MODULE_ALIGNED] = ROW("module_aligned_mappings_total", "counter", "", "Those that it has aligned"),
        [HOOK_ACTIVE] = ROW("libvirt_hook_active", "gauge", "",
                            "Whether libvirt runs the hook of vfioalign"),
        [FINDINGS] = ROW("findings", "gauge", "severity", "Findings of the audit by severity"),
        [FINDING] = ROW("finding", "gauge", "id, severity", "Each finding, and how many subjects it has"),
        [PCI_FUNCTIONS] = ROW("pci_functions", "gauge", "binding",
                              "Functions that a guest could have, by who has them now"),
        [QUARANTINED] = ROW("quarantined_groups", "gauge", "",
                            "IOMMU groups that are neither with VFIO nor with their drivers"),
        [MAPPED] = ROW("mapped_bytes", "gauge", "page_size",
                       "Memory of VFIO devices that processes map, by the page size it can have"),
        [MAPPED_SHORT] = ROW("mapped_short_bytes", "gauge", "",
                             "The part of it that is on smaller pages than its size allows"),
        [GUESTS] = ROW("guests", "gauge", "state", "Guests with VFIO devices"),
        [GUEST_RUNNING] = ROW("guest_running", "gauge", "domain", "Whether the guest runs"),
        [GUEST_PAGE_SIZE] = ROW(
                "guest_page_size_bytes", "gauge", "domain",
                "The page size of its BAR that falls furthest short; predicted where it does not run"),
        [GUEST_BEST_PAGE_SIZE] = ROW("guest_best_page_size_bytes", "gauge", "domain",
                                     "The page size that the size of that BAR allows"),
        [GUEST_FAULTS] = ROW("guest_page_faults", "gauge", "domain",
                             "Page faults that filling its BARs takes at a start"),
        [GUEST_STEPS] = ROW("guest_dma_map_steps", "gauge", "domain",
                            "Steps that the kernel takes to map its BARs for DMA, each time"),
        [GUEST_LIMIT] = ROW("guest_limit", "gauge", "domain, limit", "What keeps it from larger pages"),
        [GUEST_REMEDY] = ROW("guest_remedy_page_faults", "gauge", "domain, remedy",
                             "The page faults that a remedy would leave"),
        [GUEST_START_SECONDS] = ROW("guest_start_seconds", "gauge", "domain",
                                    "How long its last start took that was measured"),
        [GUEST_BAR_SECONDS] = ROW("guest_start_bar_seconds", "gauge", "domain",
                                  "The part of it that mapping its BARs for DMA took"),
        [REMEDY_GUESTS] = ROW("remedy_guests", "gauge", "remedy", "Guests that a remedy would help"),
        [GUEST_STARTS] = ROW("guest_starts_total", "counter", "result",
                             "Starts of guests with VFIO devices, by the pages they got"),
        [MEASURED_DURATION] = ROW("start_duration_seconds", "histogram", "le",
                                  "How long the starts of guests took that were measured"),
        [HOOK_DURATION] = ROW("hook_duration_seconds", "histogram", "le",
                              "How long starts of guests have waited for vfioalignd"),
        [BIND_OPERATIONS] = ROW("bind_operations_total", "counter", "operation, result",
                                "IOMMU groups that vfioalignd handed to VFIO or back"),
};
#undef ROW

const struct metric_family *metrics_families(size_t *ret_n)
{
        assert(ret_n);

        *ret_n = ELEMENTSOF(families);
        return families;
}

#define NONE ((struct metric_label){})
#define LABEL(name, value) ((struct metric_label){ name, value })

struct metrics {
        struct metrics_text text;
        const struct host *host;
        json_object *head;
        struct metric_guest {
                json_object *guest;
                char *name; /* as it is shown; NULL: not at all */
        } * guests;
        size_t n_guests;
};

static void add_sample(struct metrics *m, enum metric id, struct metric_label label, double value)
{
        metrics_add(&m->text, &families[id], label, NONE, value);
}

/* What was seen is printed; that there is nothing, only where all could be seen. */
static void add_seen(struct metrics *m, enum metric id, struct metric_label label, double value,
                     bool all_seen)
{
        if (value > 0 || all_seen)
                add_sample(m, id, label, value);
}

static void add_daemon(struct metrics *m, const struct metrics_counters *c, uint64_t audit_usec)
{
        add_sample(m, BUILD_INFO, LABEL("version", PROJECT_VERSION), 1);
        add_sample(m, ENABLED, NONE, switched_off(m->host->root) ? 0 : 1);
        if (c)
                add_sample(m, START_TIME, NONE, (double) c->start_usec / 1e6);
        add_sample(m, AUDIT_TIMESTAMP, NONE, (double) m->host->time_usec / 1e6);
        if (audit_usec > 0)
                add_sample(m, AUDIT_DURATION, NONE, (double) audit_usec / 1e6);
        if (c)
                add_sample(m, AUDITS, NONE, (double) c->audits);
}

/* 0: unknown. Linux has none larger than those of a PUD for devices. */
static uint64_t kernel_page_size(const struct kernel_facts *k)
{
        if (k->huge_pud.value == FACT_YES)
                return k->pud_size;
        if (k->huge_pud.value == FACT_UNKNOWN || k->huge_pmd.value == FACT_UNKNOWN)
                return 0;
        return k->huge_pmd.value == FACT_YES ? k->pmd_size : k->page_size;
}

/* What only some process runs is left out, as it is for users on the bus. One path can be there twice: in
 * the host and in a container. */
static void add_emulators(struct metrics *m)
{
        json_object *array = json_get(m->head, "emulators");

        for (size_t i = 0; i < json_length(array); i++) {
                json_object *e = json_object_array_get_idx(array, i);
                const char *path = json_get_text(e, "path") ?: "";
                const char *generation = json_get_text(e, "generation") ?: "unknown";
                bool skip = !json_get_flag(e, "distribution") && !json_get_flag(e, "libvirt");

                for (size_t k = 0; k < i && !skip; k++) {
                        json_object *before = json_object_array_get_idx(array, k);

                        skip = streq(json_get_text(before, "path") ?: "", path);
                }
                if (!skip)
                        metrics_add(&m->text, &families[EMULATOR_INFO], LABEL("path", path),
                                    LABEL("generation", generation), 1);
        }
}

static void add_module(struct metrics *m)
{
        static const char *const states[] = { "absent", "forbidden", "unloaded", "disabled",
                                              "dead",   "working",   "unknown" };
        const struct module_facts *module = &m->host->module;
        const char *state = row_module_state(json_get(m->head, "module"));

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                add_sample(m, MODULE_STATE, LABEL("state", states[i]), streq(states[i], state));
        if (module->loaded.value != FACT_YES)
                return;
        add_sample(m, MODULE_MAPPINGS, NONE, (double) module->hits);
        add_sample(m, MODULE_ALIGNED, NONE, (double) module->aligned);
}

/* Where there is no libvirt, there is nobody to run it, and nothing is amiss. */
static void add_libvirt(struct metrics *m)
{
        json_object *l = json_get(m->head, "libvirt");

        if (!streq(json_get_fact(l, "installed"), "yes"))
                return;
        if (streq(json_get_fact(l, "hook_installed"), "no") || streq(json_get_fact(l, "hook_seen"), "no"))
                add_sample(m, HOOK_ACTIVE, NONE, 0);
        else if (streq(json_get_fact(l, "hook_seen"), "yes"))
                add_sample(m, HOOK_ACTIVE, NONE, 1);
}

/* How many findings are like the i-th. Those before it: 0 if one is. */
static size_t count_like(json_object *findings, size_t i)
{
        json_object *f = json_object_array_get_idx(findings, i);
        size_t n = 0;

        for (size_t k = 0; k < json_length(findings); k++) {
                json_object *other = json_object_array_get_idx(findings, k);

                if (!streq(json_get_text(f, "id") ?: "", json_get_text(other, "id") ?: "") ||
                    !streq(json_get_text(f, "severity") ?: "", json_get_text(other, "severity") ?: ""))
                        continue;
                if (k < i)
                        return 0;
                n++;
        }
        return n;
}

static void add_findings(struct metrics *m)
{
        json_object *findings = json_get(m->head, "findings");

        for (enum severity s = 0; s < _SEVERITY_MAX; s++) {
                size_t n = 0;

                for (size_t i = 0; i < json_length(findings); i++)
                        n += severity_from_string(
                                     json_get_text(json_object_array_get_idx(findings, i), "severity")
                                             ?: "") == s;
                add_sample(m, FINDINGS, LABEL("severity", severity_to_string(s)), (double) n);
        }
        for (size_t i = 0; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);
                size_t n = count_like(findings, i);

                if (n > 0)
                        metrics_add(&m->text, &families[FINDING], LABEL("id", json_get_text(f, "id")),
                                    LABEL("severity", json_get_text(f, "severity")), (double) n);
        }
}

static void add_devices(struct metrics *m)
{
        static const char *const bindings[] = { "vfio", "host", "none" };
        const struct device_facts *f = &m->host->devices;
        const struct bind_records *b = &m->host->binds;
        size_t n[ELEMENTSOF(bindings)] = {}, quarantined = b->n_unread;

        for (size_t i = 0; i < f->n_devices; i++) {
                const struct device *d = &f->devices[i];

                if (!device_is_assignable(d))
                        continue;
                n[0] += d->driver_is_vfio;
                n[1] += !d->driver_is_vfio && d->driver;
                n[2] += !d->driver_is_vfio && !d->driver;
        }
        for (size_t i = 0; i < ELEMENTSOF(bindings); i++)
                add_seen(m, PCI_FUNCTIONS, LABEL("binding", bindings[i]), (double) n[i],
                         f->listed.value == FACT_YES);
        for (size_t i = 0; i < b->n_records; i++)
                quarantined += b->records[i].state == BIND_STATE_QUARANTINED;
        add_seen(m, QUARANTINED, NONE, (double) quarantined, m->host->binds_readable.value == FACT_YES);
}

/* "2MiB": a label without a space is easier to ask for. */
static const char *page_label(uint64_t size, format_t buffer)
{
        char *space;

        format_size(size, buffer);
        space = strchr(buffer, ' ');
        if (space)
                memmove(space, space + 1, strlen(space));
        return buffer;
}

static void add_mapped(struct metrics *m)
{
        const struct kernel_facts *k = &m->host->kernel;
        const uint64_t pages[] = { k->page_size, k->pmd_size, k->pud_size };
        json_object *mappings = json_get(m->head, "mappings");
        bool all = streq(json_get_fact(m->head, "mappings_complete"), "yes");
        double bytes[ELEMENTSOF(pages)] = {}, small = 0;

        for (size_t i = 0; i < json_length(mappings); i++) {
                json_object *mapping = json_object_array_get_idx(mappings, i);
                uint64_t page = json_get_number(json_get(mapping, "verdict"), "page_size");
                double size = (double) json_get_number(mapping, "size");

                for (size_t p = 0; p < ELEMENTSOF(pages); p++)
                        if (page == pages[p]) {
                                bytes[p] += size;
                                small += page < json_get_number(mapping, "best_page_size") ? size : 0;
                                break;
                        }
        }
        for (size_t p = 0; p < ELEMENTSOF(pages); p++) {
                format_t label;

                if (pages[p] > 0)
                        add_seen(m, MAPPED, LABEL("page_size", page_label(pages[p], label)), bytes[p], all);
        }
        add_seen(m, MAPPED_SHORT, NONE, small, all);
}

/* What filling or pinning all of a guest's BARs takes: of those it has mapped, or else as foretold. */
static uint64_t guest_cost_of(json_object *guest, const char *key)
{
        json_object *mappings = json_get(guest, "mappings");
        uint64_t sum = 0;

        if (!json_get_flag(guest, "measured"))
                return json_get_number(json_get(guest, "foretold"), key);
        for (size_t i = 0; i < json_length(mappings); i++) {
                uint64_t n = json_get_number(json_get(json_object_array_get_idx(mappings, i), "verdict"),
                                             key);

                if (n == UINT64_MAX)
                        return n;
                sum += n;
        }
        return sum;
}

static void add_guest_number(struct metrics *m, enum metric id, const struct metric_guest *g, uint64_t n)
{
        if (g->name && n != UINT64_MAX)
                add_sample(m, id, LABEL("domain", g->name), (double) n);
}

static void add_guest_limits(struct metrics *m)
{
        for (size_t i = 0; i < m->n_guests; i++) {
                const struct metric_guest *g = &m->guests[i];

                if (g->name)
                        metrics_add(&m->text, &families[GUEST_LIMIT], LABEL("domain", g->name),
                                    LABEL("limit", json_get_text(g->guest, "limit")), 1);
        }
}

/* report_after() has them in the order of preference, and last those that help together. */
static void add_guest_remedies(struct metrics *m)
{
        for (size_t i = 0; i < m->n_guests; i++) {
                const struct metric_guest *g = &m->guests[i];
                json_object *after = json_get(g->guest, "after");
                size_t n = 0;

                if (!g->name || !after)
                        continue;
                json_object_object_foreach (after, remedy, cost) {
                        uint64_t faults = json_get_number(cost, "faults");

                        if (faults != UINT64_MAX && n++ < REMEDIES_SHOWN)
                                metrics_add(&m->text, &families[GUEST_REMEDY], LABEL("domain", g->name),
                                            LABEL("remedy", remedy), (double) faults);
                }
        }
}

static void add_guest_seconds(struct metrics *m, enum metric id)
{
        for (size_t i = 0; i < m->n_guests; i++) {
                const struct metric_guest *g = &m->guests[i];
                json_object *start = json_get(g->guest, "last_start"), *seconds;

                if (id == GUEST_BAR_SECONDS)
                        seconds = json_get(json_get(start, "phases"), "bars");
                else
                        seconds = json_get(start, "seconds");
                if (g->name && seconds)
                        add_sample(m, id, LABEL("domain", g->name), json_object_get_double(seconds));
        }
}

static void add_remedies(struct metrics *m, bool all)
{
        size_t together = 0;

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                const struct fix_type *type = fix_type(id);
                size_t n = 0;

                for (size_t i = 0; i < m->n_guests; i++)
                        n += json_get(json_get(m->guests[i].guest, "after"), type->name) != NULL;
                if (type->with)
                        add_seen(m, REMEDY_GUESTS, LABEL("remedy", type->name), (double) n, all);
        }
        for (size_t i = 0; i < m->n_guests; i++)
                together += json_get(json_get(m->guests[i].guest, "after"), "module+thp") != NULL;
        add_seen(m, REMEDY_GUESTS, LABEL("remedy", "module+thp"), (double) together, all);
}

static void add_guests(struct metrics *m)
{
        bool all = streq(json_get_fact(json_get(m->head, "libvirt"), "guests_readable"), "yes");
        size_t running = 0;

        for (size_t i = 0; i < m->n_guests; i++)
                running += json_get_flag(m->guests[i].guest, "running");
        add_seen(m, GUESTS, LABEL("state", "running"), (double) running, all);
        add_seen(m, GUESTS, LABEL("state", "stopped"), (double) (m->n_guests - running), all);
        for (size_t i = 0; i < m->n_guests; i++)
                add_guest_number(m, GUEST_RUNNING, &m->guests[i],
                                 json_get_flag(m->guests[i].guest, "running"));
        for (size_t i = 0; i < m->n_guests; i++)
                add_guest_number(m, GUEST_PAGE_SIZE, &m->guests[i],
                                 json_get_number(m->guests[i].guest, "page_size"));
        for (size_t i = 0; i < m->n_guests; i++)
                add_guest_number(m, GUEST_BEST_PAGE_SIZE, &m->guests[i],
                                 json_get_number(m->guests[i].guest, "best_page_size"));
        for (size_t i = 0; i < m->n_guests; i++)
                add_guest_number(m, GUEST_FAULTS, &m->guests[i],
                                 guest_cost_of(m->guests[i].guest, "faults"));
        for (size_t i = 0; i < m->n_guests; i++)
                add_guest_number(m, GUEST_STEPS, &m->guests[i],
                                 guest_cost_of(m->guests[i].guest, "pin_steps"));
        add_guest_limits(m);
        add_guest_remedies(m);
        add_guest_seconds(m, GUEST_START_SECONDS);
        add_guest_seconds(m, GUEST_BAR_SECONDS);
        add_remedies(m, all);
}

static void add_histogram(struct metrics *m, enum metric id, const double bounds[], size_t n,
                          const struct metrics_histogram *h)
{
        metrics_add_histogram(&m->text, &families[id], bounds, h->counts, n, h->n, h->seconds);
}

static void add_counters(struct metrics *m, const struct metrics_counters *c)
{
        for (enum start_result r = 0; r < _START_RESULT_MAX; r++)
                add_sample(m, GUEST_STARTS, LABEL("result", start_result_to_string(r)),
                           (double) c->starts[r]);
        add_histogram(m, MEASURED_DURATION, measured_bounds, ELEMENTSOF(measured_bounds), &c->measured);
        add_histogram(m, HOOK_DURATION, hook_bounds, ELEMENTSOF(hook_bounds), &c->hook);
        for (enum handover o = 0; o < _HANDOVER_MAX; o++)
                for (enum handover_result r = 0; r < _HANDOVER_RESULT_MAX; r++)
                        metrics_add(&m->text, &families[BIND_OPERATIONS],
                                    LABEL("operation", handover_to_string(o)),
                                    LABEL("result", handover_result_to_string(r)), (double) c->binds[o][r]);
}

static bool name_is_taken(const struct metrics *m, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (m->guests[i].name && streq(m->guests[i].name, name))
                        return true;
        return false;
}

/* What is shown of two names can be the same, as of "a\xff" and "a\xfe". Two equal series would be an
 * error to whoever reads them. */
static char *shown_name(const struct metrics *m, size_t n, json_object *guest, enum export_guests how)
{
        const char *uuid = json_get_text(guest, "uuid"), *name = json_get_text(guest, "name");
        char shown[NAME_SHOWN_MAX + 1];
        _cleanup_free_ char *longer = NULL;

        if (how == EXPORT_GUESTS_UUID)
                return uuid && !name_is_taken(m, n, uuid) ? memory_note(strdup(uuid)) : NULL;
        if (how == EXPORT_GUESTS_NONE || !name)
                return NULL;
        escape_to(shown, sizeof(shown), name, "\n");
        if (!name_is_taken(m, n, shown))
                return memory_note(strdup(shown));
        if (!uuid)
                return NULL;
        if (asprintf(&longer, "%s (%s)", shown, uuid) < 0) {
                longer = NULL;
                memory_note_failure();
                return NULL;
        }
        return name_is_taken(m, n, longer) ? NULL : TAKE_PTR(longer);
}

static void name_guests(struct metrics *m, enum export_guests how)
{
        json_object *array = json_get(m->head, "guests");

        m->guests = memory_note(calloc(json_length(array) + 1, sizeof(*m->guests)));
        for (size_t i = 0; m->guests && i < json_length(array); i++) {
                json_object *guest = json_object_array_get_idx(array, i);

                m->guests[i] = (struct metric_guest){ guest, shown_name(m, i, guest, how) };
                m->n_guests = i + 1;
        }
}

static void count_duration(struct metrics_histogram *h, const double bounds[], size_t n, uint64_t usec)
{
        double seconds = (double) usec / 1e6;

        for (size_t i = 0; i < n; i++)
                h->counts[i] += seconds <= bounds[i];
        h->n++;
        h->seconds += seconds;
}

void metrics_count_hook(struct metrics_counters *c, uint64_t usec)
{
        assert(c);

        count_duration(&c->hook, hook_bounds, ELEMENTSOF(hook_bounds), usec);
}

void metrics_count_measured(struct metrics_counters *c, uint64_t usec)
{
        assert(c);

        count_duration(&c->measured, measured_bounds, ELEMENTSOF(measured_bounds), usec);
}

void metrics_print(const struct host *h, json_object *head, const struct metrics_counters *counters,
                   uint64_t audit_usec, enum export_guests guests, FILE *out)
{
        struct metrics m = { .text.out = out, .host = h, .head = head };
        uint64_t page;

        assert(h && head);
        assert(out);

        name_guests(&m, guests);
        add_daemon(&m, counters, audit_usec);
        page = kernel_page_size(&h->kernel);
        if (page > 0)
                add_sample(&m, KERNEL_PAGE_SIZE, NONE, (double) page);
        add_emulators(&m);
        add_module(&m);
        add_libvirt(&m);
        add_findings(&m);
        add_devices(&m);
        add_mapped(&m);
        add_guests(&m);
        if (counters)
                add_counters(&m, counters);
        for (size_t i = 0; i < m.n_guests; i++)
                free(m.guests[i].name);
        free(m.guests);
}
