/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-record.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "util/file-write.h"

int fix_record_write(const struct root *root, const char *path, const char *text)
{
        /* The daemon's folder is there already; without it nothing has made one yet. */
        if ((mkdirat(root->fd, "run/vfioalign", 0755) < 0 && errno != EEXIST) ||
            (mkdirat(root->fd, FIX_RECORDS, 0755) < 0 && errno != EEXIST))
                return -errno;
        return write_file_at(root->fd, path, text, strlen(text), 0644);
}
