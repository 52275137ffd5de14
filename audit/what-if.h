/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/fix-id.h"
#include "facts/host.h"
#include "guest-cost.h"
#include "verdict.h"

/* Would a fix help? The facts of a host and a set of fixes (FIX_BIT) go in; what a BAR or a guest would then
 * get, and which fixes help, comes out. Whoever says that a fix helps asks here, so all answers agree.
 *
 * A fix helps if it gives a BAR larger pages. iommufd and no-mmap never do: they only keep a guest from
 * filling its BARs at its start.
 *
 * Nothing is read, except for FIX_EMULATOR: the binary that would run the guest is searched for its machine
 * type. */

struct help {
        unsigned alone; /* the fixes that each help by themselves */
        bool together;  /* module and thp help together, and neither helps alone */
        unsigned here;  /* of a host: the fixes that help a guest or a process that has a device now */
        const struct emulator *emulator; /* of a guest: the one for FIX_EMULATOR; NULL: none is known */
};

/* All fixes that help, alone or together. */
unsigned help_all(const struct help *help);

/* What to do first: the first fix in the order of preference that is allowed and helps alone; otherwise the
 * two that help together, if both are allowed; otherwise nothing (0). */
unsigned help_choose(const struct help *help, unsigned allowed);

/* What helps a BAR that `placer` maps. */
struct help help_area(const struct host *h, struct placer placer, const struct area *area);

/* What helps a guest at its next start. emulator: the one that the operator names for FIX_EMULATOR; NULL:
 * the first of the host's own (emulator_is_hosts()) that aligns, can run the guest and gives it larger
 * pages. */
struct help help_guest(const struct host *h, const struct guest *g, const struct emulator *emulator);

/* What would help if the same program made this mapping again. */
struct help help_mapping(const struct host *h, const struct mapping *m);

/* Whether there may be guests or mappings that could not be seen. */
bool users_are_unseen(const struct host *h);

/* What helps the host: every guest that libvirt knows, and every mapping of any process. If there is
 * neither: an installed emulator or any other program, on any device that could be assigned. */
struct help help_host(const struct host *h);

/* The same, as if nothing forbade loading the module. */
struct help help_host_unless_forbidden(const struct host *h);

/* The same, as if it was not loaded either: what a kernel without it would lack. */
struct help help_host_without_module(const struct host *h);

/* Stands in a set of fixes for a newer kernel, 6.15 or later: it takes a step for each entry when it maps a
 * BAR for DMA, has huge entries, and aligns nothing by itself. It is not applied to a kernel that has all
 * that, nor to one that was built without huge entries, as its successor will be. */
#define WHAT_IF_NEWER_KERNEL (1U << 31)

/* What the BAR, the mapping if the same program made it again, or the guest would get with all of these
 * fixes. False if one of them changes no page size,
 * cannot be applied here, or is in force already; *ret is left alone then. emulator: for FIX_EMULATOR, as
 * help_guest() found it; or NULL. */
bool what_if_area(const struct host *h, struct placer placer, const struct area *area, unsigned fixes,
                  struct verdict *ret);
bool what_if_mapping(const struct host *h, const struct mapping *m, unsigned fixes, struct verdict *ret);
bool what_if_guest(const struct host *h, const struct guest *g, unsigned fixes,
                   const struct emulator *emulator, struct guest_cost *ret);
