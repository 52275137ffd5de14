/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-device.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>

#include "bar-reserved.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"
#include "vfio-driver.h"

#define PCI_DEVICES "sys/bus/pci/devices"
#define ATTRIBUTE_SIZE 2048 /* `resource`, the longest, has 17 lines of 57 bytes at most */

#define PCI_CLASS_DISPLAY 0x03

/* Subclasses of bridges (pci_ids.h, by header type: PCI-to-PCI, CardBus, semi-transparent PCI-to-PCI) */
#define PCI_CLASS_BRIDGE_HOST 0x0600
#define PCI_CLASS_BRIDGE_ISA 0x0601
#define PCI_CLASS_BRIDGE_EISA 0x0602
#define PCI_CLASS_BRIDGE_MC 0x0603
#define PCI_CLASS_BRIDGE_PCI 0x0604
#define PCI_CLASS_BRIDGE_CARDBUS 0x0607
#define PCI_CLASS_BRIDGE_SEMI_PCI 0x0609

/* include/linux/ioport.h: the flags in the third column of `resource` */
#define IORESOURCE_MEM 0x00000200
#define IORESOURCE_PREFETCH 0x00002000
#define IORESOURCE_MEM_64 0x00100000
#define IORESOURCE_UNSET 0x20000000

/* include/uapi/linux/pci_regs.h: the registers of the BARs, and the bits that hardware fixes in them */
#define PCI_BASE_ADDRESS_0 0x10
#define PCI_BASE_ADDRESS_IO 0x1
#define PCI_BASE_ADDRESS_64 0x4
#define PCI_BASE_ADDRESS_PREFETCH 0x8

/* How much of each function is read; each includes the one before. */
enum depth {
        DEPTH_BINDINGS,
        DEPTH_DETAILS,
        DEPTH_OVERRIDES, /* takes the device's lock */
};

/* Parses three numbers. This uses strtoull(), because sscanf() would measure the whole text for each.
 * Returns the rest, or NULL. */
static const char *parse_numbers(const char *s, uint64_t numbers[static 3])
{
        for (size_t i = 0; i < 3; i++) {
                char *end;

                if (!startswith(s, "0x"))
                        return NULL;
                errno = 0;
                numbers[i] = strtoull(s, &end, 16);
                if (errno)
                        return NULL;
                s = end + (i < 2 && *end == ' ');
        }
        return s;
}

/* Each line is "START END FLAGS", BAR 0 first. */
static void parse_resource(struct device *d, const char *text)
{
        uint64_t n[3]; /* start, end, flags */

        for (uint8_t i = 0; i < PCI_BARS; i++) {
                text = parse_numbers(text, n);
                if (!text)
                        return;
                if (n[2] & IORESOURCE_MEM && n[1] > n[0])
                        d->bars[d->n_bars++] = (struct bar){
                                .index = i,
                                .prefetchable = n[2] & IORESOURCE_PREFETCH,
                                .wide = n[2] & IORESOURCE_MEM_64,
                                .unassigned = n[2] & IORESOURCE_UNSET,
                                .address = n[2] & IORESOURCE_UNSET ? 0 : n[0],
                                .size = n[1] - n[0] + 1,
                        };
                if (*text != '\n')
                        return;
                text++;
        }
}

static bool has_bar(const struct device *d, unsigned index)
{
        for (size_t i = 0; i < d->n_bars; i++)
                if (d->bars[i].index == index)
                        return true;
        return false;
}

/* Where the kernel has given up on a BAR (reset_resource() in drivers/pci/setup-bus.c), `resource` has a
 * line of zeros, as for a BAR that does not exist. Its register still shows that it is prefetchable or
 * 64-bit; one that is neither cannot be seen. The other functions are left asleep: reading this wakes them.
 */
static void read_given_up(struct device *d, int fd)
{
        uint8_t config[PCI_BASE_ADDRESS_0 + 4 * PCI_BARS] = {};
        _cleanup_close_ int config_fd = -EBADF;

        if (*d->physical_function || device_is_bridge(d) || (d->driver && !d->driver_is_vfio))
                return;
        config_fd = open_at(fd, "config", O_RDONLY);
        if (config_fd < 0 || pread(config_fd, config, sizeof(config), 0) != sizeof(config))
                return;
        for (uint8_t i = 0; i < PCI_BARS && d->n_bars < PCI_BARS; i++) {
                uint8_t bits = config[PCI_BASE_ADDRESS_0 + 4 * i];

                if (bits & PCI_BASE_ADDRESS_IO || bits == 0xff)
                        continue;
                if (bits & (PCI_BASE_ADDRESS_64 | PCI_BASE_ADDRESS_PREFETCH) && !has_bar(d, i))
                        d->bars[d->n_bars++] = (struct bar){
                                .index = i,
                                .prefetchable = bits & PCI_BASE_ADDRESS_PREFETCH,
                                .wide = bits & PCI_BASE_ADDRESS_64,
                                .unassigned = true,
                        };
                if (bits & PCI_BASE_ADDRESS_64)
                        i++; /* its upper half */
        }
}

/* "144D:A808" */
static bool parse_ids(const char *s, uint16_t *ret_vendor, uint16_t *ret_device)
{
        char *end;
        unsigned long vendor = strtoul(s, &end, 16), device;

        if (*end != ':')
                return false;
        device = strtoul(end + 1, &end, 16);
        if (*end || vendor > UINT16_MAX || device > UINT16_MAX)
                return false;
        *ret_vendor = (uint16_t) vendor;
        *ret_device = (uint16_t) device;
        return true;
}

/* "DRIVER=nvme", "PCI_ID=144D:A808": all in one file (pci_uevent() in drivers/pci/pci-driver.c). */
static bool read_uevent(struct device *d, int fd)
{
        char text[ATTRIBUTE_SIZE], *save = NULL;
        bool found = false;

        if (read_attribute_at(fd, "uevent", text, sizeof(text)) < 0)
                return false;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *value;

                if ((value = startswith(line, "PCI_ID=")))
                        found = parse_ids(value, &d->vendor, &d->device);
                else if ((value = startswith(line, "PCI_SUBSYS_ID=")))
                        (void) parse_ids(value, &d->subsystem_vendor, &d->subsystem_device);
                else if ((value = startswith(line, "PCI_CLASS=")))
                        d->class = (uint32_t) strtoul(value, NULL, 16);
                else if ((value = startswith(line, "DRIVER=")) && !d->driver)
                        d->driver = memory_note(strdup(value));
        }
        return found;
}

/* One number, "0x10de" or "8". */
static bool read_number(int fd, const char *name, int base, uint64_t max, uint64_t *ret)
{
        char text[ATTRIBUTE_SIZE];
        uint64_t v;

        if (read_attribute_at(fd, name, text, sizeof(text)) < 0 || parse_u64(text, base, &v) < 0 || v > max)
                return false;
        *ret = v;
        return true;
}

/* Reads the same from one attribute each, if a recorded host has no uevent. */
static void read_attributes(struct device *d, int fd)
{
        uint64_t v;

        if (read_number(fd, "vendor", 16, UINT16_MAX, &v))
                d->vendor = (uint16_t) v;
        if (read_number(fd, "device", 16, UINT16_MAX, &v))
                d->device = (uint16_t) v;
        if (read_number(fd, "class", 16, UINT32_MAX, &v))
                d->class = (uint32_t) v;
        if (read_number(fd, "subsystem_vendor", 16, UINT16_MAX, &v))
                d->subsystem_vendor = (uint16_t) v;
        if (read_number(fd, "subsystem_device", 16, UINT16_MAX, &v))
                d->subsystem_device = (uint16_t) v;
        if (!d->driver)
                (void) read_link_name_at(fd, "driver", &d->driver);
}

/* There is one mask for each BAR with the capability, which is 1 MiB at least
 * (Documentation/ABI/testing/sysfs-bus-pci). */
static void read_resizable(struct device *d, int fd)
{
        for (size_t i = 0; i < d->n_bars; i++) {
                char name[sizeof("resource0_resize")];

                if (d->bars[i].size < MIB(1))
                        continue;
                snprintf(name, sizeof(name), "resource%u_resize", d->bars[i].index % 10U);
                (void) read_number(fd, name, 16, UINT64_MAX, &d->bars[i].sizes);
        }
}

/* A function's node is its bus's (pci_device_add() in drivers/pci/probe.c), so one read does for a bus. */
static void read_numa_node(struct device *d, int fd, const struct device *previous)
{
        const char *slot = strrchr(d->bdf, ':');
        uint64_t v;

        if (previous && strncmp(d->bdf, previous->bdf, (size_t) (slot - d->bdf) + 1) == 0)
                d->numa_node = previous->numa_node;
        else if (read_number(fd, "numa_node", 10, INT32_MAX, &v))
                d->numa_node = (int) v; /* parse_u64() refuses "-1" */
}

static bool same_kind(const struct device *a, const struct device *b)
{
        return a->vendor == b->vendor && a->device == b->device &&
               a->subsystem_vendor == b->subsystem_vendor && a->subsystem_device == b->subsystem_device &&
               a->class == b->class;
}

/* Grace Hopper's memory comes as regions 2 and 4, which the driver maps in its own way
 * (drivers/vfio/pci/nvgrace-gpu). */
static void mark_replaced(struct device *d)
{
        const char *driver = d->driver_is_vfio ? d->driver : d->vfio_driver;

        if (!driver || fnmatch("nvgrace[-_]gpu[-_]vfio[-_]pci", driver, 0) != 0)
                return;
        for (size_t i = 0; i < d->n_bars; i++)
                d->bars[i].replaced = d->bars[i].index == 2 || d->bars[i].index == 4;
}

static void read_drivers(struct device *d, int fd, const struct device *previous,
                         const struct vfio_drivers *drivers)
{
        char modalias[80];

        if (previous && same_kind(d, previous))
                d->vfio_driver = previous->vfio_driver;
        else {
                snprintf(modalias, sizeof(modalias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X",
                         d->vendor, d->device, d->subsystem_vendor, d->subsystem_device,
                         d->class >> 16 & 0xff, d->class >> 8 & 0xff, d->class & 0xff);
                d->vfio_driver = vfio_drivers_best(drivers, modalias);
        }
        /* A VFIO driver that depmod does not know still shows by what it made of the device, since 6.1. */
        d->driver_is_vfio = d->driver && (vfio_drivers_has(drivers, d->driver) || exists_at(fd, "vfio-dev"));
}

/* Reads what the function is, and who has it. An attribute is read only where it can exist, because
 * thousands of functions add up. */
static void read_device(struct device *d, int fd, const struct device *previous,
                        const struct vfio_drivers *drivers)
{
        _cleanup_free_ char *group = NULL, *pf = NULL;
        uint64_t v;

        d->group = d->numa_node = -1;
        if (!read_uevent(d, fd))
                read_attributes(d, fd);
        if (read_link_name_at(fd, "iommu_group", &group) >= 0 && parse_u64(group, 10, &v) >= 0 &&
            v < INT32_MAX)
                d->group = (int) v;
        if (device_is_infrastructure(d))
                return;
        if (read_link_name_at(fd, "physfn", &pf) >= 0)
                (void) bdf_parse(pf, d->physical_function);
        read_drivers(d, fd, previous, drivers);
        /* Only VGA has the first; any display can have the second, which is there since 6.17. */
        if (d->class >> 16 == PCI_CLASS_DISPLAY)
                d->boot_vga = (read_number(fd, "boot_vga", 10, 1, &v) && v == 1) ||
                              (read_number(fd, "boot_display", 10, 1, &v) && v == 1);
}

/* Reads what the function offers. */
static void read_details(struct device *d, int fd, const struct device *previous)
{
        char text[ATTRIBUTE_SIZE];
        uint64_t v;

        if (read_attribute_at(fd, "resource", text, sizeof(text)) >= 0)
                parse_resource(d, text);
        read_given_up(d, fd);
        mark_replaced(d);
        read_numa_node(d, fd, previous);
        if (device_is_infrastructure(d))
                return;
        if (read_attribute_at(fd, "reset_method", text, sizeof(text)) >= 0)
                d->reset_method = memory_note(strdup(text));
        if (*d->physical_function)
                return;
        if (read_number(fd, "sriov_totalvfs", 10, UINT16_MAX, &v))
                d->vfs_total = (uint16_t) v;
        read_resizable(d, fd);
}

static void read_override(struct device *d, int fd)
{
        char text[ATTRIBUTE_SIZE];

        if (!device_is_infrastructure(d) &&
            read_attribute_at(fd, "driver_override", text, sizeof(text)) >= 0 && *text &&
            !streq(text, "(null)"))
                d->driver_override = memory_note(strdup(text));
}

static int compare_devices(const void *a, const void *b)
{
        return bdf_compare(((const struct device *) a)->bdf, ((const struct device *) b)->bdf);
}

/* Counting VFs does not block, while reading sriov_numvfs waits for a bind or unbind of the device
 * (device_lock()), possibly forever. */
static void count_vfs(struct device_facts *f)
{
        for (size_t i = 0; i < f->n_devices; i++) {
                struct device *pf;

                if (!*f->devices[i].physical_function)
                        continue;
                pf = (struct device *) device_facts_find(f, f->devices[i].physical_function);
                if (pf)
                        pf->vfs_enabled++;
        }
}

static int read_functions(struct device_facts *d, const struct root *root, const struct names *names,
                          enum depth depth)
{
        d->devices = calloc(names->n ?: 1, sizeof(*d->devices));
        if (!d->devices)
                return -ENOMEM;
        for (size_t i = 0; i < names->n; i++) {
                char path[sizeof(PCI_DEVICES "/") + sizeof(bdf_t)];
                struct device *device = &d->devices[d->n_devices], *previous;
                _cleanup_close_ int fd = -EBADF;

                if (strlen(names->names[i]) >= sizeof(bdf_t) || bdf_parse(names->names[i], device->bdf) < 0)
                        continue;
                snprintf(path, sizeof(path), PCI_DEVICES "/%s", names->names[i]);
                fd = open_at(root->fd, path, O_PATH | O_DIRECTORY);
                if (fd < 0)
                        continue; /* it was unplugged in between */
                previous = d->n_devices > 0 ? device - 1 : NULL;
                read_device(device, fd, previous, d->drivers);
                if (depth >= DEPTH_DETAILS)
                        read_details(device, fd, previous);
                if (depth >= DEPTH_OVERRIDES)
                        read_override(device, fd);
                d->n_devices++;
        }
        if (d->n_devices > 0)
                qsort(d->devices, d->n_devices, sizeof(*d->devices), compare_devices);
        count_vfs(d);
        return 0;
}

/* named: only these functions; NULL: all. */
static int read_tree(struct device_facts *d, const struct root *root, const struct names *named,
                     enum depth depth)
{
        _cleanup_(names_done) struct names all = {};
        int r;

        if (!named) {
                r = list_dir_at(root->fd, PCI_DEVICES, &all);
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        d->listed = fact_unknown("/" PCI_DEVICES " cannot be read");
                        return 0;
                }
        }
        d->listed = fact_is(true, SOURCE_SYSFS);
        return read_functions(d, root, named ?: &all, depth);
}

static int read_facts(struct device_facts *d, const struct root *root, const struct names *named,
                      enum depth depth)
{
        _cleanup_(device_facts_done) struct device_facts facts = {};
        _cleanup_free_ char *release = NULL;
        int r;

        assert(d);
        assert(root);

        *d = (struct device_facts){};
        (void) read_line_at(root->fd, "proc/sys/kernel/osrelease", &release);
        r = vfio_drivers_read(root, release, &facts.drivers, &facts.variants);
        if (r < 0)
                return r;
        r = read_tree(&facts, root, named, depth);
        if (r < 0)
                return r;
        if (depth >= DEPTH_DETAILS) {
                r = bar_reservations_read(&facts, root);
                if (r < 0)
                        return r;
        }
        *d = TAKE(facts, (struct device_facts){});
        return 0;
}

int device_facts_read(struct device_facts *d, const struct root *root)
{
        return read_facts(d, root, NULL, DEPTH_OVERRIDES);
}

int device_facts_read_lockless(struct device_facts *d, const struct root *root)
{
        return read_facts(d, root, NULL, DEPTH_DETAILS);
}

int device_facts_read_bindings(struct device_facts *d, const struct root *root, const struct names *names)
{
        return read_facts(d, root, names, DEPTH_BINDINGS);
}

void device_facts_done(struct device_facts *d)
{
        assert(d);

        for (size_t i = 0; i < d->n_devices; i++) {
                free(d->devices[i].driver);
                free(d->devices[i].driver_override);
                free(d->devices[i].reset_method);
                for (size_t k = 0; k < d->devices[i].n_bars; k++)
                        free(d->devices[i].bars[k].reserved_by);
        }
        free(d->devices);
        for (size_t i = 0; i < d->n_names; i++)
                free(d->names[i].name);
        free(d->names);
        vfio_drivers_free(d->drivers);
        *d = (struct device_facts){};
}

const struct device *device_facts_find(const struct device_facts *d, const char *bdf)
{
        struct device key = {};

        assert(d);
        assert(bdf);

        if (strlen(bdf) >= sizeof(key.bdf) || d->n_devices == 0)
                return NULL;
        strcpy(key.bdf, bdf);
        return bsearch(&key, d->devices, d->n_devices, sizeof(*d->devices), compare_devices);
}

bool device_is_assignable(const struct device *d)
{
        assert(d);

        return d->group >= 0 && !device_is_infrastructure(d);
}

bool device_is_bridge(const struct device *d)
{
        uint32_t class;

        assert(d);

        class = d->class >> 8;
        return class == PCI_CLASS_BRIDGE_PCI || class == PCI_CLASS_BRIDGE_CARDBUS ||
               class == PCI_CLASS_BRIDGE_SEMI_PCI;
}

bool device_is_infrastructure(const struct device *d)
{
        uint32_t class;

        assert(d);

        class = d->class >> 8;
        return device_is_bridge(d) || class == PCI_CLASS_BRIDGE_HOST || class == PCI_CLASS_BRIDGE_ISA ||
               class == PCI_CLASS_BRIDGE_EISA || class == PCI_CLASS_BRIDGE_MC;
}

bool bar_is_unknown(const struct bar *b)
{
        assert(b);

        return b->replaced || b->unseen;
}

bool bar_is_mappable(const struct bar *b)
{
        assert(b);

        return !b->unassigned && !b->reserved_by;
}

uint64_t bar_largest_size(const struct bar *b)
{
        assert(b);

        if (b->sizes == 0 || b->sizes >= UINT64_C(1) << 44) /* the size would not fit */
                return 0;
        return MIB(1) << (63 - __builtin_clzll(b->sizes));
}
