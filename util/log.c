/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define FIELDS_MAX 16
#define FIELD_SIZE 1024

int log_max_priority = LOG_INFO;
bool log_to_journal;

/* $JOURNAL_STREAM names the journal's socket by device and inode; only where standard error still is that
 * socket do lines belong to the journal. */
static bool stderr_is_journal(void)
{
        const char *e = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return e && sscanf(e, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) >= 0 &&
               st.st_dev == device && st.st_ino == inode;
}

static void write_line(int priority, const char *message_id, const char *const *fields, const char *text)
{
        char head[3][FIELD_SIZE];
        struct iovec iov[FIELDS_MAX + ELEMENTSOF(head)];
        int n = 0;

        if (!log_to_journal && !stderr_is_journal()) {
                fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
                return;
        }

        snprintf(head[0], FIELD_SIZE, "MESSAGE=%s", text);
        snprintf(head[1], FIELD_SIZE, "PRIORITY=%d", priority);
        snprintf(head[2], FIELD_SIZE, "MESSAGE_ID=%s", message_id ?: "");
        for (size_t i = 0; i < (message_id ? 3 : 2); i++)
                iov[n++] = (struct iovec) {head[i], strlen(head[i])};
        for (size_t i = 0; fields && fields[i] && i < FIELDS_MAX; i++)
                iov[n++] = (struct iovec) {(char *) fields[i], strlen(fields[i])};
        (void) sd_journal_sendv(iov, n);
}

static void write_format(int priority, const char *message_id, const char *const *fields, int error,
                         const char *format, va_list args)
{
        char text[FIELD_SIZE - sizeof("MESSAGE=")];
        int saved = errno;

        if (priority > log_max_priority)
                return;
        errno = error < 0 ? -error : error;
        vsnprintf(text, sizeof(text), format, args);
        write_line(priority, message_id, fields, text);
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
