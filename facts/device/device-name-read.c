/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-name.h"

#include <systemd/sd-hwdb.h>

#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(struct device_names *, device_names_free)

static int compare_id(const void *a, const void *b)
{
        uint32_t x = ((const struct device_name *) a)->id, y = ((const struct device_name *) b)->id;

        return x < y ? -1 : x > y;
}

/* Each ID once, sorted. */
static struct device_names *collect(const struct device_facts *devices)
{
        struct device_names *n = calloc(1, sizeof(*n) + devices->n_devices * sizeof(n->entries[0]));
        size_t k = 0;

        if (!n || devices->n_devices == 0)
                return n;
        for (size_t i = 0; i < devices->n_devices; i++)
                n->entries[i].id = (uint32_t) devices->devices[i].vendor << 16 | devices->devices[i].device;
        qsort(n->entries, devices->n_devices, sizeof(n->entries[0]), compare_id);
        for (size_t i = 0; i < devices->n_devices; i++)
                if (k == 0 || n->entries[k - 1].id != n->entries[i].id)
                        n->entries[k++].id = n->entries[i].id;
        n->n = k;
        return n;
}

static char *lookup(sd_hwdb *hwdb, uint32_t id)
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
                return NULL;
        return name;
}

int device_names_read(struct device_facts *devices, const struct root *root)
{
        _cleanup_(sd_hwdb_unrefp) sd_hwdb *hwdb = NULL;
        _cleanup_(device_names_freep) struct device_names *n = collect(devices);

        if (!n)
                return -ENOMEM;
        if (root->live && sd_hwdb_new(&hwdb) == -ENOMEM)
                return -ENOMEM;
        for (size_t i = 0; i < n->n; i++) {
                struct device_name *e = &n->entries[i];
                char question[sizeof("hwdb 10DE:2330")];

                snprintf(question, sizeof(question), "hwdb %04X:%04X", e->id >> 16, e->id & 0xffff);
                e->name = root->live ? (hwdb ? lookup(hwdb, e->id) : NULL) : root_answer(root, question);
                if (root->live && e->name && !strpbrk(e->name, "\t\n"))
                        root_note(root, question, e->name);
        }
        devices->names = TAKE_PTR(n);
        for (size_t i = 0; i < devices->n_devices; i++)
                devices->devices[i].name = device_names_find(devices->names, devices->devices[i].vendor,
                                                             devices->devices[i].device);
        return 0;
}
