/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-record.h"

#include <assert.h>
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
        assert(root);
        assert(path);
        assert(text);

        /* The daemon has made run/vfioalign already, but it need not be running. */
        if ((mkdirat(root->fd, "run/vfioalign", 0755) < 0 && errno != EEXIST) ||
            (mkdirat(root->fd, FIX_RECORDS, 0755) < 0 && errno != EEXIST))
                return -errno;
        return write_file_at(root->fd, path, text, strlen(text), 0644);
}

typedef char path_t[sizeof(FIX_RECORDS "/-off") + 32];

static const char *hold_path(enum fix_id id, path_t path)
{
        assert(id >= 0 && id < _FIX_ID_MAX);

        snprintf(path, sizeof(path_t), FIX_RECORDS "/%s-off", fix_id_to_string(id));
        return path;
}

bool fix_is_held_off(const struct root *root, enum fix_id id)
{
        path_t path;

        assert(root);

        return exists_at(root->fd, hold_path(id, path));
}

int fix_hold_off(const struct root *root, enum fix_id id)
{
        path_t path;

        assert(root);

        return fix_record_write(root, hold_path(id, path), "");
}

int fix_end_hold(const struct root *root, enum fix_id id)
{
        path_t path;

        assert(root);

        if (unlinkat(root->fd, hold_path(id, path), 0) < 0 && errno != ENOENT)
                return -errno;
        return 0;
}
