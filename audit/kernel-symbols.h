/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fact.h"
#include "util/root.h"

/* Which functions and structure members the running kernel (and one of its modules) has: from BTF where it is
 * exported, else from kallsyms. Both are readable without privilege. */
struct kernel_symbols;

/* module: the module to look into as well as the kernel itself. Never fails but for -ENOMEM: without any
 * source every question is answered "unknown". */
int kernel_symbols_open(const struct root *root, const char *module, struct kernel_symbols **ret);
void kernel_symbols_close(struct kernel_symbols *s);

struct fact kernel_symbols_has_function(struct kernel_symbols *s, const char *name);
struct fact kernel_symbols_has_member(struct kernel_symbols *s, const char *structure, const char *member);
struct fact kernel_symbols_has_enum(struct kernel_symbols *s, const char *name);
