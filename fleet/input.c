/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "input.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "util/compression.h"
#include "util/file.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(struct archive *, archive_free)

struct input {
        struct documents *documents;
        on_input_error_t on_error;
        void *userdata;
        const char *path; /* of the file that is being read */

        int fd;
        size_t n_begin; /* bytes of `buffer` that were read to see how it is compressed, and not yet given on
                         */
        char buffer[65536];
};

static ssize_t read_again(int fd, char *buffer, size_t size)
{
        ssize_t n;

        do
                n = read(fd, buffer, size);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

static void report_error(struct input *in, int error, const char *failed)
{
        in->on_error(in->path, error, failed, in->userdata);
}

/* An archive_read_callback. */
static la_ssize_t read_compressed(struct archive *a, void *userdata, const void **ret)
{
        struct input *in = userdata;
        ssize_t n = (ssize_t) TAKE(in->n_begin, 0);

        if (n == 0)
                n = read_again(in->fd, in->buffer, sizeof(in->buffer));
        if (n < 0) {
                archive_set_error(a, (int) -n, "failed to read");
                return ARCHIVE_FATAL;
        }
        *ret = in->buffer;
        return n;
}

/* Returns what documents_feed() returned. */
static int feed_archive(struct input *in, struct archive *a)
{
        for (;;) {
                char text[65536];
                la_ssize_t n = archive_read_data(a, text, sizeof(text));
                int r;

                if (n < 0)
                        report_error(in, -EBADMSG, "the compression is damaged");
                if (n <= 0)
                        return 0;
                r = documents_feed(in->documents, text, (size_t) n);
                if (r < 0)
                        return r;
        }
}

static int read_filtered(struct input *in, int filter)
{
        _cleanup_(archive_freep) struct archive *a = archive_read_new();
        struct archive_entry *entry;

        if (!a)
                return -ENOMEM;
        if (archive_read_append_filter(a, filter) < ARCHIVE_WARN ||
            archive_read_support_format_raw(a) != ARCHIVE_OK ||
            archive_read_open(a, in, NULL, read_compressed, NULL) != ARCHIVE_OK ||
            archive_read_next_header(a, &entry) != ARCHIVE_OK) {
                report_error(in, -EBADMSG, "the compression is damaged");
                return 0;
        }
        return feed_archive(in, a);
}

static int read_plain(struct input *in)
{
        ssize_t n = (ssize_t) TAKE(in->n_begin, 0);

        while (n > 0) {
                int r = documents_feed(in->documents, in->buffer, (size_t) n);

                if (r < 0)
                        return r;
                n = read_again(in->fd, in->buffer, sizeof(in->buffer));
        }
        if (n < 0)
                report_error(in, (int) n, "failed to read it");
        return 0;
}

/* A pipe can give few bytes at first. */
static int read_begin(struct input *in)
{
        while (in->n_begin < 8) {
                ssize_t n = read_again(in->fd, in->buffer + in->n_begin, sizeof(in->buffer) - in->n_begin);

                if (n < 0)
                        return (int) n;
                if (n == 0)
                        return 0;
                in->n_begin += (size_t) n;
        }
        return 0;
}

static int read_file(struct input *in, const char *path, int fd)
{
        int filter, r, q;

        in->path = path;
        in->fd = fd;
        in->n_begin = 0;
        r = read_begin(in);
        if (r < 0) {
                report_error(in, r, "failed to read it");
                return 0;
        }
        filter = compression_find(in->buffer, in->n_begin);
        r = filter == ARCHIVE_FILTER_NONE ? read_plain(in) : read_filtered(in, filter);
        q = documents_end(in->documents); /* whatever became of it */
        return r < 0 ? r : q;
}

static bool is_hidden(const char *name)
{
        return *name == '.';
}

/* A file that is gone since it was listed is not missed. Nothing but a regular file is opened: a FIFO would
 * make us wait. */
static int read_member(struct input *in, int dir, const char *directory, const char *name)
{
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (is_hidden(name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return 0;
        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) {
                in->path = path;
                if (errno != ENOENT)
                        report_error(in, -errno, "failed to open it");
                return 0;
        }
        return read_file(in, path, fd);
}

static int read_directory(struct input *in, const char *path, int dir)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = list_dir_at(dir, ".", &names);
        if (r < 0) {
                report_error(in, r, "failed to list it");
                return r == -ENOMEM ? r : 0;
        }
        for (size_t i = 0; i < names.n; i++) {
                r = read_member(in, dir, path, names.names[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int input_read(const char *path, struct documents *d, on_input_error_t on_error, void *userdata)
{
        struct input in = { .documents = d, .on_error = on_error, .userdata = userdata, .path = path };
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        assert(path);
        assert(d);
        assert(on_error);

        if (streq(path, "-"))
                return read_file(&in, "standard input", STDIN_FILENO);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0) {
                report_error(&in, -errno, "failed to open it");
                return 0;
        }
        return S_ISDIR(st.st_mode) ? read_directory(&in, path, fd) : read_file(&in, path, fd);
}
