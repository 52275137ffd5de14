/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-device.h"

#include <fcntl.h>
#include <inttypes.h>
#include <systemd/sd-hwdb.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define PCI_DEVICES "sys/bus/pci/devices"
#define PCI_CLASS_BRIDGE 0x06

/* include/linux/ioport.h: the flags in the third column of `resource` */
#define IORESOURCE_MEM 0x00000200
#define IORESOURCE_PREFETCH 0x00002000
#define IORESOURCE_MEM_64 0x00100000

int bdf_parse(const char *s, bdf_t ret)
{
        unsigned domain = 0, bus, slot, function;
        int end = -1;

        /* sscanf() would also take signs, white space and 0x. */
        if (s[strspn(s, "0123456789abcdefABCDEF:.")])
                return -EINVAL;
        if (sscanf(s, "%8x:%2x:%2x.%1u%n", &domain, &bus, &slot, &function, &end) != 4 || end < 0 || s[end]) {
                domain = 0;
                end = -1;
                if (sscanf(s, "%2x:%2x.%1u%n", &bus, &slot, &function, &end) != 3 || end < 0 || s[end])
                        return -EINVAL;
        }
        if (slot > 0x1f || function > 7)
                return -EINVAL;
        snprintf(ret, sizeof(bdf_t), "%04x:%02x:%02x.%u", domain, bus & 0xff, slot, function & 7);
        return 0;
}

/* Each line is "START END FLAGS", BAR 0 first. */
static void parse_resource(struct device *d, const char *text)
{
        uint64_t start, end, flags;

        for (uint8_t i = 0; i < PCI_BARS; i++) {
                if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3)
                        return;
                if (flags & IORESOURCE_MEM && end > start)
                        d->bars[d->n_bars++] = (struct bar) {
                                .index = i,
                                .prefetchable = flags & IORESOURCE_PREFETCH,
                                .wide = flags & IORESOURCE_MEM_64,
                                .address = start,
                                .size = end - start + 1,
                        };
                text = strchr(text, '\n');
                if (!text)
                        return;
                text++;
        }
}

/* The names are an ornament: a host without hwdb shows IDs. */
static char *lookup_name(sd_hwdb *hwdb, const struct device *d)
{
        const char *vendor = NULL, *model = NULL;
        char modalias[64], *name;

        if (!hwdb)
                return NULL;
        snprintf(modalias, sizeof(modalias), "pci:v%08Xd%08Xsv*", d->vendor, d->device);
        (void) sd_hwdb_get(hwdb, modalias, "ID_VENDOR_FROM_DATABASE", &vendor);
        (void) sd_hwdb_get(hwdb, modalias, "ID_MODEL_FROM_DATABASE", &model);
        if (!vendor && !model)
                return NULL;
        if (asprintf(&name, "%s%s%s", vendor ?: "", vendor && model ? " " : "", model ?: "") < 0)
                return NULL;
        return name;
}

static void read_device(struct device *d, int fd, sd_hwdb *hwdb)
{
        _cleanup_free_ char *resource = NULL, *group = NULL;
        uint64_t v;

        d->group = -1;
        if (read_u64_at(fd, "vendor", 16, &v) >= 0)
                d->vendor = (uint16_t) v;
        if (read_u64_at(fd, "device", 16, &v) >= 0)
                d->device = (uint16_t) v;
        if (read_u64_at(fd, "class", 16, &v) >= 0)
                d->class = (uint32_t) v;
        if (read_link_name_at(fd, "iommu_group", &group) >= 0 && parse_u64(group, 10, &v) >= 0 && v < INT32_MAX)
                d->group = (int) v;
        (void) read_link_name_at(fd, "driver", &d->driver);
        if (read_file_at(fd, "resource", 4096, &resource, NULL) >= 0)
                parse_resource(d, resource);
        d->name = lookup_name(hwdb, d);
}

static int compare_bdf(const void *a, const void *b)
{
        const struct device *x = a, *y = b;
        size_t nx = strlen(x->bdf), ny = strlen(y->bdf);

        /* A domain over 16 bits has more digits, and sorts behind. */
        return nx != ny ? (nx < ny ? -1 : 1) : strcmp(x->bdf, y->bdf);
}

int device_facts_read(struct device_facts *d, const struct root *root)
{
        _cleanup_(sd_hwdb_unrefp) sd_hwdb *hwdb = NULL;
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd = -EBADF;

        *d = (struct device_facts) {};
        fd = openat(root->fd, PCI_DEVICES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                d->listed = fact_unknown("/" PCI_DEVICES " cannot be read");
                d->iommu = fact_unknown("/" PCI_DEVICES " cannot be read");
                return 0;
        }
        (void) sd_hwdb_new(&hwdb);

        d->iommu = fact_is(false, SOURCE_SYSFS);
        while ((entry = readdir(dir))) {
                _cleanup_close_ int device_fd = -EBADF;
                struct device *device;
                bdf_t bdf;

                if (bdf_parse(entry->d_name, bdf) < 0)
                        continue;
                device_fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (device_fd < 0)
                        continue; /* unplugged in between */

                device = array_append(d->devices, d->n_devices);
                if (!device)
                        return -ENOMEM;
                memcpy(device->bdf, bdf, sizeof(bdf));
                read_device(device, device_fd, hwdb);
                if (device->group >= 0)
                        d->iommu = fact_is(true, SOURCE_SYSFS);
        }
        d->listed = fact_is(true, SOURCE_SYSFS);
        if (d->n_devices > 0)
                qsort(d->devices, d->n_devices, sizeof(*d->devices), compare_bdf);
        return 0;
}

void device_facts_done(struct device_facts *d)
{
        for (size_t i = 0; i < d->n_devices; i++) {
                free(d->devices[i].name);
                free(d->devices[i].driver);
        }
        free(d->devices);
        *d = (struct device_facts) {};
}

const struct device *device_facts_find(const struct device_facts *d, const char *bdf)
{
        struct device key = {};

        if (strlen(bdf) >= sizeof(key.bdf) || d->n_devices == 0)
                return NULL;
        strcpy(key.bdf, bdf);
        return bsearch(&key, d->devices, d->n_devices, sizeof(*d->devices), compare_bdf);
}

bool device_is_assignable(const struct device *d)
{
        return d->group >= 0 && d->class >> 16 != PCI_CLASS_BRIDGE;
}

uint64_t device_largest_bar(const struct device *d)
{
        uint64_t size = 0;

        for (size_t i = 0; i < d->n_bars; i++)
                if (d->bars[i].size > size)
                        size = d->bars[i].size;
        return size;
}
