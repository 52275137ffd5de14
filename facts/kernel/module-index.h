/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/fact.h"
#include "util/root.h"

/* What is installed for one kernel release, by depmod's text indexes and the modules' files (libkmod,
 * queries only). A recorded host has the answers to "module ..." instead of the files. In a module's name,
 * "-" and "_" are the same. */
struct module_index;

/* Returns 0, -ENOENT if nothing is installed for that release, -ENODATA if depmod was not run there, -EINVAL
 * if the release cannot be the name of a directory, or another negative errno. root has to outlive *ret. */
int module_index_open(const struct root *root, const char *release, struct module_index **ret);

/* For another kernel than the running one: the questions about its modules name the release, so a record can
 * have the answers of both. */
void module_index_name_release(struct module_index *index);
void module_index_close(struct module_index *index);

/* Whether the module is there for this kernel, loaded or not: as a file, or built in. */
struct fact module_index_has(struct module_index *index, const char *module);

/* Whether the module's file imports the symbol. Unknown if the module has no file. */
struct fact module_index_imports(struct module_index *index, const char *module, const char *symbol);

/* What modinfo(8) shows of the module's file: "vermagic", "signer", "sig_id", "sig_key". *ret is empty if
 * the file has none of that; the caller frees it. Returns 0, -ENOENT if the module has no file, or another
 * negative errno. */
int module_index_info(struct module_index *index, const char *module, const char *key, char **ret);

/* The path of the module's file below lib/modules/RELEASE; NULL if it has none. The caller frees it. */
char *module_index_path(struct module_index *index, const char *module);
