/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "util/compression.h"
#include "util/macro.h"

/* A recorded host has a thousandth of this. */
#define STREAM_MAX \
        MIB(256) /* bytes behind the compression: of headers, of files, and of what is left out \
                  */
#define UNPACKED_MAX MIB(256) /* bytes of files, with their holes */
#define ENTRIES_MAX 250000    /* files, links and directories that are made */
#define DEPTH_MAX 64

DEFINE_TRIVIAL_CLEANUP(struct archive *, archive_free)

/* libarchive reads the tar from here, so whatever makes it read is counted. */
struct tar_stream {
        struct archive *raw;
        uint64_t left;
        bool is_over;
        char buffer[65536];
};

struct unpacking {
        struct archive *tar;
        int root;
        uint64_t left;
        unsigned made;
        const char *why;
};

static int unpack_refuse(struct unpacking *u, int error, const char *why)
{
        u->why = why;
        return error;
}

/* An archive_read_callback. */
static la_ssize_t read_stream(struct archive *a, void *userdata, const void **ret)
{
        struct tar_stream *s = userdata;
        la_ssize_t n = archive_read_data(s->raw, s->buffer, sizeof(s->buffer));

        if (n < 0) {
                archive_set_error(a, EBADMSG, "the compression is damaged");
                return ARCHIVE_FATAL;
        }
        if ((uint64_t) n > s->left) {
                s->is_over = true;
                archive_set_error(a, EFBIG, "too large");
                return ARCHIVE_FATAL;
        }
        s->left -= (uint64_t) n;
        *ret = s->buffer;
        return n;
}

static int find_filter(int fd)
{
        char begin[8];
        ssize_t n = pread(fd, begin, sizeof(begin), 0);

        return n < 0 ? -errno : compression_find(begin, (size_t) n);
}

static int open_stream(struct tar_stream *s, int fd)
{
        struct archive_entry *entry;
        int filter = find_filter(fd);

        if (filter < 0)
                return filter;
        if (filter != ARCHIVE_FILTER_NONE && archive_read_append_filter(s->raw, filter) < ARCHIVE_WARN)
                return -EBADMSG;
        if (archive_read_support_format_raw(s->raw) != ARCHIVE_OK ||
            archive_read_open_fd(s->raw, fd, 65536) != ARCHIVE_OK ||
            archive_read_next_header(s->raw, &entry) != ARCHIVE_OK)
                return -EBADMSG;
        return 0;
}

static int count_made(struct unpacking *u)
{
        return ++u->made > ENTRIES_MAX
                       ? unpack_refuse(u, -EFBIG, "it has too many files for a recorded host")
                       : 0;
}

static int make_directory(struct unpacking *u, int parent, const char *name)
{
        if (mkdirat(parent, name, 0700) >= 0)
                return count_made(u);
        return errno == EEXIST ? 0 : -errno;
}

/* Makes the directory where it is not there yet. Nothing is ever followed. Returns a descriptor, or -ENOTDIR
 * where something else is there. */
static int enter_directory(struct unpacking *u, int parent, const char *name)
{
        int fd, r;

        r = make_directory(u, parent, name);
        if (r < 0)
                return r;
        fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int write_blocks(struct unpacking *u, int fd, uint64_t size)
{
        for (;;) {
                const char *block;
                la_int64_t offset;
                size_t n;
                int r = archive_read_data_block(u->tar, (const void **) &block, &n, &offset);

                if (r == ARCHIVE_EOF)
                        return ftruncate(fd, (off_t) size) < 0 ? -errno : 0;
                if (r != ARCHIVE_OK || offset < 0 || (uint64_t) offset > size ||
                    n > size - (uint64_t) offset)
                        return -EBADMSG;
                while (n > 0) {
                        ssize_t k = pwrite(fd, block, n, offset);

                        if (k < 0 && errno == EINTR)
                                continue;
                        if (k < 0)
                                return -errno;
                        block += k;
                        offset += k;
                        n -= (size_t) k;
                }
        }
}

/* Of two files of one name the last one counts, as with tar(1). Nothing but a file gives way. */
static int create_file(int parent, const char *name)
{
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        int fd = openat(parent, name, flags, 0600);
        struct stat st;

        if (fd >= 0 || errno != EEXIST)
                return fd < 0 ? -errno : fd;
        if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EEXIST;
        if (unlinkat(parent, name, 0) < 0)
                return -errno;
        fd = openat(parent, name, flags, 0600);
        return fd < 0 ? -errno : fd;
}

static int make_file(struct unpacking *u, struct archive_entry *entry, int parent, const char *name)
{
        _cleanup_close_ int fd = -EBADF;
        la_int64_t size = archive_entry_size(entry);

        if (size < 0 || (uint64_t) size > u->left)
                return -EFBIG;
        u->left -= (uint64_t) size;
        fd = create_file(parent, name);
        if (fd < 0)
                return fd;
        return write_blocks(u, fd, (uint64_t) size);
}

static int make_entry(struct unpacking *u, struct archive_entry *entry, int parent, const char *name)
{
        const char *target;
        int r;

        if (archive_entry_filetype(entry) == AE_IFDIR) {
                _cleanup_close_ int fd = enter_directory(u, parent, name);

                return fd < 0 ? fd : 0;
        }
        r = count_made(u);
        if (r < 0)
                return r;
        if (archive_entry_filetype(entry) == AE_IFREG)
                return make_file(u, entry, parent, name);
        target = archive_entry_symlink(entry) ?: archive_entry_symlink_utf8(entry);
        if (!target)
                return -EBADMSG;
        return symlinkat(target, parent, name) < 0 ? -errno : 0;
}

/* Unpacks what `path` names, below `parent`. The path is taken apart. */
static int unpack_below(struct unpacking *u, struct archive_entry *entry, char *path)
{
        _cleanup_close_ int parent = -EBADF;
        char *save = NULL, *name = NULL;
        unsigned depth = 0;

        parent = fcntl(u->root, F_DUPFD_CLOEXEC, 3);
        if (parent < 0)
                return -errno;
        for (char *part = strtok_r(path, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
                if (streq(part, "."))
                        continue;
                if (streq(part, ".."))
                        return unpack_refuse(u, -EBADMSG, "a path in it has '..'");
                if (++depth > DEPTH_MAX)
                        return unpack_refuse(u, -EFBIG, "a path in it is too deep for a recorded host");
                if (name) {
                        int next = enter_directory(u, parent, name);

                        if (next < 0)
                                return next;
                        close(parent);
                        parent = next;
                }
                name = part;
        }
        if (name)
                return make_entry(u, entry, parent, name);
        /* "tar -c ." begins with its own directory, which is there. */
        if (archive_entry_filetype(entry) == AE_IFDIR)
                return 0;
        return unpack_refuse(u, -EBADMSG, "it would replace the directory that it is unpacked in");
}

static int unpack_entry(struct unpacking *u, struct archive_entry *entry)
{
        const char *name = archive_entry_pathname(entry) ?: archive_entry_pathname_utf8(entry);
        mode_t type = archive_entry_filetype(entry);
        _cleanup_free_ char *path = NULL;
        int r;

        /* Only what a recording has: a recorded host is somebody else's data. */
        if (archive_entry_hardlink(entry) || (type != AE_IFREG && type != AE_IFLNK && type != AE_IFDIR))
                return 0;
        if (!name)
                return -EBADMSG;
        if (*name == '/')
                return unpack_refuse(u, -EBADMSG, "a path in it is absolute");
        path = strdup(name);
        if (!path)
                return -ENOMEM;
        r = unpack_below(u, entry, path);
        if (r == -EEXIST || r == -ENOTDIR)
                return unpack_refuse(u, -EBADMSG,
                                     "one of its files would replace another one, or be below a link");
        if (r == -ENAMETOOLONG || r == -EINVAL)
                return -EBADMSG;
        return r;
}

static int unpack_entries(struct unpacking *u)
{
        struct archive_entry *entry;

        for (bool any = false;; any = true) {
                int state = archive_read_next_header(u->tar, &entry), r;

                if (state == ARCHIVE_EOF)
                        return any ? 0 : -EBADMSG;
                if (state != ARCHIVE_OK && state != ARCHIVE_WARN)
                        return -EBADMSG;
                r = unpack_entry(u, entry);
                if (r < 0)
                        return r;
        }
}

static int unpack_stream(struct unpacking *u, struct tar_stream *s)
{
        int r;

        if (archive_read_support_format_tar(u->tar) != ARCHIVE_OK ||
            archive_read_open(u->tar, s, NULL, read_stream, NULL) != ARCHIVE_OK)
                r = -EBADMSG;
        else
                r = unpack_entries(u);
        /* To libarchive, the end of the stream is as if the archive were damaged. */
        return s->is_over ? -EFBIG : r;
}

int archive_unpack(const char *path, int dirfd, const char **ret_why)
{
        _cleanup_(archive_freep) struct archive *raw = archive_read_new(), *tar = archive_read_new();
        _cleanup_free_ struct tar_stream *stream = calloc(1, sizeof(*stream));
        struct unpacking u = { .tar = tar, .root = dirfd, .left = UNPACKED_MAX };
        _cleanup_close_ int fd = -EBADF;
        int r;

        assert(path);
        assert(dirfd >= 0);
        assert(ret_why);

        *ret_why = "out of memory";
        if (!raw || !tar || !stream)
                return -ENOMEM;
        *ret_why = "it cannot be read";
        fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *stream = (struct tar_stream){ .raw = raw, .left = STREAM_MAX };
        r = open_stream(stream, fd);
        if (r == -EBADMSG)
                *ret_why = "it is not a tar archive";
        if (r < 0)
                return r;
        r = unpack_stream(&u, stream);
        if (r == -EFBIG)
                *ret_why = u.why ?: "it is too large for a recorded host";
        else if (r == -EBADMSG)
                *ret_why = u.why ?: "the archive is damaged, or not a recorded host";
        else if (r < 0)
                *ret_why = "its files cannot be written";
        return r;
}
