/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "util/macro.h"

#define YES \
        { \
                .value = FACT_YES \
        }
#define NO \
        { \
                .value = FACT_NO \
        }

/* A host on which nobody aligns, with a bridge and three devices that could be handed over. */
static struct device devices[] = {
        { .bdf = "0000:00:01.0",
          .class = 0x060400,
          .group = 1,
          .n_bars = 1,
          .bars = { { .size = GIB(2) } } }, /* a bridge */
        { .bdf = "0000:00:05.0",
          .group = 5,
          .n_bars = 2,
          .bars = { { .size = KIB(4) }, { .index = 1, .size = GIB(2) } } },
        { .bdf = "0000:00:06.0", .group = 6, .n_bars = 1, .bars = { { .size = MIB(64) } } },
        { .bdf = "0000:00:07.0", .group = 7, .n_bars = 1, .bars = { { .size = KIB(16) } } },
};

static inline struct host new_host(const struct root *root)
{
        return (struct host) {
                .root = root,
                .kernel = {
                        .page_size = KIB(4), .pmd_size = MIB(2), .pud_size = GIB(1),
                        .huge_pmd = YES, .huge_pud = YES,
                        .places_pmd = NO, .places_pud = NO, .thp = THP_ALWAYS, .pin_by_leaf = YES,
                },
                .module = {.installed = YES, .loadable = YES, .loaded = NO, .enabled = NO},
                .devices = {.listed = YES, .devices = devices, .n_devices = ELEMENTSOF(devices)},
                .mappings = {.complete = YES},
        };
}
