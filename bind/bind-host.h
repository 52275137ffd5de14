/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"

/* What a transaction has to know of the host: host_read_devices() of the functions that are wanted, and
 * libvirt's guests with their devices. Reading domain XML takes a large library, so that a program of its
 * own does it (vfioalign-list-guests), and only where a definition has a word of such devices. Of h->libvirt
 * there are the guests' names, whether they run, and their devices with whether libvirt binds them;
 * `readable` is unknown where they could not be seen. Returns 0 or -ENOMEM. */
int bind_host_read(struct host *h, const struct root *root, const bdf_t wanted[], size_t n);
void bind_host_done(struct host *h);
