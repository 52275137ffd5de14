/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What diff(1) says of two texts, in its unified form, headed by the two names: empty where they are the
 * same. Returns 0; -ENOENT where there is no diff on this host; or another negative errno. *ret is the
 * caller's to free. */
int xml_diff(const char *old_name, const char *old, const char *new_name, const char *new, char **ret);
