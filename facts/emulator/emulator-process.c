/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "emulator-internal.h"
#include "util/array.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/process-file.h"

#define DELETED " (deleted)" /* behind the target of /proc/PID/exe, see proc(5) */

/* The program of a process, before we know whether another process runs the same one. */
struct running {
        int fd; /* of the file; -EBADF on a recorded host */
        struct stat stat;
        char *path; /* as its own namespace names it, without DELETED */
        bool replaced, container;
        const char *why; /* static: why it cannot be seen, or NULL */
        char *code;      /* of a stranger's: what a child found, as emulator_code_to_answer() writes it */
};

static void running_done(struct running *p)
{
        closep(&p->fd);
        free(p->path);
        free(p->code);
}

/* The file that the process itself would find at that path, in its own root and with its symlinks. */
static int stat_in_process(int process, const char *path, struct stat *ret)
{
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
        _cleanup_close_ int top = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;

        if (top < 0)
                return -errno;
        fd = (int) syscall(SYS_openat2, top, path, &how, sizeof(how));
        if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* in a sandbox: without symlinks */
                fd = openat(top, path + strspn(path, "/"), O_PATH | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, ret) < 0)
                return -errno;
        return 0;
}

static bool is_same_inode(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Does the path lead to that file on the host, too? */
static bool is_ours(const struct running *p, const struct root *root)
{
        struct stat st;

        return stat_at(root->fd, p->path + strspn(p->path, "/"), &st) >= 0 && is_same_inode(&st, &p->stat);
}

/* A mount namespace alone does not make a container: libvirt gives each QEMU one, with the host's root. */
static bool has_other_root(int process, const struct root *root)
{
        struct stat ours, its;

        return fstat(root->fd, &ours) >= 0 && fstatat(process, "root/", &its, 0) >= 0 &&
               (ours.st_dev != its.st_dev || ours.st_ino != its.st_ino);
}

/* Returns whether it was there. */
static bool strip_deleted(char *path)
{
        size_t n = strlen(path), suffix = strlen(DELETED);

        if (n <= suffix || !streq(path + n - suffix, DELETED))
                return false;
        path[n - suffix] = '\0';
        return true;
}

/* Opens the program through the magic link, which also leads to files that have no path any more. */
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
        (void) strip_deleted(p->path);
        if (is_ours(p, root))
                return 0;
        r = stat_in_process(process, p->path, &there);
        p->replaced = r == -ENOENT || r == -ENOTDIR || (r >= 0 && !is_same_inode(&there, &p->stat));
        p->container = !p->replaced || has_other_root(process, root);
        return 0;
}

/* What a child says of a stranger's program. After it follow the path and the code, each up to its NUL. */
struct foreign {
        struct stat stat;
        bool replaced, container;
        size_t why; /* index of the reason + 1, or 0 */
};

struct foreign_request {
        const struct root *root;
        pid_t pid;
};

/* In the child. The file may be one of a file server that does not answer. */
static void look_foreign(int dirfd, void *userdata, int out)
{
        const struct foreign_request *request = userdata;
        struct running p = { .fd = -EBADF };
        struct root root = *request->root;
        struct foreign answer = {};
        struct emulator e = {};
        char *code;
        FILE *f;

        file_observe(NULL, NULL);
        root.fd = dirfd;
        if (look_live(&p, &root, request->pid) < 0)
                return;
        if (!p.why && emulator_code_read(&e, p.fd) == -ENOMEM)
                return;
        while (p.why && !streq(emulator_why((enum emulator_why) answer.why++), p.why))
                ;
        answer.stat = p.stat;
        answer.replaced = p.replaced;
        answer.container = p.container;
        code = emulator_code_to_answer(&e);
        f = code ? fdopen(out, "w") : NULL;
        if (!f)
                return;
        fwrite(&answer, sizeof(answer), 1, f);
        fwrite(p.path ?: "", strlen(p.path ?: "") + 1, 1, f);
        fwrite(code, strlen(code) + 1, 1, f);
        (void) fflush(f);
}

static int take_foreign(struct running *p, const char *bytes, size_t size)
{
        struct foreign answer;
        const char *path = bytes + sizeof(answer), *code;

        if (size < sizeof(answer) + 2 || bytes[size - 1] != '\0') {
                p->why = emulator_why(WHY_PROCESS_LATE);
                return 0;
        }
        memcpy(&answer, bytes, sizeof(answer));
        code = path + strlen(path) + 1;
        p->stat = answer.stat;
        p->replaced = answer.replaced;
        p->container = answer.container;
        if (answer.why > 0 && answer.why <= _WHY_MAX)
                p->why = emulator_why((enum emulator_why)(answer.why - 1));
        p->path = strdup(path);
        p->code = strdup(code < bytes + size ? code : "");
        return p->path && p->code ? 0 : -ENOMEM;
}

/* A stranger's program is looked at by a child, which can be killed. */
static int look_stranger(struct running *p, const struct root *root, const struct process *process)
{
        struct foreign_request request = { root, process->pid };
        _cleanup_free_ char *bytes = NULL;
        size_t size;
        int r;

        r = process_run(root, process, root->fd, look_foreign, &request, &bytes, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                p->why = emulator_why(WHY_PROCESS_LATE);
                return 0;
        }
        return take_foreign(p, bytes, size);
}

static int look_running(struct running *p, const struct root *root, pid_t pid)
{
        char path[sizeof("proc/") + 11];
        _cleanup_close_ int fd = -EBADF;
        struct process process;

        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = openat(root->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return look_live(p, root, pid); /* which says why */
        process = process_of(root, pid, fd);
        return process_is_believed(&process) ? look_live(p, root, pid) : look_stranger(p, root, &process);
}

static void note_running(const struct running *p, const struct root *root, const char *pid)
{
        _cleanup_free_ char *answer = NULL;
        const char *where = "here";
        int r;

        if (p->container && p->replaced)
                where = "container,replaced";
        else if (p->container)
                where = "container";
        else if (p->replaced)
                where = "replaced";
        if (p->why)
                r = asprintf(&answer, "unseen %s", p->why);
        else
                r = asprintf(&answer, "%s %s", where, p->path);
        if (r < 0) {
                answer = NULL;
                return;
        }
        emulator_note(root, "emulator-process", pid, answer);
}

/* What was noted, or else what the recorded link says. */
static int look_recorded(struct running *p, const struct root *root, const char *pid)
{
        _cleanup_free_ char *answer = emulator_ask(root, "emulator-process", pid);
        char link[sizeof("proc//exe") + 11], *rest;

        if (!answer) {
                int r;

                snprintf(link, sizeof(link), "proc/%s/exe", pid);
                r = read_link_at(root->fd, link, &p->path);
                if (r < 0) {
                        p->why = emulator_why(WHY_NOT_RECORDED);
                        return r == -ENOMEM ? r : 0;
                }
                p->replaced = strip_deleted(p->path);
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

/* The code of a file to which no path of the host leads. */
static int read_code(struct emulator *e, const struct running *p, const struct root *root, const char *pid)
{
        _cleanup_free_ char *answer = NULL;
        int r;

        if (p->code)
                return emulator_code_from_answer(e, p->code);
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
        if ((p->fd >= 0 || p->code) && emulator_is_same_file(&e->stat, &p->stat))
                return true;
        /* Each container of an image has the file on a file system of its own. */
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

/* Finds the entry of that file, or adds one; *ret is its index. */
static int place_running(struct emulator_facts *f, const struct running *p, const struct root *root,
                         const char *pid, size_t *ret)
{
        _cleanup_(emulator_done) struct emulator new = {
                .stat = p->stat,
                .replaced = p->replaced,
                .container = p->container,
        };
        struct emulator *slot;
        size_t i = f->n_emulators;
        int r;

        if (!p->replaced && !p->container && !p->code) {
                r = emulator_facts_find(f, root, p->path, ret);
                if (r != -ENOENT)
                        return r;
        }
        if (p->fd >= 0 || p->code)
                i = find_running(f, p, NULL);
        if (i == f->n_emulators) {
                r = read_code(&new, p, root, pid);
                if (r < 0)
                        return r;
                i = find_running(f, p, new.build_id);
        }
        if (i == f->n_emulators) {
                new.path = strdup(p->path);
                new.changeable = !p->replaced && !p->container &&emulator_is_changeable(root, p->path);
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
        r = root->live ? look_running(&p, root, pid) : look_recorded(&p, root, name);
        if (r < 0)
                return r;
        note_running(&p, root, name);
        if (p.why) {
                entry->why = p.why;
                return 0;
        }
        r = place_running(f, &p, root, name, &entry->emulator);
        if (r < 0)
                return r;
        f->emulators[entry->emulator].n_processes++;
        if (p.replaced || p.container || p.code) {
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

        assert(f);
        assert(root);

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
