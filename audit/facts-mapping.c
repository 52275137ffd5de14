/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-mapping.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

/* include/linux/vfio_pci_core.h: a region's index stands above its offset in the file */
#define REGION_SHIFT 40
#define REGION_OFFSET_MASK ((UINT64_C(1) << REGION_SHIFT) - 1)
#define REGIONS_MAX 64 /* the BARs, ROM, config, VGA, and what a vendor driver adds */

#define CANDIDATES_MAX 64

struct candidates {
        bdf_t bdf[CANDIDATES_MAX];
        size_t n;
};

int mapping_parse(const char *line, struct mapping *ret)
{
        uint64_t start, end, offset;
        const char *name;
        int n = -1;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %*x:%*x %*u %n", &start, &end, &offset, &n) != 3 ||
            n < 0 || end <= start)
                return 0;
        name = line + n;
        /* A group's device file is anonymous; a character device of its own since 6.6. */
        if (!startswith(name, "anon_inode:[vfio-device]") && !startswith(name, "/dev/vfio/devices/vfio"))
                return 0;

        *ret = (struct mapping) {.start = start, .size = end - start, .offset = offset, .region = -1};
        if (offset >> REGION_SHIFT < REGIONS_MAX) {
                ret->region = (int) (offset >> REGION_SHIFT);
                ret->offset = offset & REGION_OFFSET_MASK;
        }
        return 1;
}

static void add_candidate(struct candidates *c, const char *address)
{
        bdf_t bdf;

        if (c->n == CANDIDATES_MAX || bdf_parse(address, bdf) < 0)
                return;
        for (size_t i = 0; i < c->n; i++)
                if (streq(c->bdf[i], bdf))
                        return;
        memcpy(c->bdf[c->n++], bdf, sizeof(bdf));
}

/* Since 6.16 or so a device's descriptor says whose it is: "vfio-device-syspath: /sys/devices/.../0000:00:05.0". */
static void candidates_from_fdinfo(struct candidates *c, int process_fd)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd = openat(process_fd, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return;
        }
        while ((entry = readdir(dir))) {
                _cleanup_free_ char *text = NULL;
                char *path, *slash;

                if (!isdigit((unsigned char) entry->d_name[0]) ||
                    read_file_at(dirfd(dir), entry->d_name, 4096, &text, NULL) < 0)
                        continue;
                path = strstr(text, "vfio-device-syspath:");
                if (!path)
                        continue;
                path[strcspn(path, "\n")] = '\0';
                slash = strrchr(path, '/');
                if (slash)
                        add_candidate(c, slash + 1);
        }
}

/* QEMU is told on its command line: -device vfio-pci,host=0000:00:05.0 or {"driver":"vfio-pci","host":"..."}. */
static void candidates_from_cmdline(struct candidates *c, int process_fd)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (read_file_at(process_fd, "cmdline", MIB(4), &text, &size) < 0)
                return;
        for (const char *arg = text; arg < text + size; arg += strlen(arg) + 1) {
                const char *host;
                char address[sizeof(bdf_t)];

                if (!strstr(arg, "vfio-pci"))
                        continue;
                host = strstr(arg, "\"host\":\"");
                host = host ? host + strlen("\"host\":\"") : strstr(arg, "host=");
                if (!host)
                        continue;
                host = startswith(host, "host=") ?: host;
                snprintf(address, sizeof(address), "%.*s", (int) strcspn(host, "\",}"), host);
                add_candidate(c, address);
        }
}

/* VFIO maps a BAR that is smaller than a page as a whole page, which has up to 64 KiB (arm64). */
static bool has_bar(const struct device *d, const struct mapping *m)
{
        for (size_t i = 0; d && i < d->n_bars; i++) {
                uint64_t size = d->bars[i].size < KIB(64) ? KIB(64) : d->bars[i].size;

                if (d->bars[i].index == m->region && size >= m->offset + m->size)
                        return true;
        }
        return false;
}

static bool fits_any(const struct mapping *m, const struct device_facts *devices)
{
        for (size_t i = 0; i < devices->n_devices; i++)
                if (has_bar(&devices->devices[i], m))
                        return true;
        return false;
}

/* Kernels that fill the whole mapping at the first fault (before 6.12) then show the physical address as offset. */
static bool resolve_physical(struct mapping *m, const struct device_facts *devices)
{
        uint64_t address = m->region >= 0 ? ((uint64_t) m->region << REGION_SHIFT) + m->offset : m->offset;

        for (size_t i = 0; i < devices->n_devices; i++)
                for (size_t k = 0; k < devices->devices[i].n_bars; k++) {
                        const struct bar *bar = &devices->devices[i].bars[k];

                        if (bar->address == 0 || address < bar->address ||
                            address - bar->address + m->size > bar->size)
                                continue;
                        m->region = bar->index;
                        m->offset = address - bar->address;
                        memcpy(m->bdf, devices->devices[i].bdf, sizeof(bdf_t));
                        return true;
                }
        return false;
}

/* All descriptors of groups share one inode, so that a mapping names no function: it belongs to the one
 * candidate whose BAR fits, and to none where two fit. */
static void resolve(struct mapping *m, const struct device_facts *devices, const struct candidates *c)
{
        const char *match = NULL;

        /* A physical address can read as a region (2 TiB as region 2): where a BAR fits, the region it is. */
        if (!fits_any(m, devices) && resolve_physical(m, devices))
                return;
        for (size_t i = 0; i < c->n; i++) {
                if (!has_bar(device_facts_find(devices, c->bdf[i]), m))
                        continue;
                if (match)
                        return;
                match = c->bdf[i];
        }
        if (match)
                strcpy(m->bdf, match);
}

int mapping_facts_read_process(struct mapping_facts *f, const struct root *root, pid_t pid,
                               const struct device_facts *devices, const bdf_t *hint, size_t n_hint)
{
        _cleanup_free_ char *maps = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct candidates candidates = {};
        char path[sizeof("proc/") + 10];
        size_t first = f->n_mappings;
        int r;

        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = openat(root->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        r = read_file_at(fd, "maps", FILE_MAX_SIZE, &maps, NULL);
        if (r < 0)
                return r;

        for (char *line = maps; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                struct mapping m, *slot;

                if (mapping_parse(line, &m) == 0)
                        continue;
                slot = array_append(f->mappings, f->n_mappings);
                if (!slot)
                        return -ENOMEM;
                *slot = m;
                slot->pid = pid;
                (void) read_line_at(fd, "comm", &slot->command);
        }
        if (f->n_mappings == first)
                return 0;

        candidates_from_fdinfo(&candidates, fd);
        candidates_from_cmdline(&candidates, fd);
        for (size_t i = 0; i < n_hint; i++)
                add_candidate(&candidates, hint[i]);
        for (size_t i = first; i < f->n_mappings; i++)
                resolve(&f->mappings[i], devices, &candidates);
        return 0;
}

int mapping_facts_read(struct mapping_facts *f, const struct root *root, const struct device_facts *devices)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd;

        *f = (struct mapping_facts) {.complete = fact_is(true, SOURCE_PROC)};
        fd = openat(root->fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                f->complete = fact_unknown("/proc cannot be read");
                return 0;
        }

        while ((entry = readdir(dir))) {
                uint64_t pid;
                int r;

                if (parse_u64(entry->d_name, 10, &pid) < 0 || pid > INT32_MAX)
                        continue;
                r = mapping_facts_read_process(f, root, (pid_t) pid, devices, NULL, 0);
                if (r == -ENOMEM)
                        return r;
                if (r == -EACCES || r == -EPERM)
                        f->complete = fact_unknown("some processes may not be looked into");
        }
        return 0;
}

void mapping_facts_done(struct mapping_facts *f)
{
        for (size_t i = 0; i < f->n_mappings; i++)
                free(f->mappings[i].command);
        free(f->mappings);
        *f = (struct mapping_facts) {};
}
