/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/fix-id.h"
#include "facts/host.h"
#include "guest-cost.h"
#include "verdict.h"

/* Would a fix help? The facts of a host and a set of fixes (FIX_BIT) go in; what a BAR or a guest would then
 * get, and which fixes help, comes out. Whoever says that a fix helps asks here, so no two answers differ.
 *
 * A fix helps where a BAR gets larger pages by it. iommufd and no-mmap never do: they spare a guest that
 * falls short the filling of its BARs.
 *
 * Nothing is read, except for FIX_EMULATOR: the binary that would run the guest shows whether it can. */

struct help {
        unsigned alone; /* the fixes that help each by itself */
        bool together;  /* module and thp help together, and neither does alone */
        unsigned here;  /* of a host: those of all these that help somebody who is there now */
        const struct emulator *emulator; /* of a guest: the one for FIX_EMULATOR; NULL: none is known */
};

/* All fixes that help, alone or together. */
unsigned help_all(const struct help *help);

/* What to do first: the first fix in the order of preference that is allowed and helps alone; else the two
 * that help together, where both are allowed; else nothing (0). */
unsigned help_choose(const struct help *help, unsigned allowed);

/* What helps a BAR that `placer` maps. */
struct help help_area(const struct host *h, struct placer placer, const struct area *area);

/* What helps a guest at its next start. emulator: the one that the operator names for FIX_EMULATOR; NULL:
 * the first of the host that aligns, can run the guest and gives it larger pages. */
struct help help_guest(const struct host *h, const struct guest *g, const struct emulator *emulator);

/* What would help if the same program made this mapping again. */
struct help help_mapping(const struct host *h, const struct mapping *m);

/* What helps the host: every guest that libvirt knows, and every mapping of any process. Where there is
 * neither: an installed emulator or any other program, on any device that could be handed over. */
struct help help_host(const struct host *h);

/* What the BAR, or the guest, would get with all of these fixes. False where one of them changes no page
 * size, cannot be applied here, or is in force already. emulator: for FIX_EMULATOR, as help_guest() has
 * found it; or NULL. */
bool what_if_area(const struct host *h, struct placer placer, const struct area *area, unsigned fixes,
                  struct verdict *ret);
bool what_if_guest(const struct host *h, const struct guest *g, unsigned fixes,
                   const struct emulator *emulator, struct guest_cost *ret);
