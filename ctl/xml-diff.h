/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The difference of two texts in diff(1)'s unified form, headed by the two names; empty where they are the
 * same. Returns 0; -ENOENT where this host has no diff(1); or another negative errno. *ret is the caller's
 * to free. */
int xml_diff(const char *old_name, const char *old, const char *new_name, const char *new, char **ret);
