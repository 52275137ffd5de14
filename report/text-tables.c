/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <libsmartcols.h>
#include <string.h>

#include "audit/start-time.h"
#include "filter.h"
#include "report.h"
#include "table.h"
#include "text.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

static const char *cell_uses(json_object *row, cell_t buffer)
{
        return cell_join(json_get(row, "uses"), "what", buffer);
}

static const char *cell_claims(json_object *row, cell_t buffer)
{
        json_object *claims = json_get(row, "claims");

        buffer[0] = '\0';
        for (size_t i = 0; i < json_length(claims); i++) {
                json_object *claim = json_object_array_get_idx(claims, i);

                if (json_get_flag(claim, "in_force"))
                        cell_append(buffer, ", ", json_get_text(claim, "tool") ?: "?");
        }
        return buffer;
}

static const char *cell_bars(json_object *row, cell_t buffer)
{
        json_object *bars = json_get(row, "bars");

        buffer[0] = '\0';
        for (size_t i = 0; i < json_length(bars); i++) {
                json_object *bar = json_object_array_get_idx(bars, i);
                cell_t size, text;

                snprintf(text, sizeof(text), "%s: %s", json_get_text(bar, "index"),
                         cell_size(json_get_number(bar, "size"), size));
                cell_append(buffer, ", ", text);
        }
        return buffer;
}

static uint64_t find_largest(json_object *row)
{
        json_object *bars = json_get(row, "bars");
        uint64_t largest = 0;

        for (size_t i = 0; i < json_length(bars); i++) {
                uint64_t size = json_get_number(json_object_array_get_idx(bars, i), "size");

                largest = size > largest ? size : largest;
        }
        return largest;
}

static const char *cell_vfs(json_object *row, cell_t buffer)
{
        if (json_get_number(row, "vfs_total") == 0)
                return NULL;
        snprintf(buffer, sizeof(cell_t), "%s of %s", json_get_text(row, "vfs_enabled"),
                 json_get_text(row, "vfs_total"));
        return buffer;
}

static const char *cell_viable(json_object *row, cell_t buffer)
{
        const char *culprit = json_get_text(row, "group_culprit");

        if (!culprit)
                return json_get_text(row, "iommu_group") ? json_get_text(row, "group_viable") : NULL;
        snprintf(buffer, sizeof(cell_t), "no: %s", culprit);
        return buffer;
}

static const struct column device_columns[] = {
        { "ADDRESS", "PCI address", .path = "address" },
        { "NAME", "vendor and model", SCOLS_FL_WRAP, .path = "name" },
        { "ID", "vendor and device id", .extra = true, .path = "id" },
        { "CLASS", "class code", .extra = true, .path = "class" },
        { "DRIVER", "the driver that it is bound to", .path = "driver" },
        { "OVERRIDE", "its driver_override", .extra = true, .path = "driver_override" },
        { "VFIO-DRIVER", "the VFIO driver that fits it best", .extra = true, .path = "vfio_driver" },
        { "GROUP", "IOMMU group", SCOLS_FL_RIGHT, .path = "iommu_group", .rank = 2 },
        { "VIABLE", "whether its group can go to VFIO, and which function is in the way", .extra = true,
          .cell = cell_viable },
        { "NUMA", "NUMA node", SCOLS_FL_RIGHT, .extra = true, .path = "numa_node" },
        { "LARGEST-BAR", "size of its largest BAR", SCOLS_FL_RIGHT, .number = find_largest,
          .format = CELL_SIZE, .rank = 1 },
        { "BARS", "number and size of each BAR", .extra = true, .cell = cell_bars },
        { "VFS", "virtual functions: how many are enabled, of how many", .extra = true, .cell = cell_vfs },
        { "PF", "the physical function of a virtual one", .extra = true, .path = "physical_function" },
        { "RESET", "reset methods", .extra = true, .path = "reset_method" },
        { "USED-BY", "what uses it on this host", SCOLS_FL_WRAP, .cell = cell_uses },
        { "CLAIMED-BY", "tools that are configured to take it", .extra = true, .cell = cell_claims },
        { "OWNER", "for whom vfioalign has taken it", .extra = true, .path = "bound_by.owner" },
};

static const char *cell_state_of_binary(json_object *row, cell_t buffer)
{
        buffer[0] = '\0';
        if (json_get_flag(row, "replaced"))
                cell_append(buffer, ", ", "replaced");
        if (json_get_flag(row, "container"))
                cell_append(buffer, ", ", "in a container");
        if (json_get_flag(row, "distribution"))
                cell_append(buffer, ", ", "installed");
        if (json_get_flag(row, "libvirt"))
                cell_append(buffer, ", ", "libvirt");
        return buffer;
}

static const struct column emulator_columns[] = {
        { "EMULATOR", "path of the binary", .path = "path" },
        { "ALIGNS-BARS", "how it aligns BARs: none, per-area, per-region, rounded-area or unknown",
          .path = "generation" },
        { "SOURCE", "how that is known, or why it is not", SCOLS_FL_WRAP, .cell = cell_reason,
          .former = "LEARNT-FROM" },
        { "RUNNING", "number of processes that run it", SCOLS_FL_RIGHT, .path = "processes", .rank = 1 },
        { "STATE",
          "replaced since it was started, in a container, installed, or named by a guest of libvirt",
          .extra = true, .cell = cell_state_of_binary },
        { "BUILD-ID", "build id of the binary", .extra = true, .path = "build_id" },
};

static uint64_t find_best(json_object *row)
{
        return json_get_number(row, "best_page_size");
}

static const char *cell_state(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(row, "pid") || json_get_flag(row, "running") ? "running" : "defined";
}

static const char *cell_guest_devices(json_object *row, cell_t buffer)
{
        json_object *devices = json_get(row, "devices");

        buffer[0] = '\0';
        for (size_t i = 0; i < json_length(devices); i++) {
                json_object *d = json_object_array_get_idx(devices, i);

                const char *address = json_get_text(d, "address"), *uuid = json_get_text(d, "uuid");

                cell_append(buffer, ", ", address ?: uuid ?: json_get_text(d, "kind"));
        }
        return buffer;
}

static const char *cell_how(json_object *row, cell_t buffer)
{
        json_object *predicted = json_get(row, "foretold");

        (void) buffer;
        if (!predicted || json_get_flag(row, "measured"))
                return "measured";
        return json_get_flag(predicted, "chance") ? "predicted, or more" : "predicted";
}

static const char *cell_next_start(json_object *row, cell_t buffer)
{
        json_object *predicted = json_get(row, "foretold"), *seconds = json_get(predicted, "seconds");
        seconds_t text;

        if (!predicted) /* the daemon has none of a guest that runs */
                return NULL;
        snprintf(buffer, sizeof(cell_t), "%s",
                 format_start_seconds(seconds ? json_object_get_double(seconds) : -1,
                                      json_get_flag(predicted, "estimated"), text));
        return buffer;
}

static const struct column guest_columns[] = {
        { "GUEST", "its name", .path = "name" },
        { "STATE", "running or defined", .cell = cell_state, .rank = 1 },
        { "PID", "process of its emulator", SCOLS_FL_RIGHT, .path = "pid", .rank = 3 },
        { "PAGE", "page size that its BARs get, of the BAR that falls short the most", SCOLS_FL_RIGHT,
          .path = "page_size", .format = CELL_SIZE },
        { "BEST", "page size that this BAR could have", SCOLS_FL_RIGHT, .number = find_best,
          .format = CELL_SIZE },
        { "LIMITED-BY", "what keeps it from that", .path = "limit" },
        { "NEXT-START", "seconds that its next start spends in its BARs; ~: estimated", SCOLS_FL_RIGHT,
          .cell = cell_next_start },
        { "HOW", "whether that was measured, or predicted for a start; 'or more' where chance decides",
          .cell = cell_how, .rank = 2 },
        { "FAULTS", "page faults that a start would cost", SCOLS_FL_RIGHT, .extra = true,
          .path = "foretold.faults", .format = CELL_COUNT },
        { "MAP-STEPS", "IOMMU mapping steps of a start, for DMA to its BARs", SCOLS_FL_RIGHT, .extra = true,
          .path = "foretold.pin_steps", .format = CELL_COUNT, .former = "PIN-STEPS" },
        { "START", "seconds that its last start took, where that was measured", SCOLS_FL_RIGHT,
          .extra = true, .path = "last_start.seconds", .format = CELL_SECONDS },
        { "START-BARS", "of these, in its BARs", SCOLS_FL_RIGHT, .extra = true,
          .path = "last_start.phases.bars", .format = CELL_SECONDS },
        { "START-RAM", "of these, in its RAM", SCOLS_FL_RIGHT, .extra = true,
          .path = "last_start.phases.ram", .format = CELL_SECONDS },
        { "DEVICES", "its VFIO devices", SCOLS_FL_WRAP, .extra = true, .cell = cell_guest_devices },
        { "EMULATOR", "path of its emulator", .extra = true, .path = "emulator" },
        { "UUID", "its UUID", .extra = true, .path = "uuid" },
        { "MANAGER", "who starts it: libvirt or proxmox", .extra = true, .path = "manager" },
        { "TITLE", "what its owner calls it, where its name is a number", .extra = true, .path = "title" },
};

static const struct column mapping_columns[] = {
        { "PID", "the process that maps it", SCOLS_FL_RIGHT, .path = "pid" },
        { "COMMAND", "name of that process", SCOLS_FL_WRAP, .path = "command", .rank = 1 },
        { "DEVICE", "PCI address of the device", .path = "device", .missing = "?" },
        { "BAR", "number of the BAR", SCOLS_FL_RIGHT, .path = "region", .missing = "?" },
        { "ADDRESS", "where it begins in the process", SCOLS_FL_RIGHT, .path = "address", .rank = 2 },
        { "OFFSET", "where it begins in the BAR", SCOLS_FL_RIGHT, .extra = true, .path = "offset",
          .format = CELL_SIZE },
        { "SIZE", "size of the mapping", SCOLS_FL_RIGHT, .path = "size", .format = CELL_SIZE },
        { "PAGE", "page size that it can have where it is", SCOLS_FL_RIGHT, .path = "verdict.page_size",
          .format = CELL_SIZE },
        { "BEST", "page size that it could have elsewhere", SCOLS_FL_RIGHT, .number = find_best,
          .format = CELL_SIZE },
        { "LIMIT", "what keeps it from that", .path = "verdict.limit" },
        { "HUGE", "whether its process is seen to have huge entries", .extra = true, .path = "huge.value" },
        { "FAULTS", "page faults that fill it", SCOLS_FL_RIGHT, .extra = true, .path = "verdict.faults",
          .format = CELL_COUNT },
};

static const struct {
        const char *key, *empty;
        const struct column *columns;
        size_t n;
} tables[_REPORT_TABLE_MAX] = {
        [TABLE_DEVICES] = { "devices", "No PCI devices.", device_columns, ELEMENTSOF(device_columns) },
        [TABLE_EMULATORS] = { "emulators", "No emulator is installed at the usual places.", emulator_columns,
                              ELEMENTSOF(emulator_columns) },
        [TABLE_GUESTS] = { "guests", "No guest with a VFIO device, as far as can be seen.", guest_columns,
                           ELEMENTSOF(guest_columns) },
        [TABLE_MAPPINGS] = { "mappings", "No process maps a VFIO device, as far as can be seen.",
                             mapping_columns, ELEMENTSOF(mapping_columns) },
};

/* Of the devices, those that match. */
struct chosen {
        struct devices *devices;
        size_t *indices;
};

static json_object *get_chosen(void *data, size_t i)
{
        const struct chosen *c = data;

        return devices_get(c->devices, c->indices[i]);
}

static int choose_devices(struct chosen *c, const struct filter *filter, struct rows *ret)
{
        const struct device_facts *facts = &c->devices->host->devices;
        size_t n = 0;

        c->indices = calloc(facts->n_devices + 1, sizeof(*c->indices));
        if (!c->indices)
                return -ENOMEM;
        for (size_t i = 0; i < facts->n_devices; i++)
                if (filter_has_address(filter, facts->devices[i].bdf))
                        c->indices[n++] = i;
        *ret = (struct rows){ n, get_chosen, c };
        return 0;
}

static bool is_unknown(json_object *fact)
{
        return streq(json_get_text(fact, "value") ?: "", "unknown");
}

/* What there is to say where the table has no rows. */
static void say_empty(enum report_table table, const struct devices *devices, FILE *out)
{
        if (table == TABLE_DEVICES && devices && devices->host->devices.listed.value != FACT_YES)
                print_line(out, "The PCI devices of this host could not be listed.");
        else
                print_line(out, "%s", tables[table].empty);
        if (table == TABLE_GUESTS)
                print_line(out, "Not looked for: " SESSIONS_UNREAD ".");
}

/* What the table may lack. */
static void say_incomplete(enum report_table table, json_object *head, FILE *out)
{
        json_object *guests = json_get(json_get(head, "libvirt"), "guests_readable");

        if (table == TABLE_GUESTS && is_unknown(guests))
                print_line(out, "Not all guests could be read: %s.", json_get_text(guests, "why") ?: "?");
        if (table == TABLE_MAPPINGS && is_unknown(json_get(head, "mappings_complete")))
                print_line(out, "Not all processes could be looked at: %s.",
                           json_get_text(json_get(head, "mappings_complete"), "why"));
}

int report_print_table(enum report_table table, json_object *head, struct devices *devices,
                       const struct report_view *view, FILE *out)
{
        static const struct report_view usual;
        _cleanup_(json_object_putp) json_object *matching = NULL;
        _cleanup_free_ size_t *indices = NULL;
        struct chosen chosen = { .devices = devices };
        struct rows rows;
        int r;

        assert(table >= 0 && table < _REPORT_TABLE_MAX);
        assert(out);

        view = view ?: &usual;
        if (table == TABLE_DEVICES && devices) {
                r = choose_devices(&chosen, view->filter, &rows);
                if (r < 0)
                        return r;
                indices = chosen.indices;
        } else {
                unsigned long failures = memory_failures();

                matching = filter_rows(view->filter, json_get(head, tables[table].key));
                if (memory_check(failures, 0) < 0)
                        return -ENOMEM;
                rows = rows_of_array(matching);
        }

        /* Without rows there is nothing to lay out, but a wrong column is still wrong. For a program no rows
         * say it all. */
        if (rows.n == 0 && !view->columns && !view->csv && !view->no_headings) {
                say_empty(table, devices, out);
        } else {
                const struct table_view v = { view->columns, view->csv, view->no_headings };

                r = table_print_view(rows, tables[table].columns, tables[table].n, &v, out);
                if (r < 0)
                        return r;
        }
        if (table == TABLE_GUESTS && !view->csv && !view->no_headings) {
                json_object *shown = json_new_object();

                json_add(shown, tables[table].key, json_object_get(matching));
                report_print_last_starts(shown, out);
                json_object_put(shown);
        }
        say_incomplete(table, head, view->csv || view->no_headings ? stderr : out);
        return 0;
}

const char *report_table_key(enum report_table table)
{
        assert(table >= 0 && table < _REPORT_TABLE_MAX);

        return tables[table].key;
}

const struct column *report_columns(enum report_table table, size_t *ret_n)
{
        assert(table >= 0 && table < _REPORT_TABLE_MAX);
        assert(ret_n);

        *ret_n = tables[table].n;
        return tables[table].columns;
}
