/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <syslog.h>

#include "macro.h"

/* Only the edges (daemon and ctl) log; a library returns its error. Lines go to standard error, or to the
 * journal after log_open_journal(). Each is one line: what a terminal would act upon, or take for another
 * line, is escaped (escape.h) once the text is formatted. */

/* The least important priority that is written; LOG_INFO by default. */
extern int log_max_priority;

/* From now on, lines go to the journal with their fields, if standard error is the journal's; or always, for
 * a program whose standard error belongs to somebody else. This is apart (log-journal.c) because it is the
 * only part that needs a library. */
void log_open_journal(bool always);

/* message_id, fields: as for log_struct(), or NULL. */
typedef void (*log_sink_t)(int priority, const char *message_id, const char *const *fields,
                           const char *text);
extern log_sink_t log_sink; /* NULL: standard error */

/* error: a negative errno that %m in the text shows, or 0. Returns it, so that "return log_error(r, ...)"
 * works. */
int log_full(int priority, int error, const char *format, ...) _printf_(3, 4);

/* The same with a catalogued MESSAGE_ID (32 hex digits; NULL: none) and up to 16 more journal fields,
 * "NAME=value", up to NULL (or NULL: none). Returns 0. */
int log_struct(int priority, const char *message_id, const char *const *fields, const char *format, ...)
        _printf_(4, 5);

/* "VFIOALIGN_GUEST=NAME", a field for log_struct(), which the caller frees. Names have no bound. NULL where
 * memory is out: the line then goes without. */
char *log_guest_field(const char *name);

#define log_error(error, ...) log_full(LOG_ERR, error, __VA_ARGS__)
#define log_warning(error, ...) log_full(LOG_WARNING, error, __VA_ARGS__)
#define log_notice(...) log_full(LOG_NOTICE, 0, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, 0, __VA_ARGS__)
#define log_debug(...) log_full(LOG_DEBUG, 0, __VA_ARGS__)
