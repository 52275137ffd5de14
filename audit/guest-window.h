/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/guest/facts-guest.h"
#include "facts/host.h"

/* Does the guest's firmware make a 64-bit window that holds the BARs of its devices? Yes and no are answered
 * only if they hold for every release of the firmware. */
struct fact guest_window(const struct host *h, const struct guest *g);

/* What would make room for them, where it does not: a sentence, static. Only what can work for this guest on
 * this host. */
const char *guest_window_remedy(const struct host *h, const struct guest *g);

/* The same as guest_window() for BARs of `sum` bytes in all, the largest of which has `largest` bytes.
 * host_phys_bits: the width of the host's physical addresses; 0: unknown. */
struct fact guest_window_fits(const struct guest *g, uint64_t sum, uint64_t largest,
                              unsigned host_phys_bits);
