/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-load.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sys/wait.h>

#include "facts/bind-record.h"
#include "util/file.h"
#include "util/macro.h"

void driver_load(const struct root *root, const char *driver)
{
        char unit[sizeof("modprobe@.service") + BINDING_NAME_MAX],
                path[sizeof("sys/bus/pci/drivers/") + NAME_MAX];
        char *const argv[] = { (char *) "systemctl", (char *) "start", unit, NULL };
        posix_spawn_file_actions_t actions;
        pid_t pid;

        assert(root && driver);

        if (!root->live || strlen(driver) >= BINDING_NAME_MAX)
                return;
        snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
        if (exists_at(root->fd, path))
                return;
        snprintf(unit, sizeof(unit), "modprobe@%s.service", driver);
        for (char *s = unit; *s; s++)
                if (*s == '-') /* modules are named with '_', and systemd reads '-' as a slash */
                        *s = '_';
        posix_spawn_file_actions_init(&actions);
        if (posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
            posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0)
                (void) waitpid(pid, NULL, 0);
        posix_spawn_file_actions_destroy(&actions);
}
