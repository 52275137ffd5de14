/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "descriptor-pass.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "macro.h"

union control {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
};

int descriptor_send(int socket, const void *message, size_t size, int fd)
{
        union control control = {};
        struct iovec iov = { .iov_base = (void *) message, .iov_len = size };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        assert(message);

        if (fd >= 0) {
                header.msg_control = &control;
                header.msg_controllen = sizeof(control);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(fd));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        }
        do
                n = sendmsg(socket, &header, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -ECONNRESET;
}

/* The descriptor that came with a message, or -EBADF. */
static int take_descriptor(struct msghdr *message)
{
        const struct cmsghdr *header = CMSG_FIRSTHDR(message);
        int fd;

        if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
            header->cmsg_len != CMSG_LEN(sizeof(fd)))
                return -EBADF;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

int descriptor_receive(int socket, void *message, size_t size, int *ret_fd)
{
        _cleanup_close_ int fd = -EBADF;
        union control control;
        struct iovec iov = { .iov_base = message, .iov_len = size };
        struct msghdr header = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                /* What CMSG_SPACE() rounds up would hold a second one. Those without room the kernel closes,
                 * and it sets MSG_CTRUNC. */
                .msg_controllen = CMSG_LEN(sizeof(int)),
        };
        ssize_t n;

        assert(message);
        assert(ret_fd);

        do
                n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_WAITALL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        fd = take_descriptor(&header);
        if ((size_t) n != size || header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -ECONNRESET;
        *ret_fd = TAKE_FD(fd);
        return 0;
}
