/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "util/log.h"
#include "util/macro.h"
#include "util/parse.h"
#include "util/terminal.h"

#define LESS_OPTIONS "FRSXMK"
#define ARGUMENTS_MAX 16

static struct {
        pid_t pid; /* 0: there is none */
        int out, error;
        struct sigaction interrupted, broken; /* as they were */
} pager;

static const char *find_setting(const char *const names[])
{
        for (; *names; names++) {
                const char *value = getenv(*names);

                if (value)
                        return value;
        }
        return NULL;
}

/* What the reader of another user's output must not do: start a shell from the pager. As systemctl has it
 * ($SYSTEMD_PAGERSECURE), and where it is not set, it is so for who became root from another user. */
static bool is_secure(bool *ret_explicit)
{
        static const char *const names[] = { "VFIOALIGN_PAGERSECURE", "SYSTEMD_PAGERSECURE", NULL };
        static const char *const callers[] = { "SUDO_UID", "PKEXEC_UID", "DOAS_USER", NULL };
        const char *setting = find_setting(names);

        *ret_explicit = setting && *setting;
        if (*ret_explicit)
                return !word_is_no(setting);
        return geteuid() != getuid() || find_setting(callers);
}

/* The pager that somebody has chosen; NULL: nobody. */
static const char *find_chosen(void)
{
        static const char *const names[] = { "VFIOALIGN_PAGER", "SYSTEMD_PAGER", "PAGER", NULL };

        return find_setting(names);
}

static void set_environment(bool secure)
{
        static const char *const options[] = { "VFIOALIGN_LESS", "SYSTEMD_LESS", NULL };
        static const char *const charset[] = { "VFIOALIGN_LESSCHARSET", "SYSTEMD_LESSCHARSET", NULL };
        const char *set = find_setting(charset);

        setenv("LESS", find_setting(options) ?: LESS_OPTIONS, true);
        if (!set && streq(nl_langinfo(CODESET), "UTF-8"))
                set = "utf-8";
        if (set)
                setenv("LESSCHARSET", set, true);
        if (secure)
                setenv("LESSSECURE", "1", true);
}

/* In the child. Returns only where no pager could be run. */
static void exec_pager(bool secure, const char *chosen)
{
        static const char *const usual[] = { "pager", "less", "more" };
        _cleanup_free_ char *words = chosen ? strdup(chosen) : NULL;
        char *arguments[ARGUMENTS_MAX + 1] = {}, *rest = words;
        size_t n = 0;

        while (rest && n < ARGUMENTS_MAX) {
                char *word = strsep(&rest, " \t");

                if (*word)
                        arguments[n++] = word;
        }
        if (n > 0)
                execvp(arguments[0], arguments);
        /* Of these only less has a secure mode. */
        for (size_t i = 0; i < ELEMENTSOF(usual); i++)
                if (!secure || streq(usual[i], "less"))
                        execlp(usual[i], usual[i], NULL);
}

/* input: the end of the pipe to read; status: closes with the exec, or gets a byte where there is none. */
static _Noreturn void run_child(int input, int status, bool secure, const char *chosen)
{
        sigaction(SIGINT, &pager.interrupted, NULL);
        sigaction(SIGPIPE, &pager.broken, NULL);
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (dup2(input, STDIN_FILENO) >= 0) {
                set_environment(secure);
                exec_pager(secure, chosen);
        }
        (void) !write(status, "", 1);
        _exit(EXIT_FAILURE);
}

/* Whether the child has become a pager. */
static bool is_running(int status)
{
        char byte;
        ssize_t n;

        do
                n = read(status, &byte, 1);
        while (n < 0 && errno == EINTR);
        return n == 0;
}

static void redirect_output(int pipe_end)
{
        pager.out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        pager.error = -EBADF;
        if (isatty(STDERR_FILENO))
                pager.error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        dup2(pipe_end, STDOUT_FILENO);
        if (pager.error >= 0)
                dup2(pipe_end, STDERR_FILENO);
}

static void ignore_signals(void)
{
        const struct sigaction ignore = { .sa_handler = SIG_IGN };

        sigaction(SIGINT, &ignore, &pager.interrupted);
        sigaction(SIGPIPE, &ignore, &pager.broken);
}

static void restore_signals(void)
{
        sigaction(SIGINT, &pager.interrupted, NULL);
        sigaction(SIGPIPE, &pager.broken, NULL);
}

void pager_open(bool no_pager)
{
        _cleanup_close_ int input = -EBADF, output = -EBADF, status_read = -EBADF, status_write = -EBADF;
        int fds[2];
        const char *chosen = find_chosen();
        bool secure, explicit;

        if (no_pager || pager.pid > 0 || !terminal_is_able())
                return;
        secure = is_secure(&explicit);
        if (chosen && (!*chosen || streq(chosen, "cat")))
                return;
        /* Who set it may not have thought of that mode. */
        if (secure && !explicit)
                chosen = NULL;
        terminal_keep_width();
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        input = fds[0];
        output = fds[1];
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        status_read = fds[0];
        status_write = fds[1];

        fflush(stdout);
        ignore_signals();
        pager.pid = fork();
        if (pager.pid == 0)
                run_child(input, status_write, secure, chosen);
        close(TAKE_FD(status_write));
        if (pager.pid > 0 && is_running(status_read)) {
                redirect_output(output);
                return;
        }
        if (pager.pid > 0)
                (void) waitpid(pager.pid, NULL, 0);
        pager.pid = 0;
        restore_signals();
}

int pager_flush(void)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return 0;
        if (pager.pid > 0 && errno == EPIPE)
                return 0;
        return errno > 0 ? -errno : -EIO;
}

void pager_close(void)
{
        if (pager.pid == 0)
                return;
        fflush(stdout);
        fflush(stderr);
        /* It sees the end of its input when nobody has the pipe any more. */
        dup2(pager.out, STDOUT_FILENO);
        close(pager.out);
        if (pager.error >= 0) {
                dup2(pager.error, STDERR_FILENO);
                close(pager.error);
        }
        while (waitpid(pager.pid, NULL, 0) < 0 && errno == EINTR)
                ;
        pager.pid = 0;
        restore_signals();
}
