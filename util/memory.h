/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdarg.h>
#include <stdio.h>

#include "macro.h"

/* What cannot be read on a host is unknown, and most readers go on. When memory is out they must not: what
 * they leave out then would look as if it were not there. Whoever runs out of memory where the caller may go
 * on notes it, and who reads many things asks once, at its end. */

void memory_note_failure(void);

/* Returns p, what an allocation gave, and notes where that is NULL. */
void *memory_note(void *p);

/* How often memory ran out in this thread so far: a number to compare with that of before. */
unsigned long memory_failures(void);

/* -ENOMEM where memory ran out since there were `before` failures, else r. */
int memory_check(unsigned long before, int r);

/* As vasprintf(). Returns a new string, or NULL, and that is noted. */
char *memory_vformat(const char *format, va_list args) _printf_(1, 0);

/* Closes what open_memstream() gave. Returns 0, or -ENOMEM where *text lacks something: the C library closes
 * it without an error, and with NULL for its text, where the last piece of memory is missing. */
int memory_stream_close(FILE *stream, char *const *text);
