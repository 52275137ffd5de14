/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-name.h"

#include <assert.h>
#include <systemd/sd-hwdb.h>

#include "util/macro.h"
#include "util/memory.h"

static uint32_t device_id(const struct device *d)
{
        return (uint32_t) d->vendor << 16 | d->device;
}

static int compare_names(const void *a, const void *b)
{
        const struct device_name *x = a, *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

/* Lists each ID once, sorted. */
static int collect_ids(struct device_facts *devices)
{
        struct device_name *names;

        if (devices->n_devices == 0)
                return 0;
        names = calloc(devices->n_devices, sizeof(*names));
        if (!names)
                return -ENOMEM;
        devices->names = names;
        for (size_t i = 0; i < devices->n_devices; i++)
                names[i].id = device_id(&devices->devices[i]);
        qsort(names, devices->n_devices, sizeof(*names), compare_names);
        for (size_t i = 0; i < devices->n_devices; i++)
                if (devices->n_names == 0 || names[devices->n_names - 1].id != names[i].id)
                        names[devices->n_names++].id = names[i].id;
        return 0;
}

static char *hwdb_name(sd_hwdb *hwdb, uint32_t id)
{
        const char *key, *value, *vendor = NULL, *model = NULL;
        char modalias[64], *name;

        snprintf(modalias, sizeof(modalias), "pci:v%08Xd%08Xsv*", id >> 16, id & 0xffff);
        SD_HWDB_FOREACH_PROPERTY(hwdb, modalias, key, value)
        {
                if (streq(key, "ID_VENDOR_FROM_DATABASE"))
                        vendor = value;
                else if (streq(key, "ID_MODEL_FROM_DATABASE"))
                        model = value;
        }
        if (!vendor && !model)
                return NULL;
        if (asprintf(&name, "%s%s%s", vendor ?: "", vendor && model ? " " : "", model ?: "") < 0)
                return memory_note(NULL);
        return name;
}

/* hwdb: NULL if there is none. */
static char *read_name(sd_hwdb *hwdb, uint32_t id, const struct root *root)
{
        char question[sizeof("hwdb 10DE:2330")], *name;

        snprintf(question, sizeof(question), "hwdb %04X:%04X", id >> 16, id & 0xffff);
        if (!root->live)
                return root_answer(root, question);
        name = hwdb ? hwdb_name(hwdb, id) : NULL;
        if (name && !strpbrk(name, "\t\n"))
                root_note(root, question, name);
        return name;
}

int device_names_read(struct device_facts *devices, const struct root *root)
{
        _cleanup_(sd_hwdb_unrefp) sd_hwdb *hwdb = NULL;
        int r;

        assert(devices && !devices->names);
        assert(root);

        if (root->live && sd_hwdb_new(&hwdb) == -ENOMEM)
                return -ENOMEM;
        r = collect_ids(devices);
        if (r < 0)
                return r;
        for (size_t i = 0; i < devices->n_names; i++)
                devices->names[i].name = read_name(hwdb, devices->names[i].id, root);
        for (size_t i = 0; i < devices->n_devices; i++) {
                const struct device_name key = { .id = device_id(&devices->devices[i]) };
                const struct device_name *found = bsearch(&key, devices->names, devices->n_names,
                                                          sizeof(key), compare_names);

                devices->devices[i].name = found->name;
        }
        return 0;
}
