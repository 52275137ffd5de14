/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "log.h"

#define FIELDS_MAX 16
#define FIELD_SIZE 1024

/* $JOURNAL_STREAM names the journal's socket by device and inode. Lines belong to the journal only if
 * standard error still is that socket. */
static bool stderr_is_journal(void)
{
        const char *e = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return e && sscanf(e, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) >= 0 &&
               st.st_dev == device && st.st_ino == inode;
}

static void send_line(int priority, const char *message_id, const char *const *fields, const char *text)
{
        char head[3][FIELD_SIZE];
        struct iovec iov[FIELDS_MAX + ELEMENTSOF(head)];
        int n = 0;

        snprintf(head[0], FIELD_SIZE, "MESSAGE=%s", text);
        snprintf(head[1], FIELD_SIZE, "PRIORITY=%d", priority);
        snprintf(head[2], FIELD_SIZE, "MESSAGE_ID=%s", message_id ?: "");
        for (size_t i = 0; i < (message_id ? 3 : 2); i++)
                iov[n++] = (struct iovec){ head[i], strlen(head[i]) };
        for (size_t i = 0; fields && fields[i] && i < FIELDS_MAX; i++)
                iov[n++] = (struct iovec){ (char *) fields[i], strlen(fields[i]) };
        (void) sd_journal_sendv(iov, n);
}

void log_open_journal(bool always)
{
        if (always || stderr_is_journal())
                log_sink = send_line;
}
