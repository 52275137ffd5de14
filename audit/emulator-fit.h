/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/emulator/facts-emulator.h"
#include "facts/guest/facts-guest.h"

/* Can an emulator of the host run a guest that another one runs now? By its binary, which is read whole. */

/* Does the binary hold that string, to its end? Unknown where it cannot be read. e: NULL is fine. Recorded
 * as "emulator-text PATH TEXT" -> "yes|no|unknown". */
struct fact emulator_has_text(const struct root *root, const struct emulator *e, const char *text);

/* A machine type that a guest names with its version ("pc-q35-7.2"); others are everywhere. Yes also where
 * the binary cannot be read. */
bool emulator_knows_machine(const struct root *root, const struct emulator *e, const struct guest *g);

/* It is installed here, for the guest's architecture, and knows its machine type. */
bool emulator_fits_guest(const struct root *root, const struct emulator *e, const struct guest *g);
