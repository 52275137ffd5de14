/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/descriptor-pass.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

struct message {
        int number;
        char text[2000];
};

/* How many descriptors this process has. */
static size_t count_open(void)
{
        _cleanup_(names_done) struct names names = {};

        assert_ok(list_dir_at(AT_FDCWD, "/proc/self/fd", &names));
        return names.n;
}

static void make_pair(int type, int pair[static 2])
{
        assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

static void close_pair(const int pair[static 2])
{
        close(pair[0]);
        close(pair[1]);
}

static void test_pass(void **state)
{
        static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
        const struct message sent = { 7, "text" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                int pair[2], file[2], fd;
                size_t before = count_open();
                struct message m;
                char byte;

                make_pair(types[i], pair);
                assert_int_equal(pipe2(file, O_CLOEXEC), 0);
                assert_ok(descriptor_send(pair[0], &sent, sizeof(sent), file[0]));
                assert_ok(descriptor_send(pair[0], &sent, sizeof(sent), -EBADF));
                assert_ok(descriptor_receive(pair[1], &m, sizeof(m), &fd));
                assert_memory_equal(&m, &sent, sizeof(m));
                assert_true(fd >= 0 && fd != file[0]);
                assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
                assert_int_equal(write(file[1], "x", 1), 1);
                assert_int_equal(read(fd, &byte, 1), 1);
                close(fd);
                assert_ok(descriptor_receive(pair[1], &m, sizeof(m), &fd));
                assert_int_equal(fd, -EBADF);
                assert_int_equal(descriptor_receive(pair[1], &m, sizeof(m), &fd), -EAGAIN);
                close_pair(file);
                close_pair(pair);
                assert_int_equal(count_open(), before);
        }
}

/* As many descriptors with a message of that size. */
static void send_descriptors(int socket, size_t size, size_t n)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(4 * sizeof(int))];
        } control = {};
        struct message m = {};
        struct iovec iov = { .iov_base = &m, .iov_len = size };
        struct msghdr header = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_SPACE(n * sizeof(int)),
        };

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n * sizeof(int)); /* all are standard input */
        assert_int_equal(sendmsg(socket, &header, MSG_NOSIGNAL), size);
}

/* What is not one whole message with one descriptor is an error, and leaves none open. */
static void test_wrong(void **state)
{
        static const struct {
                int type;
                size_t size, n;
        } cases[] = {
                { SOCK_SEQPACKET, sizeof(struct message), 2 },
                { SOCK_SEQPACKET, sizeof(struct message), 4 },
                { SOCK_SEQPACKET, 4, 1 },
                { SOCK_SEQPACKET, 4, 2 },
                { SOCK_STREAM, sizeof(struct message), 2 },
                { SOCK_STREAM, 4, 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t before = count_open();
                struct message m;
                int pair[2], fd = 12345, r;

                make_pair(cases[i].type, pair);
                send_descriptors(pair[0], cases[i].size, cases[i].n);
                assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
                r = descriptor_receive(pair[1], &m, sizeof(m), &fd);
                if (r != -ECONNRESET || fd != 12345)
                        fail_msg("case %zu: %d", i, r);
                close_pair(pair);
                if (count_open() != before)
                        fail_msg("case %zu: a descriptor stays open", i);
        }
}

static void test_too_long(void **state)
{
        const struct message sent = {};
        size_t before = count_open();
        int pair[2], fd, number;

        (void) state;
        make_pair(SOCK_SEQPACKET, pair);
        assert_ok(descriptor_send(pair[0], &sent, sizeof(sent), STDIN_FILENO));
        assert_int_equal(descriptor_receive(pair[1], &number, sizeof(number), &fd), -ECONNRESET);
        close_pair(pair);
        assert_int_equal(count_open(), before);
}

/* Nobody is there any more: that is an error, and no signal. */
static void test_closed(void **state)
{
        struct message m = {};
        int pair[2], fd;

        (void) state;
        (void) signal(SIGPIPE, SIG_DFL);
        make_pair(SOCK_STREAM, pair);
        close(pair[1]);
        assert_int_equal(descriptor_send(pair[0], &m, sizeof(m), STDIN_FILENO), -EPIPE);
        assert_int_equal(descriptor_receive(pair[0], &m, sizeof(m), &fd), -ECONNRESET);
        close(pair[0]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pass),
                cmocka_unit_test(test_wrong),
                cmocka_unit_test(test_too_long),
                cmocka_unit_test(test_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
