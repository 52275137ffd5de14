/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "vfioalignctl audit --json --root DIR", for each line DIR of standard input: leaves what it says in
 * DIR.out and DIR.err, and prints its exit status, or minus the signal that ended it. Each is a process of
 * its own, which begins where this one has loaded its libraries: that takes more than half of an audit's
 * time. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int __real_main(int argc, char *argv[]);
int __wrap_main(void);

static void redirect(FILE *stream, const char *root, const char *suffix)
{
        char path[PATH_MAX + 8];

        snprintf(path, sizeof(path), "%s%s", root, suffix);
        if (!freopen(path, "w", stream))
                abort();
}

static int audit(char *root)
{
        char *argv[] = { (char *) "vfioalignctl-main",
                         (char *) "audit",
                         (char *) "--json",
                         (char *) "--root",
                         root,
                         NULL };
        pid_t pid = fork();
        int status;

        if (pid < 0)
                abort();
        if (pid == 0) {
                redirect(stdout, root, ".out");
                redirect(stderr, root, ".err");
                exit(__real_main(5, argv));
        }
        if (waitpid(pid, &status, 0) != pid)
                abort();
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int __wrap_main(void)
{
        char root[PATH_MAX];

        while (fgets(root, sizeof(root), stdin)) {
                root[strcspn(root, "\n")] = '\0';
                printf("%d\n", audit(root));
                fflush(stdout);
        }
        return EXIT_SUCCESS;
}
