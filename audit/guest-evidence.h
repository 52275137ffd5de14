/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/guest/facts-guest.h"
#include "facts/host.h"

/* What is known of a start of that guest as things are now: with its emulator, this kernel, the module, THP
 * and the preload library as they are, and for BARs of the sizes that its devices have. By size, largest
 * first, then by how often. Returns their number. */
size_t guest_evidence(const struct host *h, const struct guest *g, const struct sighting *ret[EVIDENCE_MAX]);

/* Of BARs of that size (bytes): "seen here 12 times: 1 GiB", or "seen here 12 times: 1 GiB, 3 times: 2 MiB";
 * empty where there is none. */
void guest_evidence_text(const struct host *h, const struct guest *g, uint64_t bar_size, char *ret,
                         size_t size);

/* Of each size of BAR what was seen last, under the circumstances of now, has to be what is foretold for
 * that emulator. Returns what is not, with what was foretold (bytes), or NULL. */
const struct sighting *emulator_contradiction(const struct host *h, const struct emulator *e,
                                              uint64_t *ret_foretold);
