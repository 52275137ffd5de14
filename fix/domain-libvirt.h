/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "fix-plan.h"

/* A persistent domain of libvirt, for editing. Its calls can take as long as libvirt's daemon likes: for a
 * program that a person waits for. */
struct domain {
        virConnectPtr connection;
        virDomainPtr domain;
        unsigned long libvirt_version; /* of the daemon; 0: unknown */
        bool running;
        bool managed_save;
};

/* Every error comes with one line for a person in *ret_why, the caller's to free: libvirt's own words. */

/* name: or its UUID. uri: NULL: qemu:///system. Without `writable`, secrets cannot be read either. -EXDEV
 * where the domain is transient. */
int domain_open(struct domain *d, const char *uri, const char *name, bool writable, char **ret_why);
void domain_close(struct domain *d);

/* As it will start the next time. secrets: with the passwords that are in it. */
int domain_read(const struct domain *d, bool secrets, char **ret, char **ret_why);

/* Defines it anew, in one step of libvirt's: with that fix, or without it (NULL: any). Reads it back, and
 * puts the old one back where it is not as it was to be: after an apply, that a revert would not give the
 * old one. old: the domain with its secrets, as it was read: -EAGAIN where it is another by now. */
int domain_define(const struct domain *d, const char *old, const char *new, enum fix_action action,
                  const char *fix, char **ret_why);
