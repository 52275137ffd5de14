/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/emulator/facts-emulator.h"
#include "facts/guest/facts-guest.h"

/* Can an emulator of the host run a guest that another one runs now? Its binary, read whole, shows it. */

/* Does the binary hold that string, with its end? Unknown if it cannot be read. e: NULL is fine. Recorded as
 * "emulator-text PATH TEXT" -> "yes|no|unknown". */
struct fact emulator_has_text(const struct root *root, const struct emulator *e, const char *text);

/* Does it know the machine type of the guest? Only types with a version ("pc-q35-7.2") are looked for,
 * because every QEMU knows the others. True also if the binary cannot be read. */
bool emulator_knows_machine(const struct root *root, const struct emulator *e, const struct guest *g);

/* Is it installed here, for the guest's architecture, and does it know the guest's machine type? */
bool emulator_fits_guest(const struct root *root, const struct emulator *e, const struct guest *g);
