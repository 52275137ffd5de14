/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "util/clock.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"

#define RUN_DIRECTORY "run/vfioalign"

static int make_directory(const struct root *root, const char *path)
{
        const char *name = strrchr(path, '/') + 1;
        _cleanup_close_ int parent = -EBADF;
        char directory[64];

        snprintf(directory, sizeof(directory), "%.*s", (int) (name - path), path);
        parent = open_at(root->fd, directory, O_PATH | O_DIRECTORY);
        if (parent < 0)
                return parent;
        return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int journal_lock(const struct root *root, const char *first_bdf, const volatile sig_atomic_t *stop)
{
        _cleanup_close_ int dir = -EBADF, fd = -EBADF;
        char name[sizeof(bdf_t) + sizeof(".lock")];
        int r;

        assert(root && first_bdf);

        dir = open_at(root->fd, BIND_RECORDS, O_RDONLY | O_DIRECTORY);
        if (dir == -ENOENT) {
                r = make_directory(root, RUN_DIRECTORY);
                if (r < 0)
                        return r;
                r = make_directory(root, BIND_RECORDS);
                if (r < 0)
                        return r;
                dir = open_at(root->fd, BIND_RECORDS, O_RDONLY | O_DIRECTORY);
        }
        if (dir < 0)
                return dir;
        snprintf(name, sizeof(name), "%s.lock", first_bdf);
        fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        /* A signal interrupts the wait, and its handler sets *stop. */
        while (flock(fd, LOCK_EX) < 0) {
                if (errno != EINTR)
                        return -errno;
                if (stop && *stop)
                        return -EBUSY;
        }
        return TAKE_FD(fd);
}

static void record_path(const struct bind_record *r, char path[static 64])
{
        snprintf(path, 64, BIND_RECORDS "/%s", r->members[0].bdf);
}

int journal_write(const struct root *root, struct bind_record *r, enum bind_state state, const char *reason)
{
        _cleanup_free_ char *text = NULL, *copy = NULL;
        char path[64];

        assert(root && r && r->n_members > 0);

        if (reason) {
                copy = strdup(reason);
                if (!copy)
                        return -ENOMEM;
        }
        free(r->reason);
        r->reason = TAKE_PTR(copy);
        r->state = state;
        r->time_usec = clock_usec(CLOCK_REALTIME);
        text = bind_record_format(r);
        if (!text)
                return -ENOMEM;
        record_path(r, path);
        return write_file_at(root->fd, path, text, strlen(text), 0644);
}

int journal_remove(const struct root *root, const struct bind_record *r)
{
        _cleanup_close_ int dir = -EBADF;
        char path[64];

        assert(root && r && r->n_members > 0);

        record_path(r, path);
        dir = open_at(root->fd, BIND_RECORDS, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return dir;
        if (unlinkat(dir, path + sizeof(BIND_RECORDS), 0) < 0 && errno != ENOENT)
                return -errno;
        return fsync(dir) < 0 ? -errno : 0;
}
