/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "path-roots.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "macro.h"

#define LINKS_MAX 40      /* as many as the kernel follows */
#define USER_GID_MIN 1000 /* login.defs(5) */

struct walk {
        int rootfd;
        char done[PATH_MAX]; /* walked, without symlinks; relative to rootfd, "." for it */
        char rest[PATH_MAX];
        unsigned n_links;
};

/* With an access control list, the bits of the group are the list's mask. */
static bool has_acl(const struct walk *w)
{
        char path[PATH_MAX + 32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", w->rootfd, w->done);
        return getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

static bool is_roots(const struct walk *w, const struct stat *st)
{
        if (st->st_uid != 0)
                return false;
        if (S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
                return true;
        if (st->st_mode & S_IWOTH)
                return false;
        return !(st->st_mode & S_IWGRP) || (st->st_gid < USER_GID_MIN && !has_acl(w));
}

/* Moves the first component of `rest` to the end of `done`. */
static bool take_component(struct walk *w)
{
        char *name = w->rest + strspn(w->rest, "/"), *slash;
        size_t n = strcspn(name, "/"), size = strlen(w->done);

        if (n == 2 && memcmp(name, "..", 2) == 0) {
                slash = strrchr(w->done, '/');
                strcpy(slash ? slash : w->done, slash ? "" : ".");
        } else if (n > 0 && !(n == 1 && *name == '.')) {
                if (size + n + 2 > sizeof(w->done))
                        return false;
                if (streq(w->done, "."))
                        size = 0;
                else
                        w->done[size++] = '/';
                memcpy(w->done + size, name, n);
                w->done[size + n] = '\0';
        }
        memmove(w->rest, name + n, strlen(name + n) + 1);
        return true;
}

/* `done` is a symlink: puts what it says in front of `rest`. */
static bool follow_link(struct walk *w)
{
        char target[PATH_MAX], rest[PATH_MAX], *slash;
        ssize_t n = readlinkat(w->rootfd, w->done, target, sizeof(target) - 1);

        if (n <= 0 || ++w->n_links > LINKS_MAX)
                return false;
        target[n] = '\0';
        strcpy(rest, w->rest);
        if (snprintf(w->rest, sizeof(w->rest), "%s/%s", target, rest) >= (int) sizeof(w->rest))
                return false;
        slash = target[0] == '/' ? NULL : strrchr(w->done, '/');
        strcpy(slash ? slash : w->done, slash ? "" : ".");
        return true;
}

bool path_is_roots(int rootfd, const char *path)
{
        struct walk w = { .rootfd = rootfd, .done = "." };
        struct stat st;

        assert(path);

        if (snprintf(w.rest, sizeof(w.rest), "%s", path) >= (int) sizeof(w.rest))
                return false;
        for (;;) {
                if (fstatat(rootfd, w.done, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
                    !is_roots(&w, &st))
                        return false;
                if (S_ISLNK(st.st_mode)) {
                        if (!follow_link(&w))
                                return false;
                        continue;
                }
                if (w.rest[strspn(w.rest, "/")] == '\0')
                        return true;
                if (!S_ISDIR(st.st_mode) || !take_component(&w))
                        return false;
        }
}
