/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host that is itself a virtual machine has from virtio devices without a block device or an
 * interface: file systems, consoles, memory. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define VIRTIO "sys/bus/virtio/devices"
#define VIRTIOFS "sys/fs/virtiofs"

/* include/uapi/linux/virtio_ids.h */
#define ID_CONSOLE 3
#define ID_FS 26

int functions_of_virtio(const struct use_reader *reader, const char *name, struct functions *f)
{
        _cleanup_free_ char *path = NULL, *target = NULL;

        if (asprintf(&path, VIRTIO "/%s", name) < 0)
                return -ENOMEM;
        if (read_link_at(reader->root->fd, path, &target) < 0)
                return 0;
        return functions_of_path(reader, target, f);
}

static int read_virtio_line(const struct use_reader *reader, const char *name, const char *attribute,
                            char **ret)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, VIRTIO "/%s/%s", name, attribute) < 0)
                return -ENOMEM;
        return read_line_at(reader->root->fd, path, ret);
}

static bool has_id(const struct use_reader *reader, const char *name, uint64_t id)
{
        char path[sizeof(VIRTIO "//device") + NAME_MAX];
        uint64_t own;

        snprintf(path, sizeof(path), VIRTIO "/%s/device", name);
        return read_u64_at(reader->root->fd, path, 16, &own) >= 0 && own == id;
}

/* Adds a use of all virtio devices with that ID. */
static int add_all_of(struct use_reader *reader, uint64_t id, enum use_kind kind, const char *what)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, VIRTIO, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_(functions_done) struct functions f = {};

                if (!has_id(reader, names.names[i], id))
                        continue;
                if (functions_of_virtio(reader, names.names[i], &f) < 0 ||
                    use_add(reader, &f, kind, 0, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int uses_add_virtio_console(struct use_reader *reader, const char *what)
{
        return add_all_of(reader, ID_CONSOLE, USE_CONSOLE, what);
}

/* Returns 1 if the kernel lists the tags of its devices, which it does since 6.9; 0 or -ENOMEM. */
static int add_virtiofs_by_tag(struct use_reader *reader, const char *tag, const char *where)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = list_dir_at(reader->root->fd, VIRTIOFS, &names);
        if (r == -ENOMEM)
                return r;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = NULL, *link = NULL, *own = NULL, *target = NULL;
                _cleanup_(functions_done) struct functions f = {};

                if (asprintf(&path, VIRTIOFS "/%s/tag", names.names[i]) < 0 ||
                    asprintf(&link, VIRTIOFS "/%s/device", names.names[i]) < 0)
                        return -ENOMEM;
                if (read_line_at(reader->root->fd, path, &own) < 0 || !streq(own, tag) ||
                    read_link_at(reader->root->fd, link, &target) < 0)
                        continue;
                if (functions_of_path(reader, target, &f) < 0 ||
                    use_add(reader, &f, USE_MOUNT, 0, where) < 0)
                        return -ENOMEM;
        }
        return names.n > 0;
}

static int add_9p(struct use_reader *reader, const char *tag, const char *where)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, VIRTIO, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_(functions_done) struct functions f = {};
                _cleanup_free_ char *own = NULL;
                int r;

                r = read_virtio_line(reader, names.names[i], "mount_tag", &own);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 || !streq(own, tag))
                        continue;
                if (functions_of_virtio(reader, names.names[i], &f) < 0 ||
                    use_add(reader, &f, USE_MOUNT, 0, where) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int uses_add_virtio_mount(struct use_reader *reader, const char *type, const char *source, const char *where,
                          const char *options)
{
        int r;

        if (streq(type, "9p"))
                return options && strstr(options, "trans=virtio") ? add_9p(reader, source, where) : 0;
        if (!streq(type, "virtiofs"))
                return 0;
        r = add_virtiofs_by_tag(reader, source, where);
        if (r != 0)
                return r < 0 ? r : 0;
        return add_all_of(reader, ID_FS, USE_MOUNT, where); /* it is one of these */
}

bool has_virtio(const struct use_reader *reader)
{
        return exists_at(reader->root->fd, VIRTIO);
}
