/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define BLOCK "sys/class/block/"
#define SUBSYSTEM "nvme-subsystem/"
#define VIRTUAL "/virtual/block/"
#define FABRICS "/nvme-fabrics/ctl/"
#define FC_HOST "sys/class/fc_host"
#define LAYERS_MAX 16
#define ELSEWHERE "block-devices-mounted-elsewhere"
#define BLOCKS_MAX \
        (1U << 18) /* for all functions; a block device counts once for each that it stands on \
                    */

static int compare_names(const void *a, const void *b)
{
        return strcmp(((const struct block *) a)->name, ((const struct block *) b)->name);
}

struct block *block_find(struct use_reader *reader, const char *name)
{
        struct block key = { .name = (char *) name };

        return reader->n_blocks == 0
                       ? NULL
                       : bsearch(&key, reader->blocks, reader->n_blocks, sizeof(key), compare_names);
}

struct block *block_find_node(struct use_reader *reader, const char *node)
{
        const char *mapper = startswith(node, "/dev/mapper/"), *name = startswith(node, "/dev/");

        for (size_t i = 0; mapper && i < reader->n_blocks; i++)
                if (reader->blocks[i].dm_name && streq(reader->blocks[i].dm_name, mapper))
                        return &reader->blocks[i];
        return name ? block_find(reader, name) : NULL;
}

/* The function of the host adapter with that name of a port: "0x100000109b579ef6". */
static int add_fc_host(struct use_reader *reader, const char *port, struct functions *f)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, FC_HOST, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = NULL, *link = NULL, *own = NULL, *target = NULL;

                if (asprintf(&path, FC_HOST "/%s/port_name", names.names[i]) < 0 ||
                    asprintf(&link, FC_HOST "/%s", names.names[i]) < 0)
                        return -ENOMEM;
                if (read_line_at(reader->root->fd, path, &own) < 0 || !streq(own, port) ||
                    read_link_at(reader->root->fd, link, &target) < 0)
                        continue;
                if (functions_of_path(reader, target, f) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* A controller behind Fibre Channel is a virtual device, and names the adapter in its address:
 * "traddr=...,host_traddr=nn-0x200000109b579ef6:pn-0x100000109b579ef6" (drivers/nvme/host/fc.c). With RDMA
 * and TCP it goes through an interface that has an address. */
static int add_fabrics(struct use_reader *reader, const char *target, struct functions *f)
{
        const char *name = strstr(target, FABRICS), *host, *port;
        _cleanup_free_ char *path = NULL, *address = NULL, *copy = NULL;
        int r;

        if (!name)
                return 0;
        name += strlen(FABRICS);
        if (asprintf(&path, "sys/class/nvme/%.*s/address", (int) strcspn(name, "/"), name) < 0)
                return -ENOMEM;
        r = read_line_at(reader->root->fd, path, &address);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        host = strstr(address, "host_traddr=");
        port = host ? strstr(host, "pn-") : NULL;
        if (!port)
                return 0;
        port += strlen("pn-");
        copy = strndup(port, strcspn(port, ",:"));
        return copy ? add_fc_host(reader, copy, f) : -ENOMEM;
}

/* Under native NVMe multipath, the disk that is mounted is the subsystem's, and belongs to each of its
 * controllers. */
static int add_subsystem(struct use_reader *reader, const char *subsystem, struct functions *f)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *dir = NULL;

        if (asprintf(&dir, "sys/class/" SUBSYSTEM "%.*s", (int) strcspn(subsystem, "/"), subsystem) < 0)
                return -ENOMEM;
        (void) list_dir_at(reader->root->fd, dir, &names);
        for (size_t i = 0; i < names.n; i++) {
                const char *number = startswith(names.names[i], "nvme");
                _cleanup_free_ char *path = NULL, *target = NULL;

                if (!number || !*number || number[strspn(number, "0123456789")])
                        continue;
                if (asprintf(&path, "%s/%s", dir, names.names[i]) < 0)
                        return -ENOMEM;
                if (read_link_at(reader->root->fd, path, &target) >= 0 &&
                    (functions_of_path(reader, target, f) < 0 || add_fabrics(reader, target, f) < 0))
                        return -ENOMEM;
        }
        return 0;
}

/* Reads one line from the directory of a block device. */
static int read_block_line(const struct use_reader *reader, const char *name, const char *attribute,
                           char **ret)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, BLOCK "%s/%s", name, attribute) < 0)
                return -ENOMEM;
        return read_line_at(reader->root->fd, path, ret);
}

static int read_block_number(struct use_reader *reader, struct block *b)
{
        _cleanup_free_ char *dev = NULL;
        int r;

        r = read_block_line(reader, b->name, "dev", &dev);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOENT)
                return 0; /* a single path below a disk of NVMe multipath has no number, and cannot be opened
                           */
        if (r < 0 || sscanf(dev, "%u:%u", &b->major, &b->minor) != 2)
                reader->uses->block = fact_unknown("the number of a block device cannot be read");
        return 0;
}

static int read_block(struct use_reader *reader, struct block *b)
{
        _cleanup_free_ char *path = NULL, *target = NULL;
        const char *virtual, *subsystem;

        if (asprintf(&path, BLOCK "%s", b->name) < 0)
                return -ENOMEM;
        if (read_link_at(reader->root->fd, path, &target) < 0)
                return 0;
        if (functions_of_path(reader, target, &b->functions) < 0 ||
            add_fabrics(reader, target, &b->functions) < 0)
                return -ENOMEM;
        subsystem = strstr(target, SUBSYSTEM);
        if (subsystem && add_subsystem(reader, subsystem + strlen(SUBSYSTEM), &b->functions) < 0)
                return -ENOMEM;
        virtual = strstr(target, VIRTUAL);
        if (virtual) {
                virtual += strlen(VIRTUAL);
                b->whole = strndup(virtual, strcspn(virtual, "/"));
                if (!b->whole || read_block_line(reader, b->name, "dm/name", &b->dm_name) == -ENOMEM)
                        return -ENOMEM;
        }
        return read_block_number(reader, b);
}

static int resolve_block(struct use_reader *reader, struct block *b, unsigned layer);

static int resolve_below(struct use_reader *reader, struct block *b, struct block *below, unsigned layer)
{
        if (!below || below == b)
                return 0;
        if (resolve_block(reader, below, layer + 1) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < below->functions.n; i++)
                if (functions_add(&b->functions, below->functions.indices[i]) < 0)
                        return -ENOMEM;
        b->stacked = below->used = true;
        return 0;
}

/* A loop device and zram name by its path what they write to, which can be a block device. */
static int resolve_backing(struct use_reader *reader, struct block *b, unsigned layer)
{
        static const char *const attributes[] = { "loop/backing_file", "backing_dev" };

        if (!startswith(b->whole, "loop") && !startswith(b->whole, "zram"))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(attributes); i++) {
                _cleanup_free_ char *node = NULL;
                int r = read_block_line(reader, b->whole, attributes[i], &node);

                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        continue;
                if (resolve_below(reader, b, block_find_node(reader, node), layer) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Adds the functions that the layers below stand on. On a made-up host they may form a circle. */
static int resolve_block(struct use_reader *reader, struct block *b, unsigned layer)
{
        _cleanup_(names_done) struct names below = {};
        _cleanup_free_ char *path = NULL;

        if (b->visited || !b->whole || layer > LAYERS_MAX)
                return 0;
        b->visited = true;
        if (asprintf(&path, BLOCK "%s/slaves", b->whole) < 0)
                return -ENOMEM;
        (void) list_dir_at(reader->root->fd, path, &below);
        for (size_t i = 0; i < below.n; i++)
                if (resolve_below(reader, b, block_find(reader, below.names[i]), layer) < 0)
                        return -ENOMEM;
        return resolve_backing(reader, b, layer);
}

int blocks_read(struct use_reader *reader)
{
        _cleanup_(names_done) struct names names = {};

        if (list_dir_at(reader->root->fd, "sys/class/block", &names) < 0)
                reader->uses->block = fact_unknown("/sys/class/block cannot be read");
        else
                reader->uses->block = fact_is(true, SOURCE_SYSFS);
        for (size_t i = 0; i < names.n; i++) {
                struct block *b = array_append(reader->blocks, reader->n_blocks);

                if (!b)
                        return -ENOMEM;
                b->name = TAKE_PTR(names.names[i]);
                if (read_block(reader, b) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < reader->n_blocks; i++)
                if (resolve_block(reader, &reader->blocks[i], 0) < 0)
                        return -ENOMEM;
        return 0;
}

void blocks_done(struct use_reader *reader)
{
        for (size_t i = 0; i < reader->n_blocks; i++) {
                free(reader->blocks[i].name);
                free(reader->blocks[i].dm_name);
                free(reader->blocks[i].whole);
                functions_done(&reader->blocks[i].functions);
        }
        free(reader->blocks);
        reader->blocks = NULL;
        reader->n_blocks = 0;
}

/* Decodes "\040" and the like, in place. */
static void unescape_field(char *s)
{
        char *to = s;

        for (; *s; s++, to++) {
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && isdigit((unsigned char) s[2]) &&
                    isdigit((unsigned char) s[3])) {
                        *to = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 3;
                } else
                        *to = *s;
        }
        *to = '\0';
}

int block_add_use(struct use_reader *reader, struct block *b, enum use_kind kind, const char *what)
{
        b->used = true;
        return use_add(reader, &b->functions, kind, 0, what);
}

/* Btrfs shows only one of its devices as the source, but uses the others as well. */
static int add_btrfs(struct use_reader *reader, const struct block *b, const char *where)
{
        _cleanup_(names_done) struct names systems = {};

        (void) list_dir_at(reader->root->fd, "sys/fs/btrfs", &systems);
        for (size_t i = 0; i < systems.n; i++) {
                _cleanup_(names_done) struct names members = {};
                _cleanup_free_ char *path = NULL;
                bool ours = false;

                if (asprintf(&path, "sys/fs/btrfs/%s/devices", systems.names[i]) < 0)
                        return -ENOMEM;
                (void) list_dir_at(reader->root->fd, path, &members);
                for (size_t k = 0; k < members.n; k++)
                        ours |= streq(members.names[k], b->name);
                for (size_t k = 0; ours && k < members.n; k++) {
                        struct block *member = block_find(reader, members.names[k]);

                        if (member && block_add_use(reader, member, USE_MOUNT, where) < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

struct mount {
        unsigned major, minor;
        char *root, *where, *type, *source;
        char *options; /* of the file system, or NULL */
};

/* proc_pid_mountinfo(5): "36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/root rw" */
static bool parse_mount(char *line, struct mount *ret)
{
        char *rest = strstr(line, " - "), *save = NULL, *device;
        struct mount m = {};

        if (!rest)
                return false;
        *rest = '\0';
        (void) strtok_r(line, " ", &save);
        (void) strtok_r(NULL, " ", &save);
        device = strtok_r(NULL, " ", &save);
        m.root = strtok_r(NULL, " ", &save);
        m.where = strtok_r(NULL, " ", &save);
        m.type = strtok_r(rest + strlen(" - "), " ", &save);
        m.source = strtok_r(NULL, " ", &save);
        m.options = strtok_r(NULL, " ", &save);
        if (!device || !m.where || !m.source || sscanf(device, "%u:%u", &m.major, &m.minor) != 2)
                return false;
        unescape_field(m.where);
        unescape_field(m.source);
        *ret = m;
        return true;
}

static struct block *find_by_number(struct use_reader *reader, unsigned major, unsigned minor)
{
        for (size_t i = 0; major && i < reader->n_blocks; i++)
                if (reader->blocks[i].major == major && reader->blocks[i].minor == minor)
                        return &reader->blocks[i];
        return NULL;
}

static struct block *find_mounted(struct use_reader *reader, const struct mount *m)
{
        return find_by_number(reader, m->major, m->minor) ?: block_find_node(reader, m->source);
}

/* bound: whether to add the mounts that show only a part of a file system, or those that show all of it. A
 * part is a use of its own only if no mount shows the whole, so all mounts have to be added with false
 * before. */
static int add_mount(struct use_reader *reader, const struct mount *m, bool bound)
{
        struct block *b = find_mounted(reader, m);
        bool btrfs = streq(m->type, "btrfs");

        if (b)
                b->seen = true;
        if (!b || bound != !(streq(m->root, "/") || btrfs) || (bound && b->mounted))
                return 0;
        b->mounted |= !bound;
        if (block_add_use(reader, b, USE_MOUNT, m->where) < 0)
                return -ENOMEM;
        return btrfs ? add_btrfs(reader, b, m->where) : 0;
}

/* Adds the block devices that a text names. separator: what stands between them. Returns whether it named
 * any, or -ENOMEM. */
static int add_nodes(struct use_reader *reader, const struct mount *m, const char *text, char separator)
{
        const char separators[] = { separator, '\0' };
        bool any = false;

        for (const char *s = text; *s;) {
                size_t n = strcspn(s, separators);
                const char *value = memchr(s, '=', n);
                _cleanup_free_ char *node = NULL;
                struct block *b;

                value = value ? value + 1 : s;
                node = strndup(value, n - (size_t) (value - s));
                if (!node)
                        return -ENOMEM;
                b = block_find_node(reader, node);
                if (b) {
                        any = true;
                        if (block_add_use(reader, b, USE_MOUNT, m->where) < 0)
                                return -ENOMEM;
                }
                s += n + (s[n] != '\0');
        }
        return any;
}

/* What a mount uses besides the device that it is of: "/dev/sda:/dev/sdb" (bcachefs), or an option such as
 * "logdev=/dev/sdc" (XFS). One without a device that is known is kept as a pool. */
static int add_mount_devices(struct use_reader *reader, const struct mount *m)
{
        int r;

        r = uses_add_virtio_mount(reader, m->type, m->source, m->where, m->options);
        if (r < 0)
                return r;
        if (m->options) {
                r = add_nodes(reader, m, m->options, ',');
                if (r < 0)
                        return r;
        }
        if (m->major > 0 || find_mounted(reader, m))
                return 0;
        r = add_nodes(reader, m, m->source, ':');
        if (r != 0)
                return r < 0 ? r : 0;
        return pools_add(reader, m->type, m->source);
}

static int read_mounts(struct use_reader *reader)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ struct mount *mounts = NULL;
        char *save = NULL;
        size_t n = 0;

        /* Process 1 has the host's mounts; a sandbox around this process may show others. */
        if (read_file_at(reader->root->fd, "proc/1/mountinfo", FILE_MAX_SIZE, &text, NULL) < 0 &&
            read_file_at(reader->root->fd, "proc/self/mountinfo", FILE_MAX_SIZE, &text, NULL) < 0) {
                reader->uses->block = fact_unknown("the mounts cannot be read");
                return 0;
        }
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct mount m, *slot;

                if (!parse_mount(line, &m))
                        continue;
                slot = array_append(mounts, n);
                if (!slot)
                        return -ENOMEM;
                *slot = m;
        }
        for (size_t i = 0; i < n; i++)
                if (add_mount(reader, &mounts[i], false) < 0)
                        return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (add_mount(reader, &mounts[i], true) < 0 || add_mount_devices(reader, &mounts[i]) < 0)
                        return -ENOMEM;
        return 0;
}

/* Writes "MAJOR:MINOR " for each block device that only this process's namespace shows as mounted. The text
 * of its mountinfo is not recorded, because it names more than is needed. */
static void list_mounts_of(struct use_reader *reader, const char *pid, FILE *out)
{
        char path[sizeof("proc//mountinfo") + 10], *save = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;

        snprintf(path, sizeof(path), "proc/%.10s/mountinfo", pid);
        fd = openat(reader->root->fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read_fd(fd, FILE_MAX_SIZE, &text, NULL) < 0)
                return;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct mount m;
                struct block *b = parse_mount(line, &m) ? find_mounted(reader, &m) : NULL;

                if (!b || b->seen)
                        continue;
                fprintf(out, "%u:%u ", b->major, b->minor);
                b->seen = true;
        }
}

struct namespaces {
        uint64_t *numbers;
        size_t n;
};

static void namespaces_done(struct namespaces *n)
{
        free(n->numbers);
}

/* "mnt:[4026531841]". Returns 1 if it is one that was not there yet, 0 or -ENOMEM. */
static int add_namespace(const struct use_reader *reader, const char *pid, struct namespaces *n)
{
        char path[sizeof("proc//ns/mnt") + 10], target[40] = "";
        uint64_t number, *slot;

        snprintf(path, sizeof(path), "proc/%.10s/ns/mnt", pid);
        if (readlinkat(reader->root->fd, path, target, sizeof(target) - 1) < 0 ||
            sscanf(target, "mnt:[%" SCNu64 "]", &number) != 1)
                return 0;
        for (size_t i = 0; i < n->n; i++)
                if (n->numbers[i] == number)
                        return 0;
        slot = array_append(n->numbers, n->n);
        if (!slot)
                return -ENOMEM;
        *slot = number;
        return 1;
}

/* "MAJOR:MINOR " of each; every namespace is looked at once. */
static int list_mounts_elsewhere(struct use_reader *reader, char **ret)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_(names_done) struct names names = {};
        _cleanup_(namespaces_done) struct namespaces known = {};
        _cleanup_fclose_ FILE *out = NULL;
        size_t size;
        int r;

        out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        (void) list_dir_at(reader->root->fd, "proc", &names);
        for (size_t i = 0; i < names.n; i++) {
                if (!isdigit((unsigned char) *names.names[i]))
                        continue;
                r = add_namespace(reader, names.names[i], &known);
                if (r < 0)
                        return r;
                if (r > 0)
                        list_mounts_of(reader, names.names[i], out);
        }
        if (memory_stream_close(TAKE_PTR(out), &text) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Mounts in containers and the like. Where they show is not a path of this host, so it is not named. */
static int read_mounts_elsewhere(struct use_reader *reader)
{
        _cleanup_free_ char *answer = NULL;
        char *save = NULL;

        if (!reader->root->live)
                answer = root_answer(reader->root, ELSEWHERE);
        else if (list_mounts_elsewhere(reader, &answer) < 0)
                return -ENOMEM;
        else if (*answer)
                root_note(reader->root, ELSEWHERE, answer);
        if (!answer)
                return 0;

        for (char *word = strtok_r(answer, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                struct block *b;
                unsigned major, minor;

                if (sscanf(word, "%u:%u", &major, &minor) != 2)
                        continue;
                b = find_by_number(reader, major, minor);
                if (b && block_add_use(reader, b, USE_MOUNT, "in another mount namespace") < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* "/dev/nvme0n1p3  partition 8388604 0 -2". The kernel shows the path at which it was opened; udev may have
 * made that node again since. One of another name can be any device that has a swap area. */
static int add_swap(struct use_reader *reader, char *line)
{
        char *type = line + strcspn(line, " \t"), *deleted;
        struct block *b;

        if (*type)
                *type++ = '\0';
        unescape_field(line);
        deleted = strstr(line, " (deleted)");
        if (deleted)
                *deleted = '\0';
        b = block_find_node(reader, line);
        if (b)
                return block_add_use(reader, b, USE_SWAP, b->dm_name ?: b->name);
        return startswith(type + strspn(type, " \t"), "partition") ? pools_add(reader, "swap", line) : 0;
}

static int read_swaps(struct use_reader *reader)
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;
        int r;

        r = read_file_at(reader->root->fd, "proc/swaps", FILE_MAX_SIZE, &text, NULL);
        if (r < 0) {
                if (r != -ENOENT) /* a kernel without swap has no such file */
                        reader->uses->block = fact_unknown("the swap devices cannot be read");
                return r == -ENOMEM ? r : 0;
        }
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                r = add_swap(reader, line);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_device_blocks(const void *a, const void *b)
{
        const struct device_block *x = a, *y = b;

        return bdf_compare(x->bdf, y->bdf) ?: strcmp(x->name, y->name);
}

static int list_blocks(struct use_reader *reader)
{
        struct device_uses *u = reader->uses;

        for (size_t i = 0; i < reader->n_blocks; i++) {
                const struct block *b = &reader->blocks[i];

                if (u->n_blocks + b->functions.n > BLOCKS_MAX) {
                        u->block = fact_unknown("there are more block devices than are looked at");
                        break;
                }
                for (size_t k = 0; k < b->functions.n && b->major > 0; k++) {
                        _cleanup_free_ char *name = strdup(b->name);
                        struct device_block *slot;

                        slot = name ? array_append(u->blocks, u->n_blocks) : NULL;
                        if (!slot)
                                return -ENOMEM;
                        *slot = (struct device_block){ .name = TAKE_PTR(name),
                                                       .major = b->major,
                                                       .minor = b->minor };
                        memcpy(slot->bdf, reader->devices->devices[b->functions.indices[k]].bdf,
                               sizeof(bdf_t));
                }
        }
        if (u->n_blocks > 0)
                qsort(u->blocks, u->n_blocks, sizeof(*u->blocks), compare_device_blocks);
        return 0;
}

/* "dm-0 (vg-root)": a device of dm or md that stands on functions. */
static int add_holder(struct use_reader *reader, const struct block *b)
{
        _cleanup_free_ char *what = NULL;

        if (!b->dm_name)
                return use_add(reader, &b->functions, USE_HOLDER, 0, b->name);
        if (asprintf(&what, "%s (%s)", b->name, b->dm_name) < 0)
                return -ENOMEM;
        return use_add(reader, &b->functions, USE_HOLDER, 0, what);
}

int uses_read_blocks(struct use_reader *reader)
{
        bool any = has_virtio(reader);

        if (list_blocks(reader) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < reader->n_blocks; i++) {
                const struct block *b = &reader->blocks[i];

                if (b->functions.n == 0)
                        continue;
                any = true;
                if (b->stacked && streq(b->whole, b->name) && add_holder(reader, b) < 0)
                        return -ENOMEM;
        }
        if (!any)
                return 0;
        if (read_mounts(reader) < 0 || read_mounts_elsewhere(reader) < 0 || read_swaps(reader) < 0)
                return -ENOMEM;
        return pools_trace(reader);
}
