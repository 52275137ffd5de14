/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-kernel.h"

/* The directory of a fake kernel: what sysfs and procfs show of it. */

void fake_tree_new(struct fake_kernel *k);
void fake_tree_delete(struct fake_kernel *k);
void fake_tree_clear_run(struct fake_kernel *k);

void fake_tree_add_driver(struct fake_kernel *k, const char *name);
void fake_tree_add(struct fake_kernel *k, const struct fake_function *f);
void fake_tree_remove(struct fake_kernel *k, const struct fake_function *f);

/* What can change of a function. */
void fake_tree_show(struct fake_kernel *k, const struct fake_function *f);

/* The path below the directory of what somebody means by a descriptor and a path. */
void fake_tree_path(const struct fake_kernel *k, int dirfd, const char *path, char *ret, size_t size);
