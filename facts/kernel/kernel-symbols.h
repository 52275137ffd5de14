/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "util/fact.h"
#include "util/root.h"

/* Which functions and structure members the running kernel (and one of its modules) has: from BTF if it is
 * exported, or else from kallsyms; and where they are, from kallsyms. Names are readable without privilege,
 * addresses need root (kptr_restrict). A recorded host has the answers to "btf ..." instead of 6 MB of BTF.
 */
struct kernel_symbols;

/* module: the module to look into as well as the kernel itself. names: up to NULL, at most 31: the functions
 * and objects that will be looked up by name, so kallsyms is read through once. Both and root have to
 * outlive *ret. Returns 0 or -ENOMEM: without any source every question is answered "unknown". */
int kernel_symbols_open(const struct root *root, const char *module, const char *const names[],
                        struct kernel_symbols **ret);
void kernel_symbols_close(struct kernel_symbols *s);

/* Looks for the module's BTF again if there was none: the module may have been loaded since. */
void kernel_symbols_refresh(struct kernel_symbols *s);

/* Whether there is such a function (in BTF or in kallsyms), member or enum (in BTF only). */
struct fact kernel_symbols_has_function(struct kernel_symbols *s, const char *name);
struct fact kernel_symbols_has_member(struct kernel_symbols *s, const char *structure, const char *member);
struct fact kernel_symbols_has_enum(struct kernel_symbols *s, const char *name);

/* The same without kallsyms, which takes longer to read. A function that BTF lacks can be there all the
 * same. */
bool kernel_symbols_btf_has_function(struct kernel_symbols *s, const char *name);

/* The member's offset in bytes; one of an anonymous union counts as the structure's own. -ENOENT if there is
 * no such member, -ENODATA if there is no BTF. */
int kernel_symbols_offset(struct kernel_symbols *s, const char *structure, const char *member,
                          uint64_t *ret);

/* The address of a symbol. -ENOENT if there is none, -EACCES if addresses are hidden, -ENODATA if kallsyms
 * cannot be read. Several symbols can have the same name; the first one counts. */
int kernel_symbols_address(struct kernel_symbols *s, const char *name, uint64_t *ret);

/* The name and the module (NULL: the kernel itself) of the symbol at that address; the caller frees both.
 * -ENOENT if there is none, -ENODATA if kallsyms cannot be read, or -ENOMEM. */
int kernel_symbols_at(struct kernel_symbols *s, uint64_t address, char **ret_name, char **ret_module);

/* The bytes from there to the next symbol. -ENOENT if none follows within 4 KiB, -ENODATA if kallsyms cannot
 * be read. */
int kernel_symbols_size(struct kernel_symbols *s, uint64_t address, uint64_t *ret);

/* Why there is no address, from what kernel_symbols_address() returned if that is not -ENOENT. */
const char *kernel_symbols_why(int error);
