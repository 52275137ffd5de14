/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modprobe-conf.h"

#include <errno.h>

#include "util/file.h"
#include "util/macro.h"

#define CONFIG_MAX_SIZE (1U << 20)

static const char *const dirs[] = {
        "etc/modprobe.d",     "run/modprobe.d", "usr/local/lib/modprobe.d",
        "usr/lib/modprobe.d", "lib/modprobe.d",
};

static void note_error(int *unread, int r)
{
        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
                *unread = r;
}

static int read_conf(const struct root *root, const char *path, modprobe_line_t on_line, void *userdata,
                     int *unread)
{
        _cleanup_free_ char *text = NULL;
        unsigned number = 1, first;
        char *next;
        int r = read_file_at(root->fd, path, CONFIG_MAX_SIZE, &text, NULL);

        if (r < 0) {
                note_error(unread, r);
                return 0;
        }
        for (char *line = text; line; line = next) {
                char *end = line;

                /* A backslash at its end joins a line to the next one. */
                for (first = number; (end = strchr(end, '\n')); number++) {
                        if (end == line || end[-1] != '\\')
                                break;
                        end[-1] = *end = ' ';
                }
                next = end ? end + 1 : NULL;
                number++;
                if (end)
                        *end = '\0';
                r = on_line(line + strspn(line, " \t"), path, first, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* *.conf of each directory, where a name in one hides the same name in those behind. */
int modprobe_conf_read(const struct root *root, modprobe_line_t line, void *userdata, int *ret_unread)
{
        *ret_unread = 0;
        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                _cleanup_(names_done) struct names names = {};

                note_error(ret_unread, list_dir_at(root->fd, dirs[i], &names));
                for (size_t k = 0; k < names.n; k++) {
                        const char *dot = strrchr(names.names[k], '.');
                        _cleanup_free_ char *path = NULL;
                        bool hidden = false;
                        int r;

                        if (!dot || !streq(dot, ".conf"))
                                continue;
                        for (size_t j = 0; j < i && !hidden; j++) {
                                _cleanup_free_ char *other = NULL;

                                if (asprintf(&other, "%s/%s", dirs[j], names.names[k]) < 0)
                                        return -ENOMEM;
                                hidden = exists_at(root->fd, other);
                        }
                        if (asprintf(&path, "%s/%s", dirs[i], names.names[k]) < 0)
                                return -ENOMEM;
                        r = hidden ? 0 : read_conf(root, path, line, userdata, ret_unread);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}
