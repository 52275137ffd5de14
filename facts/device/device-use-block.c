/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define BLOCK "sys/class/block/"
#define SUBSYSTEM "nvme-subsystem/"
#define LAYERS_MAX 16
#define ELSEWHERE "block-devices-mounted-elsewhere"
#define BLOCKS_MAX (1U << 18) /* of all functions; one that stands on many counts for each */

static int compare_names(const void *a, const void *b)
{
        return strcmp(((const struct block *) a)->name, ((const struct block *) b)->name);
}

static struct block *find_block(struct use_reader *r, const char *name)
{
        struct block key = { .name = (char *) name };

        return r->n_blocks == 0 ? NULL : bsearch(&key, r->blocks, r->n_blocks, sizeof(key), compare_names);
}

/* "/dev/nvme0n1p2", "/dev/mapper/vg-root", "/dev/dm-0" */
static struct block *find_by_node(struct use_reader *r, const char *node)
{
        const char *mapper = startswith(node, "/dev/mapper/"), *name = startswith(node, "/dev/");

        for (size_t i = 0; mapper && i < r->n_blocks; i++)
                if (r->blocks[i].dm_name && streq(r->blocks[i].dm_name, mapper))
                        return &r->blocks[i];
        return name ? find_block(r, name) : NULL;
}

/* Under native multipath the disk that is mounted is the subsystem's, and belongs to each of its
 * controllers. */
static int add_subsystem(struct use_reader *r, const char *subsystem, struct functions *f)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *dir = NULL;

        if (asprintf(&dir, "sys/class/" SUBSYSTEM "%.*s", (int) strcspn(subsystem, "/"), subsystem) < 0)
                return -ENOMEM;
        (void) list_dir_at(r->root->fd, dir, &names);
        for (size_t i = 0; i < names.n; i++) {
                const char *number = startswith(names.names[i], "nvme");
                _cleanup_free_ char *path = NULL, *target = NULL;

                if (!number || !*number || number[strspn(number, "0123456789")])
                        continue;
                if (asprintf(&path, "%s/%s", dir, names.names[i]) < 0)
                        return -ENOMEM;
                if (read_link_at(r->root->fd, path, &target) >= 0 && functions_of_path(r, target, f) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_block(struct use_reader *r, struct block *b)
{
        _cleanup_free_ char *path = NULL, *dev = NULL, *target = NULL;
        const char *virtual, *subsystem;
        int k;

        if (asprintf(&path, BLOCK "%s", b->name) < 0)
                return -ENOMEM;
        if (read_link_at(r->root->fd, path, &target) < 0 || functions_of_path(r, target, &b->functions) < 0)
                return 0;
        virtual = strstr(target, "/virtual/block/");
        subsystem = strstr(target, SUBSYSTEM);
        if (subsystem && add_subsystem(r, subsystem + strlen(SUBSYSTEM), &b->functions) < 0)
                return -ENOMEM;
        if (virtual) {
                virtual += strlen("/virtual/block/");
                b->whole = strndup(virtual, strcspn(virtual, "/"));
                if (!b->whole)
                        return -ENOMEM;
                free(path);
                path = NULL;
                if (asprintf(&path, BLOCK "%s/dm/name", b->name) < 0)
                        return -ENOMEM;
                (void) read_line_at(r->root->fd, path, &b->dm_name);
        }
        free(path);
        path = NULL;
        if (asprintf(&path, BLOCK "%s/dev", b->name) < 0)
                return -ENOMEM;
        /* The single paths below a disk of NVMe multipath have none, and cannot be opened. */
        k = read_line_at(r->root->fd, path, &dev);
        if (k == -ENOMEM)
                return k;
        if (k >= 0 ? sscanf(dev, "%u:%u", &b->major, &b->minor) != 2 : k != -ENOENT)
                r->uses->block = fact_unknown("the number of a block device cannot be read");
        return 0;
}

/* Adds what the layers below stand on. A made-up host may have a circle. */
static int resolve_block(struct use_reader *r, struct block *b, unsigned layer)
{
        _cleanup_(names_done) struct names below = {};
        _cleanup_free_ char *path = NULL;

        if (b->visited || !b->whole || layer > LAYERS_MAX)
                return 0;
        b->visited = true;
        if (asprintf(&path, BLOCK "%s/slaves", b->whole) < 0)
                return -ENOMEM;
        (void) list_dir_at(r->root->fd, path, &below);
        for (size_t i = 0; i < below.n; i++) {
                struct block *other = find_block(r, below.names[i]);

                if (!other)
                        continue;
                if (resolve_block(r, other, layer + 1) < 0)
                        return -ENOMEM;
                for (size_t k = 0; k < other->functions.n; k++)
                        if (functions_add(&b->functions, other->functions.indices[k]) < 0)
                                return -ENOMEM;
                b->stacked = true;
        }
        return 0;
}

int blocks_read(struct use_reader *r)
{
        _cleanup_(names_done) struct names names = {};

        r->uses->block = list_dir_at(r->root->fd, "sys/class/block", &names) < 0
                                 ? fact_unknown("/sys/class/block cannot be read")
                                 : fact_is(true, SOURCE_SYSFS);
        for (size_t i = 0; i < names.n; i++) {
                struct block *b = array_append(r->blocks, r->n_blocks);

                if (!b)
                        return -ENOMEM;
                b->name = TAKE_PTR(names.names[i]);
                if (read_block(r, b) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < r->n_blocks; i++)
                if (resolve_block(r, &r->blocks[i], 0) < 0)
                        return -ENOMEM;
        return 0;
}

void blocks_done(struct use_reader *r)
{
        for (size_t i = 0; i < r->n_blocks; i++) {
                free(r->blocks[i].name);
                free(r->blocks[i].dm_name);
                free(r->blocks[i].whole);
                functions_done(&r->blocks[i].functions);
        }
        free(r->blocks);
        r->blocks = NULL;
        r->n_blocks = 0;
}

/* "\040" and its like, in place. */
static void unescape(char *s)
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

/* Btrfs shows one of its devices as the source; its others are used as well. */
static int add_btrfs(struct use_reader *r, const struct block *b, const char *where)
{
        _cleanup_(names_done) struct names systems = {};

        (void) list_dir_at(r->root->fd, "sys/fs/btrfs", &systems);
        for (size_t i = 0; i < systems.n; i++) {
                _cleanup_(names_done) struct names members = {};
                _cleanup_free_ char *path = NULL;
                bool ours = false;

                if (asprintf(&path, "sys/fs/btrfs/%s/devices", systems.names[i]) < 0)
                        return -ENOMEM;
                (void) list_dir_at(r->root->fd, path, &members);
                for (size_t k = 0; k < members.n; k++)
                        ours |= streq(members.names[k], b->name);
                for (size_t k = 0; ours && k < members.n; k++) {
                        const struct block *member = find_block(r, members.names[k]);

                        if (member && use_add(r, &member->functions, USE_MOUNT, 0, where) < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

struct mount {
        unsigned major, minor;
        char *root, *where, *type, *source;
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
        if (!device || !m.where || !m.source || sscanf(device, "%u:%u", &m.major, &m.minor) != 2)
                return false;
        unescape(m.where);
        unescape(m.source);
        *ret = m;
        return true;
}

static struct block *find_by_number(struct use_reader *r, unsigned major, unsigned minor)
{
        for (size_t i = 0; major && i < r->n_blocks; i++)
                if (r->blocks[i].major == major && r->blocks[i].minor == minor)
                        return &r->blocks[i];
        return NULL;
}

static struct block *find_mounted(struct use_reader *r, const struct mount *m)
{
        return find_by_number(r, m->major, m->minor) ?: find_by_node(r, m->source);
}

/* bound: the second time, where only a part of a file system shows; told only of what shows nowhere as a
 * whole. */
static int add_mount(struct use_reader *r, const struct mount *m, bool bound)
{
        struct block *b = find_mounted(r, m);
        bool btrfs = streq(m->type, "btrfs");

        if (b)
                b->seen = true;
        if (!b || bound != !(streq(m->root, "/") || btrfs) || (bound && b->mounted))
                return 0;
        b->mounted |= !bound;
        if (use_add(r, &b->functions, USE_MOUNT, 0, m->where) < 0)
                return -ENOMEM;
        return btrfs ? add_btrfs(r, b, m->where) : 0;
}

static int read_mounts(struct use_reader *r)
{
        _cleanup_free_ char *text = NULL;
        struct mount *mounts = NULL;
        size_t n = 0;
        char *save = NULL;
        int k = 0;

        /* The host's, rather than what a sandbox shows. */
        if (read_file_at(r->root->fd, "proc/1/mountinfo", FILE_MAX_SIZE, &text, NULL) < 0 &&
            read_file_at(r->root->fd, "proc/self/mountinfo", FILE_MAX_SIZE, &text, NULL) < 0) {
                r->uses->block = fact_unknown("the mounts cannot be read");
                return 0;
        }
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct mount m, *slot;

                if (!parse_mount(line, &m))
                        continue;
                slot = array_append(mounts, n);
                if (!slot) {
                        free(mounts);
                        return -ENOMEM;
                }
                *slot = m;
        }
        for (size_t i = 0; i < 2 * n && k >= 0; i++)
                k = add_mount(r, &mounts[i % n], i >= n);
        free(mounts);
        return k;
}

/* What only this process's namespace shows. Its text is not recorded: it names more than is needed. */
static void list_mounts_of(struct use_reader *r, const char *pid, FILE *out)
{
        char path[sizeof("proc//mountinfo") + 10], *save = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;

        snprintf(path, sizeof(path), "proc/%.10s/mountinfo", pid);
        fd = openat(r->root->fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read_fd(fd, FILE_MAX_SIZE, &text, NULL) < 0)
                return;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct mount m;
                struct block *b = parse_mount(line, &m) ? find_mounted(r, &m) : NULL;

                if (b && !b->seen)
                        fprintf(out, "%u:%u ", b->major, b->minor);
                if (b)
                        b->seen = true;
        }
}

/* "MAJOR:MINOR" of each; every namespace is looked at once. */
static char *list_mounts_elsewhere(struct use_reader *r)
{
        _cleanup_free_ char *text = NULL, *done = strdup("\n");
        _cleanup_(names_done) struct names names = {};
        size_t size;
        FILE *out = done ? open_memstream(&text, &size) : NULL;

        (void) list_dir_at(r->root->fd, "proc", &names);
        for (size_t i = 0; out && done && i < names.n; i++) {
                char path[sizeof("proc//ns/mnt") + 10], namespace[40] = "\n", *longer;
                ssize_t n;

                snprintf(path, sizeof(path), "proc/%.10s/ns/mnt", names.names[i]);
                n = isdigit((unsigned char) *names.names[i])
                            ? readlinkat(r->root->fd, path, namespace + 1, sizeof(namespace) - 3)
                            : -1;
                if (n < 0 || strstr(done, strcat(namespace, "\n")))
                        continue;
                list_mounts_of(r, names.names[i], out);
                if (asprintf(&longer, "%s%s", done, namespace + 1) < 0)
                        longer = NULL;
                free(done);
                done = longer;
        }
        return out && fclose(out) == 0 && done ? TAKE_PTR(text) : NULL;
}

/* In containers and the like; where they show it is no path of this host. */
static int read_mounts_elsewhere(struct use_reader *r)
{
        _cleanup_free_ char *answer = r->root->live ? list_mounts_elsewhere(r)
                                                    : root_answer(r->root, ELSEWHERE);
        char *save = NULL;

        if (!answer)
                return r->root->live ? -ENOMEM : 0;
        if (r->root->live && *answer)
                root_note(r->root, ELSEWHERE, answer);
        for (char *word = strtok_r(answer, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                unsigned major, minor;
                const struct block *b = sscanf(word, "%u:%u", &major, &minor) == 2
                                                ? find_by_number(r, major, minor)
                                                : NULL;

                if (b && use_add(r, &b->functions, USE_MOUNT, 0, "in another mount namespace") < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_swaps(struct use_reader *r)
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (read_file_at(r->root->fd, "proc/swaps", FILE_MAX_SIZE, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const struct block *b;

                line[strcspn(line, " \t")] = '\0';
                unescape(line);
                b = find_by_node(r, line);
                if (b && use_add(r, &b->functions, USE_SWAP, 0, b->dm_name ?: b->name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int compare_device_blocks(const void *a, const void *b)
{
        const struct device_block *x = a, *y = b;

        return bdf_compare(x->bdf, y->bdf) ?: strcmp(x->name, y->name);
}

static int list_blocks(struct use_reader *r)
{
        struct device_uses *u = r->uses;

        for (size_t i = 0; i < r->n_blocks; i++) {
                const struct block *b = &r->blocks[i];

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
                        memcpy(slot->bdf, r->devices->devices[b->functions.indices[k]].bdf, sizeof(bdf_t));
                }
        }
        if (u->n_blocks > 0)
                qsort(u->blocks, u->n_blocks, sizeof(*u->blocks), compare_device_blocks);
        return 0;
}

int uses_read_blocks(struct use_reader *r)
{
        bool any = false;

        if (list_blocks(r) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < r->n_blocks; i++) {
                const struct block *b = &r->blocks[i];
                _cleanup_free_ char *what = NULL;

                any |= b->functions.n > 0;
                if (!b->stacked || b->functions.n == 0 || !streq(b->whole, b->name))
                        continue;
                if ((b->dm_name ? asprintf(&what, "%s (%s)", b->name, b->dm_name)
                                : asprintf(&what, "%s", b->name)) < 0 ||
                    use_add(r, &b->functions, USE_HOLDER, 0, what) < 0)
                        return -ENOMEM;
        }
        if (!any)
                return 0;
        return read_mounts(r) < 0 || read_mounts_elsewhere(r) < 0 || read_swaps(r) < 0 ? -ENOMEM : 0;
}
