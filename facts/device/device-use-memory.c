/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of a device that the host uses as its own. */
#include <errno.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define IOMEM "proc/iomem"
#define CXL "sys/bus/cxl/devices"
#define DEPTH_MAX 32
#define PCI_CLASS_MEMORY_CXL 0x0502

/* One line of /proc/iomem, "    2080000000-307fffffff : region0": two blanks for each level. Anybody may
 * read the names. */
static bool parse_iomem_line(char *line, size_t *ret_depth, const char **ret_name)
{
        size_t blanks = strspn(line, " ");
        char *name = strstr(line + blanks, " : ");

        if (!name || blanks / 2 >= DEPTH_MAX)
                return false;
        *ret_depth = blanks / 2;
        *ret_name = name + strlen(" : ");
        return true;
}

/* System RAM inside of a BAR, which is called by its function's address, or in the region of a virtio-mem
 * device, which is called by that: "virtio3" (drivers/virtio/virtio_mem.c). */
static int add_system_ram(struct use_reader *reader, const char *const names[], size_t depth)
{
        for (size_t i = 0; i < depth; i++) {
                _cleanup_(functions_done) struct functions f = {}, of_virtio = {};

                if (!names[i] || strchr(names[i], '/'))
                        continue;
                if (functions_of_path(reader, names[i], &f) < 0 ||
                    use_add(reader, &f, USE_MEMORY, 0, "System RAM in a BAR") < 0)
                        return -ENOMEM;
                if (startswith(names[i], "virtio") &&
                    (functions_of_virtio(reader, names[i], &of_virtio) < 0 ||
                     use_add(reader, &of_virtio, USE_MEMORY, 0, "System RAM (virtio-mem)") < 0))
                        return -ENOMEM;
        }
        return 0;
}

/* Returns whether a window of CXL holds System RAM, or -ENOMEM. */
static int read_iomem(struct use_reader *reader)
{
        _cleanup_free_ char *text = NULL;
        const char *names[DEPTH_MAX] = {};
        bool window = false;
        char *save = NULL;

        if (read_file_at(reader->root->fd, IOMEM, FILE_MAX_SIZE, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                size_t depth;
                const char *name;

                if (!parse_iomem_line(line, &depth, &name))
                        continue;
                names[depth] = name;
                if (!startswith(name, "System RAM"))
                        continue;
                if (add_system_ram(reader, names, depth) < 0)
                        return -ENOMEM;
                for (size_t i = 0; i < depth; i++)
                        window |= names[i] && startswith(names[i], "CXL Window");
        }
        return window;
}

/* What sysfs lists of CXL, and where each of it is. */
struct cxl {
        struct names names;
        char **targets; /* of the links, in the order of the names; NULL where there is none */
};

static void cxl_done(struct cxl *c)
{
        for (size_t i = 0; c->targets && i < c->names.n; i++)
                free(c->targets[i]);
        free(c->targets);
        names_done(&c->names);
}

static int cxl_read(const struct root *root, struct cxl *c)
{
        (void) list_dir_at(root->fd, CXL, &c->names);
        c->targets = calloc(c->names.n ?: 1, sizeof(*c->targets));
        if (!c->targets)
                return -ENOMEM;
        for (size_t i = 0; i < c->names.n; i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, CXL "/%s", c->names.names[i]) < 0)
                        return -ENOMEM;
                if (read_link_at(root->fd, path, &c->targets[i]) == -ENOMEM)
                        return -ENOMEM;
        }
        return 0;
}

static const char *cxl_region(const struct cxl *c)
{
        for (size_t i = 0; i < c->names.n; i++)
                if (startswith(c->names.names[i], "region"))
                        return c->names.names[i];
        return NULL;
}

/* Is something mapped to the decoder? It names its region since 5.19, and has a size where firmware has set
 * it up. */
static int decoder_is_used(const struct root *root, const char *decoder, char **ret_region)
{
        _cleanup_free_ char *path = NULL, *size_path = NULL;
        uint64_t size;

        if (asprintf(&path, CXL "/%s/region", decoder) < 0 ||
            asprintf(&size_path, CXL "/%s/size", decoder) < 0)
                return -ENOMEM;
        if (read_line_at(root->fd, path, ret_region) >= 0 && **ret_region)
                return 1;
        return read_u64_at(root->fd, size_path, 16, &size) >= 0 && size > 0;
}

/* endpoint: of the memory device. Its decoders are below it. */
static int add_endpoint(struct use_reader *reader, const struct cxl *c, const char *endpoint,
                        const struct functions *f)
{
        _cleanup_free_ char *place = NULL;

        if (asprintf(&place, "/%s/", endpoint) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < c->names.n; i++) {
                _cleanup_free_ char *region = NULL;
                int r;

                if (!startswith(c->names.names[i], "decoder") || !c->targets[i] ||
                    !strstr(c->targets[i], place))
                        continue;
                r = decoder_is_used(reader->root, c->names.names[i], &region);
                if (r < 0)
                        return r;
                if (r > 0 &&
                    use_add(reader, f, USE_MEMORY, 0, region && *region ? region : c->names.names[i]) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Adds what uses the memory device, if it can be traced. Returns whether it could, or -ENOMEM. */
static int trace_memory_device(struct use_reader *reader, const struct cxl *c, const char *name,
                               const struct functions *f)
{
        bool traced = false;

        for (size_t i = 0; i < c->names.n; i++) {
                _cleanup_free_ char *path = NULL, *port = NULL;

                if (!startswith(c->names.names[i], "endpoint"))
                        continue;
                if (asprintf(&path, CXL "/%s/uport", c->names.names[i]) < 0)
                        return -ENOMEM;
                if (read_link_name_at(reader->root->fd, path, &port) < 0 || !streq(port, name))
                        continue;
                traced = true;
                if (add_endpoint(reader, c, c->names.names[i], f) < 0)
                        return -ENOMEM;
        }
        return traced;
}

static int add_memory_devices(struct use_reader *reader, const struct cxl *c, bool traced[])
{
        for (size_t i = 0; i < c->names.n; i++) {
                _cleanup_(functions_done) struct functions f = {};
                int r;

                if (!startswith(c->names.names[i], "mem") || !c->targets[i])
                        continue;
                if (functions_of_path(reader, c->targets[i], &f) < 0)
                        return -ENOMEM;
                r = trace_memory_device(reader, c, c->names.names[i], &f);
                if (r < 0)
                        return r;
                for (size_t k = 0; k < f.n; k++)
                        traced[f.indices[k]] = r > 0;
        }
        return 0;
}

int uses_read_memory(struct use_reader *reader)
{
        _cleanup_free_ bool *traced = calloc(reader->devices->n_devices ?: 1, sizeof(*traced));
        _cleanup_(cxl_done) struct cxl c = {};
        const char *what;
        int window;

        if (!traced)
                return -ENOMEM;
        window = read_iomem(reader);
        if (window < 0 || cxl_read(reader->root, &c) < 0 || add_memory_devices(reader, &c, traced) < 0)
                return -ENOMEM;
        /* Memory of some expander is in use. It can be that of any whose decoders are not shown. */
        what = cxl_region(&c);
        if (!what && window)
                what = "System RAM behind CXL";
        for (size_t i = 0; what && i < reader->devices->n_devices; i++) {
                const struct device *d = &reader->devices->devices[i];
                const struct functions f = { .indices = &i, .n = 1 };

                if (d->class >> 8 != PCI_CLASS_MEMORY_CXL || d->driver_is_vfio || traced[i])
                        continue;
                if (use_add(reader, &f, USE_MEMORY, 0, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}
