/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fact.h"
#include "util/root.h"

/* What is installed for one kernel release, as depmod indexed it (libkmod, queries only). */
struct module_index;

/* Returns 0, -ENOENT where nothing is installed for that release, -ENODATA where depmod has not been run there, or
 * another negative errno. */
int module_index_open(const struct root *root, const char *release, struct module_index **ret);
void module_index_close(struct module_index *index);

/* Whether the module is there for this kernel, loaded or not: as a file, or built in. */
struct fact module_index_has(struct module_index *index, const char *module);

/* Whether the module's file asks for the symbol. "Unknown" where the module has no file. */
struct fact module_index_imports(struct module_index *index, const char *module, const char *symbol);

/* Whether the module's file carries a signature (not: whether this host accepts it). */
struct fact module_index_is_signed(struct module_index *index, const char *module);

/* The module's file, relative to the root's path; NULL where it has none. The caller frees it. */
char *module_index_path(struct module_index *index, const char *module);
