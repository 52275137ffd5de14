/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the files that collect findings; findings_collect() is for everybody else. */

#include "finding.h"

/* Each adds what it finds. Returns 0 or -ENOMEM. */
int collect_groups(struct findings *f, const struct host *h);
int collect_devices(struct findings *f, const struct host *h);
int collect_bars(struct findings *f, const struct host *h);
int collect_binds(struct findings *f, const struct host *h);
int collect_module_version(struct findings *f, const struct host *h);
int collect_next_kernel(struct findings *f, const struct host *h);

/* Whether the kernel needs no help: it aligns on purpose, and to the largest page that it has. */
bool kernel_aligns(const struct host *h);

/* Sets what helps against the finding that was added last. Returns 0 or -ENOMEM. */
int set_remedy(struct findings *f, const char *format, ...) _printf_(2, 3);

/* The same for a module that is not signed, or with a key that this host does not know. release: the kernel
 * that it is for. */
int set_remedy_of_key(struct findings *f, struct fact is_signed, const struct module_mok *mok,
                      const char *dkms_version, const char *release);
