/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "macro.h"

int read_fd(int fd, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *buf = NULL;
        size_t size = 0, capacity = 4096;

        buf = malloc(capacity);
        if (!buf)
                return -ENOMEM;

        for (;;) {
                ssize_t n = read(fd, buf + size, capacity - size - 1);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max)
                        return -EFBIG;
                if (size == capacity - 1) {
                        char *p = realloc(buf, capacity * 2);

                        if (!p)
                                return -ENOMEM;
                        buf = p;
                        capacity *= 2;
                }
        }

        buf[size] = '\0';
        *ret = TAKE_PTR(buf);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return -errno;
        return read_fd(fd, max, ret, ret_size);
}

int read_line_at(int dirfd, const char *path, char **ret)
{
        _cleanup_free_ char *line = NULL;
        int r;

        r = read_file_at(dirfd, path, 4096, &line, NULL);
        if (r < 0)
                return r;
        line[strcspn(line, "\n")] = '\0';
        for (size_t n = strlen(line); n > 0 && isspace((unsigned char) line[n - 1]); n--)
                line[n - 1] = '\0';
        *ret = TAKE_PTR(line);
        return 0;
}

int parse_u64(const char *s, int base, uint64_t *ret)
{
        unsigned long long v;
        char *end;

        if (!isxdigit((unsigned char) s[0]))
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, base);
        if (errno)
                return -errno;
        if (end == s || *end)
                return -EINVAL;
        *ret = v;
        return 0;
}

int read_u64_at(int dirfd, const char *path, int base, uint64_t *ret)
{
        _cleanup_free_ char *line = NULL;
        int r;

        r = read_line_at(dirfd, path, &line);
        if (r < 0)
                return r;
        return parse_u64(line, base, ret);
}

int read_link_name_at(int dirfd, const char *path, char **ret)
{
        char target[PATH_MAX], *slash, *name;
        ssize_t n;

        n = readlinkat(dirfd, path, target, sizeof(target));
        if (n < 0)
                return -errno;
        if ((size_t) n >= sizeof(target))
                return -ENAMETOOLONG;
        target[n] = '\0';

        slash = strrchr(target, '/');
        name = strdup(slash ? slash + 1 : target);
        if (!name)
                return -ENOMEM;
        *ret = name;
        return 0;
}
