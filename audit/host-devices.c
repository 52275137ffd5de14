/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

/* Apart from host.c, so that a program that only hands devices over needs none of the libraries that the other facts take. */

int host_read_binds(struct host *h)
{
        _cleanup_free_ char *bad = NULL;
        int r = bind_records_read(&h->binds, h->root, &bad);

        h->binds_readable = bad ? fact_unknown("a file in /" BIND_RECORDS " is damaged") : fact_is(true, SOURCE_FILE);
        return r;
}

int host_read_devices(struct host *h, const struct root *root)
{
        int r;

        *h = (struct host) {.root = root};
        r = device_facts_read_bindings(&h->devices, root);
        if (r >= 0)
                r = iommu_groups_read(&h->iommu, root, &h->devices);
        if (r >= 0)
                r = device_uses_read(&h->uses, root, &h->devices);
        if (r >= 0)
                r = claims_read(&h->claims, root);
        if (r >= 0)
                r = host_read_binds(h);
        if (r < 0)
                host_devices_done(h);
        return r;
}

void host_devices_done(struct host *h)
{
        device_facts_done(&h->devices);
        iommu_facts_done(&h->iommu);
        bind_records_done(&h->binds);
        device_uses_done(&h->uses);
        claims_done(&h->claims);
}
