/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "util/macro.h"

#define PCI "sys/bus/pci/"
#define DEVICES "sys/devices/pci0000:00/"
#define RELEASE "6.12.0-fake"

_printf_(1, 2) _Noreturn static void die(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        fputs("fake kernel: ", stderr);
        vfprintf(stderr, format, ap);
        fprintf(stderr, ": %s\n", strerror(errno));
        va_end(ap);
        abort();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

static void remove_tree(const char *path)
{
        struct stat st;

        if (lstat(path, &st) >= 0 && nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0)
                die("%s", path);
}

/* The absolute path, its directories made; most are there. */
static void prepare(const struct fake_kernel *k, char full[static PATH_MAX], const char *path)
{
        int n = snprintf(full, PATH_MAX, "%s/", k->dir);
        char *last;

        snprintf(full + n, PATH_MAX - (size_t) n, "%s", path);
        last = strrchr(full, '/');
        *last = '\0';
        if (access(full, F_OK) >= 0) {
                *last = '/';
                return;
        }
        *last = '/';
        for (char *s = full + n; (s = strchr(s, '/')); s++) {
                *s = '\0';
                if (mkdir(full, 0755) < 0 && errno != EEXIST)
                        die("%s", full);
                *s = '/';
        }
}

static void write_bytes(const struct fake_kernel *k, const char *path, const void *bytes, size_t size)
{
        _cleanup_close_ int fd = -EBADF;
        char full[PATH_MAX];

        prepare(k, full, path);
        fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, bytes, size) != (ssize_t) size)
                die("%s", full);
}

void fake_write(struct fake_kernel *k, const char *path, const char *text)
{
        char full[PATH_MAX];

        if (text) {
                write_bytes(k, path, text, strlen(text));
                return;
        }
        snprintf(full, sizeof(full), "%s/%s", k->dir, path);
        remove_tree(full);
}

void fake_link(struct fake_kernel *k, const char *path, const char *target)
{
        char full[PATH_MAX];

        prepare(k, full, path);
        (void) unlink(full);
        if (symlink(target, full) < 0)
                die("%s", full);
}

bool fake_exists(struct fake_kernel *k, const char *path)
{
        char full[PATH_MAX];

        snprintf(full, sizeof(full), "%s/%s", k->dir, path);
        return access(full, F_OK) >= 0;
}

/* An attribute of a function, "NAME". */
_printf_(4, 5) static void write_attribute(struct fake_kernel *k, const struct fake_function *f,
                                           const char *name, const char *format, ...)
{
        char path[256], text[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        snprintf(path, sizeof(path), DEVICES "%s/%s", f->bdf, name);
        fake_write(k, path, text);
}

static void put_le32(unsigned char *p, uint32_t v)
{
        for (size_t i = 0; i < 4; i++)
                p[i] = (unsigned char) (v >> 8 * i);
}

/* Its header; and where it has a serial number, that as the one extended capability (PCIe 7.9.3). */
static void write_config(struct fake_kernel *k, const struct fake_function *f)
{
        unsigned char config[4096] = {}, s[8];
        char path[256];

        put_le32(config, (uint32_t) f->device << 16 | 0x1234);
        put_le32(config + 4, 0x00100006);
        put_le32(config + 8, f->class << 8);
        if (sscanf(f->serial, "%2hhx-%2hhx-%2hhx-%2hhx-%2hhx-%2hhx-%2hhx-%2hhx", &s[0], &s[1], &s[2], &s[3],
                   &s[4], &s[5], &s[6], &s[7]) == 8) {
                put_le32(config + 0x34, 0x40);
                put_le32(config + 0x40, 0x00020010); /* PCI Express */
                put_le32(config + 0x100, 0x00010003);
                for (size_t i = 0; i < 8; i++)
                        config[0x104 + i] = s[7 - i];
        }
        if (f->silent)
                memset(config, 0xff, sizeof(config));
        snprintf(path, sizeof(path), DEVICES "%s/config", f->bdf);
        write_bytes(k, path, config, *f->serial ? 4096 : 256);
}

static void show_driver(struct fake_kernel *k, const struct fake_function *f, const char *old)
{
        unsigned number = (unsigned) (f - k->functions);
        char path[256], target[256];

        if (*old) {
                snprintf(path, sizeof(path), DEVICES "%s/driver", f->bdf);
                fake_write(k, path, NULL);
                snprintf(path, sizeof(path), PCI "drivers/%s/%s", old, f->bdf);
                fake_write(k, path, NULL);
                snprintf(path, sizeof(path), DEVICES "%s/vfio-dev", f->bdf);
                fake_write(k, path, NULL);
        }
        write_attribute(k, f, "uevent",
                        "%s%s%sPCI_CLASS=%X\nPCI_ID=1234:%04X\nPCI_SUBSYS_ID=1234:0001\nPCI_SLOT_NAME=%s\n",
                        *f->driver ? "DRIVER=" : "", f->driver, *f->driver ? "\n" : "", f->class, f->device,
                        f->bdf);
        if (!*f->driver)
                return;
        snprintf(path, sizeof(path), DEVICES "%s/driver", f->bdf);
        snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", f->driver);
        fake_link(k, path, target);
        snprintf(path, sizeof(path), PCI "drivers/%s/%s", f->driver, f->bdf);
        snprintf(target, sizeof(target), "../../../../devices/pci0000:00/%s", f->bdf);
        fake_link(k, path, target);
        if (fake_driver_is_vfio(f->driver)) {
                snprintf(path, sizeof(path), "vfio-dev/vfio%u/dev", number);
                write_attribute(k, f, path, "511:%u\n", number);
        }
}

void fake_tree_show(struct fake_kernel *k, const struct fake_function *f)
{
        struct fake_function *shown = &k->shown[f - k->functions];
        bool all = !shown->present;

        if (!f->present)
                return;
        if (all || !streq(f->override, shown->override))
                write_attribute(k, f, "driver_override", "%s\n", *f->override ? f->override : "(null)");
        if (all || !streq(f->control, shown->control))
                write_attribute(k, f, "power/control", "%s\n", f->control);
        if (all || !streq(f->d3cold_allowed, shown->d3cold_allowed))
                write_attribute(k, f, "d3cold_allowed", "%s\n", f->d3cold_allowed);
        if (*f->autoprobe && (all || !streq(f->autoprobe, shown->autoprobe))) {
                write_attribute(k, f, "sriov_drivers_autoprobe", "%s\n", f->autoprobe);
                write_attribute(k, f, "sriov_totalvfs", "4\n");
                write_attribute(k, f, "sriov_numvfs", "0\n");
        }
        if (all || f->silent != shown->silent)
                write_config(k, f);
        if (all || !streq(f->driver, shown->driver))
                show_driver(k, f, shown->driver);
        *shown = *f;
}

void fake_tree_add(struct fake_kernel *k, const struct fake_function *f)
{
        char path[256], target[256];

        write_attribute(k, f, "vendor", "0x1234\n");
        write_attribute(k, f, "device", "0x%04x\n", f->device);
        write_attribute(k, f, "subsystem_vendor", "0x1234\n");
        write_attribute(k, f, "subsystem_device", "0x0001\n");
        write_attribute(k, f, "class", "0x%06x\n", f->class);
        write_attribute(k, f, "modalias", "pci:v00001234d%08Xsv00001234sd00000001bc%02Xsc%02Xi%02X\n",
                        f->device, f->class >> 16, f->class >> 8 & 0xff, f->class & 0xff);
        write_attribute(k, f, "resource", "0x00000000fa000000 0x00000000faffffff 0x0000000000040200\n");
        write_attribute(k, f, "numa_node", "-1\n");

        snprintf(path, sizeof(path), PCI "devices/%s", f->bdf);
        snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s", f->bdf);
        fake_link(k, path, target);
        if (f->group >= 0) {
                snprintf(path, sizeof(path), DEVICES "%s/iommu_group", f->bdf);
                snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", f->group);
                fake_link(k, path, target);
                snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices/%s", f->group, f->bdf);
                snprintf(target, sizeof(target), "../../../../devices/pci0000:00/%s", f->bdf);
                fake_link(k, path, target);
        }
        fake_tree_show(k, f);
}

void fake_tree_remove(struct fake_kernel *k, const struct fake_function *f)
{
        char path[256];

        snprintf(path, sizeof(path), PCI "devices/%s", f->bdf);
        fake_write(k, path, NULL);
        if (*f->driver) {
                snprintf(path, sizeof(path), PCI "drivers/%s/%s", f->driver, f->bdf);
                fake_write(k, path, NULL);
        }
        k->shown[f - k->functions] = (struct fake_function){};
        snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices/%s", f->group, f->bdf);
        fake_write(k, path, NULL);
        snprintf(path, sizeof(path), DEVICES "%s", f->bdf);
        fake_write(k, path, NULL);
}

void fake_tree_add_driver(struct fake_kernel *k, const char *name)
{
        char path[256], target[256], module[FAKE_NAME_MAX];

        snprintf(module, sizeof(module), "%s", name);
        for (char *s = module; *s; s++)
                if (*s == '-')
                        *s = '_';
        for (const char *const *file =
                     (const char *const[]){ "bind", "unbind", "new_id", "remove_id", NULL };
             *file; file++) {
                snprintf(path, sizeof(path), PCI "drivers/%s/%s", name, *file);
                fake_write(k, path, "");
        }
        snprintf(path, sizeof(path), PCI "drivers/%s/module", name);
        snprintf(target, sizeof(target), "../../../../module/%s", module);
        fake_link(k, path, target);
        snprintf(path, sizeof(path), "sys/module/%s/initstate", module);
        fake_write(k, path, "live\n");
}

void fake_tree_new(struct fake_kernel *k)
{
        const char *base = getenv("TMPDIR") ?: access("/dev/shm", W_OK) >= 0 ? "/dev/shm" : "/tmp";

        if (snprintf(k->dir, sizeof(k->dir), "%s/vfioalign-fake-XXXXXX", base) >= (int) sizeof(k->dir) ||
            !mkdtemp(k->dir))
                die("%s", base);
        fake_write(k, PCI "drivers_probe", "");
        fake_write(k, PCI "drivers_autoprobe", "1\n");
        fake_write(k, "sys/class/net/lo/flags", "0x9\n");
        fake_write(k, "sys/class/block/loop0/dev", "7:0\n");
        fake_write(k, "sys/module/vfio_pci_core/initstate", "live\n");
        fake_write(k, "sys/module/vfio/initstate", "live\n");
        fake_write(k, "proc/1/mountinfo", "22 1 0:22 / /proc rw - proc proc rw\n");
        fake_write(k, "proc/swaps", "Filename Type Size Used Priority\n");
        fake_write(k, "proc/cmdline", "quiet intel_iommu=on\n");
        fake_write(k, "proc/sys/kernel/osrelease", RELEASE "\n");
        fake_write(k, "proc/sys/kernel/tainted", "0\n");
        fake_write(k, "lib/modules/" RELEASE "/modules.alias",
                   "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
                   "alias vfio_pci:v00001234d000000A1sv*sd*bc*sc*i* " FAKE_VARIANT "\n"
                   "alias pci:v00001234d000000A[01]sv*sd*bc*sc*i* " FAKE_HOST "\n"
                   "alias pci:v00009999d*sv*sd*bc*sc*i* evil\n");
        fake_write(k, "run/vfioalign/.keep", "");
        fake_write(k, "etc/machine-id", "");
        fake_write(k, "vfioalign/answers", "open-device-nodes\tall\n");
}

void fake_tree_clear_run(struct fake_kernel *k)
{
        fake_write(k, "run", NULL);
        fake_write(k, "run/vfioalign/.keep", "");
}

void fake_tree_delete(struct fake_kernel *k)
{
        remove_tree(k->dir);
}

void fake_tree_path(const struct fake_kernel *k, int dirfd, const char *path, char *ret, size_t size)
{
        char link[32], base[PATH_MAX];
        const char *below;
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
        n = readlink(link, base, sizeof(base) - 1);
        base[n < 0 ? 0 : n] = '\0';
        below = startswith(base, k->dir);
        if (!below)
                die("%s is written below %s", path, base);
        snprintf(ret, size, "%s%s%s", *below ? below + 1 : "", *below ? "/" : "", path);
}
