/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "transaction.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

static int keep_claim(struct bind_claims *c, int fd)
{
        int *slot = array_append(c->fds, c->n);

        if (!slot) {
                close(fd);
                return -ENOMEM;
        }
        *slot = fd;
        return 0;
}

/* sysfs has a '!' where the name of a device has a slash. */
static int open_block(const struct root *root, const struct device_block *b)
{
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "dev/%s", b->name) < 0)
                return -ENOMEM;
        for (char *s = path; *s; s++)
                if (*s == '!')
                        *s = '/';
        fd = open_at(root->fd, path, O_RDONLY | O_EXCL | O_NONBLOCK);
        if (fd < 0)
                return fd;
        /* The node may belong to another device by now. */
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode) || major(st.st_rdev) != b->major || minor(st.st_rdev) != b->minor)
                return -ENOENT;
        return TAKE_FD(fd);
}

/* "nvme0n1p2" of "nvme0n1", "sda1" of "sda" */
static bool is_partition_of(const struct root *root, const char *name, const char *disk)
{
        const char *rest = startswith(name, disk);
        char path[NAME_MAX + 64];

        if (!rest || !*rest)
                return false;
        rest += *rest == 'p';
        if (!*rest || rest[strspn(rest, "0123456789")])
                return false;
        snprintf(path, sizeof(path), "sys/class/block/%s/partition", name);
        return exists_at(root->fd, path);
}

/* A claim of a partition keeps others off its disk, and one of the disk would keep ourselves off its
 * partitions (block/bdev.c, bd_may_claim). */
static bool has_partitions(const struct host *h, const struct device_block *disk)
{
        for (size_t i = 0; i < h->uses.n_blocks; i++)
                if (is_partition_of(h->root, h->uses.blocks[i].name, disk->name))
                        return true;
        return false;
}

static int claim_block(const struct host *h, const struct device_block *b, struct bind_claims *c,
                       struct findings *ret)
{
        int fd;

        /* An NVMe path that is hidden behind its subsystem has no number, and no node. */
        if (b->major == 0 || has_partitions(h, b))
                return 0;
        fd = open_block(h->root, b);
        if (fd >= 0)
                return keep_claim(c, fd);
        switch (fd) {
        case -ENOMEM:
                return fd;
        case -EBUSY:
                return findings_add(ret, FINDING_BIND_IN_USE, b->bdf,
                                    "block device: the kernel has given %s to somebody", b->name);
        case -ENXIO:
        case -ENODEV:
        case -ENOMEDIUM: /* a node without a disk behind it */
                return 0;
        default:
                return findings_add(ret, FINDING_BIND_UNSEEN, b->bdf, "/dev/%s cannot be opened: %s",
                                    b->name, strerror(-fd));
        }
}

/* A group's node can be opened only once (drivers/vfio/group.c), so whoever has it open keeps all others, us
 * as well, from opening it. */
static int claim_group(const struct host *h, const struct device *d, struct bind_claims *c,
                       struct findings *ret)
{
        char path[40];
        int fd;

        snprintf(path, sizeof(path), "dev/vfio/%d", d->group);
        fd = open_at(h->root->fd, path, O_RDWR);
        if (fd == -ENOENT) { /* without an IOMMU */
                snprintf(path, sizeof(path), "dev/vfio/noiommu-%d", d->group);
                fd = open_at(h->root->fd, path, O_RDWR);
        }
        if (fd >= 0)
                return keep_claim(c, fd);
        if (fd == -EBUSY)
                return findings_add(ret, FINDING_BIND_IN_USE, d->bdf,
                                    "VFIO: the kernel has given group %d to somebody", d->group);
        /* The kernel only has character devices for single functions, or the driver is just changing. */
        if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
                return 0;
        return findings_add(ret, FINDING_BIND_UNSEEN, d->bdf, "/%s cannot be opened: %s", path,
                            strerror(-fd));
}

static int claim_blocks(const struct host *h, const struct device *d, struct bind_claims *c,
                        struct findings *ret)
{
        for (size_t i = 0; i < h->uses.n_blocks; i++) {
                int r;

                if (!streq(h->uses.blocks[i].bdf, d->bdf))
                        continue;
                r = claim_block(h, &h->uses.blocks[i], c, ret);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int claim_members(const struct host *h, const struct iommu_group *g, struct bind_claims *c,
                         struct findings *ret)
{
        bool group_is_claimed = false;
        int r;

        for (size_t i = 0; i < g->n_members; i++) {
                const struct device *d = g->members[i];

                r = claim_blocks(h, d, c, ret);
                if (r < 0)
                        return r;
                if (!d->driver_is_vfio || group_is_claimed)
                        continue;
                group_is_claimed = true;
                r = claim_group(h, d, c, ret);
                if (r < 0)
                        return r;
        }
        return 0;
}

int bind_claims_take(const struct host *h, const struct iommu_group *g, struct bind_claims *ret,
                     struct findings *findings)
{
        int r;

        assert(h && g && ret && findings);

        *ret = (struct bind_claims){};
        r = claim_members(h, g, ret, findings);
        if (r < 0)
                bind_claims_release(ret);
        return r;
}

void bind_claims_release(struct bind_claims *c)
{
        for (size_t i = 0; i < c->n; i++)
                close(c->fds[i]);
        free(c->fds);
        *c = (struct bind_claims){};
}
