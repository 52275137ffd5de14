/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Bytes; a larger script is not plain. */
#define WRAPPER_MAX 4096

/* The program that a plain wrapper script starts: besides comments, the script has one command, which is
 * exec [-a NAME] PROGRAM [plain options] "$@". *ret_program is absolute, or has no slash and is looked up in
 * $PATH; it is the caller's to free. Returns 0, -EINVAL for any other script (variables, conditions, an
 * environment that may change what the program does), -ENOEXEC where the text is not a script at all, or
 * -ENOMEM. */
int emulator_wrapper_parse(const char *text, size_t size, char **ret_program);
