/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file-write.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "file.h"
#include "macro.h"

/* Of names for a temporary: so many are taken only where somebody takes them on purpose. */
#define RANDOM_TRIES 16

int write_attribute_at(int dirfd, const char *path, const char *value)
{
        _cleanup_close_ int fd = -EBADF;
        size_t size;
        ssize_t n;

        assert(path);
        assert(value);

        fd = open_at(dirfd, path, O_WRONLY);
        if (fd < 0)
                return fd;
        size = strlen(value);
        n = write(fd, value, size);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EIO;
}

static int write_all(int fd, const char *text, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        text += n;
                        size -= (size_t) n;
                }
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_and_rename(int dir, int fd, const char *temporary, const char *name, const char *text,
                            size_t size)
{
        int r;

        r = write_all(fd, text, size);
        if (r < 0)
                return r;
        return renameat(dir, temporary, dir, name) < 0 ? -errno : 0;
}

/* What is left of a writer that was killed goes first, and so does anything else of that name: it must
 * neither be written to nor be waited for, as a FIFO would make us. */
static int create_temporary(int dir, const char *name, mode_t mode)
{
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        int fd = openat(dir, name, flags, mode);

        if (fd >= 0 || errno != EEXIST)
                return fd < 0 ? -errno : fd;
        if (unlinkat(dir, name, 0) < 0 && errno != ENOENT &&
            (errno != EISDIR || unlinkat(dir, name, AT_REMOVEDIR) < 0))
                return -errno;
        fd = openat(dir, name, flags, mode);
        return fd < 0 ? -errno : fd;
}

/* As mkostemp(3), in a directory, and with a mode that the process's umask does not change. */
static int create_random(int dir, char *name, size_t size, const char *of, mode_t mode)
{
        _cleanup_close_ int fd = -EBADF;

        for (unsigned tries = 0; fd < 0 && tries < RANDOM_TRIES; tries++) {
                uint32_t random;

                if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                        return -EIO;
                snprintf(name, size, ".%s.%06x", of, random & 0xffffff);
                fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd < 0 && errno != EEXIST)
                        return -errno;
        }
        if (fd < 0)
                return -EEXIST;
        if (fchmod(fd, mode) < 0) {
                (void) unlinkat(dir, name, 0);
                return -EPERM;
        }
        return TAKE_FD(fd);
}

static int replace_file(int dirfd, const char *path, const char *text, size_t size, mode_t mode,
                        bool foreign)
{
        const char *slash, *name;
        char directory[PATH_MAX], temporary[NAME_MAX + 1];
        _cleanup_close_ int dir = -EBADF, fd = -EBADF;
        int r;

        slash = strrchr(path, '/');
        name = slash ? slash + 1 : path;
        if ((size_t) (name - path) >= sizeof(directory) ||
            strlen(name) >= sizeof(temporary) - (foreign ? strlen("..XXXXXX") : strlen("~")))
                return -ENAMETOOLONG;
        snprintf(directory, sizeof(directory), "%.*s", (int) (name - path), path);
        snprintf(temporary, sizeof(temporary), "%s~", name);
        dir = open_at(dirfd, directory, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return dir;
        if (foreign)
                fd = create_random(dir, temporary, sizeof(temporary), name, mode);
        else
                fd = create_temporary(dir, temporary, mode);
        if (fd < 0)
                return fd;
        r = write_and_rename(dir, fd, temporary, name, text, size);
        if (r < 0) {
                (void) unlinkat(dir, temporary, 0);
                return r;
        }
        return fsync(dir) < 0 ? -errno : 0;
}

int write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode)
{
        assert(path);
        assert(text || size == 0);

        return replace_file(dirfd, path, text, size, mode, false);
}

int write_foreign_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode)
{
        assert(path);
        assert(text || size == 0);

        return replace_file(dirfd, path, text, size, mode, true);
}
