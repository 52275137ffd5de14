/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "ctl.h"
#include "host-archive.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"
#include "verbs.h"

static int write_all(int fd, const char *name, const struct record_entry *entries, size_t n)
{
        const char *why;
        int r;

        r = archive_pack(fd, name, entries, n, &why);
        return r < 0 ? log_error(r, "Failed to write '%s': %s: %m", name, why) : 0;
}

/* Unless forced, does not replace what somebody has put there in the meantime. Not every file system can
 * rename without replacing, and not every one has hard links. */
static int put_in_place(const char *temporary, const char *name, bool force)
{
        int r = renameat2(AT_FDCWD, temporary, AT_FDCWD, name, force ? 0 : RENAME_NOREPLACE);

        return r < 0 && errno == EINVAL ? link(temporary, name) : r;
}

static int write_temporary(int fd, const char *temporary, const char *name, bool force,
                           const struct record_entry *entries, size_t n)
{
        int r;

        r = write_all(fd, name, entries, n);
        if (r < 0)
                return r;
        if (fsync(fd) < 0)
                return log_error(-errno, "Failed to write '%s': %m", name);
        if (put_in_place(temporary, name, force) >= 0)
                return 0;
        if (errno == EEXIST)
                return log_error(-EEXIST, "'%s' already exists; give another name, or --force", name);
        return log_error(-errno, "Failed to write '%s': %m", name);
}

/* Writes under another name first, so there is a whole archive or none. */
static int write_file(const char *name, bool force, const struct record_entry *entries, size_t n)
{
        _cleanup_close_ int fd = -EBADF;
        char temporary[PATH_MAX];
        int r;

        if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", name) >= (int) sizeof(temporary))
                return log_error(-ENAMETOOLONG, "Failed to write '%s': %m", name);
        fd = mkostemp(temporary, O_CLOEXEC); /* 0600: it reveals much of a host */
        if (fd < 0)
                return log_error(-errno, "Failed to write '%s': %m", name);
        r = write_temporary(fd, temporary, name, force, entries, n);
        (void) unlink(temporary); /* where it still is */
        return r;
}

static void print_summary(const char *name, size_t n, const struct findings *f)
{
        if (!streq(name, "-"))
                print_line(stderr,
                           "%s: %zu files of this host. It contains kernel addresses and the names "
                           "of guests; see dump in vfioalignctl(1) for what is left out.",
                           name, n);
        for (size_t i = 0; i < f->n_findings; i++)
                if (f->findings[i].id == FINDING_FACTS_UNSEEN)
                        print_line(stderr, "Not in it, because it could not be seen: %s.",
                                   f->findings[i].detail);
}

static int write_record(struct record *record, const struct snapshot *s, const char *name, bool force)
{
        const struct record_entry *entries;
        size_t n;
        int r;

        r = record_end(record, &entries, &n);
        if (r < 0)
                return log_error(r, "Failed to record the host: %m");
        r = streq(name, "-") ? write_all(STDOUT_FILENO, name, entries, n)
                             : write_file(name, force, entries, n);
        if (r < 0)
                return r;
        print_summary(name, n, &s->findings);
        return 0;
}

static int dump_host(const char *name, const struct options *o)
{
        struct record *record = NULL;
        struct snapshot s;
        int r;

        r = snapshot_record(&s, o, &record);
        r = r < 0 ? r : write_record(record, &s, name, o->force);
        record_free(record);
        snapshot_done(&s);
        return r < 0 ? CTL_FAILED : CTL_OK;
}

int verb_dump(int argc, char *argv[])
{
        struct options o;
        int word = options_parse(argc, argv, OPTION_ROOT | OPTION_FORCE, 1, 1, &o);

        if (word < 0)
                return -word;
        if (!o.force && !streq(argv[word], "-") && access(argv[word], F_OK) >= 0) {
                log_error(-EEXIST, "'%s' already exists; give another name, or --force", argv[word]);
                return CTL_FAILED;
        }
        if (streq(argv[word], "-") && isatty(STDOUT_FILENO)) {
                log_error(-EINVAL, "An archive cannot be written to a terminal; give a file");
                return CTL_FAILED;
        }
        return dump_host(argv[word], &o);
}
