/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proxmox-files.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "proxmox-conf.h"
#include "util/array.h"
#include "util/file.h"
#include "util/guarded-file.h"
#include "util/macro.h"

/* Followed by the path and the text, each with its NUL. */
struct item {
        int error;
        size_t path_size, text_size;
};

static void write_item(FILE *out, const char *path, int error, const char *text)
{
        const char *written = error < 0 ? "" : text;
        const struct item item = { error, strlen(path) + 1, strlen(written) + 1 };

        fwrite(&item, sizeof(item), 1, out);
        fwrite(path, item.path_size, 1, out);
        fwrite(written, item.text_size, 1, out);
}

/* "101.conf" */
static bool is_conf(const char *name)
{
        size_t n = strspn(name, "0123456789");

        return n > 0 && n <= 9 && streq(name + n, ".conf");
}

static int write_file(const struct root *root, const char *path, FILE *out)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(root->fd, path, PROXMOX_CONF_MAX, &text, NULL);
        if (r == -ENOMEM)
                return r;
        write_item(out, path, r, text);
        return 0;
}

static int write_confs(const struct root *root, FILE *out)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = list_dir_at(root->fd, PROXMOX_DEFINED_DIR, &names);
        if (r == -ENOMEM)
                return r;
        write_item(out, PROXMOX_DEFINED_DIR, r, "");
        for (size_t i = 0; i < names.n; i++) {
                char path[sizeof(PROXMOX_DEFINED_DIR "/.conf") + 16];

                if (!is_conf(names.names[i]))
                        continue;
                snprintf(path, sizeof(path), PROXMOX_DEFINED_DIR "/%s", names.names[i]);
                r = write_file(root, path, out);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* In the child */
static int write_all(const struct root *root, const void *userdata, FILE *out)
{
        _cleanup_free_ char *node = NULL;
        int r;

        (void) userdata;
        r = write_confs(root, out);
        if (r < 0)
                return r;
        r = write_file(root, PROXMOX_MAPPINGS_FILE, out);
        if (r < 0)
                return r;
        r = read_link_name_at(root->fd, PROXMOX_NODE_LINK, &node);
        if (r == -ENOMEM)
                return r;
        write_item(out, PROXMOX_NODE_LINK, r, node);
        return 0;
}

static int add_file(struct proxmox_files *f, const struct item *item, const char *path)
{
        struct proxmox_file *file = array_append(f->files, f->n);

        if (!file)
                return -ENOMEM;
        file->error = item->error;
        file->path = strdup(path);
        file->text = strdup(path + item->path_size);
        return file->path && file->text ? 0 : -ENOMEM;
}

static int take_files(struct proxmox_files *f, const char *bytes, size_t size)
{
        while (size > 0) {
                struct item item;
                int r;

                if (size < sizeof(item))
                        return -EBADMSG;
                memcpy(&item, bytes, sizeof(item));
                bytes += sizeof(item);
                size -= sizeof(item);
                if (item.path_size == 0 || item.path_size > size || item.text_size == 0 ||
                    item.text_size > size - item.path_size || bytes[item.path_size - 1] != '\0' ||
                    bytes[item.path_size + item.text_size - 1] != '\0')
                        return -EBADMSG;
                r = add_file(f, &item, bytes);
                if (r < 0)
                        return r;
                bytes += item.path_size + item.text_size;
                size -= item.path_size + item.text_size;
        }
        return 0;
}

int proxmox_files_read(struct proxmox_files *f, const struct root *root)
{
        _cleanup_free_ char *bytes = NULL;
        size_t size;
        int r;

        assert(f);
        assert(root);

        *f = (struct proxmox_files){};
        r = guarded_file_run(root, "etc/pve", write_all, NULL, &bytes, &size);
        if (r < 0)
                return r;
        r = take_files(f, bytes, size);
        if (r < 0)
                proxmox_files_done(f);
        return r;
}

void proxmox_files_done(struct proxmox_files *f)
{
        for (size_t i = 0; i < f->n; i++) {
                free(f->files[i].path);
                free(f->files[i].text);
        }
        free(f->files);
        *f = (struct proxmox_files){};
}

const struct proxmox_file *proxmox_files_find(const struct proxmox_files *f, const char *path)
{
        assert(f);
        assert(path);

        for (size_t i = 0; i < f->n; i++)
                if (streq(f->files[i].path, path))
                        return &f->files[i];
        return NULL;
}

bool proxmox_file_id(const struct proxmox_file *file, char id[static 16])
{
        const char *name;

        assert(file);

        name = startswith(file->path, PROXMOX_DEFINED_DIR "/");
        if (!name)
                return false;
        snprintf(id, 16, "%.*s", (int) strspn(name, "0123456789"), name);
        return true;
}
