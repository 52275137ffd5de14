/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "fix-plan.h"

/* A persistent domain of libvirt, to be edited. Calls take as long as libvirt's daemon does, so they are for
 * a program that a person waits for. */
struct domain {
        virConnectPtr connection;
        virDomainPtr domain;
        unsigned long libvirt_version; /* of the daemon; 0: unknown */
        bool running;
        bool managed_save;
};

/* Each returns 0 or a negative errno, with one line for people in *ret_why: libvirt's own words. The
 * caller's to free; NULL: out of memory. */

/* name: the name or the UUID. uri: NULL: qemu:///system. Without `writable`, secrets cannot be read either.
 * -ENOENT where there is no such domain, -EXDEV where it is transient. */
int domain_open(struct domain *d, const char *uri, const char *name, bool writable, char **ret_why);
void domain_close(struct domain *d);

/* Reads the XML with which it will start the next time. secrets: with the passwords in it. *ret is the
 * caller's to free. */
int domain_read(const struct domain *d, bool secrets, char **ret, char **ret_why);

/* Defines the domain again, in one step: new has that fix applied, or reverted (NULL: all). Reads it back,
 * and where libvirt has not kept the edit, or a revert of it would not give the old domain, defines the old
 * one again and returns -EBADE. old: the domain with its secrets, as it was read; -EAGAIN where it has
 * changed since. */
int domain_define(const struct domain *d, const char *old, const char *new, enum fix_action action,
                  const char *fix, char **ret_why);
