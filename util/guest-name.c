/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-name.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "file.h"
#include "macro.h"
#include "memory.h"
#include "process-file.h"

#define CMDLINE_MAX_SIZE (4U << 20)

/* The value of a QEMU option up to the comma that ends it; one within it is there twice. */
static char *copy_value(const char *value)
{
        char *name = memory_note(strdup(value)), *to = name;

        if (!name)
                return NULL;
        for (const char *from = name; *from; from++) {
                if (*from == ',' && *++from != ',')
                        break;
                *to++ = *from;
        }
        *to = '\0';
        return name;
}

/* The argument behind "-name", or NULL. text: the arguments, each with its NUL. */
static const char *find_value(const char *text, size_t size)
{
        for (const char *arg = text; arg < text + size; arg += strlen(arg) + 1) {
                const char *value = arg + strlen(arg) + 1;

                if (streq(arg, "-name") && value < text + size)
                        return startswith(value, "guest=") ?: value;
        }
        return NULL;
}

int guest_name_of(const struct root *root, pid_t pid, char **ret)
{
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL, *name = NULL;
        char path[sizeof("proc/") + 10];
        const char *value = NULL;
        int r;

        assert(root);
        assert(ret);
        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = open_at(root->fd, path, O_PATH | O_DIRECTORY);
        if (fd >= 0) {
                struct process process = process_of(root, pid, fd);
                size_t size;

                r = process_read_file(root, &process, fd, "cmdline", CMDLINE_MAX_SIZE, &text, &size);
                if (r == -ENOMEM || process_is_unread(r))
                        return r;
                value = r < 0 ? NULL : find_value(text, size);
        }
        if (value) {
                name = copy_value(value);
                if (!name)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(name);
        return 0;
}
