/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-libvirt.h"
#include "xml.h"

/* Networks of libvirt that are pools of functions: a guest with an interface in one gets a function of it
 * when it starts (https://libvirt.org/formatnetwork.html). */

/* The <forward> of such a network, a <network> or a <networkstatus> around it, or NULL for any other. */
xmlNode *network_pool(xmlDocPtr doc);

/* Whether VFIO is used: <driver name='kvm'> and 'xen' are libvirt's older ways to assign a device. */
bool driver_is_vfio(xmlNode *driver);

/* Reads one file. Returns 1 where it is a pool that libvirt binds to VFIO itself (n has all but its name;
 * libvirt_network_done() frees it), 0 where it is another network or the file is gone, -EUCLEAN where no
 * parser can read it, or another negative errno. n is empty unless it is 1. */
int libvirt_network_read(struct libvirt_network *n, const struct root *root, const char *path);
