/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libsmartcols.h>
#include <string.h>

#include "report.h"
#include "table.h"
#include "text.h"
#include "util/macro.h"

/* A cell that shows one member as it is. */
#define TEXT_CELL(name, key) \
        static const char *name(json_object *row, cell_t buffer) \
        { \
                (void) buffer; \
                return json_get_text(row, key); \
        }
#define SIZE_CELL(name, key) \
        static const char *name(json_object *row, cell_t buffer) \
        { \
                return cell_size(json_get_number(row, key), buffer); \
        }

TEXT_CELL(cell_address, "address")
TEXT_CELL(cell_id, "id")
TEXT_CELL(cell_class, "class")
TEXT_CELL(cell_name, "name")
TEXT_CELL(cell_driver, "driver")
TEXT_CELL(cell_override, "driver_override")
TEXT_CELL(cell_vfio_driver, "vfio_driver")
TEXT_CELL(cell_group, "iommu_group")
TEXT_CELL(cell_numa, "numa_node")
TEXT_CELL(cell_reset, "reset_method")
TEXT_CELL(cell_physical, "physical_function")
TEXT_CELL(cell_path, "path")
TEXT_CELL(cell_generation, "generation")
TEXT_CELL(cell_build_id, "build_id")
TEXT_CELL(cell_processes, "processes")
TEXT_CELL(cell_pid, "pid")
TEXT_CELL(cell_command, "command")
TEXT_CELL(cell_limit, "limit")
TEXT_CELL(cell_uuid, "uuid")
TEXT_CELL(cell_emulator, "emulator")
TEXT_CELL(cell_virtual, "address")
SIZE_CELL(cell_size_of, "size")
SIZE_CELL(cell_offset, "offset")
SIZE_CELL(cell_page, "page_size")

/* Appends to a list in a cell, and cuts what does not fit. */
static void append(cell_t buffer, const char *separator, const char *text)
{
        size_t n = strlen(buffer);

        snprintf(buffer + n, sizeof(cell_t) - n, "%s%s", n > 0 ? separator : "", text);
}

static const char *join(json_object *array, const char *key, cell_t buffer)
{
        buffer[0] = '\0';
        for (size_t i = 0; i < json_length(array); i++)
                append(buffer, ", ", json_get_text(json_object_array_get_idx(array, i), key) ?: "?");
        return buffer;
}

static const char *cell_uses(json_object *row, cell_t buffer)
{
        return join(json_get(row, "uses"), "what", buffer);
}

static const char *cell_claims(json_object *row, cell_t buffer)
{
        return join(json_get(row, "claims"), "tool", buffer);
}

static const char *cell_owner(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(json_get(row, "bound_by"), "owner");
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
                append(buffer, ", ", text);
        }
        return buffer;
}

static const char *cell_largest(json_object *row, cell_t buffer)
{
        json_object *bars = json_get(row, "bars");
        uint64_t largest = 0;

        for (size_t i = 0; i < json_length(bars); i++) {
                uint64_t size = json_get_number(json_object_array_get_idx(bars, i), "size");

                largest = size > largest ? size : largest;
        }
        return largest ? cell_size(largest, buffer) : NULL;
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
        { "ADDRESS", 0, false, cell_address },
        { "NAME", SCOLS_FL_TRUNC, false, cell_name },
        { "ID", 0, true, cell_id },
        { "CLASS", 0, true, cell_class },
        { "DRIVER", 0, false, cell_driver },
        { "OVERRIDE", 0, true, cell_override },
        { "VFIO-DRIVER", 0, true, cell_vfio_driver },
        { "GROUP", SCOLS_FL_RIGHT, false, cell_group },
        { "VIABLE", 0, true, cell_viable },
        { "NUMA", SCOLS_FL_RIGHT, true, cell_numa },
        { "LARGEST-BAR", SCOLS_FL_RIGHT, false, cell_largest },
        { "BARS", 0, true, cell_bars },
        { "VFS", 0, true, cell_vfs },
        { "PF", 0, true, cell_physical },
        { "RESET", 0, true, cell_reset },
        { "USED-BY", SCOLS_FL_TRUNC, false, cell_uses },
        { "CLAIMED-BY", 0, true, cell_claims },
        { "OWNER", 0, true, cell_owner },
};

static const char *cell_reason(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(row, "why") ?: json_get_text(row, "source");
}

static const char *cell_state_of_binary(json_object *row, cell_t buffer)
{
        buffer[0] = '\0';
        if (json_get_flag(row, "replaced"))
                append(buffer, ", ", "replaced");
        if (json_get_flag(row, "container"))
                append(buffer, ", ", "in a container");
        if (json_get_flag(row, "distribution"))
                append(buffer, ", ", "installed");
        if (json_get_flag(row, "libvirt"))
                append(buffer, ", ", "libvirt");
        return buffer;
}

static const struct column emulator_columns[] = {
        { "EMULATOR", 0, false, cell_path },
        { "ALIGNS-BARS", 0, false, cell_generation },
        { "LEARNT-FROM", SCOLS_FL_WRAP, false, cell_reason },
        { "RUNNING", SCOLS_FL_RIGHT, false, cell_processes },
        { "STATE", 0, true, cell_state_of_binary },
        { "BUILD-ID", 0, true, cell_build_id },
};

static const char *cell_best(json_object *row, cell_t buffer)
{
        uint64_t best = json_get_number(row, "best_page_size");

        return best > 0 ? cell_size(best, buffer) : NULL;
}

static const char *cell_guest(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(row, "name");
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

                append(buffer, ", ", json_get_text(d, "address") ?: json_get_text(d, "uuid") ?: json_get_text(d, "kind"));
        }
        return buffer;
}

static const char *cell_foretold_faults(json_object *row, cell_t buffer)
{
        json_object *foretold = json_get(row, "foretold");

        return foretold ? cell_count(json_get_number(foretold, "faults"), buffer) : NULL;
}

static const char *cell_foretold_steps(json_object *row, cell_t buffer)
{
        json_object *foretold = json_get(row, "foretold");

        return foretold ? cell_count(json_get_number(foretold, "pin_steps"), buffer) : NULL;
}

static const char *cell_told(json_object *row, cell_t buffer)
{
        json_object *foretold = json_get(row, "foretold");

        (void) buffer;
        if (!foretold || json_get_flag(row, "measured"))
                return "measured";
        return json_get_flag(foretold, "luck") ? "foretold, or luck" : "foretold";
}

static const struct column guest_columns[] = {
        { "GUEST", 0, false, cell_guest },
        { "STATE", 0, false, cell_state },
        { "PID", SCOLS_FL_RIGHT, false, cell_pid },
        { "PAGE", SCOLS_FL_RIGHT, false, cell_page },
        { "BEST", SCOLS_FL_RIGHT, false, cell_best },
        { "LIMITED-BY", 0, false, cell_limit },
        { "HOW", 0, false, cell_told },
        { "FAULTS", SCOLS_FL_RIGHT, true, cell_foretold_faults },
        { "PIN-STEPS", SCOLS_FL_RIGHT, true, cell_foretold_steps },
        { "DEVICES", SCOLS_FL_WRAP, true, cell_guest_devices },
        { "EMULATOR", 0, true, cell_emulator },
        { "UUID", 0, true, cell_uuid },
};

static const char *cell_mapped_device(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(row, "device") ?: "?";
}

static const char *cell_region(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(row, "region") ?: "?";
}

static const char *cell_mapping_page(json_object *row, cell_t buffer)
{
        return cell_size(json_get_number(json_get(row, "verdict"), "page_size"), buffer);
}

static const char *cell_mapping_limit(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(json_get(row, "verdict"), "limit");
}

static const char *cell_mapping_faults(json_object *row, cell_t buffer)
{
        return cell_count(json_get_number(json_get(row, "verdict"), "faults"), buffer);
}

static const char *cell_huge(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(json_get(row, "huge"), "value");
}

static const struct column mapping_columns[] = {
        { "PID", SCOLS_FL_RIGHT, false, cell_pid },
        { "COMMAND", SCOLS_FL_TRUNC, false, cell_command },
        { "DEVICE", 0, false, cell_mapped_device },
        { "BAR", SCOLS_FL_RIGHT, false, cell_region },
        { "ADDRESS", SCOLS_FL_RIGHT, false, cell_virtual },
        { "OFFSET", SCOLS_FL_RIGHT, true, cell_offset },
        { "SIZE", SCOLS_FL_RIGHT, false, cell_size_of },
        { "PAGE", SCOLS_FL_RIGHT, false, cell_mapping_page },
        { "BEST", SCOLS_FL_RIGHT, false, cell_best },
        { "LIMIT", 0, false, cell_mapping_limit },
        { "HUGE", 0, true, cell_huge },
        { "FAULTS", SCOLS_FL_RIGHT, true, cell_mapping_faults },
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

static json_object *get_device(void *data, size_t i)
{
        return devices_get(data, i);
}

static bool is_unknown(json_object *fact)
{
        return streq(json_get_text(fact, "value") ?: "", "unknown");
}

int report_print_table(enum report_table table, json_object *head, struct devices *devices,
                       const char *columns, FILE *out)
{
        struct rows rows = table == TABLE_DEVICES && devices
                                   ? (struct rows){ devices->host->devices.n_devices, get_device, devices }
                                   : rows_of_array(json_get(head, tables[table].key));

        int r = 0;

        /* Without rows there is nothing to lay out; a wrong column is still wrong. */
        if (rows.n == 0 && !columns)
                fprintf(out, "%s\n", tables[table].empty);
        else
                r = table_print(rows, tables[table].columns, tables[table].n, columns, out);
        if (r == 0 && table == TABLE_MAPPINGS && is_unknown(json_get(head, "mappings_complete")))
                fprintf(out, "Not all processes could be looked at: %s.\n",
                        json_get_text(json_get(head, "mappings_complete"), "why"));
        return r;
}

char *report_columns(enum report_table table)
{
        cell_t names = "";

        for (size_t i = 0; i < tables[table].n; i++)
                append(names, ",", tables[table].columns[i].name);
        return strdup(names);
}
