/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "ctl.h"
#include "host-archive.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "verbs.h"

static int write_all(int fd, const char *name, const struct record_entry *entries, size_t n)
{
        const char *why;
        int r;

        r = archive_pack(fd, name, entries, n, &why);
        return r < 0 ? log_error(r, "Failed to write %s: %s: %m", name, why) : 0;
}

/* Unless forced, does not replace what somebody has put there meanwhile: not every file system has both
 * ways. */
static int put_in_place(const char *temporary, const char *name, bool force)
{
        int r = renameat2(AT_FDCWD, temporary, AT_FDCWD, name, force ? 0 : RENAME_NOREPLACE);

        return r < 0 && errno == EINVAL ? link(temporary, name) : r;
}

/* Under another name first, so that there is a whole archive or none. */
static int write_file(const char *name, bool force, const struct record_entry *entries, size_t n)
{
        _cleanup_close_ int fd = -EBADF;
        char temporary[PATH_MAX];
        int r;

        if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", name) >= (int) sizeof(temporary))
                return log_error(-ENAMETOOLONG, "Failed to write %s: %m", name);
        fd = mkostemp(temporary, O_CLOEXEC); /* 0600: it tells much of a host */
        if (fd < 0)
                return log_error(-errno, "Failed to write %s: %m", name);
        r = write_all(fd, name, entries, n);
        if (r >= 0 && fsync(fd) < 0)
                r = log_error(-errno, "Failed to write %s: %m", name);
        if (r >= 0 && put_in_place(temporary, name, force) < 0)
                r = errno == EEXIST
                            ? log_error(-EEXIST, "%s is there already; give another name, or --force", name)
                            : log_error(-errno, "Failed to write %s: %m", name);
        (void) unlink(temporary); /* where it still is */
        return r;
}

static int dump(const char *name, const struct options *o)
{
        const struct record_entry *entries;
        struct record *record = NULL;
        struct snapshot s;
        size_t n;
        int r;

        r = snapshot_record(&s, o, &record);
        if (r >= 0) {
                r = record_end(record, &entries, &n);
                if (r < 0)
                        log_error(r, "Failed to record the host: %m");
        }
        if (r >= 0)
                r = streq(name, "-") ? write_all(STDOUT_FILENO, name, entries, n)
                                     : write_file(name, o->force, entries, n);
        if (r >= 0 && !streq(name, "-"))
                fprintf(stderr,
                        "%s: %zu files of this host. Kernel addresses are in it; secrets of guests are left out.\n",
                        name, n);
        for (size_t i = 0; r >= 0 && i < s.findings.n_findings; i++)
                if (s.findings.findings[i].id == FINDING_FACTS_UNSEEN)
                        fprintf(stderr, "Not in it, since it could not be seen: %s.\n",
                                s.findings.findings[i].detail);
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
                log_error(-EEXIST, "%s is there already; give another name, or --force", argv[word]);
                return CTL_FAILED;
        }
        if (streq(argv[word], "-") && isatty(STDOUT_FILENO)) {
                log_error(-EINVAL, "An archive is nothing for a terminal; give a file");
                return CTL_FAILED;
        }
        return dump(argv[word], &o);
}
