/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-name.h"

#include "util/macro.h"

static int compare_id(const void *a, const void *b)
{
        uint32_t x = ((const struct device_name *) a)->id, y = ((const struct device_name *) b)->id;

        return x < y ? -1 : x > y;
}

void device_names_free(struct device_names *n)
{
        if (!n)
                return;
        for (size_t i = 0; i < n->n; i++)
                free(n->entries[i].name);
        free(n);
}

const char *device_names_find(const struct device_names *n, uint16_t vendor, uint16_t device)
{
        struct device_name key = { .id = (uint32_t) vendor << 16 | device };
        const struct device_name *e = n->n == 0 ? NULL
                                                : bsearch(&key, n->entries, n->n, sizeof(key), compare_id);

        return e ? e->name : NULL;
}
