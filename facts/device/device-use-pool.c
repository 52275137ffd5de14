/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File systems and pools that no mount traces to block devices: ZFS names a pool as its source, Btrfs one of
 * its devices, and what is only exported or mounted elsewhere names none. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define BLOCK "sys/class/block/"
#define ZFS "proc/spl/kstat/zfs"
#define BTRFS "sys/fs/btrfs"
#define BCACHEFS "sys/fs/bcachefs"
#define JOURNALS "proc/fs/jbd2"
#define NVME_TARGET "sys/kernel/config/nvmet/subsystems"
#define SCSI_TARGET "sys/kernel/config/target/core"
#define PARTITION_ZFS \
        "6a898cc3-1dd2-11b2-99a6-080020736631" /* GPT: Solaris /usr, which ZFS uses on Linux \
                                                */

/* Those that stand on no block device, or on one that is in use by itself (a file, a process). */
static bool needs_no_device(const char *type, const char *source)
{
        static const char *const types[] = {
                "9p",         "afs",     "aufs",    "autofs",    "beegfs",      "binder",     "binfmt_misc",
                "bpf",        "ceph",    "cgroup",  "cgroup2",   "cifs",        "coda",       "configfs",
                "cpuset",     "debugfs", "devpts",  "devtmpfs",  "dlmfs",       "ecryptfs",   "efivarfs",
                "functionfs", "fuse",    "fusectl", "hugetlbfs", "jffs2",       "mqueue",     "ncpfs",
                "nfs",        "nfs4",    "nfsd",    "nsfs",      "ocfs2_dlmfs", "orangefs",   "overlay",
                "proc",       "pstore",  "ramfs",   "resctrl",   "rootfs",      "rpc_pipefs", "securityfs",
                "selinuxfs",  "shiftfs", "smackfs", "smb3",      "sysfs",       "tmpfs",      "tracefs",
                "ubifs",      "unionfs", "vboxsf",  "virtiofs",  "wekafs",      "xenfs",
        };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(type, types[i]))
                        return true;
        return startswith(type, "fuse.") || (*source == '/' && !startswith(source, "/dev/"));
}

int pools_add(struct use_reader *reader, const char *type, const char *source)
{
        _cleanup_free_ char *own_type = NULL, *name = NULL;
        struct pool *slot;

        if (!streq(type, "swap") && needs_no_device(type, source))
                return 0;
        /* "tank/home" and "tank@monday" are parts of the pool "tank". */
        own_type = strdup(type);
        name = strndup(source, streq(type, "zfs") ? strcspn(source, "/@") : strlen(source));
        if (!own_type || !name)
                return -ENOMEM;
        for (size_t i = 0; i < reader->n_pools; i++)
                if (streq(reader->pools[i].type, type) && streq(reader->pools[i].name, name))
                        return 0;
        slot = array_append(reader->pools, reader->n_pools);
        if (!slot)
                return -ENOMEM;
        *slot = (struct pool){ .type = TAKE_PTR(own_type), .name = TAKE_PTR(name) };
        return 0;
}

void pools_done(struct use_reader *reader)
{
        for (size_t i = 0; i < reader->n_pools; i++) {
                free(reader->pools[i].type);
                free(reader->pools[i].name);
        }
        free(reader->pools);
        reader->pools = NULL;
        reader->n_pools = 0;
}

static bool has_pool_of(const struct use_reader *reader, const char *type)
{
        for (size_t i = 0; i < reader->n_pools; i++)
                if (streq(reader->pools[i].type, type))
                        return true;
        return false;
}

/* A pool has a folder among the files of statistics; it is imported, mounted or not. */
static int list_zfs(struct use_reader *reader)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = list_dir_at(reader->root->fd, ZFS, &names);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                if (has_pool_of(reader, "zfs") || !exists_at(reader->root->fd, "sys/module/zfs"))
                        return 0;
                return pools_add(reader, "zfs", "");
        }
        for (size_t i = 0; i < names.n; i++) {
                static const char *const files[] = { "state", "txgs", "io" }; /* since 0.8, and before */
                bool is_pool = false;

                for (size_t k = 0; k < ELEMENTSOF(files) && !is_pool; k++) {
                        _cleanup_free_ char *path = NULL;

                        if (asprintf(&path, ZFS "/%s/%s", names.names[i], files[k]) < 0)
                                return -ENOMEM;
                        is_pool = exists_at(reader->root->fd, path);
                }
                if (is_pool && pools_add(reader, "zfs", names.names[i]) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Older kernels do not link a DRBD device with the device below it. */
static int list_drbd(struct use_reader *reader)
{
        for (size_t i = 0; i < reader->n_blocks; i++) {
                const struct block *b = &reader->blocks[i];

                if (b->whole && !b->stacked && startswith(b->name, "drbd") && streq(b->whole, b->name) &&
                    pools_add(reader, "drbd", b->name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* A use that is only noted where the block device has none that says more. */
static int add_unless_used(struct use_reader *reader, struct block *b, enum use_kind kind, const char *what)
{
        return !b || b->used ? 0 : block_add_use(reader, b, kind, what);
}

/* What Btrfs has open shows by name, mounted in whatever namespace. Returns whether it shows any. */
static int add_btrfs_members(struct use_reader *reader)
{
        _cleanup_(names_done) struct names systems = {};
        bool any = false;

        (void) list_dir_at(reader->root->fd, BTRFS, &systems);
        for (size_t i = 0; i < systems.n; i++) {
                _cleanup_(names_done) struct names members = {};
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, BTRFS "/%s/devices", systems.names[i]) < 0)
                        return -ENOMEM;
                (void) list_dir_at(reader->root->fd, path, &members);
                any |= members.n > 0;
                for (size_t k = 0; k < members.n; k++)
                        if (add_unless_used(reader, block_find(reader, members.names[k]), USE_MOUNT,
                                            "a Btrfs file system") < 0)
                                return -ENOMEM;
        }
        return any;
}

/* BCACHEFS/UUID/dev-0/block is a link to the block device. Returns whether there is any. */
static int add_bcachefs_members(struct use_reader *reader)
{
        _cleanup_(names_done) struct names systems = {};
        bool any = false;

        (void) list_dir_at(reader->root->fd, BCACHEFS, &systems);
        for (size_t i = 0; i < systems.n; i++) {
                _cleanup_(names_done) struct names members = {};
                _cleanup_free_ char *dir = NULL;

                if (asprintf(&dir, BCACHEFS "/%s", systems.names[i]) < 0)
                        return -ENOMEM;
                (void) list_dir_at(reader->root->fd, dir, &members);
                for (size_t k = 0; k < members.n; k++) {
                        _cleanup_free_ char *path = NULL, *name = NULL;

                        if (!startswith(members.names[k], "dev-"))
                                continue;
                        if (asprintf(&path, "%s/%s/block", dir, members.names[k]) < 0)
                                return -ENOMEM;
                        if (read_link_name_at(reader->root->fd, path, &name) < 0)
                                continue;
                        any = true;
                        if (add_unless_used(reader, block_find(reader, name), USE_MOUNT,
                                            "a bcachefs file system") < 0)
                                return -ENOMEM;
                }
        }
        return any;
}

/* A file system that is alive has a folder by the name of its device, also where no mount shows it: it was
 * unmounted lazily, or is only open (fsmount(2)). */
static int add_live_systems(struct use_reader *reader)
{
        static const char *const types[] = { "ext4", "xfs", "f2fs", "nilfs2", "erofs" };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_free_ char *dir = NULL, *what = NULL;
                _cleanup_(names_done) struct names names = {};

                if (asprintf(&dir, "sys/fs/%s", types[i]) < 0 ||
                    asprintf(&what, "a file system (%s)", types[i]) < 0)
                        return -ENOMEM;
                (void) list_dir_at(reader->root->fd, dir, &names);
                for (size_t k = 0; k < names.n; k++)
                        if (add_unless_used(reader, block_find(reader, names.names[k]), USE_MOUNT, what) < 0)
                                return -ENOMEM;
        }
        return 0;
}

/* "nvme1n1" is a journal by itself, "nvme1n1-8" one in the file system on the device (fs/jbd2/journal.c). No
 * mount names the former. */
static int add_journals(struct use_reader *reader)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, JOURNALS, &names);
        for (size_t i = 0; i < names.n; i++) {
                struct block *b = block_find(reader, names.names[i]);

                if (add_unless_used(reader, b, USE_MOUNT, "the journal of a file system") < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* A cache set of bcache holds devices that are not below any other. */
static int add_bcache(struct use_reader *reader)
{
        for (size_t i = 0; i < reader->n_blocks; i++) {
                struct block *b = &reader->blocks[i];
                _cleanup_free_ char *path = NULL;

                if (b->functions.n == 0 || b->used)
                        continue;
                if (asprintf(&path, BLOCK "%s/bcache", b->name) < 0)
                        return -ENOMEM;
                if (exists_at(reader->root->fd, path) && block_add_use(reader, b, USE_HOLDER, "bcache") < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* One block device that is served to other hosts: the file holds its path. */
static int add_target(struct use_reader *reader, const char *path, const char *what)
{
        _cleanup_free_ char *node = NULL;
        struct block *b;
        int r;

        r = read_line_at(reader->root->fd, path, &node);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        b = block_find_node(reader, node);
        return b ? block_add_use(reader, b, USE_HOLDER, what) : 0;
}

/* Adds DIR/NAME/MIDDLE.../LEAF for each NAME of two levels: both targets nest in that way. */
static int add_targets(struct use_reader *reader, const char *dir, const char *middle, const char *leaf,
                       const char *what)
{
        _cleanup_(names_done) struct names outer = {};

        (void) list_dir_at(reader->root->fd, dir, &outer);
        for (size_t i = 0; i < outer.n; i++) {
                _cleanup_(names_done) struct names inner = {};
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s%s", dir, outer.names[i], middle) < 0)
                        return -ENOMEM;
                (void) list_dir_at(reader->root->fd, path, &inner);
                for (size_t k = 0; k < inner.n; k++) {
                        _cleanup_free_ char *file = NULL;

                        if (asprintf(&file, "%s/%s/%s", path, inner.names[k], leaf) < 0)
                                return -ENOMEM;
                        if (add_target(reader, file, what) < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

/* What udev has seen on a block device. */
struct signature {
        bool known; /* udev knows the device */
        char *type; /* "zfs_member", "ext4"; or NULL */
        char *label;
        bool zfs_partition;
};

static void signature_done(struct signature *s)
{
        free(s->type);
        free(s->label);
}

/* "E:ID_FS_TYPE=zfs_member" in /run/udev/data/bMAJOR:MINOR */
static int read_signature(const struct use_reader *reader, const struct block *b, struct signature *ret)
{
        static const char *const words[] = { "ID_FS_TYPE=", "ID_FS_LABEL=", "ID_PART_ENTRY_TYPE=", NULL };
        _cleanup_free_ char *text = NULL;
        char path[64], *save = NULL;
        int r;

        snprintf(path, sizeof(path), "run/udev/data/b%u:%u", b->major, b->minor);
        r = grep_file_at(reader->root->fd, path, words, &text);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        ret->known = true;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *value;
                char **to = NULL;

                if ((value = startswith(line, "E:ID_FS_TYPE=")))
                        to = &ret->type;
                else if ((value = startswith(line, "E:ID_FS_LABEL=")))
                        to = &ret->label;
                else if ((value = startswith(line, "E:ID_PART_ENTRY_TYPE=")))
                        ret->zfs_partition = streq(value, PARTITION_ZFS);
                if (!to || *to)
                        continue;
                *to = strdup(value);
                if (!*to)
                        return -ENOMEM;
        }
        return 0;
}

/* udev writes a blank of a label as "_". */
static bool label_is(const char *label, const char *name)
{
        for (; *label && *name; label++, name++)
                if (*label != *name && !(*label == '_' && *name == ' '))
                        return false;
        return *label == *name;
}

enum membership {
        MEMBER_NO,
        MEMBER_MAYBE,
        MEMBER_YES,
};

static enum membership member_of(const struct signature *s, const struct pool *p)
{
        bool zfs = streq(p->type, "zfs");

        if (!s->known)
                return MEMBER_MAYBE;
        if (!s->type)
                return zfs && s->zfs_partition ? MEMBER_MAYBE : MEMBER_NO;
        if (!startswith(s->type, p->type))
                return MEMBER_NO;
        if (!zfs || !*p->name || !s->label)
                return MEMBER_MAYBE;
        /* A pool that carries another name is not imported. */
        return label_is(s->label, p->name) ? MEMBER_YES : MEMBER_NO;
}

/* "nvme0n1 may belong to tank (zfs), data (zfs)". The caller frees it. */
static char *format_maybe(const struct use_reader *reader, const struct block *b, const struct signature *s)
{
        const char *separator = " may belong to ";
        char *text = NULL;
        size_t size;
        FILE *out;

        out = open_memstream(&text, &size);
        if (!out)
                return NULL;
        fputs(b->name, out);
        for (size_t i = 0; i < reader->n_pools; i++) {
                const struct pool *p = &reader->pools[i];

                if (member_of(s, p) != MEMBER_MAYBE)
                        continue;
                fprintf(out, "%s%s%s(%s)", separator, p->name, *p->name ? " " : "", p->type);
                separator = ", ";
        }
        if (memory_stream_close(out, &text) < 0) {
                free(text);
                return NULL;
        }
        return text;
}

static int add_membership(struct use_reader *reader, struct block *b, const struct signature *s)
{
        enum membership best = MEMBER_NO;
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < reader->n_pools && best != MEMBER_YES; i++) {
                const struct pool *p = &reader->pools[i];
                enum membership m = member_of(s, p);

                best = m > best ? m : best;
                if (m == MEMBER_YES && asprintf(&text, "%s (%s)", p->name, p->type) < 0)
                        return -ENOMEM;
        }
        if (best == MEMBER_NO)
                return 0;
        if (best == MEMBER_YES)
                return block_add_use(reader, b, USE_MOUNT, text);
        text = format_maybe(reader, b, s);
        return text ? block_add_use(reader, b, USE_UNKNOWN, text) : -ENOMEM;
}

/* The names of a disk's partitions come directly after its own. Between a digit and the number of a
 * partition is a "p". */
static bool has_partitions(const struct use_reader *reader, const struct block *b)
{
        bool digit = isdigit((unsigned char) b->name[strlen(b->name) - 1]);

        for (const struct block *other = b + 1; other < reader->blocks + reader->n_blocks; other++) {
                const char *rest = startswith(other->name, b->name);

                if (!rest)
                        return false;
                if (digit && *rest++ != 'p')
                        continue;
                if (*rest && !rest[strspn(rest, "0123456789")])
                        return true;
        }
        return false;
}

/* A disk with partitions is not a member by itself, and neither is one without a medium. */
static bool can_be_member(const struct use_reader *reader, const struct block *b)
{
        char path[sizeof(BLOCK "/size") + NAME_MAX];
        uint64_t sectors;

        if (b->functions.n == 0 || b->major == 0 || b->used || b->stacked || has_partitions(reader, b))
                return false;
        snprintf(path, sizeof(path), BLOCK "%s/size", b->name);
        return read_u64_at(reader->root->fd, path, 10, &sectors) < 0 || sectors > 0;
}

static int trace_members(struct use_reader *reader)
{
        for (size_t i = 0; i < reader->n_blocks; i++) {
                _cleanup_(signature_done) struct signature s = {};
                struct block *b = &reader->blocks[i];

                if (!can_be_member(reader, b))
                        continue;
                if (read_signature(reader, b, &s) < 0 || add_membership(reader, b, &s) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Forgets the pools of a type whose devices are all known. */
static void forget_pools(struct use_reader *reader, const char *type)
{
        size_t n = 0;

        for (size_t i = 0; i < reader->n_pools; i++) {
                struct pool *p = &reader->pools[i];

                if (streq(p->type, type)) {
                        free(p->type);
                        free(p->name);
                } else
                        reader->pools[n++] = *p;
        }
        reader->n_pools = n;
}

int pools_trace(struct use_reader *reader)
{
        int r;

        if (list_zfs(reader) < 0 || list_drbd(reader) < 0 || add_bcache(reader) < 0 ||
            add_live_systems(reader) < 0 || add_journals(reader) < 0 ||
            add_targets(reader, NVME_TARGET, "/namespaces", "device_path", "an NVMe target") < 0 ||
            add_targets(reader, SCSI_TARGET, "", "udev_path", "a SCSI target") < 0)
                return -ENOMEM;
        r = add_btrfs_members(reader);
        if (r < 0)
                return r;
        if (r > 0)
                forget_pools(reader, "btrfs");
        r = add_bcachefs_members(reader);
        if (r < 0)
                return r;
        if (r > 0)
                forget_pools(reader, "bcachefs");
        return reader->n_pools > 0 ? trace_members(reader) : 0;
}
