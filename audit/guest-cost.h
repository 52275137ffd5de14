/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/guest/facts-guest.h"
#include "facts/host.h"
#include "verdict.h"

/* What a guest pays for its BARs, foretold from its XML, or for the mappings that it has. */
struct guest_cost {
        struct verdict worst;    /* of the BAR that falls furthest short of what it could have */
        uint64_t best_page_size; /* of that BAR; 0: no BAR is known that could have huge pages */
        bdf_t bdf;               /* whose it is */
        uint64_t faults;         /* of all BARs; COUNT_UNKNOWN where one is unknown */
        uint64_t pin_steps;
        uint64_t largest; /* bytes: that BAR */
        size_t n_bars;
        bool incomplete; /* it has a device of which the function is not known before the start, or a share
                          */
};

/* The emulator that starts the guest: its <emulator>, else the first that the host has; NULL where it is not
 * known. */
const struct emulator *guest_emulator(const struct host *h, const struct guest *g);

/* Who places the BARs of the guest. */
struct placer guest_placer(const struct host *h, const struct guest *g);

/* k, m, placer: as they are, or as they would be after a fix. Devices that the host does not have cost
 * nothing. from: bytes; no smaller BAR stands for the guest as its worst. */
struct guest_cost guest_cost(const struct device_facts *devices, const struct guest *g,
                             const struct kernel_facts *k, const struct module_facts *m,
                             struct placer placer, uint64_t from);

/* The same for a process that maps devices. */
struct placer process_placer(const struct host *h, pid_t pid);

/* What process `pid` really maps. */
struct guest_cost process_cost(const struct host *h, pid_t pid);

/* Host: every guest that libvirt knows, as each is now (mapped), or would start. */
struct guest_cost host_cost(const struct host *h);

/* Whether the guest's 64-bit window holds the BARs of its devices. */
struct fact guest_window(const struct host *h, const struct guest *g);
