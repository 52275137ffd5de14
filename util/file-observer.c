/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file-observer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "macro.h"

static file_observer_t observer;
static void *observer_data;

void file_observe(file_observer_t f, void *userdata)
{
        observer = f;
        observer_data = userdata;
}

bool file_is_observed(void)
{
        return observer;
}

void file_report(enum file_kind kind, const char *path, const char *data, size_t size)
{
        assert(path);
        assert(data || size == 0);

        if (observer)
                observer(kind, path, data, size, observer_data);
}

/* The path of a descriptor without a trailing slash; empty for "/", and if it cannot be read. */
static void read_fd_path(int fd, char path[static PATH_MAX])
{
        char link[sizeof("/proc/self/fd/") + 10];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, PATH_MAX - 1);
        path[n < 0 ? 0 : n] = '\0';
        if (streq(path, "/"))
                path[0] = '\0';
}

/* The absolute path by which something was asked for. */
static void join_path(int dirfd, const char *path, char asked[static PATH_MAX])
{
        size_t n;

        if (dirfd == AT_FDCWD) {
                snprintf(asked, PATH_MAX, "%s", path);
                return;
        }
        read_fd_path(dirfd, asked);
        n = strlen(asked);
        snprintf(asked + n, PATH_MAX - n, "/%s", path);
}

void file_report_opened(enum file_kind kind, int dirfd, const char *path, int fd, const char *data,
                        size_t size)
{
        char asked[PATH_MAX], real[PATH_MAX];
        struct stat st;

        assert(path);

        if (!observer || fstat(fd, &st) < 0)
                return;
        join_path(dirfd, path, asked);
        read_fd_path(fd, real);
        if (!streq(asked, real))
                file_report(FILE_LINK, asked, real, strlen(real));
        if (S_ISDIR(st.st_mode))
                file_report(FILE_DIRECTORY, real, NULL, 0);
        else
                file_report(kind, real, data ?: "", size);
}

int file_report_denied(int dirfd, const char *path, int r)
{
        char asked[PATH_MAX];

        assert(path);

        if (observer && (r == -EACCES || r == -EPERM)) {
                join_path(dirfd, path, asked);
                file_report(FILE_DENIED, asked, NULL, 0);
        }
        return r;
}

void file_report_link(int dirfd, const char *path, const char *target)
{
        char asked[PATH_MAX];

        assert(path);
        assert(target);

        if (!observer)
                return;
        join_path(dirfd, path, asked);
        file_report(FILE_LINK, asked, target, strlen(target));
}

void file_report_entry(int dirfd, const char *name)
{
        char path[PATH_MAX], target[PATH_MAX];
        struct stat st;

        assert(name);

        if (!observer || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        if (S_ISLNK(st.st_mode)) {
                ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

                if (n < 0)
                        return;
                target[n] = '\0';
                file_report_link(dirfd, name, target);
                return;
        }
        join_path(dirfd, name, path);
        file_report(S_ISDIR(st.st_mode) ? FILE_DIRECTORY : FILE_CONTENT, path, "", 0);
}
