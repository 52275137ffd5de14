/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include "util/clock.h"

int host_read(struct host *h, const struct root *root)
{
        int r;

        *h = (struct host) {
                .root = root,
                .time_usec = clock_usec(CLOCK_REALTIME),
        };

        r = kernel_facts_read(&h->kernel, root);
        if (r >= 0)
                module_facts_read(&h->module, root, h->kernel.release);
        if (r >= 0)
                r = device_facts_read(&h->devices, root);
        if (r >= 0)
                r = emulator_facts_read(&h->emulators, root);
        if (r >= 0)
                r = mapping_facts_read(&h->mappings, root, &h->devices);
        if (r < 0)
                host_done(h);
        return r;
}

void host_refresh(struct host *h)
{
        kernel_facts_refresh(&h->kernel, h->root);
        module_facts_read(&h->module, h->root, h->kernel.release);
}

void host_done(struct host *h)
{
        kernel_facts_done(&h->kernel);
        device_facts_done(&h->devices);
        emulator_facts_done(&h->emulators);
        mapping_facts_done(&h->mappings);
}
