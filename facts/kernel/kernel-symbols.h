/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "util/fact.h"
#include "util/root.h"

/* Which functions and structure members the running kernel (and one of its modules) has: from BTF where it
 * is exported, else from kallsyms; and where they are, from kallsyms. Names are readable without privilege,
 * addresses need root (kptr_restrict). A recorded host answers to "btf ..." in place of 6 MB of BTF. */
struct kernel_symbols;

/* module: the module to look into as well as the kernel itself. names: up to NULL, static: the functions and
 * objects that will be asked for by name, so that kallsyms is read through once. Never fails but for
 * -ENOMEM: without any source every question is answered "unknown". */
int kernel_symbols_open(const struct root *root, const char *module, const char *const names[],
                        struct kernel_symbols **ret);
void kernel_symbols_close(struct kernel_symbols *s);

struct fact kernel_symbols_has_function(struct kernel_symbols *s, const char *name);
struct fact kernel_symbols_has_member(struct kernel_symbols *s, const char *structure, const char *member);
struct fact kernel_symbols_has_enum(struct kernel_symbols *s, const char *name);

/* The member's offset in bytes. -ENOENT where there is no such member, -ENODATA where there is no BTF. */
int kernel_symbols_offset(struct kernel_symbols *s, const char *structure, const char *member,
                          uint64_t *ret);

/* The address of a symbol. -ENOENT where there is none, -EACCES where addresses are hidden, -ENODATA where
 * kallsyms cannot be read. A name can belong to several; the first one counts. */
int kernel_symbols_address(struct kernel_symbols *s, const char *name, uint64_t *ret);

/* What starts at that address: its name, and its module (NULL: the kernel itself). Errors as above. */
int kernel_symbols_at(struct kernel_symbols *s, uint64_t address, char **ret_name, char **ret_module);

/* The bytes from there to the next symbol. -ENOENT where none follows within 4 KiB. */
int kernel_symbols_size(struct kernel_symbols *s, uint64_t address, uint64_t *ret);
