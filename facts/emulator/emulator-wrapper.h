/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* The program that a wrapper script starts, where that is plain: besides comments one command, which is
 * exec /path/to/program [plain options] "$@". Anything else (variables, conditions, an environment that may
 * change what the program does) is not guessed at: -EINVAL. -ENOEXEC where the text is no script at all,
 * -ENOMEM. *ret_program: absolute, the caller's to free. */
int emulator_wrapper_parse(const char *text, size_t size, char **ret_program);

/* Larger ones are not plain. */
#define WRAPPER_MAX 4096
