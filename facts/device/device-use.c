/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-use.h"

#include <assert.h>
#include <ctype.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define GRAPHICS "sys/class/graphics"
#define DRM "sys/class/drm"
#define THUNDERBOLT "sys/bus/thunderbolt/devices"

/* clang-format off */
static const char *const use_kind_table[_USE_KIND_MAX] = {
        [USE_MOUNT] = "mount",
        [USE_SWAP] = "swap",
        [USE_HOLDER] = "holder",
        [USE_MEMORY] = "memory",
        [USE_INTERFACE] = "interface",
        [USE_ENSLAVED] = "enslaved",
        [USE_NAMESPACE] = "namespace",
        [USE_CONSOLE] = "console",
        [USE_KEYBOARD] = "keyboard",
        [USE_PROCESS] = "process",
        [USE_GUEST] = "vfio",
        [USE_VFS] = "virtual-functions",
        [USE_UNKNOWN] = "unknown",
};
/* clang-format on */
DEFINE_STRING_TABLE(use_kind, enum use_kind);

int functions_add(struct functions *f, size_t index)
{
        size_t *slot;

        for (size_t i = 0; i < f->n; i++)
                if (f->indices[i] == index)
                        return 0;
        slot = array_append(f->indices, f->n);
        if (!slot)
                return -ENOMEM;
        *slot = index;
        return 0;
}

void functions_done(struct functions *f)
{
        free(f->indices);
        *f = (struct functions){};
}

int functions_of_path(const struct use_reader *reader, const char *path, struct functions *f)
{
        for (const char *s = path; *s; s += strcspn(s, "/"), s += *s == '/') {
                size_t n = strcspn(s, "/");
                const struct device *d;
                bdf_t bdf = "";

                if (n >= sizeof(bdf_t))
                        continue;
                memcpy(bdf, s, n);
                /* Only the kernel's spelling counts: "00:03.0" is a serial port of the PNP device 00:03. */
                d = device_facts_find(reader->devices, bdf);
                if (d && !device_is_infrastructure(d) &&
                    functions_add(f, (size_t) (d - reader->devices->devices)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int use_add(struct use_reader *reader, const struct functions *f, enum use_kind kind, pid_t pid,
            const char *what)
{
        for (size_t i = 0; i < f->n; i++) {
                _cleanup_free_ char *copy = strdup(what);
                struct device_use *slot;

                if (!copy)
                        return -ENOMEM;
                /* Processes and interfaces choose their own names. */
                for (char *s = copy; *s; s++)
                        if (iscntrl((unsigned char) *s))
                                *s = '?';
                slot = array_append(reader->uses->uses, reader->uses->n_uses);
                if (!slot)
                        return -ENOMEM;
                *slot = (struct device_use){ .kind = kind, .pid = pid, .what = TAKE_PTR(copy) };
                memcpy(slot->bdf, reader->devices->devices[f->indices[i]].bdf, sizeof(bdf_t));
        }
        return 0;
}

/* Adds a use of the functions that a symlink of sysfs leads to. */
static int add_by_link(struct use_reader *reader, const char *link, enum use_kind kind, const char *what)
{
        _cleanup_(functions_done) struct functions f = {};
        _cleanup_free_ char *target = NULL;

        if (read_link_at(reader->root->fd, link, &target) < 0)
                return 0;
        if (functions_of_path(reader, target, &f) < 0)
                return -ENOMEM;
        return use_add(reader, &f, kind, 0, what);
}

/* The kernel's consoles: tty0 is on the device of the first frame buffer, ttyS4 on a serial card. */
static int read_consoles(struct use_reader *reader)
{
        _cleanup_free_ char *active = NULL;
        char *save = NULL;

        if (read_line_at(reader->root->fd, "sys/class/tty/console/active", &active) < 0)
                return 0;
        for (char *tty = strtok_r(active, " ", &save); tty; tty = strtok_r(NULL, " ", &save)) {
                _cleanup_free_ char *link = NULL, *what = NULL;
                int r;

                if (strchr(tty, '/'))
                        continue;
                reader->first_display_is_console |= streq(tty, "tty0");
                r = streq(tty, "tty0") ? asprintf(&link, "sys/class/graphics/fb0")
                                       : asprintf(&link, "sys/class/tty/%s", tty);
                if (r < 0 || asprintf(&what, "%s (console)", tty) < 0 ||
                    add_by_link(reader, link, USE_CONSOLE, what) < 0)
                        return -ENOMEM;
                if (startswith(tty, "hvc") && uses_add_virtio_console(reader, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Functions that VFIO has are not the host's display, whatever is still drawn there. */
static int add_display(struct use_reader *reader, const char *link, const char *what)
{
        _cleanup_(functions_done) struct functions f = {};
        _cleanup_free_ char *target = NULL;

        if (read_link_at(reader->root->fd, link, &target) < 0)
                return 0;
        if (functions_of_path(reader, target, &f) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < f.n; i++) {
                const struct functions one = { .indices = &f.indices[i], .n = 1 };

                if (!reader->devices->devices[f.indices[i]].driver_is_vfio &&
                    use_add(reader, &one, USE_CONSOLE, 0, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* The kernel itself draws in a framebuffer, so its driver is in use although no process has it open. */
static int read_framebuffers(struct use_reader *reader)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, GRAPHICS, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *link = NULL, *what = NULL;
                const char *number = startswith(names.names[i], "fb");

                if (!number || !*number || number[strspn(number, "0123456789")] ||
                    (reader->first_display_is_console && streq(number, "0")))
                        continue;
                if (asprintf(&link, GRAPHICS "/%s", names.names[i]) < 0 ||
                    asprintf(&what, "%s (framebuffer)", names.names[i]) < 0 ||
                    add_display(reader, link, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* "card1-HDMI-A-1" that is enabled shows a picture of somebody's: a process's, or of a client in the kernel
 * that has no framebuffer. */
static int read_connectors(struct use_reader *reader)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, DRM, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = NULL, *enabled = NULL, *link = NULL, *what = NULL;

                if (!startswith(names.names[i], "card") || !strchr(names.names[i], '-'))
                        continue;
                if (asprintf(&path, DRM "/%s/enabled", names.names[i]) < 0)
                        return -ENOMEM;
                if (read_line_at(reader->root->fd, path, &enabled) < 0 || !streq(enabled, "enabled"))
                        continue;
                if (asprintf(&link, DRM "/%s", names.names[i]) < 0 ||
                    asprintf(&what, "%s (display)", names.names[i]) < 0 ||
                    add_display(reader, link, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Mediated devices go with the driver of their function, and so do the routers behind a Thunderbolt host:
 * "0-1", with the host itself as "0-0", retimers as "0-0:1.1" and services as "0-1.0". */
static int add_children(struct use_reader *reader, const char *dir, const char *what,
                        bool (*counts)(const char *name))
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, dir, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *link = NULL, *text = NULL;

                if (!counts(names.names[i]))
                        continue;
                if (asprintf(&link, "%s/%s", dir, names.names[i]) < 0 ||
                    asprintf(&text, "%s %s", what, names.names[i]) < 0 ||
                    add_by_link(reader, link, USE_HOLDER, text) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static bool any_counts(const char *name)
{
        return *name != '\0';
}

static bool router_counts(const char *name)
{
        const char *route = strchr(name, '-');

        return route && !streq(route, "-0") && !strpbrk(route, ":.");
}

static int read_children(struct use_reader *reader)
{
        if (add_children(reader, MDEV, "mediated device", any_counts) < 0 ||
            add_children(reader, THUNDERBOLT, "Thunderbolt device", router_counts) < 0)
                return -ENOMEM;
        return 0;
}

/* The uses that the functions themselves show. */
static int read_functions(struct use_reader *reader)
{
        for (size_t i = 0; i < reader->devices->n_devices; i++) {
                const struct device *d = &reader->devices->devices[i];
                const struct functions f = { .indices = &i, .n = 1 };
                char text[40];

                if (d->boot_vga && !d->driver_is_vfio &&
                    use_add(reader, &f, USE_CONSOLE, 0, "boot display") < 0)
                        return -ENOMEM;
                if (d->vfs_enabled == 0)
                        continue;
                snprintf(text, sizeof(text), "%u virtual function%s", d->vfs_enabled,
                         d->vfs_enabled == 1 ? "" : "s");
                if (use_add(reader, &f, USE_VFS, 0, text) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int compare_uses(const void *a, const void *b)
{
        const struct device_use *x = a, *y = b;
        int r = bdf_compare(x->bdf, y->bdf) ?: (int) x->kind - (int) y->kind ?: strcmp(x->what, y->what);

        return r ?: (x->pid > y->pid) - (x->pid < y->pid);
}

static void sort_and_merge(struct device_uses *u)
{
        size_t n = 0;

        if (u->n_uses == 0)
                return;
        qsort(u->uses, u->n_uses, sizeof(*u->uses), compare_uses);
        for (size_t i = 0; i < u->n_uses; i++)
                if (n > 0 && compare_uses(&u->uses[n - 1], &u->uses[i]) == 0)
                        free(u->uses[i].what);
                else
                        u->uses[n++] = u->uses[i];
        u->n_uses = n;
}

static void use_reader_done(struct use_reader *reader)
{
        blocks_done(reader);
        pools_done(reader);
}

int device_uses_read(struct device_uses *u, const struct root *root, const struct device_facts *devices)
{
        static int (*const readers[])(struct use_reader *) = {
                blocks_read,   uses_read_blocks,  uses_read_memory,    uses_read_network,
                read_consoles, read_framebuffers, read_connectors,     read_functions,
                read_children, uses_read_input,   uses_read_processes,
        };
        _cleanup_(device_uses_done) struct device_uses uses = {};
        _cleanup_(use_reader_done) struct use_reader reader = {
                .uses = &uses,
                .root = root,
                .devices = devices,
        };
        int r;

        assert(u);
        assert(root);
        assert(devices);

        *u = (struct device_uses){};
        for (size_t i = 0; i < ELEMENTSOF(readers); i++) {
                r = readers[i](&reader);
                if (r < 0)
                        return r;
        }
        sort_and_merge(&uses);
        *u = TAKE(uses, (struct device_uses){});
        return 0;
}

void device_uses_done(struct device_uses *u)
{
        assert(u);

        for (size_t i = 0; i < u->n_uses; i++)
                free(u->uses[i].what);
        for (size_t i = 0; i < u->n_blocks; i++)
                free(u->blocks[i].name);
        free(u->uses);
        free(u->blocks);
        *u = (struct device_uses){};
}

const struct device_use *device_uses_find(const struct device_uses *u, const char *bdf, size_t *ret_n)
{
        size_t low = 0, high, end;

        assert(u);
        assert(bdf);
        assert(ret_n);

        high = u->n_uses;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (bdf_compare(u->uses[middle].bdf, bdf) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        end = low;
        while (end < u->n_uses && streq(u->uses[end].bdf, bdf))
                end++;
        *ret_n = end - low;
        return end > low ? &u->uses[low] : NULL;
}

const struct device_use *device_uses_host(const struct device_uses *u, const char *bdf)
{
        const struct device_use *uses;
        size_t n;

        assert(u);
        assert(bdf);

        uses = device_uses_find(u, bdf, &n);
        for (size_t i = 0; i < n; i++)
                if (uses[i].kind != USE_GUEST)
                        return &uses[i];
        return NULL;
}
