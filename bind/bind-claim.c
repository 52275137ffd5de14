/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "transaction.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

static int keep(struct bind_claims *c, int fd)
{
        int *slot = array_append(c->fds, c->n);

        if (!slot) {
                close(fd);
                return -ENOMEM;
        }
        *slot = fd;
        return 0;
}

/* A name with a slash has a '!' in sysfs. */
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
        /* Only the node of that very device says anything. */
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

        if (b->major == 0 ||
            has_partitions(h, b)) /* no number: a path that is hidden behind its NVMe subsystem */
                return 0;
        fd = open_block(h->root, b);
        if (fd >= 0)
                return keep(c, fd);
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

/* A group's node can be opened once (drivers/vfio/group.c): who has it open keeps all others from opening
 * it, and us as well. */
static int claim_group(const struct host *h, const struct device *d, struct bind_claims *c,
                       struct findings *ret)
{
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "dev/vfio/%d", d->group);
        fd = open_at(h->root->fd, path, O_RDWR);
        if (fd >= 0)
                return keep(c, fd);
        if (fd == -EBUSY)
                return findings_add(ret, FINDING_BIND_IN_USE, d->bdf,
                                    "VFIO: the kernel has given group %d to somebody", d->group);
        if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
                return 0; /* a kernel that has only character devices for single functions; or between two
                             drivers */
        return findings_add(ret, FINDING_BIND_UNSEEN, d->bdf, "/%s cannot be opened: %s", path,
                            strerror(-fd));
}

int bind_claims_take(const struct host *h, const struct iommu_group *g, struct bind_claims *ret,
                     struct findings *findings)
{
        bool in_vfio = false;
        int r = 0;

        *ret = (struct bind_claims){};
        for (size_t i = 0; i < g->n_members && r >= 0; i++) {
                const struct device *d = g->members[i];

                for (size_t k = 0; k < h->uses.n_blocks && r >= 0; k++)
                        if (streq(h->uses.blocks[k].bdf, d->bdf))
                                r = claim_block(h, &h->uses.blocks[k], ret, findings);
                if (r >= 0 && d->driver_is_vfio && !in_vfio) {
                        in_vfio = true;
                        r = claim_group(h, d, ret, findings);
                }
        }
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
