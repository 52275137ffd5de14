/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of transactions share: one IOMMU group of the fake kernel, and what became of it. */

#include "fake-run.h"

#define NIC 0x020000
#define BRIDGE 0x060400

#define A "0000:01:00.0"
#define B "0000:01:00.1"
#define C "0000:01:00.2"
#define OTHER "0000:02:00.0"
#define SERIAL "00-02-c9-03-00-0a-5f-d6"

/* For cmocka: *state is a fake kernel without functions. */
int setup(void **state);
int teardown(void **state);

/* Three functions of one group, each another case, below a port; and one that nobody may touch. */
void add_group(struct fake_kernel *k);

#define assert_outcome(k, r, expected) assert_outcome_at(k, r, expected, __LINE__)
void assert_outcome_at(const struct fake_kernel *k, struct fake_result r, enum bind_outcome expected,
                       int line);
void assert_driver(struct fake_kernel *k, const char *bdf, const char *driver, const char *override);
