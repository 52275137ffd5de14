/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"

/* The page faults that the BARs of a measured start should have taken, by the facts as they are now, and
 * those that they took: of the BARs on which there is a verdict, each time that one was mapped. False where
 * it took no more than predicted. A fault for each call may be the caller's own. */
bool start_exceeds_prediction(const struct host *h, const struct guest *g, const struct start *s,
                              uint64_t *ret_predicted, uint64_t *ret_faults);
