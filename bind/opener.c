/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "util/descriptor-pass.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"

#define CONFIG_BEGIN "sys/bus/pci/devices/"
#define CONFIG_END "/config"
#define STACK_BEGIN "proc/"
#define STACK_END "/stack"

/* To start the unit takes some ten milliseconds. A group's own deadline is half a minute. */
#define ANSWER_SECONDS 5
#define QUESTION_SECONDS 1

const char *opener_config_path(const char *bdf, opener_path_t ret)
{
        assert(bdf && ret);

        snprintf(ret, sizeof(opener_path_t), CONFIG_BEGIN "%s" CONFIG_END, bdf);
        return ret;
}

const char *opener_stack_path(pid_t pid, opener_path_t ret)
{
        assert(ret);

        snprintf(ret, sizeof(opener_path_t), STACK_BEGIN "%d" STACK_END, pid);
        return ret;
}

static int receive_answer(int connection)
{
        int result, fd, r;

        r = descriptor_receive(connection, &result, sizeof(result), &fd);
        if (r < 0)
                return r == -EAGAIN ? -ETIMEDOUT : r;
        if (result < 0) {
                closep(&fd);
                return result;
        }
        return fd < 0 ? -ECONNRESET : fd;
}

static int limit_wait(int connection, int seconds)
{
        const struct timeval limit = { .tv_sec = seconds };

        if (setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
            setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
                return -errno;
        return 0;
}

static int ask_opener(const struct root *root, const char *path)
{
        _cleanup_close_ int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        if (connection < 0)
                return -errno;
        r = limit_wait(connection, ANSWER_SECONDS);
        if (r < 0)
                return r;
        /* The root's own path may be too long for it. */
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" OPENER_SOCKET, root->fd);
        if (connect(connection, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            send(connection, path, strlen(path), MSG_NOSIGNAL) < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        return receive_answer(connection);
}

int opener_open(const struct root *root, const char *path)
{
        static bool silent;
        int r;

        assert(root);
        assert(path);

        if (silent)
                return -ETIMEDOUT;
        r = ask_opener(root, path);
        silent = r == -ETIMEDOUT;
        return r;
}

static bool is_config(const char *path)
{
        const char *name = startswith(path, CONFIG_BEGIN);
        opener_path_t text, expected;
        bdf_t bdf;

        if (!name)
                return false;
        snprintf(text, sizeof(text), "%.*s", (int) strcspn(name, "/"), name);
        return bdf_parse(text, bdf) >= 0 && streq(path, opener_config_path(bdf, expected));
}

static bool is_stack(const char *path)
{
        const char *name = startswith(path, STACK_BEGIN);
        opener_path_t text, expected;
        uint64_t pid;

        if (!name)
                return false;
        snprintf(text, sizeof(text), "%.*s", (int) strcspn(name, "/"), name);
        return parse_u64(text, 10, &pid) >= 0 && pid <= INT32_MAX &&
               streq(path, opener_stack_path((pid_t) pid, expected));
}

static int receive_question(int connection, opener_path_t ret)
{
        struct ucred peer;
        socklen_t size = sizeof(peer);
        ssize_t n;
        int r;

        r = limit_wait(connection, QUESTION_SECONDS);
        if (r < 0)
                return r;
        /* What has not been received when the connection is closed would cost the other end its answer. */
        n = recv(connection, ret, OPENER_PATH_MAX - 1, MSG_TRUNC);
        if (n < 0)
                return -errno;
        if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        if (peer.uid != geteuid())
                return -EPERM;
        if (n >= OPENER_PATH_MAX)
                return -ENAMETOOLONG;
        ret[n] = '\0';
        return is_config(ret) || is_stack(ret) ? 0 : -EPERM;
}

static int open_asked(const struct root *root, int connection)
{
        opener_path_t path;
        int r;

        r = receive_question(connection, path);
        if (r < 0)
                return r;
        return open_at(root->fd, path, O_RDONLY | O_NOFOLLOW);
}

static void serve_connection(const struct root *root, int connection)
{
        _cleanup_close_ int fd = open_asked(root, connection);
        int result = fd < 0 ? fd : 0;

        /* Who has gone needs no answer. */
        (void) descriptor_send(connection, &result, sizeof(result), fd);
}

int opener_serve(const struct root *root, int listening, int idle_msec)
{
        assert(root);

        for (;;) {
                struct pollfd pollfd = { .fd = listening, .events = POLLIN };
                _cleanup_close_ int connection = -EBADF;
                int n = poll(&pollfd, 1, idle_msec);

                if (n == 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n < 0)
                        continue;
                connection = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
                if (connection >= 0)
                        serve_connection(root, connection);
                else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        return -errno;
        }
}
