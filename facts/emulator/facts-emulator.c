/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-emulator.h"

#include <assert.h>
#include <fcntl.h>

#include "emulator-internal.h"
#include "emulator-wrapper.h"
#include "util/array.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/guarded-file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/path-roots.h"

/* clang-format off */
static const char *const emulator_generation_table[_GENERATION_MAX] = {
        [GENERATION_UNKNOWN] = "unknown",
        [GENERATION_NONE] = "none",
        [GENERATION_PER_AREA] = "per-area",
        [GENERATION_PER_REGION] = "per-region",
        [GENERATION_ROUNDED_AREA] = "rounded-area",
};
static const char *const emulator_program_table[_PROGRAM_MAX] = {
        [PROGRAM_UNKNOWN] = "unknown",
        [PROGRAM_QEMU] = "qemu",
        [PROGRAM_CLOUD_HYPERVISOR] = "cloud-hypervisor",
        [PROGRAM_OPENVMM] = "openvmm",
        [PROGRAM_OTHER] = "other",
};
/* clang-format on */
DEFINE_STRING_TABLE(emulator_generation, enum emulator_generation);
DEFINE_STRING_TABLE(emulator_program, enum emulator_program);

bool generation_aligns(enum emulator_generation g)
{
        return g == GENERATION_PER_AREA || g == GENERATION_PER_REGION || g == GENERATION_ROUNDED_AREA;
}

bool emulator_may_be_qemu(const struct emulator *e)
{
        assert(e);

        return e->program == PROGRAM_QEMU || e->program == PROGRAM_UNKNOWN ||
               (e->program == PROGRAM_OTHER && (e->distribution || e->libvirt));
}

enum fact_value emulator_advises(const struct emulator *e)
{
        assert(e);

        if (e->program == PROGRAM_CLOUD_HYPERVISOR || e->program == PROGRAM_OPENVMM)
                return FACT_NO;
        if (e->program == PROGRAM_QEMU && e->generation != GENERATION_UNKNOWN)
                return FACT_YES;
        /* Who looked at the code of one without saying what it is looked at a QEMU. */
        return e->program == PROGRAM_UNKNOWN && e->generation != GENERATION_UNKNOWN &&
                               e->source != SOURCE_PROC
                       ? FACT_YES
                       : FACT_UNKNOWN;
}

bool emulator_takes_preload(const struct emulator *e)
{
        assert(e);

        /* What we do not know may be a wrapper, which passes the variable on. */
        return emulator_may_be_qemu(e) && (!e->unpreloadable || e->program == PROGRAM_OTHER);
}

void emulator_note_unaligned(struct emulator_facts *f, pid_t pid)
{
        struct emulator *e;

        assert(f);

        e = (struct emulator *) emulator_facts_of_process(f, pid);
        if (!e || e->generation != GENERATION_UNKNOWN)
                return;
        e->generation = GENERATION_NONE;
        e->source = SOURCE_PROC;
        e->why = NULL;
}

static const char *relative_path(const char *path)
{
        return path + strspn(path, "/");
}

/* Each answer is a line, so it cannot hold these. */
static bool has_control(const char *s)
{
        for (; *s; s++)
                if ((unsigned char) *s < ' ' || *s == 127)
                        return true;
        return false;
}

char *emulator_ask(const struct root *root, const char *what, const char *key)
{
        _cleanup_free_ char *question = NULL;

        if (root->live)
                return NULL;
        if (asprintf(&question, "%s %s", what, key) < 0)
                return memory_note(NULL);
        return root_answer(root, question);
}

void emulator_note(const struct root *root, const char *what, const char *key, const char *answer)
{
        _cleanup_free_ char *question = NULL;

        if (!file_is_observed() || has_control(key) || has_control(answer))
                return;
        if (asprintf(&question, "%s %s", what, key) < 0) {
                question = NULL;
                memory_note_failure();
                return;
        }
        root_note(root, question, answer);
}

/* Looks a name up as the wrapper's shell does, in the $PATH that systemd gives to services
 * (systemd.exec(5)): the daemons that start guests are such. Where it is nowhere, it would be in the first
 * place. */
static char *find_program(const struct root *root, const char *name)
{
        static const char *const directories[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                                   "/usr/bin",        "/sbin",          "/bin" };
        _cleanup_free_ char *first = NULL;

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *path = NULL, *answer = NULL;

                if (asprintf(&path, "%s/%s", directories[i], name) < 0) {
                        path = NULL;
                        return NULL;
                }
                answer = emulator_ask(root, "emulator", path);
                if (answer || exists_at(root->fd, relative_path(path)))
                        return TAKE_PTR(path);
                if (!first)
                        first = TAKE_PTR(path);
        }
        return TAKE_PTR(first);
}

/* For a plain wrapper script, *ret_target is the program that it starts. */
static int read_script(struct emulator *e, const struct root *root, int fd, char **ret_target)
{
        _cleanup_free_ char *program = NULL;
        char text[WRAPPER_MAX + 1];
        ssize_t n = pread(fd, text, sizeof(text), 0);
        int r;

        if (n < 0)
                return 0;
        r = emulator_wrapper_parse(text, (size_t) n, &program);
        if (r == -ENOMEM)
                return r;
        if (r == -EINVAL)
                e->why = emulator_why(WHY_SCRIPT);
        if (r < 0)
                return 0;
        e->why = NULL;
        *ret_target = *program == '/' ? TAKE_PTR(program) : find_program(root, program);
        return *ret_target ? 0 : -ENOMEM;
}

/* Looks at one file of the live host, or a real one of a recorded host. */
static int read_file(struct emulator *e, const struct root *root, const char *path, struct stat *ret_stat,
                     char **ret_target)
{
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = stat_at(root->fd, relative_path(path), ret_stat);
        if (r < 0)
                return r == -ENOMEM ? r : -ENOENT;
        if (!S_ISREG(ret_stat->st_mode)) {
                e->why = emulator_why(WHY_NOT_REGULAR);
                return 0;
        }
        fd = open_at(root->fd, relative_path(path), O_RDONLY | O_NONBLOCK);
        if (fd < 0) {
                e->why = emulator_why(WHY_NOT_OPENED);
                return 0;
        }
        r = emulator_code_read(e, fd);
        return r == -ENOEXEC ? read_script(e, root, fd, ret_target) : r;
}

/* The same from the recorded answer. Returns 1, 0 where there is none, or -ENOMEM. */
static int read_answer(struct emulator *e, const struct root *root, const char *path, char **ret_target)
{
        _cleanup_free_ char *answer = emulator_ask(root, "emulator", path);
        const char *target;
        int r;

        if (!answer)
                return 0;
        target = startswith(answer, "wrapper ") ?: startswith(answer, "same ");
        if (!target) {
                r = emulator_code_from_answer(e, answer);
                return r < 0 ? r : 1;
        }
        *ret_target = strdup(target);
        return *ret_target ? 1 : -ENOMEM;
}

static char *format_answer(const struct emulator *e, const char *target)
{
        char *answer;

        if (!target)
                return emulator_code_to_answer(e);
        if (asprintf(&answer, "wrapper %s", target) < 0)
                return NULL;
        return answer;
}

static int look_at_file(struct emulator *e, const struct root *root, const char *path, struct stat *ret_stat,
                        char **ret_target)
{
        _cleanup_free_ char *answer = NULL;
        int r;

        r = read_answer(e, root, path, ret_target);
        if (r < 0)
                return r;
        if (r > 0) {
                /* The record may have the answer without the file. */
                (void) stat_at(root->fd, relative_path(path), ret_stat);
                return 0;
        }
        r = read_file(e, root, path, ret_stat, ret_target);
        if (r < 0)
                return r;
        answer = format_answer(e, *ret_target);
        if (!answer)
                return -ENOMEM;
        emulator_note(root, "emulator", path, answer);
        return 0;
}

bool emulator_is_changeable(const struct root *root, const char *path)
{
        _cleanup_free_ char *answer = emulator_ask(root, "emulator-is-roots", path);
        bool roots;

        if (!root->live)
                return answer && streq(answer, "no");
        roots = path_is_roots(root->fd, path);
        emulator_note(root, "emulator-is-roots", path, roots ? "yes" : "no");
        return !roots;
}

bool emulator_is_hosts(const struct emulator *e)
{
        assert(e);

        return (e->distribution || e->libvirt) && !e->replaced && !e->container && !e->changeable;
}

static int read_emulator(struct emulator *e, const struct root *root, const char *path)
{
        _cleanup_free_ char *target = NULL;
        int r;

        r = look_at_file(e, root, path, &e->stat, &e->target);
        if (r < 0)
                return r;
        if (e->target) {
                r = look_at_file(e, root, e->target, &e->target_stat, &target);
                if (r == -ENOENT)
                        e->why = emulator_why(WHY_NO_TARGET);
                else if (r < 0)
                        return r;
                else if (target)
                        e->why = emulator_why(WHY_TWO_SCRIPTS);
        }
        e->changeable = emulator_is_changeable(root, path) ||
                        (e->target && emulator_is_changeable(root, e->target));
        return 0;
}

/* What a child says of a file. After it follow the target ("": none) and the code, each with its NUL. */
struct file_answer {
        struct stat stat, target_stat;
        enum emulator_program program; /* which the code does not say of a QEMU */
        bool changeable;
};

static int write_emulator(const struct root *root, const void *userdata, FILE *out)
{
        _cleanup_(emulator_done) struct emulator e = {};
        _cleanup_free_ char *code = NULL;
        struct file_answer answer = {};
        int r;

        r = read_emulator(&e, root, userdata);
        if (r < 0)
                return r;
        code = emulator_code_to_answer(&e);
        if (!code)
                return -ENOMEM;
        answer.stat = e.stat;
        answer.target_stat = e.target_stat;
        answer.program = e.program;
        answer.changeable = e.changeable;
        fwrite(&answer, sizeof(answer), 1, out);
        fwrite(e.target ?: "", strlen(e.target ?: "") + 1, 1, out);
        fwrite(code, strlen(code) + 1, 1, out);
        return 0;
}

static int take_emulator(struct emulator *e, const char *bytes, size_t size)
{
        const char *target = bytes + sizeof(struct file_answer), *code;
        struct file_answer answer;
        int r;

        if (size < sizeof(answer) + 2 || bytes[size - 1] != '\0')
                return -EBADMSG;
        memcpy(&answer, bytes, sizeof(answer));
        code = target + strlen(target) + 1;
        if (code >= bytes + size)
                return -EBADMSG;
        e->stat = answer.stat;
        e->target_stat = answer.target_stat;
        e->changeable = answer.changeable;
        if (*target) {
                e->target = strdup(target);
                if (!e->target)
                        return -ENOMEM;
        }
        r = emulator_code_from_answer(e, code);
        e->program = answer.program;
        return r;
}

int emulator_read(struct emulator *e, const struct root *root, const char *path)
{
        _cleanup_(emulator_done) struct emulator new = {};
        _cleanup_free_ char *bytes = NULL;
        size_t size;
        int r;

        assert(e);
        assert(root);
        assert(path);

        if (asprintf(&new.path, "/%s", relative_path(path)) < 0) {
                new.path = NULL;
                return -ENOMEM;
        }
        r = guarded_file_run(root, relative_path(path), write_emulator, new.path, &bytes, &size);
        if (r == 0)
                r = take_emulator(&new, bytes, size);
        if (r == -ENOENT || r == -ENOMEM)
                return r;
        if (r < 0)
                new.why = emulator_why(WHY_FILE_LATE);
        *e = TAKE(new, (struct emulator){});
        return 0;
}

static void free_names(struct emulator *e)
{
        for (size_t i = 0; i < e->n_names; i++)
                free(e->names[i]);
        free(e->names);
        e->names = NULL;
        e->n_names = 0;
}

void emulator_done(struct emulator *e)
{
        free_names(e);
        free(e->path);
        free(e->target);
        free(e->build_id);
        *e = (struct emulator){};
}

bool emulator_is_same_file(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool is_fresh(const struct emulator *e, const struct root *root, const struct stat *st)
{
        struct stat target = {};

        if (!emulator_is_same_file(&e->stat, st))
                return false;
        if (!e->target)
                return true;
        /* Zeros equal those of a target that was not there before. */
        (void) guarded_file_stat(root, relative_path(e->target), &target);
        return emulator_is_same_file(&e->target_stat, &target);
}

/* Reads the file into entry i, whose path has another file by now. A new entry is added where there is no
 * entry i, or where processes still run the old file. */
static int read_into(struct emulator_facts *f, const struct root *root, const char *path, size_t i,
                     size_t *ret)
{
        struct emulator fresh, *slot;
        int r;

        r = emulator_read(&fresh, root, path);
        if (r < 0)
                return r;
        if (i < f->n_emulators) {
                fresh.distribution = f->emulators[i].distribution;
                fresh.libvirt = f->emulators[i].libvirt;
        }
        if (i < f->n_emulators && f->emulators[i].n_processes == 0) {
                slot = &f->emulators[i];
                emulator_done(slot);
        } else {
                slot = array_append(f->emulators, f->n_emulators);
                if (!slot) {
                        emulator_done(&fresh);
                        return -ENOMEM;
                }
                if (i < f->n_emulators - 1) {
                        f->emulators[i].replaced = true;
                        f->emulators[i].distribution = f->emulators[i].libvirt = false;
                        free_names(&f->emulators[i]);
                }
        }
        *ret = (size_t) (slot - f->emulators);
        *slot = fresh;
        return 0;
}

static void note_same(const struct root *root, const char *path, const char *first)
{
        _cleanup_free_ char *answer = NULL;

        if (asprintf(&answer, "same %s", first) < 0) {
                answer = NULL;
                memory_note_failure();
                return;
        }
        emulator_note(root, "emulator", path, answer);
}

int emulator_facts_find(struct emulator_facts *f, const struct root *root, const char *path, size_t *ret)
{
        _cleanup_free_ char *answer = emulator_ask(root, "emulator", path);
        const char *first = answer ? startswith(answer, "same ") : NULL;
        struct stat st = {};
        int r = guarded_file_stat(root, relative_path(path), &st);
        bool there = r >= 0;
        size_t i;

        if (r == -ENOMEM)
                return r;
        /* Without an answer nobody has seen that it is not there. */
        if (!there && !answer && r != -ETIMEDOUT && r != -ECONNRESET)
                return -ENOENT;
        for (i = 0; i < f->n_emulators; i++) {
                const struct emulator *e = &f->emulators[i];
                bool named = streq(e->path, path) || (first && streq(e->path, first));

                if (e->replaced || e->container)
                        continue;
                if ((named && !there) || (there && is_fresh(e, root, &st))) {
                        if (!streq(e->path, path))
                                note_same(root, path, e->path);
                        *ret = i;
                        return 0;
                }
                if (streq(e->path, path))
                        break;
        }
        return read_into(f, root, i == f->n_emulators && first && !there ? first : path, i, ret);
}

static size_t find_name(const struct emulator *e, const char *path)
{
        size_t i = 0;

        while (i < e->n_names && !streq(e->names[i], path))
                i++;
        return i;
}

static void forget_name(struct emulator *e, const char *path)
{
        size_t i = find_name(e, path);

        if (i == e->n_names)
                return;
        free(e->names[i]);
        e->names[i] = e->names[--e->n_names];
}

/* From now on the path leads to entry i, and to no other. */
static int learn_name(struct emulator_facts *f, size_t i, const char *path)
{
        struct emulator *e = &f->emulators[i];
        char *name, **slot;

        for (size_t k = 0; k < f->n_emulators; k++)
                if (k != i)
                        forget_name(&f->emulators[k], path);
        if (streq(e->path, path) || find_name(e, path) < e->n_names)
                return 0;
        name = strdup(path);
        slot = name ? array_append(e->names, e->n_names) : NULL;
        if (!slot) {
                free(name);
                return -ENOMEM;
        }
        *slot = name;
        return 0;
}

const struct emulator *emulator_facts_by_name(const struct emulator_facts *f, const char *path)
{
        assert(f);
        assert(path);

        /* An entry that was read by this path is older than a name: the path was a file, and is a link now.
         */
        for (size_t i = 0; i < f->n_emulators; i++)
                if (find_name(&f->emulators[i], path) < f->emulators[i].n_names)
                        return &f->emulators[i];
        for (size_t i = 0; i < f->n_emulators; i++) {
                const struct emulator *e = &f->emulators[i];

                if (!e->replaced && !e->container && streq(e->path, path))
                        return e;
        }
        return NULL;
}

static int read_distribution_path(struct emulator_facts *f, const struct root *root, const char *path)
{
        size_t i;
        int r;

        r = emulator_facts_find(f, root, path, &i);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        f->emulators[i].distribution = true;
        return learn_name(f, i, path);
}

int emulator_facts_read(struct emulator_facts *f, const struct root *root)
{
        static const char *const paths[] = {
                "/usr/bin/qemu-system-x86_64",
                "/usr/bin/qemu-system-aarch64",
                "/usr/bin/kvm",
                "/usr/libexec/qemu-kvm",
                "/usr/bin/qemu-kvm",
                "/usr/libexec/qemu-system-i386", /* Debian 12, for both widths */
                "/usr/local/bin/qemu-system-x86_64",
                "/run/current-system/sw/bin/qemu-system-x86_64", /* NixOS */
                "/run/libvirt/nix-emulators/qemu-system-x86_64", /* its libvirt's own links */
                "/run/libvirt/nix-emulators/qemu-kvm",
        };

        assert(f);
        assert(root);

        *f = (struct emulator_facts){};
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                int r = read_distribution_path(f, root, paths[i]);

                if (r < 0) {
                        emulator_facts_done(f);
                        return r;
                }
        }
        return 0;
}

void emulator_facts_done(struct emulator_facts *f)
{
        for (size_t i = 0; i < f->n_emulators; i++)
                emulator_done(&f->emulators[i]);
        free(f->emulators);
        free(f->processes);
        *f = (struct emulator_facts){};
}

const struct emulator *emulator_facts_get(struct emulator_facts *f, const struct root *root,
                                          const char *path)
{
        size_t i;
        int r;

        assert(f);
        assert(root);
        assert(path);

        r = emulator_facts_find(f, root, path, &i);
        if (r < 0) {
                if (r == -ENOMEM)
                        memory_note_failure();
                for (i = 0; i < f->n_emulators; i++)
                        forget_name(&f->emulators[i], path);
                return NULL;
        }
        if (learn_name(f, i, path) < 0)
                return NULL;
        f->emulators[i].libvirt = true;
        return &f->emulators[i];
}
