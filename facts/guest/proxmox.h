/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-guest.h"
#include "guest-option.h"
#include "proxmox-conf.h"

/* Parses ID.conf. pending: with the changes that Proxmox makes when it starts the guest, of its section
 * [PENDING]; without them it is the guest that runs. root: where an address without a function is looked
 * for, as it stands for all that are there. What Proxmox would not understand is left out, as Proxmox does.
 * Returns 1, 0 for a template, which is never started (g is then empty), or -ENOMEM or -EFBIG (also). */
int proxmox_guest_parse(struct guest *g, const char *id, const char *text, const struct proxmox_mappings *m,
                        const struct root *root, bool pending, bool *ret_autostart);

/* The words of "args", as a shell divides them; none where a quote is not closed. Returns 0 or -ENOMEM. */
int proxmox_args_split(const char *text, struct words *ret);
