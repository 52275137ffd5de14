/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#include "util/macro.h"

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
