/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

struct guest;
struct manager;
struct mapping;

/* A guest's process has that mapping, with pages of that size (bytes). Call it once for each. */
void manager_evidence_note(struct manager *m, const struct guest *guest, const struct mapping *mapping,
                           uint64_t page_size);
void manager_evidence_close(struct manager *m);
