/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether the network of that name hands out functions of a device; true where nobody can say. name: as the
 * XML has it, `length` bytes, maybe with escaped characters. */
typedef bool (*guest_scan_pool_t)(const char *name, size_t length, void *userdata);

/* Whether a domain's XML of `size` bytes has a device that goes through VFIO, by its tags and their
 * attributes alone: comments, CDATA, <metadata>, <description> and <title> can say what they like. This is
 * for the hook, which libvirt runs several times in each start and which therefore links no XML parser; it
 * may say yes where facts-guest.h finds no device, but not the reverse. True in doubt: where the text is not
 * a whole <domain>, or has what libvirt does not write. */
bool guest_scan_has_vfio(const char *xml, size_t size, guest_scan_pool_t is_pool, void *userdata);
