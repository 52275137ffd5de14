/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/guest/facts-guest.h"
#include "facts/host.h"

/* What was seen at earlier starts under the same circumstances as now (the guest's emulator, this kernel,
 * the module, THP and the preload library), for BARs of the sizes that the guest's devices have. Sorted by
 * size, largest first, then by how often it was seen. Returns the number. ret: owned by the host. */
size_t guest_evidence(const struct host *h, const struct guest *g, const struct sighting *ret[EVIDENCE_MAX]);

/* As a text, for BARs of that size (bytes): "seen here 12 times: 1 GiB", or "seen here 12 times: 1 GiB, 3
 * times: 2 MiB". Empty if there is nothing. */
void guest_evidence_text(const struct host *h, const struct guest *g, uint64_t bar_size, char *ret,
                         size_t size);

/* What was seen last of each size of BAR, under the circumstances of now, should be what is predicted for
 * that emulator. Returns a sighting that contradicts, with the predicted page size (bytes), or NULL. */
const struct sighting *emulator_contradiction(const struct host *h, const struct emulator *e,
                                              uint64_t *ret_predicted);
