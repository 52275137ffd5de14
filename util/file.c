/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "array.h"
#include "file-observer.h"
#include "macro.h"
#include "memory.h"
#include "parse.h"

/* Most readers take an error for "unknown". */
static int report_out_of_memory(void)
{
        memory_note_failure();
        return -ENOMEM;
}

static int open_below(int dirfd, const char *path, int flags)
{
        const struct open_how how = { .flags = (uint64_t) (unsigned) flags, .resolve = RESOLVE_IN_ROOT };
        int fd = (int) syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* EPERM can come from a file, or from a sandbox that does not allow the call at all. */
static bool is_openat2_refused(int dirfd)
{
        _cleanup_close_ int fd = open_below(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0;
}

/* Some sandboxes do not allow openat2(). There, the paths of a recorded host are trusted. */
static int open_resolved(int dirfd, const char *path, int flags)
{
        static bool missing;
        int fd = -EAGAIN;

        if (dirfd == AT_FDCWD || missing) {
                fd = openat(dirfd, path, flags);
                return fd < 0 ? -errno : fd;
        }
        for (int i = 0; i < 64 && fd == -EAGAIN; i++) /* EAGAIN: something on the way was renamed */
                fd = open_below(dirfd, path, flags);
        if (fd == -ENOSYS || (fd == -EPERM && is_openat2_refused(dirfd))) {
                missing = true;
                return open_resolved(dirfd, path, flags);
        }
        return fd;
}

/* Opens without a report, because the caller reports what it reads. */
static int open_quietly(int dirfd, const char *path, int flags)
{
        /* openat2() refuses what O_PATH makes meaningless. */
        int fd = open_resolved(dirfd, *path ? path : ".",
                               flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NOCTTY));

        return file_report_denied(dirfd, path, fd == -ELOOP ? -EACCES : fd);
}

int open_at(int dirfd, const char *path, int flags)
{
        int fd;

        assert(path);

        fd = open_quietly(dirfd, path, flags);
        if (fd >= 0)
                file_report_opened(FILE_CONTENT, dirfd, path, fd, NULL, 0);
        return fd;
}

bool exists_at(int dirfd, const char *path)
{
        _cleanup_close_ int fd = open_at(dirfd, path, O_PATH);

        return fd >= 0;
}

int stat_at(int dirfd, const char *path, struct stat *ret)
{
        _cleanup_close_ int fd = open_at(dirfd, path, O_PATH);
        struct stat st;

        assert(ret);

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret = st;
        return 0;
}

int open_regular_at(int dirfd, const char *path, struct stat *ret)
{
        _cleanup_close_ int fd = open_at(dirfd, path, O_RDONLY | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        if (st.st_size > FILE_MAX_SIZE)
                return -EFBIG;
        if (ret)
                *ret = st;
        return TAKE_FD(fd);
}

/* Reads on until the file ends or the buffer is full, except for its last byte. */
static int fill_buffer(int fd, char *buf, size_t capacity, size_t *size, bool *end)
{
        while (*size < capacity - 1) {
                ssize_t n = read(fd, buf + *size, capacity - *size - 1);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                *end = n == 0;
                if (*end)
                        return 0;
                *size += (size_t) n;
        }
        return 0;
}

int read_fd(int fd, size_t max, char **ret, size_t *ret_size)
{
        char first[4096]; /* most files are attributes of a few bytes, and should take no more */
        _cleanup_free_ char *buf = NULL;
        size_t size = 0, capacity = sizeof(first);
        bool end = false;
        int r;

        assert(fd >= 0);
        assert(ret);

        r = fill_buffer(fd, first, capacity, &size, &end);
        if (r < 0)
                return r;
        if (size > max)
                return -EFBIG;
        buf = malloc(size + 1);
        if (!buf)
                return report_out_of_memory();
        memcpy(buf, first, size);

        while (!end) {
                char *p;

                capacity *= 2;
                p = realloc(buf, capacity);
                if (!p)
                        return report_out_of_memory();
                buf = p;
                r = fill_buffer(fd, buf, capacity, &size, &end);
                if (r < 0)
                        return r;
                if (size > max)
                        return -EFBIG;
        }

        buf[size] = '\0';
        *ret = TAKE_PTR(buf);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = -EBADF;
        size_t size;
        int r;

        assert(path);

        fd = open_quietly(dirfd, path, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fd;
        r = read_fd(fd, max, ret, &size);
        if (r < 0)
                return file_report_denied(dirfd, path, r);
        file_report_opened(FILE_CONTENT, dirfd, path, fd, *ret, size);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int read_attribute_at(int dirfd, const char *name, char *buf, size_t size)
{
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        assert(name);
        assert(buf);
        assert(size > 0);

        fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        do
                n = read(fd, buf, size - 1);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        file_report_opened(FILE_CONTENT, dirfd, name, fd, buf, (size_t) n);
        while (n > 0 && isspace((unsigned char) buf[n - 1]))
                buf[--n] = '\0';
        return 0;
}

struct excerpt {
        char *text;
        size_t size, capacity; /* capacity: with the NUL at its end */
};

static int append_line(struct excerpt *e, const char *line, size_t n)
{
        if (e->size + n > FILE_MAX_SIZE)
                return -EFBIG;
        if (e->size + n >= e->capacity) {
                size_t capacity = 2 * (e->size + n) + 1;
                char *p = realloc(e->text, capacity);

                if (!p)
                        return report_out_of_memory();
                e->text = p;
                e->capacity = capacity;
        }
        memcpy(e->text + e->size, line, n);
        e->size += n;
        e->text[e->size] = '\0';
        return 0;
}

/* Appends the lines that contain one of the words. */
static int grep_lines(const char *lines, size_t size, const char *const words[], struct excerpt *ret)
{
        const char *next[GREP_WORDS_MAX] = {}, *end = lines + size; /* next: where each word comes next */
        size_t n_words = 0;

        while (words[n_words])
                n_words++;
        assert(n_words <= GREP_WORDS_MAX);

        for (const char *from = lines; from < end;) {
                const char *first = end, *begin, *newline;
                int r;

                for (size_t i = 0; i < n_words; i++) {
                        if (!next[i] || next[i] < from)
                                next[i] = memmem(from, (size_t) (end - from), words[i], strlen(words[i]))
                                                  ?: end;
                        if (next[i] < first)
                                first = next[i];
                }
                if (first == end)
                        return 0;
                begin = memrchr(from, '\n', (size_t) (first - from));
                begin = begin ? begin + 1 : from;
                newline = memchr(first, '\n', (size_t) (end - first));
                from = newline ? newline + 1 : end;
                r = append_line(ret, begin, (size_t) (from - begin));
                if (r < 0)
                        return r;
        }
        return 0;
}

int file_lines_open_at(int dirfd, const char *path, struct file_lines *ret)
{
        _cleanup_(file_lines_close) struct file_lines f = { .dirfd = dirfd, .path = path };
        int r;

        assert(path);
        assert(ret);

        f.fd = open_quietly(dirfd, path, O_RDONLY | O_NONBLOCK);
        if (f.fd < 0)
                return f.fd;
        r = read_fd(f.fd, FILE_MAX_SIZE, &f.text, &f.size);
        if (r < 0)
                return file_report_denied(dirfd, path, r);
        *ret = f;
        f = (struct file_lines) FILE_LINES_NONE;
        return 0;
}

void file_lines_close(struct file_lines *f)
{
        assert(f);

        if (f->fd >= 0)
                close(f->fd);
        free(f->text);
        *f = (struct file_lines) FILE_LINES_NONE;
}

int file_lines_grep(const struct file_lines *f, const char *const words[], char **ret)
{
        struct excerpt e = {};
        int r;

        assert(f && f->text);
        assert(words);
        assert(ret);

        r = append_line(&e, "", 0); /* also where no line has a word it is a text */
        if (r == 0)
                r = grep_lines(f->text, f->size, words, &e);
        if (r < 0) {
                free(e.text);
                return r;
        }
        file_report_opened(FILE_EXCERPT, f->dirfd, f->path, f->fd, e.text, e.size);
        *ret = e.text;
        return 0;
}

int grep_file_at(int dirfd, const char *path, const char *const words[], char **ret)
{
        _cleanup_(file_lines_close) struct file_lines f = FILE_LINES_NONE;
        int r;

        r = file_lines_open_at(dirfd, path, &f);
        if (r < 0)
                return r;
        return file_lines_grep(&f, words, ret);
}

int read_line_at(int dirfd, const char *path, char **ret)
{
        _cleanup_free_ char *line = NULL;
        int r;

        assert(ret);

        r = read_file_at(dirfd, path, 4096, &line, NULL);
        if (r < 0)
                return r;
        line[strcspn(line, "\n")] = '\0';
        for (size_t n = strlen(line); n > 0 && isspace((unsigned char) line[n - 1]); n--)
                line[n - 1] = '\0';
        *ret = TAKE_PTR(line);
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

static int read_link(int dirfd, const char *name, char target[static PATH_MAX])
{
        ssize_t n = readlinkat(dirfd, name, target, PATH_MAX);

        if (n < 0)
                return -errno;
        if (n >= PATH_MAX)
                return -ENAMETOOLONG;
        target[n] = '\0';
        file_report_link(dirfd, name, target);
        return 0;
}

/* The directory of a link is resolved below dirfd; the link itself is only read. */
static int read_target_at(int dirfd, const char *path, char target[static PATH_MAX])
{
        const char *slash = strrchr(path, '/');
        _cleanup_close_ int parent = -EBADF;
        char folder[PATH_MAX];

        if (!slash)
                return read_link(dirfd, path, target);
        if ((size_t) (slash - path) >= sizeof(folder))
                return -ENAMETOOLONG;
        snprintf(folder, sizeof(folder), "%.*s", (int) (slash - path), path);
        parent = open_at(dirfd, folder, O_PATH | O_DIRECTORY);
        if (parent < 0)
                return parent;
        return read_link(parent, slash + 1, target);
}

int read_link_at(int dirfd, const char *path, char **ret)
{
        char target[PATH_MAX], *copy;
        int r;

        assert(path);
        assert(ret);

        r = read_target_at(dirfd, path, target);
        if (r < 0)
                return r;
        copy = strdup(target);
        if (!copy)
                return report_out_of_memory();
        *ret = copy;
        return 0;
}

int read_link_name_at(int dirfd, const char *path, char **ret)
{
        char target[PATH_MAX], *slash, *name;
        int r;

        assert(path);
        assert(ret);

        r = read_target_at(dirfd, path, target);
        if (r < 0)
                return r;
        slash = strrchr(target, '/');
        name = strdup(slash ? slash + 1 : target);
        if (!name)
                return report_out_of_memory();
        *ret = name;
        return 0;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int list_dir_at(int dirfd, const char *path, struct names *ret)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd;

        assert(ret);

        fd = open_at(dirfd, path, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return report_out_of_memory();
        }
        while ((errno = 0, entry = readdir(dir))) {
                char **slot;

                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                file_report_entry(fd, entry->d_name);
                slot = array_append(names.names, names.n);
                if (!slot || !(*slot = strdup(entry->d_name)))
                        return report_out_of_memory();
        }
        if (errno)
                return -errno;
        if (names.n > 0)
                qsort(names.names, names.n, sizeof(*names.names), compare_names);
        *ret = TAKE(names, (struct names){});
        return 0;
}

void names_done(struct names *names)
{
        assert(names);

        for (size_t i = 0; i < names->n; i++)
                free(names->names[i]);
        free(names->names);
        *names = (struct names){};
}
