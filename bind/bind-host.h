/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"

/* Reads what a transaction has to know of the host: host_read_devices() of the functions in `wanted`, and
 * libvirt's guests and networks with their devices, as host_read() has them. Reading domain XML takes a
 * large library, so a program of its own does it (vfioalign-list-guests), and only where a definition
 * mentions such devices. h->libvirt has the guests' names, whether they run, and their devices with whether
 * libvirt binds them, and the networks that are pools, which are also in h->claims; `readable` is unknown
 * where the guests could not be seen. Returns 0 or -ENOMEM, with nothing to release. */
int bind_host_read(struct host *h, const struct root *root, const bdf_t wanted[], size_t n);
void bind_host_done(struct host *h);
