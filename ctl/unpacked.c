/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unpacked.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "util/macro.h"

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

void remove_tree(const char *dir)
{
        assert(dir);

        (void) nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* What a terminal or a shell sends goes to all of a process group, what ends a session or a unit to all of
 * its processes; and whoever reads what vfioalignctl writes must not wait for this process. */
static void leave_terminal(void)
{
        static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        (void) setsid();
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) signal(signals[i], SIG_IGN);
        for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
                (void) dup2(null, fd);
}

/* Makes the directory, sends its path or a negative errno, and removes it when nobody has the other end any
 * more. */
static _Noreturn void keep_directory(int fd)
{
        char path[PATH_MAX];
        int error = 0;
        char byte;

        leave_terminal();
        if (snprintf(path, sizeof(path), "%s/vfioalign-XXXXXX", getenv("TMPDIR") ?: "/tmp") >=
            (int) sizeof(path))
                error = -ENAMETOOLONG;
        else if (!mkdtemp(path))
                error = -errno;
        if (error < 0) {
                (void) send(fd, &error, sizeof(error), MSG_NOSIGNAL);
                _exit(EXIT_FAILURE);
        }
        if (send(fd, path, strlen(path) + 1, MSG_NOSIGNAL) >= 0)
                while (recv(fd, &byte, 1, 0) < 0 && errno == EINTR)
                        ;
        remove_tree(path);
        _exit(EXIT_SUCCESS);
}

static int receive_path(int fd, char path[static PATH_MAX])
{
        ssize_t n;
        int error;

        do
                n = recv(fd, path, PATH_MAX, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n == sizeof(error)) { /* which no path is as short as */
                memcpy(&error, path, sizeof(error));
                return error;
        }
        return n > 0 && path[n - 1] == '\0' ? 0 : -EIO;
}

static int start_keeper(struct unpacked *u)
{
        int pair[2], error;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        u->pid = fork();
        error = errno;
        if (u->pid == 0) {
                close(pair[0]);
                keep_directory(pair[1]);
        }
        close(pair[1]);
        if (u->pid < 0) {
                close(pair[0]);
                return -error;
        }
        u->keeper = pair[0];
        return 0;
}

static int open_directory(struct unpacked *u)
{
        char path[PATH_MAX];
        int r;

        r = receive_path(u->keeper, path);
        if (r < 0)
                return r;
        u->path = strdup(path);
        if (!u->path)
                return -ENOMEM;
        u->fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return u->fd < 0 ? -errno : 0;
}

int unpacked_open(struct unpacked *u)
{
        int r;

        assert(u);

        *u = (struct unpacked){ .fd = -EBADF, .keeper = -EBADF };
        r = start_keeper(u);
        if (r < 0)
                return r;
        r = open_directory(u);
        if (r < 0)
                unpacked_close(u);
        return r;
}

void unpacked_close(struct unpacked *u)
{
        assert(u);

        if (u->pid <= 0)
                return;
        closep(&u->fd);
        closep(&u->keeper);
        while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        free(u->path);
        *u = (struct unpacked){ .fd = -EBADF, .keeper = -EBADF };
}
