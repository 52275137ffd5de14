/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <stdarg.h>

#include "escape.h"

#define TEXT_MAX_SIZE 1016

int log_max_priority = LOG_INFO;
log_sink_t log_sink;

static void write_line(int priority, const char *message_id, const char *const *fields, const char *text)
{
        if (log_sink)
                log_sink(priority, message_id, fields, text);
        else
                fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
}

static void write_format(int priority, const char *message_id, const char *const *fields, int error,
                         const char *format, va_list args)
{
        char text[TEXT_MAX_SIZE], line[TEXT_MAX_SIZE];
        int saved = errno;

        if (priority > log_max_priority)
                return;
        errno = error < 0 ? -error : error;
        vsnprintf(text, sizeof(text), format, args);
        write_line(priority, message_id, fields, escape_to(line, sizeof(line), text, ""));
        errno = saved;
}

int log_full(int priority, int error, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        write_format(priority, NULL, NULL, error, format, args);
        va_end(args);
        return error;
}

int log_struct(int priority, const char *message_id, const char *const *fields, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        write_format(priority, message_id, fields, 0, format, args);
        va_end(args);
        return 0;
}

char *log_guest_field(const char *name)
{
        char *field;

        return asprintf(&field, "VFIOALIGN_GUEST=%s", name) < 0 ? NULL : field;
}
