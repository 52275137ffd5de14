/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fuse-server.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

int fixture_setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        const char *base = getenv("TMPDIR") ?: "/tmp";

        if (!f || asprintf(&f->dir, "%s/vfioalign-test-XXXXXX", base) < 0 || !mkdtemp(f->dir))
                return -1;
        *state = f;
        return root_open(&f->root, f->dir);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

int fixture_teardown(void **state)
{
        struct fixture *f = *state;

        if (f->stalled) {
                (void) umount2(f->stalled, MNT_DETACH);
                close(f->stalled_device);
                free(f->stalled);
        }
        (void) nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        root_close(&f->root);
        free(f->dir);
        free(f);
        return 0;
}

const char *fixture_path(struct fixture *f, const char *path)
{
        static char buffer[PATH_MAX];

        snprintf(buffer, sizeof(buffer), "%s/%s", f->dir, path);
        return buffer;
}

static void make_parents(struct fixture *f, const char *path)
{
        char parent[PATH_MAX];

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(parent, sizeof(parent), "%.*s", (int) (slash - path), path);
                if (mkdirat(f->root.fd, parent, 0755) < 0)
                        assert_int_equal(errno, EEXIST);
        }
}

void fixture_write_bytes(struct fixture *f, const char *path, const void *bytes, size_t size)
{
        _cleanup_close_ int fd = -EBADF;

        make_parents(f, path);
        fd = openat(f->root.fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), size);
}

void fixture_write(struct fixture *f, const char *path, const char *text)
{
        fixture_write_bytes(f, path, text, strlen(text));
}

void fixture_link(struct fixture *f, const char *path, const char *target)
{
        make_parents(f, path);
        assert_int_equal(symlinkat(target, f->root.fd, path), 0);
}

void fixture_copy(struct fixture *f, const char *path, const char *from)
{
        _cleanup_free_ char *bytes = NULL;
        size_t size;

        assert_ok(read_file_at(AT_FDCWD, from, FILE_MAX_SIZE, &bytes, &size));
        fixture_write_bytes(f, path, bytes, size);
}

void fixture_remove(struct fixture *f, const char *path)
{
        if (unlinkat(f->root.fd, path, 0) < 0)
                assert_ok(nftw(fixture_path(f, path), remove_entry, 16, FTW_DEPTH | FTW_PHYS));
}

/* Who waits for it in spite of everything is ended. */
#define STALL_SECONDS 120

void fixture_stall(struct fixture *f, const char *path)
{
        static bool separate;
        char name[PATH_MAX];

        snprintf(name, sizeof(name), "%s/x", path);
        make_parents(f, name);
        if (!separate && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                skip();
        separate = true;
        root_close(&f->root); /* of the old namespace */
        assert_ok(root_open(&f->root, f->dir));
        f->stalled_device = fuse_mount(fixture_path(f, path));
        if (f->stalled_device < 0)
                skip(); /* no /dev/fuse */
        f->stalled = strdup(fixture_path(f, path));
        assert_non_null(f->stalled);
        alarm(STALL_SECONDS * test_slower());
}
