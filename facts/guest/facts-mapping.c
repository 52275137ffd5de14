/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-mapping.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>

#include "mapping-process.h"
#include "qemu-argument.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"

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

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %*x:%*x %*u %n", &start, &end, &offset,
                   &n) != 3 ||
            n < 0 || end <= start)
                return 0;
        name = line + n;
        /* A group's device file is anonymous; a character device of its own since 6.6. */
        if (!startswith(name, "anon_inode:[vfio-device]") && !startswith(name, "/dev/vfio/devices/vfio"))
                return 0;

        *ret = (struct mapping){ .start = start, .size = end - start, .offset = offset, .region = -1 };
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

/* From about 6.16 on, fdinfo names the device of a descriptor: "vfio-device-syspath:
 * /sys/devices/.../0000:00:05.0". */
static void candidates_from_fdinfo(struct candidates *c, int process_fd)
{
        static const char *const words[] = { "vfio-device-syspath:", NULL };
        _cleanup_(names_done) struct names names = {};

        if (list_dir_at(process_fd, "fdinfo", &names) < 0)
                return;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *text = NULL;
                char path[sizeof("fdinfo/") + 10], *slash;

                if (strlen(names.names[i]) > 10)
                        continue;
                snprintf(path, sizeof(path), "fdinfo/%s", names.names[i]);
                if (grep_file_at(process_fd, path, words, &text) < 0)
                        continue;
                text[strcspn(text, "\n")] = '\0';
                slash = strrchr(text, '/');
                if (slash)
                        add_candidate(c, slash + 1);
        }
}

/* QEMU has its devices on the command line: -device vfio-pci,host=0000:00:05.0 or
 * {"driver":"vfio-pci","host":"..."}. */
static void candidates_from_cmdline(struct candidates *c, int process_fd)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (read_file_at(process_fd, "cmdline", MIB(4), &text, &size) < 0)
                return;
        for (const char *arg = text; arg < text + size; arg += strlen(arg) + 1) {
                char device[64];

                if (qemu_argument_is_vfio(arg) && qemu_argument_device(arg, device, sizeof(device)))
                        add_candidate(c, device);
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

/* Kernels before 6.12 fill the whole mapping at the first fault, and from then on show the physical address
 * as its offset. */
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

/* Finds the function of a mapping. The kernel does not name it, because all descriptors that come from
 * groups share one inode: it is the one candidate whose BAR fits, and unknown where two fit. */
static void resolve_function(struct mapping *m, const struct device_facts *devices,
                             const struct candidates *c)
{
        const char *match = NULL;

        /* A physical address can look like a region (2 TiB like region 2): a BAR that fits comes first. */
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

static const char *const vfio_words[] = { "vfio-device", "/dev/vfio/", NULL };

static int add_mappings(struct mapping_facts *f, pid_t pid, const char *maps)
{
        for (const char *line = maps; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                struct mapping m, *slot;

                if (mapping_parse(line, &m) == 0)
                        continue;
                slot = array_append(f->mappings, f->n_mappings);
                if (!slot)
                        return -ENOMEM;
                *slot = m;
                slot->pid = pid;
        }
        return 0;
}

static int add_process(struct mapping_facts *f, size_t first, const struct root *root, int fd, pid_t pid)
{
        struct mapping_process *p = array_append(f->processes, f->n_processes);

        if (!p)
                return -ENOMEM;
        mapping_process_read(p, root, fd, pid, f->mappings + first, f->n_mappings - first);
        for (size_t i = first; i < f->n_mappings; i++) {
                f->mappings[i].huge = p->huge;
                f->mappings[i].command = p->command ? strdup(p->command) : NULL;
        }
        return 0;
}

static int open_process(const struct root *root, pid_t pid)
{
        char path[sizeof("proc/") + 10];
        int fd;

        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = open_at(root->fd, path, O_RDONLY | O_DIRECTORY);
        return fd == -ENOENT ? -ESRCH : fd;
}

int mapping_facts_read_process(struct mapping_facts *f, const struct root *root, pid_t pid,
                               const struct device_facts *devices, const bdf_t *hint, size_t n_hint)
{
        _cleanup_free_ char *maps = NULL;
        _cleanup_close_ int fd = open_process(root, pid);
        struct candidates candidates = {};
        size_t first = f->n_mappings;
        int r;

        assert(f);
        assert(devices);

        if (fd < 0)
                return fd;
        r = grep_file_at(fd, "maps", vfio_words, &maps);
        if (r < 0)
                return r;
        r = add_mappings(f, pid, maps);
        if (r < 0)
                return r;
        if (f->n_mappings == first)
                return 0;

        candidates_from_fdinfo(&candidates, fd);
        candidates_from_cmdline(&candidates, fd);
        for (size_t i = 0; i < n_hint; i++)
                add_candidate(&candidates, hint[i]);
        for (size_t i = first; i < f->n_mappings; i++)
                resolve_function(&f->mappings[i], devices, &candidates);
        return add_process(f, first, root, fd, pid);
}

/* A record does not show what its reader was not allowed to see, so that is an answer in it. */
#define QUESTION_COMPLETE "all-processes-seen"

static void settle_complete(struct mapping_facts *f, const struct root *root, bool denied)
{
        _cleanup_free_ char *answer = root_answer(root, QUESTION_COMPLETE);

        if (root->live)
                root_note(root, QUESTION_COMPLETE, denied ? "no" : "yes");
        f->complete = denied || (answer && streq(answer, "no"))
                              ? fact_unknown("some processes may not be looked into")
                              : fact_is(true, SOURCE_PROC);
}

static int compare_pids(const void *a, const void *b)
{
        pid_t x = *(const pid_t *) a, y = *(const pid_t *) b;

        return x < y ? -1 : x > y;
}

/* Ordered by number. */
static int list_processes(const struct root *root, pid_t **ret, size_t *ret_n)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ pid_t *pids = NULL;
        size_t n = 0;
        int r = list_dir_at(root->fd, "proc", &names);

        if (r < 0)
                return r;
        pids = calloc(names.n + 1, sizeof(*pids));
        if (!pids)
                return -ENOMEM;
        for (size_t i = 0; i < names.n; i++) {
                uint64_t pid;

                if (isdigit((unsigned char) *names.names[i]) && parse_u64(names.names[i], 10, &pid) >= 0 &&
                    pid <= INT32_MAX)
                        pids[n++] = (pid_t) pid;
        }
        qsort(pids, n, sizeof(*pids), compare_pids);
        *ret = TAKE_PTR(pids);
        *ret_n = n;
        return 0;
}

static int read_holder(struct mapping_facts *f, const struct root *root, pid_t pid)
{
        _cleanup_close_ int fd = open_process(root, pid);

        return fd < 0 ? fd : vfio_holders_read(root, fd, pid, &f->holders, &f->n_holders);
}

int mapping_facts_read(struct mapping_facts *f, const struct root *root, const struct device_facts *devices)
{
        _cleanup_free_ pid_t *pids = NULL;
        size_t n;
        bool denied = false;
        int r;

        assert(f);
        assert(root);
        assert(devices);

        *f = (struct mapping_facts){};
        r = list_processes(root, &pids, &n);
        if (r < 0) {
                f->complete = fact_unknown("/proc cannot be read");
                return r == -ENOMEM ? r : 0;
        }
        for (size_t i = 0; i < n; i++) {
                r = mapping_facts_read_process(f, root, pids[i], devices, NULL, 0);
                if (r == -ENOMEM)
                        return r;
                denied |= r == -EACCES || r == -EPERM;
                if (r == -EACCES || r == -EPERM || r == -ESRCH)
                        continue;
                r = read_holder(f, root, pids[i]);
                if (r == -ENOMEM)
                        return r;
        }
        settle_complete(f, root, denied);
        return 0;
}

const struct mapping_process *mapping_facts_find_process(const struct mapping_facts *f, pid_t pid)
{
        for (size_t i = 0; i < f->n_processes; i++)
                if (f->processes[i].pid == pid)
                        return &f->processes[i];
        return NULL;
}

void mapping_facts_done(struct mapping_facts *f)
{
        for (size_t i = 0; i < f->n_mappings; i++)
                free(f->mappings[i].command);
        for (size_t i = 0; i < f->n_processes; i++) {
                free(f->processes[i].command);
                free(f->processes[i].exe);
        }
        for (size_t i = 0; i < f->n_holders; i++)
                free(f->holders[i].command);
        free(f->mappings);
        free(f->processes);
        free(f->holders);
        *f = (struct mapping_facts){};
}
