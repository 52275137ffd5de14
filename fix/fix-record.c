/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file-write.h"
#include "util/file.h"

int fix_record_write(const struct root *root, const char *path, const char *text)
{
        /* The daemon's folder is there already; without it nothing has made one yet. */
        if ((mkdirat(root->fd, "run/vfioalign", 0755) < 0 && errno != EEXIST) ||
            (mkdirat(root->fd, FIX_RECORDS, 0755) < 0 && errno != EEXIST))
                return -errno;
        return write_file_at(root->fd, path, text, strlen(text), 0644);
}

typedef char path_t[sizeof(FIX_RECORDS "/-off") + 32];

static const char *hold_of(enum fix_id id, path_t path)
{
        snprintf(path, sizeof(path_t), FIX_RECORDS "/%s-off", fix_id_to_string(id));
        return path;
}

bool fix_is_held_off(const struct root *root, enum fix_id id)
{
        path_t path;

        return exists_at(root->fd, hold_of(id, path));
}

int fix_hold_off(const struct root *root, enum fix_id id)
{
        path_t path;

        return fix_record_write(root, hold_of(id, path), "");
}

int fix_end_hold(const struct root *root, enum fix_id id)
{
        path_t path;

        return unlinkat(root->fd, hold_of(id, path), 0) < 0 && errno != ENOENT ? -errno : 0;
}
