/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/fact.h"
#include "util/root.h"

/* What is installed for one kernel release, by depmod's text indexes and the modules' files (libkmod,
 * queries only). A recorded host answers to "module ..." in place of the files. */
struct module_index;

/* Returns 0, -ENOENT where nothing is installed for that release, -ENODATA where depmod has not been run
 * there, or another negative errno. */
int module_index_open(const struct root *root, const char *release, struct module_index **ret);
void module_index_close(struct module_index *index);

/* Whether the module is there for this kernel, loaded or not: as a file, or built in. */
struct fact module_index_has(struct module_index *index, const char *module);

/* Whether the module's file asks for the symbol. "Unknown" where the module has no file. */
struct fact module_index_imports(struct module_index *index, const char *module, const char *symbol);

/* What modinfo(8) says of the module's file: "vermagic", "signer", "sig_id", "sig_key". *ret is the caller's
 * to free, empty where the file has none of that. Returns 0, -ENOENT where the module has no file, or a
 * negative errno. */
int module_index_info(struct module_index *index, const char *module, const char *key, char **ret);

/* The module's file, below lib/modules/RELEASE; NULL where it has none. The caller frees it. */
char *module_index_path(struct module_index *index, const char *module);
