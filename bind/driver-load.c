/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-load.h"

#include <assert.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <spawn.h>
#include <sys/wait.h>

#include "facts/bind-record.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/module-name.h"

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

/* "alias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e" */
static bool alias_is_for(char *line, const char *modalias, const char *driver)
{
        char *save = NULL, *pattern, *module;

        if (!strtok_r(line, " \t", &save))
                return false;
        pattern = strtok_r(NULL, " \t", &save);
        module = strtok_r(NULL, " \t", &save);
        return pattern && module && module_name_equal(module, driver) && fnmatch(pattern, modalias, 0) == 0;
}

bool driver_is_for(const struct root *root, const char *bdf, const char *driver)
{
        static const char *const words[] = { "alias pci:", NULL };
        char path[sizeof("sys/bus/pci/devices//modalias") + sizeof(bdf_t)], *save = NULL;
        _cleanup_free_ char *modalias = NULL, *release = NULL, *index = NULL, *lines = NULL;

        assert(root && bdf && driver);

        if (module_name_equal(driver, "pci-stub"))
                return true;
        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/modalias", bdf);
        if (read_line_at(root->fd, path, &modalias) < 0 ||
            read_line_at(root->fd, "proc/sys/kernel/osrelease", &release) < 0 ||
            asprintf(&index, "lib/modules/%s/modules.alias", release) < 0 ||
            grep_file_at(root->fd, index, words, &lines) < 0)
                return false;
        for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (alias_is_for(line, modalias, driver))
                        return true;
        return false;
}
