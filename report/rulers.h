/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "facts/host.h"

/* An image of where mappings of BARs lie against the lines where the largest pages that fit them can begin:
 * as they are, and as the first fix that helps would lay them. Only the first 16 are drawn. */
#define RULERS_MAX 16
void report_rulers_print(const struct host *h, const struct mapping *const mappings[], size_t n, FILE *out);
