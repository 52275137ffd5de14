/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modprobe-conf.h"

#include <assert.h>
#include <errno.h>

#include "util/file.h"
#include "util/macro.h"

#define CONFIG_MAX_SIZE (1U << 20)

/* A name in one directory hides the same name in those after it. */
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
        int r;

        r = read_file_at(root->fd, path, CONFIG_MAX_SIZE, &text, NULL);
        if (r < 0) {
                note_error(unread, r);
                return 0;
        }
        for (char *line = text; line; line = next) {
                char *end = line;

                /* A backslash at the end joins a line to the next one. */
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

/* Whether a directory before the one of that index has the same name. Returns 1, 0 or -ENOMEM. */
static int is_hidden(const struct root *root, size_t index, const char *name)
{
        for (size_t i = 0; i < index; i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", dirs[i], name) < 0)
                        return -ENOMEM;
                if (exists_at(root->fd, path))
                        return 1;
        }
        return 0;
}

static int read_dir(const struct root *root, size_t index, modprobe_line_t on_line, void *userdata,
                    int *unread)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        note_error(unread, list_dir_at(root->fd, dirs[index], &names));
        for (size_t i = 0; i < names.n; i++) {
                const char *dot = strrchr(names.names[i], '.');
                _cleanup_free_ char *path = NULL;

                if (!dot || !streq(dot, ".conf"))
                        continue;
                r = is_hidden(root, index, names.names[i]);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                if (asprintf(&path, "%s/%s", dirs[index], names.names[i]) < 0)
                        return -ENOMEM;
                r = read_conf(root, path, on_line, userdata, unread);
                if (r < 0)
                        return r;
        }
        return 0;
}

int modprobe_conf_read(const struct root *root, modprobe_line_t on_line, void *userdata, int *ret_unread)
{
        int r;

        assert(root);
        assert(on_line);
        assert(ret_unread);

        *ret_unread = 0;
        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                r = read_dir(root, i, on_line, userdata, ret_unread);
                if (r < 0)
                        return r;
        }
        return 0;
}
