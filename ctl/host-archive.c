/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "util/macro.h"

#define UNPACKED_MAX MIB(256)
#define ENTRIES_MAX 1000000

DEFINE_TRIVIAL_CLEANUP(struct archive *, archive_free)
DEFINE_TRIVIAL_CLEANUP(struct archive_entry *, archive_entry_free)

static bool ends_with(const char *s, const char *suffix)
{
        size_t n = strlen(s), k = strlen(suffix);

        return n >= k && streq(s + n - k, suffix);
}

static int set_filter(struct archive *a, const char *name)
{
        if (ends_with(name, ".tar"))
                return archive_write_add_filter_none(a);
        if (ends_with(name, ".xz"))
                return archive_write_add_filter_xz(a);
        if (ends_with(name, ".zst"))
                return archive_write_add_filter_zstd(a);
        if (archive_write_add_filter_gzip(a) != ARCHIVE_OK)
                return ARCHIVE_FATAL;
        return archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
}

static unsigned entry_type(const struct record_entry *e)
{
        switch (e->kind) {
        case FILE_LINK:
                return AE_IFLNK;
        case FILE_DIRECTORY:
                return AE_IFDIR;
        default:
                return AE_IFREG;
        }
}

static int write_entry(struct archive *a, const struct record_entry *e)
{
        _cleanup_(archive_entry_freep) struct archive_entry *entry = archive_entry_new();

        if (!entry)
                return ARCHIVE_FATAL;
        archive_entry_set_pathname(entry, e->path);
        archive_entry_set_mtime(entry, 0, 0);
        archive_entry_set_perm(entry, e->kind == FILE_CONTENT ? 0644 : 0755);
        archive_entry_set_filetype(entry, entry_type(e));
        if (e->kind == FILE_LINK)
                archive_entry_set_symlink(entry, e->data);
        archive_entry_set_size(entry, e->kind == FILE_CONTENT ? (la_int64_t) e->size : 0);
        if (archive_write_header(a, entry) != ARCHIVE_OK)
                return ARCHIVE_FATAL;
        if (e->kind == FILE_CONTENT && archive_write_data(a, e->data, e->size) != (la_ssize_t) e->size)
                return ARCHIVE_FATAL;
        return ARCHIVE_OK;
}

int archive_pack(int fd, const char *name, const struct record_entry *entries, size_t n,
                 const char **ret_why)
{
        _cleanup_(archive_freep) struct archive *a = archive_write_new();

        *ret_why = "the archive could not be written";
        if (!a || archive_write_set_format_pax_restricted(a) != ARCHIVE_OK)
                return -ENOMEM;
        if (set_filter(a, name) != ARCHIVE_OK) {
                *ret_why = "this build cannot compress that way";
                return -EOPNOTSUPP;
        }
        if (archive_write_open_fd(a, fd) != ARCHIVE_OK)
                return -EIO;
        for (size_t i = 0; i < n; i++)
                if (write_entry(a, &entries[i]) != ARCHIVE_OK)
                        return archive_errno(a) > 0 ? -archive_errno(a) : -EIO;
        if (archive_write_close(a) != ARCHIVE_OK)
                return archive_errno(a) > 0 ? -archive_errno(a) : -EIO;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

void archive_remove(const char *dir)
{
        if (dir)
                (void) nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Only what a recording has: a recorded host is somebody else's data. */
static bool is_welcome(struct archive_entry *entry)
{
        mode_t type = archive_entry_filetype(entry);

        return !archive_entry_hardlink(entry) && (type == AE_IFREG || type == AE_IFLNK || type == AE_IFDIR);
}

static int copy_entry(struct archive *from, struct archive *to, struct archive_entry *entry, const char *dir,
                      uint64_t *left)
{
        _cleanup_free_ char *path = NULL;
        const void *block;
        size_t size;
        la_int64_t offset;

        if (asprintf(&path, "%s/%s", dir, archive_entry_pathname(entry)) < 0)
                return -ENOMEM;
        archive_entry_set_pathname(entry, path);
        archive_entry_set_perm(entry, archive_entry_filetype(entry) == AE_IFREG ? 0600 : 0700);
        if (archive_write_header(to, entry) != ARCHIVE_OK)
                return -EBADMSG;
        for (;;) {
                int r = archive_read_data_block(from, &block, &size, &offset);

                if (r == ARCHIVE_EOF)
                        return archive_write_finish_entry(to) == ARCHIVE_OK ? 0 : -EIO;
                if (r != ARCHIVE_OK)
                        return -EBADMSG;
                if (offset < 0 || (uint64_t) offset > UNPACKED_MAX || size > *left)
                        return -EFBIG;
                *left -= size;
                if (archive_write_data_block(to, block, size, offset) != ARCHIVE_OK)
                        return -EIO;
        }
}

static int unpack_entries(struct archive *from, struct archive *to, const char *dir)
{
        uint64_t left = UNPACKED_MAX;
        struct archive_entry *entry;

        for (size_t i = 0;; i++) {
                int state = archive_read_next_header(from, &entry), r;

                if (state == ARCHIVE_EOF)
                        return i > 0 ? 0 : -EBADMSG;
                if (state != ARCHIVE_OK && state != ARCHIVE_WARN)
                        return -EBADMSG;
                if (i == ENTRIES_MAX)
                        return -EFBIG;
                if (!is_welcome(entry))
                        continue;
                r = copy_entry(from, to, entry, dir, &left);
                if (r < 0)
                        return r;
        }
}

static int unpack_archive(struct archive *from, struct archive *to, const char *dir)
{
        int r = unpack_entries(from, to, dir);

        if (r < 0)
                return r;
        return archive_write_close(to) == ARCHIVE_OK ? 0 : -EIO;
}

int archive_unpack(const char *path, char **ret_dir, const char **ret_why)
{
        _cleanup_(archive_freep) struct archive *from = archive_read_new(), *to = archive_write_disk_new();
        _cleanup_free_ char *dir = NULL;
        int r;

        *ret_why = "out of memory";
        if (!from || !to || asprintf(&dir, "%s/vfioalign-XXXXXX", getenv("TMPDIR") ?: "/tmp") < 0)
                return -ENOMEM;
        archive_read_support_format_tar(from);
        archive_read_support_filter_all(from);
        archive_write_disk_set_options(to, ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                                                   ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_PERM);
        *ret_why = "it is not a tar archive";
        if (archive_read_open_filename(from, path, 65536) != ARCHIVE_OK)
                return archive_errno(from) == ENOENT || archive_errno(from) == EACCES ? -archive_errno(from)
                                                                                      : -EBADMSG;
        *ret_why = "failed to create a directory for its files";
        if (!mkdtemp(dir))
                return -errno;

        r = unpack_archive(from, to, dir);
        if (r < 0) {
                *ret_why = r == -EFBIG ? "it is too large for a recorded host"
                                       : "the archive is damaged, or not a recorded host";
                archive_remove(dir);
                return r;
        }
        *ret_dir = TAKE_PTR(dir);
        return 0;
}
