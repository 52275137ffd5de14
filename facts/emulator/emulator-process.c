/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "emulator-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define DELETED " (deleted)" /* behind the target of /proc/PID/exe, see proc(5) */

/* A running program, before it is known whether another process runs the same. */
struct running {
        int fd; /* of the file; -EBADF on a recorded host */
        struct stat stat;
        char *path; /* as its own namespace names it, "(deleted)" removed */
        bool replaced, container;
        const char *why; /* why it cannot be seen */
};

static void running_done(struct running *p)
{
        closep(&p->fd);
        free(p->path);
}

/* A file as the process itself would find it, with its links: in its own root. */
static int stat_in_process(int process, const char *path, struct stat *ret)
{
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
        _cleanup_close_ int top = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;

        if (top < 0)
                return -errno;
        fd = (int) syscall(SYS_openat2, top, path, &how, sizeof(how));
        if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* a sandbox: then without links */
                fd = openat(top, path + strspn(path, "/"), O_PATH | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 || fstat(fd, ret) < 0 ? -errno : 0;
}

static bool is_same_inode(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Does the path lead to that file here, too? */
static bool is_ours(const struct running *p, const struct root *root)
{
        struct stat st;

        return stat_at(root->fd, p->path + strspn(p->path, "/"), &st) >= 0 && is_same_inode(&st, &p->stat);
}

/* libvirt gives each QEMU a mount namespace of its own, but with the host's root and files: that is no
 * container. */
static bool has_other_root(int process, const struct root *root)
{
        struct stat ours, its;

        return fstat(root->fd, &ours) >= 0 && fstatat(process, "root/", &its, 0) >= 0 &&
               (ours.st_dev != its.st_dev || ours.st_ino != its.st_ino);
}

static void strip_deleted(char *path)
{
        size_t n = strlen(path), suffix = strlen(DELETED);

        if (n > suffix && streq(path + n - suffix, DELETED))
                path[n - suffix] = '\0';
}

/* Opens what the process runs through the magic link, which leads to files that have no path (any more). */
static int look_live(struct running *p, const struct root *root, pid_t pid)
{
        _cleanup_close_ int process = -EBADF;
        char name[sizeof("proc//exe") + 11];
        struct stat there;
        int r;

        snprintf(name, sizeof(name), "proc/%d", pid);
        process = openat(root->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process >= 0)
                p->fd = openat(process, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (process < 0 || p->fd < 0) {
                p->why = emulator_why(errno == EACCES || errno == EPERM ? WHY_NO_PERMISSION
                                                                        : WHY_PROCESS_GONE);
                return 0;
        }
        snprintf(name, sizeof(name), "proc/%d/exe", pid);
        r = read_link_at(root->fd, name, &p->path);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || fstat(p->fd, &p->stat) < 0) {
                p->why = emulator_why(WHY_PROCESS_GONE);
                return 0;
        }
        strip_deleted(p->path);
        if (is_ours(p, root))
                return 0;
        r = stat_in_process(process, p->path, &there);
        p->replaced = r == -ENOENT || r == -ENOTDIR || (r >= 0 && !is_same_inode(&there, &p->stat));
        p->container = !p->replaced || has_other_root(process, root);
        return 0;
}

static void note_running(const struct running *p, const struct root *root, const char *pid)
{
        _cleanup_free_ char *answer = NULL;
        const char *where = p->container && p->replaced ? "container,replaced"
                            : p->container              ? "container"
                            : p->replaced               ? "replaced"
                                                        : "here";

        if (asprintf(&answer, "%s %s", p->why ? "unseen" : where, p->why ?: p->path) < 0)
                answer = NULL;
        else
                emulator_note(root, "emulator-process", pid, answer);
}

/* What was noted, or else what the recorded link tells. */
static int look_recorded(struct running *p, const struct root *root, const char *pid)
{
        _cleanup_free_ char *answer = emulator_ask(root, "emulator-process", pid);
        char link[sizeof("proc//exe") + 11], *rest;
        int r;

        if (!answer) {
                snprintf(link, sizeof(link), "proc/%s/exe", pid);
                r = read_link_at(root->fd, link, &p->path);
                if (r < 0) {
                        p->why = emulator_why(WHY_NOT_RECORDED);
                        return r == -ENOMEM ? r : 0;
                }
                r = (int) strlen(p->path);
                strip_deleted(p->path);
                p->replaced = (size_t) r != strlen(p->path);
                return 0;
        }
        rest = strchrnul(answer, ' ');
        if (*rest)
                *rest++ = '\0';
        if (streq(answer, "unseen") || *rest != '/') {
                p->why = emulator_why_from_text(rest);
                return 0;
        }
        p->container = startswith(answer, "container");
        p->replaced = strstr(answer, "replaced");
        p->path = strdup(rest);
        return p->path ? 0 : -ENOMEM;
}

/* The code of a file that is not to be had by a path of the host's. */
static int read_code(struct emulator *e, const struct running *p, const struct root *root, const char *pid)
{
        _cleanup_free_ char *answer = NULL;
        int r;

        if (p->fd >= 0) {
                r = emulator_code_read(e, p->fd);
                return r == -ENOEXEC ? 0 : r;
        }
        answer = emulator_ask(root, "emulator-code", pid);
        return emulator_code_from_answer(e, answer ?: "");
}

static bool is_same_running(const struct emulator *e, const struct running *p, const char *build_id)
{
        if (e->replaced != p->replaced || e->container != p->container)
                return false;
        if (p->fd >= 0 && emulator_is_same_file(&e->stat, &p->stat))
                return true;
        /* Containers of one image have the file on a file system each. */
        return build_id && e->build_id && streq(e->build_id, build_id) && streq(e->path, p->path) &&
               e->stat.st_size == p->stat.st_size;
}

static size_t find_running(const struct emulator_facts *f, const struct running *p, const char *build_id)
{
        size_t i = 0;

        while (i < f->n_emulators && !is_same_running(&f->emulators[i], p, build_id))
                i++;
        return i;
}

/* Finds the entry of that file, or makes one: index in *ret. */
static int place(struct emulator_facts *f, const struct running *p, const struct root *root, const char *pid,
                 size_t *ret)
{
        _cleanup_(emulator_done) struct emulator new = {
                .stat = p->stat,
                .replaced = p->replaced,
                .container = p->container,
        };
        struct emulator *slot;
        size_t i = f->n_emulators;
        int r;

        if (!p->replaced && !p->container) {
                r = emulator_facts_find(f, root, p->path, ret);
                if (r != -ENOENT)
                        return r;
        }
        if (p->fd >= 0)
                i = find_running(f, p, NULL);
        if (i == f->n_emulators) {
                r = read_code(&new, p, root, pid);
                if (r < 0)
                        return r;
                i = find_running(f, p, new.build_id);
        }
        if (i == f->n_emulators) {
                new.path = strdup(p->path);
                slot = new.path ? array_append(f->emulators, f->n_emulators) : NULL;
                if (!slot)
                        return -ENOMEM;
                *slot = TAKE(new, (struct emulator){});
        }
        *ret = i;
        return 0;
}

static int look_and_place(struct emulator_facts *f, const struct root *root, pid_t pid,
                          struct emulator_process *entry)
{
        _cleanup_(running_done) struct running p = { .fd = -EBADF };
        _cleanup_free_ char *code = NULL;
        char name[12];
        int r;

        snprintf(name, sizeof(name), "%d", pid);
        r = root->live ? look_live(&p, root, pid) : look_recorded(&p, root, name);
        if (r < 0)
                return r;
        note_running(&p, root, name);
        if (p.why) {
                entry->why = p.why;
                return 0;
        }
        r = place(f, &p, root, name, &entry->emulator);
        if (r < 0)
                return r;
        f->emulators[entry->emulator].n_processes++;
        if (p.replaced || p.container) {
                code = emulator_code_to_answer(&f->emulators[entry->emulator]);
                if (!code)
                        return -ENOMEM;
                emulator_note(root, "emulator-code", name, code);
        }
        return 0;
}

static const struct emulator_process *find_process(const struct emulator_facts *f, pid_t pid)
{
        for (size_t i = 0; i < f->n_processes; i++)
                if (f->processes[i].pid == pid)
                        return &f->processes[i];
        return NULL;
}

int emulator_facts_add_process(struct emulator_facts *f, const struct root *root, pid_t pid)
{
        struct emulator_process entry = { .pid = pid, .emulator = EMULATOR_NOT_SEEN }, *slot;
        int r;

        if (find_process(f, pid))
                return 0;
        r = look_and_place(f, root, pid, &entry);
        if (r < 0)
                return r;
        slot = array_append(f->processes, f->n_processes);
        if (!slot)
                return -ENOMEM;
        *slot = entry;
        return 0;
}

const struct emulator *emulator_facts_of_process(const struct emulator_facts *f, pid_t pid)
{
        const struct emulator_process *p = find_process(f, pid);

        return p && p->emulator < f->n_emulators ? &f->emulators[p->emulator] : NULL;
}
