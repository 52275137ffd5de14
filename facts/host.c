/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include <assert.h>

#include "facts/device/device-name.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"
#include "util/switch.h"

/* Who aligns places this one at a multiple of the larger page: its size is one, and so is its offset. */
static bool is_placed_by_nobody(const struct mapping *m, uint64_t page)
{
        return m->size > 0 && m->size % page == 0 && m->offset % page == 0 && m->start % page != 0;
}

/* Where the code of an emulator does not show what it does, a process may. */
static void learn_from_mappings(struct host *h)
{
        for (size_t i = 0; i < h->mappings.n_mappings; i++) {
                const struct mapping *m = &h->mappings.mappings[i];

                if (is_placed_by_nobody(m, h->kernel.pmd_size))
                        emulator_note_unaligned(&h->emulators, m->pid);
        }
}

/* Most guests have the same one. */
static bool is_emulator_before(const struct libvirt_facts *l, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (l->guests[i].xml.emulator && streq(l->guests[i].xml.emulator, l->guests[n].xml.emulator))
                        return true;
        return false;
}

/* Those at the usual places, those of the guests, and those of all other processes that map a device. */
static int read_emulators(struct host *h)
{
        int r;

        r = emulator_facts_read(&h->emulators, h->root);
        if (r < 0)
                return r;
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const char *path = h->libvirt.guests[i].xml.emulator;

                if (path && !is_emulator_before(&h->libvirt, i))
                        (void) emulator_facts_get(&h->emulators, h->root, path);
        }
        for (size_t i = 0; i < h->mappings.n_processes; i++) {
                r = emulator_facts_add_process(&h->emulators, h->root, h->mappings.processes[i].pid);
                if (r < 0)
                        return r;
        }
        learn_from_mappings(h);
        return 0;
}

/* A recorded host is as old as its record. */
static uint64_t read_time(const struct root *root)
{
        _cleanup_free_ char *answer = NULL;
        uint64_t usec = clock_usec(CLOCK_REALTIME);
        char text[24];

        if (root->live) {
                snprintf(text, sizeof(text), "%llu", (unsigned long long) usec);
                root_note(root, "time", text);
                return usec;
        }
        answer = root_answer(root, "time");
        if (answer)
                (void) parse_u64(answer, 10, &usec);
        return usec;
}

/* before: what was read last, or NULL. In this order: some facts need those above them. */
static int read_facts(struct host *h, const struct root *root, const struct host *before)
{
        int r;

        h->switched_off_by = switched_off(root);
        r = before ? kernel_facts_read_again(&h->kernel, root, &before->kernel)
                   : kernel_facts_read(&h->kernel, root);
        if (r < 0)
                return r;
        module_facts_read(&h->module, root, &h->kernel);

        r = before ? device_facts_read_lockless(&h->devices, root) : device_facts_read(&h->devices, root);
        if (r < 0)
                return r;
        r = device_names_read(&h->devices, root);
        if (r < 0)
                return r;
        r = iommu_facts_read(&h->iommu, root, &h->devices);
        if (r < 0)
                return r;

        r = mapping_facts_read(&h->mappings, root, &h->devices);
        if (r < 0)
                return r;
        r = libvirt_facts_read(&h->libvirt, root);
        if (r < 0)
                return r;
        r = read_emulators(h);
        if (r < 0)
                return r;

        r = device_uses_read(&h->uses, root, &h->devices);
        if (r < 0)
                return r;
        r = claims_read(&h->claims, root, &h->libvirt);
        if (r < 0)
                return r;
        r = host_read_binds(h);
        if (r < 0)
                return r;
        r = boot_facts_read(&h->boot, root, h->kernel.release, &h->binds, &h->claims);
        if (r < 0)
                return r;
        r = starts_read(&h->starts, root, &h->libvirt);
        if (r < 0)
                return r;
        next_kernel_read(&h->next_kernel, root, h->kernel.release, &h->module);
        return evidence_read(&h->evidence, root) == -ENOMEM ? -ENOMEM : 0;
}

static int read_host(struct host *h, const struct root *root, const struct host *before)
{
        unsigned long failures = memory_failures();
        int r, q;

        *h = (struct host){ .root = root, .time_usec = read_time(root) };
        identity_read(&h->identity, root);
        process_round_begin(root);
        r = memory_check(failures, read_facts(h, root, before));
        q = process_round_end(root, &h->unread); /* whatever became of the facts */
        if (r < 0 || q < 0)
                host_done(h);
        return r < 0 ? r : q;
}

int host_read(struct host *h, const struct root *root)
{
        assert(h);
        assert(root);

        return read_host(h, root, NULL);
}

int host_read_again(struct host *h, const struct root *root, const struct host *before)
{
        assert(h);
        assert(root);
        assert(before);

        return read_host(h, root, before);
}

int host_refresh(struct host *h)
{
        unsigned long failures = memory_failures();
        struct libvirt_facts libvirt;
        struct module_facts module;
        int r;

        assert(h);

        r = kernel_facts_refresh(&h->kernel, h->root);
        if (r < 0)
                return r;
        module_facts_read(&module, h->root, &h->kernel);
        libvirt = h->libvirt;
        libvirt_facts_refresh(&libvirt, h->root); /* of the daemon, which is no memory of its own */
        r = memory_check(failures, 0);
        if (r < 0)
                return r;
        h->module = module;
        h->libvirt = libvirt;
        return 0;
}

void host_done(struct host *h)
{
        kernel_facts_done(&h->kernel);
        device_facts_done(&h->devices);
        iommu_facts_done(&h->iommu);
        emulator_facts_done(&h->emulators);
        mapping_facts_done(&h->mappings);
        libvirt_facts_done(&h->libvirt);
        device_uses_done(&h->uses);
        claims_done(&h->claims);
        bind_records_done(&h->binds);
        boot_facts_done(&h->boot);
        next_kernel_done(&h->next_kernel);
        evidence_done(&h->evidence);
        starts_done(&h->starts);
        unread_processes_done(&h->unread);
}
