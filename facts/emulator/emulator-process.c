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
        struct stat stat;
        char *path; /* as its own namespace names it, without DELETED */
        bool replaced, container;
        bool stranger;                 /* it is not believed, so it is not one of the host's */
        bool changeable;               /* by others than root; of one of the host's, which is not replaced */
        const char *why;               /* static: why it cannot be seen, or NULL */
        enum emulator_program program; /* which the code does not say of a QEMU */
        char *code; /* as emulator_code_to_answer() writes it; "": it is known; NULL on a recorded host */
};

static void running_done(struct running *p)
{
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

/* The entry of that very file, or n_emulators. */
static size_t find_file(const struct emulator_facts *f, const struct running *p)
{
        size_t i = 0;

        while (i < f->n_emulators &&
               (f->emulators[i].replaced != p->replaced || f->emulators[i].container != p->container ||
                !emulator_is_same_file(&f->emulators[i].stat, &p->stat)))
                i++;
        return i;
}

/* Opens the program through the magic link, which also leads to files that have no path any more. */
static int look_live(struct running *p, const struct root *root, pid_t pid, int *ret_fd)
{
        _cleanup_close_ int process = -EBADF, fd = -EBADF;
        char name[sizeof("proc//exe") + 11];
        struct stat there;
        int r;

        snprintf(name, sizeof(name), "proc/%d", pid);
        process = openat(root->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process >= 0)
                fd = openat(process, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (process < 0 || fd < 0) {
                p->why = emulator_why(errno == EACCES || errno == EPERM ? WHY_NO_PERMISSION
                                                                        : WHY_PROCESS_GONE);
                return 0;
        }
        snprintf(name, sizeof(name), "proc/%d/exe", pid);
        r = read_link_at(root->fd, name, &p->path);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || fstat(fd, &p->stat) < 0) {
                p->why = emulator_why(WHY_PROCESS_GONE);
                return 0;
        }
        *ret_fd = TAKE_FD(fd);
        (void) strip_deleted(p->path);
        if (is_ours(p, root)) {
                p->changeable = emulator_is_changeable(root, p->path);
                return 0;
        }
        r = stat_in_process(process, p->path, &there);
        p->replaced = r == -ENOENT || r == -ENOTDIR || (r >= 0 && !is_same_inode(&there, &p->stat));
        p->container = !p->replaced || has_other_root(process, root);
        return 0;
}

/* What a child says of a program. After it follow the path and the code, each with its NUL. */
struct program_answer {
        struct stat stat;
        bool replaced, container, changeable;
        enum emulator_program program;
        size_t why; /* index of the reason + 1, or 0 */
};

struct program_request {
        const struct emulator_facts *facts;
        const struct root *root;
        pid_t pid;
};

/* The code of a file that is known is not read again. */
static int read_new_code(const struct emulator_facts *f, struct running *p, int fd)
{
        _cleanup_(emulator_done) struct emulator e = {};

        if (p->why || find_file(f, p) < f->n_emulators)
                p->code = strdup("");
        else if (emulator_code_read(&e, fd) == -ENOMEM)
                return -ENOMEM;
        else
                p->code = emulator_code_to_answer(&e);
        p->program = e.program;
        return p->code ? 0 : -ENOMEM;
}

/* In the child. The file may be one of a file server that does not answer. */
static void look_at_program(int dirfd, void *userdata, int out)
{
        const struct program_request *request = userdata;
        _cleanup_(running_done) struct running p = {};
        struct root root = *request->root;
        struct program_answer answer = {};
        _cleanup_close_ int fd = -EBADF;
        FILE *f;

        file_observe(NULL, NULL);
        root.fd = dirfd;
        if (look_live(&p, &root, request->pid, &fd) < 0 || read_new_code(request->facts, &p, fd) < 0)
                return;
        while (p.why && !streq(emulator_why((enum emulator_why) answer.why++), p.why))
                ;
        answer.stat = p.stat;
        answer.replaced = p.replaced;
        answer.container = p.container;
        answer.changeable = p.changeable;
        answer.program = p.program;
        f = fdopen(out, "w");
        if (!f)
                return;
        fwrite(&answer, sizeof(answer), 1, f);
        fwrite(p.path ?: "", strlen(p.path ?: "") + 1, 1, f);
        fwrite(p.code, strlen(p.code) + 1, 1, f);
        (void) fflush(f);
}

static int take_program(struct running *p, const char *bytes, size_t size)
{
        struct program_answer answer;
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
        p->changeable = answer.changeable;
        p->program = answer.program;
        if (answer.why > 0 && answer.why <= _WHY_MAX)
                p->why = emulator_why((enum emulator_why)(answer.why - 1));
        p->path = strdup(path);
        p->code = strdup(code < bytes + size ? code : "");
        return p->path && p->code ? 0 : -ENOMEM;
}

/* A child looks at it, which can be killed. */
static int look_running(struct running *p, const struct emulator_facts *f, const struct root *root,
                        pid_t pid)
{
        struct program_request request = { f, root, pid };
        char path[sizeof("proc/") + 11];
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *bytes = NULL;
        struct process process;
        size_t size;
        int r;

        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = openat(root->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                p->why = emulator_why(errno == EACCES || errno == EPERM ? WHY_NO_PERMISSION
                                                                        : WHY_PROCESS_GONE);
                return 0;
        }
        process = process_of(root, pid, fd);
        p->stranger = !process_is_believed(&process);
        r = process_run(root, &process, root->fd, look_at_program, &request, &bytes, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                p->why = emulator_why(WHY_PROCESS_LATE);
                return 0;
        }
        return take_program(p, bytes, size);
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
        _cleanup_free_ char *answer = p->code ? NULL : emulator_ask(root, "emulator-code", pid);

        int r = emulator_code_from_answer(e, p->code ?: answer ?: "");

        if (p->code)
                e->program = p->program;
        return r;
}

/* Each container of an image has the file on a file system of its own. */
static size_t find_build(const struct emulator_facts *f, const struct running *p, const char *build_id)
{
        size_t i = 0;

        while (build_id && i < f->n_emulators) {
                const struct emulator *e = &f->emulators[i];

                if (e->replaced == p->replaced && e->container == p->container && e->build_id &&
                    streq(e->build_id, build_id) && streq(e->path, p->path) &&
                    e->stat.st_size == p->stat.st_size)
                        return i;
                i++;
        }
        return f->n_emulators;
}

static bool is_changeable(const struct running *p, const struct root *root)
{
        if (p->replaced || p->container)
                return false;
        if (!root->live)
                return emulator_is_changeable(root, p->path);
        emulator_note(root, "emulator-is-roots", p->path, p->changeable ? "no" : "yes");
        return p->changeable;
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

        if (!p->replaced && !p->container && !p->stranger) {
                r = emulator_facts_find(f, root, p->path, ret);
                if (r != -ENOENT)
                        return r;
        }
        if (p->code)
                i = find_file(f, p);
        if (i == f->n_emulators) {
                r = read_code(&new, p, root, pid);
                if (r < 0)
                        return r;
                i = find_build(f, p, new.build_id);
        }
        if (i == f->n_emulators) {
                new.path = strdup(p->path);
                new.changeable = is_changeable(p, root);
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
        _cleanup_(running_done) struct running p = {};
        _cleanup_free_ char *code = NULL;
        char name[12];
        int r;

        snprintf(name, sizeof(name), "%d", pid);
        r = root->live ? look_running(&p, f, root, pid) : look_recorded(&p, root, name);
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
        if (p.replaced || p.container || p.stranger) {
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
