/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-daemon.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"
#include "util/process-file.h"
#include "util/process-start.h"

/* Which of the daemons that process is, or NULL. */
static const struct libvirt_daemon *daemon_by_pid(const struct root *root, uint64_t pid)
{
        char path[sizeof("proc//comm") + 20];
        _cleanup_free_ char *command = NULL;

        snprintf(path, sizeof(path), "proc/%" PRIu64 "/comm", pid);
        if (pid == 0 || pid > INT32_MAX || read_line_at(root->fd, path, &command) < 0)
                return NULL;
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++)
                if (streq(command, libvirt_daemons[i].command))
                        return &libvirt_daemons[i];
        return NULL;
}

const struct libvirt_daemon *libvirt_daemon_by_pid_file(const struct root *root, pid_t *ret_pid)
{
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                const struct libvirt_daemon *daemon = &libvirt_daemons[i];
                uint64_t pid;

                /* A crash leaves the file, and its number may be another process's by now. */
                if (read_u64_at(root->fd, daemon->pid_file, 10, &pid) < 0 ||
                    daemon_by_pid(root, pid) != daemon)
                        continue;
                if (ret_pid)
                        *ret_pid = (pid_t) pid;
                return daemon;
        }
        return NULL;
}

/* Anybody can give a process of theirs the name of a daemon. On a recorded host its files have no owner. */
static bool is_roots(const struct root *root, const char *pid)
{
        char path[sizeof("proc/") + 20];
        struct stat st;

        snprintf(path, sizeof(path), "proc/%.20s", pid);
        return !root->live || (fstatat(root->fd, path, &st, AT_SYMLINK_NOFOLLOW) >= 0 && st.st_uid == 0);
}

/* Also a daemon whose pid file is missing, or holds the pid that it has in a container. */
static const struct libvirt_daemon *find_daemon(const struct root *root, pid_t *ret_pid)
{
        const struct libvirt_daemon *daemon = libvirt_daemon_by_pid_file(root, ret_pid);
        _cleanup_(names_done) struct names names = {};

        if (daemon)
                return daemon;
        if (list_dir_at(root->fd, "proc", &names) < 0)
                return NULL;
        for (size_t i = 0; i < names.n; i++) {
                uint64_t pid;

                if (!isdigit((unsigned char) *names.names[i]) || parse_u64(names.names[i], 10, &pid) < 0)
                        continue;
                daemon = daemon_by_pid(root, pid);
                if (!daemon || !is_roots(root, names.names[i]))
                        continue;
                *ret_pid = (pid_t) pid;
                return daemon;
        }
        return NULL;
}

static struct fact read_thp(const struct root *root, pid_t pid)
{
        static const char *const words[] = { "THP_enabled:", NULL };
        char path[sizeof("proc//status") + 10];
        _cleanup_free_ char *text = NULL;
        int enabled;

        snprintf(path, sizeof(path), "proc/%d/status", pid);
        if (grep_file_at(root->fd, path, words, &text) < 0 || sscanf(text, "THP_enabled: %d", &enabled) != 1)
                return fact_unknown("the kernel shows no THP_enabled of libvirt's daemon");
        return fact_is(enabled, SOURCE_PROC);
}

/* From its environment. A recorded host keeps only the answer: the rest of the environment is private. */
static struct fact read_preload(const struct root *root, pid_t pid)
{
        static const char question[] = "libvirt-daemon-preload";
        _cleanup_free_ char *recorded = root_answer(root, question), *text = NULL;
        char path[sizeof("proc/") + 10];
        _cleanup_close_ int fd = -EBADF;
        struct process process;
        bool has = false;
        size_t size;

        if (recorded)
                return fact_is(streq(recorded, "yes"), SOURCE_PROC);
        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = open_at(root->fd, path, O_PATH | O_DIRECTORY);
        if (fd < 0)
                return fact_unknown("the environment of libvirt's daemon cannot be read");
        process = process_of(root, pid, fd);
        if (process_read_private(root, &process, fd, "environ", MIB(4), &text, &size) < 0)
                return fact_unknown("the environment of libvirt's daemon cannot be read");
        for (const char *p = text; p < text + size; p += strlen(p) + 1)
                has = has || (startswith(p, "LD_PRELOAD=") && strstr(p, PRELOAD_NAME));
        root_note(root, question, has ? "yes" : "no");
        return fact_is(has, SOURCE_PROC);
}

/* Whether a daemon that does not run will have our library when it starts. */
static struct fact read_drop_in(const struct root *root)
{
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++) {
                char path[128];

                snprintf(path, sizeof(path), "etc/systemd/system/%s.d/" LIBVIRT_PRELOAD_DROP_IN,
                         libvirt_daemons[i].unit);
                if (exists_at(root->fd, path))
                        return fact_is(true, SOURCE_FILE);
        }
        return fact_is(false, SOURCE_FILE);
}

void libvirt_daemon_read(struct libvirt_facts *l, const struct root *root)
{
        pid_t pid = 0;
        const struct libvirt_daemon *daemon = find_daemon(root, &pid);

        l->pid = 0;
        l->unit = NULL;
        l->start_usec = 0;

        if (!daemon) {
                /* With hidepid= the processes of others are not even listed. */
                l->running = exists_at(root->fd, "proc/1/comm")
                                     ? fact_is(false, SOURCE_PROC)
                                     : fact_unknown("the processes of others cannot be seen");
                l->thp = fact_unknown("libvirt's daemon does not run");
                l->preload = read_drop_in(root);
                return;
        }
        l->running = fact_is(true, SOURCE_PROC);
        l->pid = pid;
        l->unit = daemon->unit;
        l->start_usec = process_start_usec(root, pid);
        l->thp = read_thp(root, pid);
        l->preload = read_preload(root, pid);
}

struct file_state {
        int error; /* 0: what follows is known; -ENOENT, -EACCES; -ENODATA: it exists, no more is known */
        unsigned mode; /* st_mode */
        unsigned uid;
        uint64_t changed_usec; /* st_ctim */
};

/* A copy of a file keeps neither its owner nor its times, so a recorded host has them as an answer. */
static struct file_state read_state(const struct root *root, const char *path)
{
        char question[512], answer[64];
        _cleanup_free_ char *recorded = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct file_state s = {};
        struct stat st;

        snprintf(question, sizeof(question), "stat %s", path);
        recorded = root_answer(root, question);
        if (recorded) {
                if (sscanf(recorded, "%o %u %" SCNu64, &s.mode, &s.uid, &s.changed_usec) != 3)
                        s.error = -ENODATA;
                return s;
        }
        fd = open_at(root->fd, path, O_PATH);
        if (fd < 0)
                return (struct file_state){ .error = fd };
        if (!root->live || fstat(fd, &st) < 0)
                return (struct file_state){ .error = -ENODATA };
        s.mode = st.st_mode;
        s.uid = st.st_uid;
        s.changed_usec = (uint64_t) st.st_ctim.tv_sec * USEC_PER_SEC + (uint64_t) st.st_ctim.tv_nsec / 1000;
        snprintf(answer, sizeof(answer), "%o %u %" PRIu64, s.mode, s.uid, s.changed_usec);
        root_note(root, question, answer);
        return s;
}

static bool is_hook(const struct file_state *s)
{
        return s->error == 0 && S_ISREG(s->mode) && s->mode & 0111;
}

static struct fact judge_hook(const struct file_state *s)
{
        struct fact f = fact_is(false, SOURCE_FILE);

        if (s->error == -ENOENT || s->error == -ENOTDIR)
                f.why = "it is not there";
        else if (s->error == -ENODATA)
                f = fact_unknown("it is there; its mode is not recorded");
        else if (s->error < 0)
                f = fact_unknown("the directory of libvirt's hooks cannot be read");
        else if (!S_ISREG(s->mode))
                f.why = "it is not a regular file";
        else if (!(s->mode & 0111))
                f.why = "it is not executable";
        else if (s->uid != 0 || s->mode & 022)
                f = fact_unknown("users other than root can change it, so what it does is unknown");
        else
                f.value = FACT_YES;
        return f;
}

/* libvirt remembers only whether there was any hook for QEMU guests; if so, it looks for all of them at each
 * call. */
static bool had_another_hook(const struct root *root, uint64_t since_usec)
{
        _cleanup_(names_done) struct names names = {};
        struct file_state site = read_state(root, LIBVIRT_SITE_HOOK);

        if (is_hook(&site) && site.changed_usec < since_usec)
                return true;
        if (list_dir_at(root->fd, LIBVIRT_HOOKS_DIR, &names) < 0)
                return false;
        for (size_t i = 0; i < names.n; i++) {
                char path[sizeof(LIBVIRT_HOOKS_DIR "/") + 256];
                struct file_state s;

                snprintf(path, sizeof(path), LIBVIRT_HOOKS_DIR "/%s", names.names[i]);
                s = read_state(root, path);
                if (is_hook(&s) && s.changed_usec < since_usec)
                        return true;
        }
        return false;
}

static struct fact judge_seen(const struct libvirt_facts *l, const struct root *root,
                              const struct file_state *hook)
{
        struct fact f = fact_is(true, SOURCE_PROC);

        if (l->hook_installed.value == FACT_NO)
                return (struct fact){ .value = FACT_NO,
                                      .source = SOURCE_FILE,
                                      .why = l->hook_installed.why };
        if (l->running.value == FACT_NO)
                f.why = "libvirt's daemon does not run: it looks for hooks when it starts";
        else if (l->running.value == FACT_UNKNOWN)
                f = fact_unknown("whether libvirt's daemon runs cannot be seen");
        else if (!l->start_usec)
                f = fact_unknown("when libvirt's daemon started cannot be seen");
        else if (hook->error == 0 && hook->changed_usec < l->start_usec)
                f.why = "libvirt's daemon started after it was installed";
        else if (had_another_hook(root, l->start_usec))
                f.why = "libvirt's daemon had another hook when it started, so it looks for all of them at "
                        "each call";
        else
                f = fact_unknown(
                        "libvirt's daemon started before it was installed, and looks for hooks only when it "
                        "starts or is reloaded");
        return f;
}

void libvirt_hook_read(struct libvirt_facts *l, const struct root *root)
{
        struct file_state hook = read_state(root, LIBVIRT_HOOK), site = read_state(root, LIBVIRT_SITE_HOOK);

        l->hook_installed = judge_hook(&hook);
        l->site_hook = judge_hook(&site);
        if (is_hook(&site)) /* whoever owns it */
                l->site_hook = fact_is(true, SOURCE_FILE);
        l->hook_seen = judge_seen(l, root, &hook);
}
