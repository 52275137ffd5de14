/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-mapping.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/sysmacros.h>

#include "libvirt-paths.h"
#include "mapping-process.h"
#include "qemu-argument.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"
#include "util/process-file.h"
#include "vfio-node.h"

/* include/linux/vfio_pci_core.h: a region's index stands above its offset in the file */
#define REGION_SHIFT 40
#define REGION_OFFSET_MASK ((UINT64_C(1) << REGION_SHIFT) - 1)
#define REGIONS_MAX 64 /* the BARs, ROM, config, VGA, and what a vendor driver adds */

#define CANDIDATES_MAX 64

#define VFIO_NODES "/dev/vfio/devices/vfio"
#define DMA_BUFS "/dmabuf:vfio"

struct candidates {
        bdf_t bdf[CANDIDATES_MAX];
        size_t n;
};

/* What shows which functions a process has. */
struct evidence_of_process {
        struct candidates open; /* by its descriptors, each by its name: nothing else is open */
        struct candidates held; /* those of its groups and character devices, if these can be seen */
        struct candidates
                named; /* by its arguments, and by what the caller knows: what it was started with */
};

/* A kernel that maps BARs by dma-bufs ("vfio/pci: Convert BAR mmap() to use a DMABUF", v4 of July 2026)
 * names the function and the BAR, and has the plain offset in the BAR: "/dmabuf:vfio0:0000:00:03.0/1". */
static bool parse_dma_buf(const char *name, struct mapping *m)
{
        char address[sizeof(bdf_t)];
        unsigned bar;
        int n = -1;

        name += strlen(DMA_BUFS);
        name += strspn(name, "0123456789");
        if (sscanf(name, ":%16[0-9a-f:.]/%u%n", address, &bar, &n) != 2 || n < 0 ||
            name[n + strspn(name + n, " \n")] || bar >= REGIONS_MAX || bdf_parse(address, m->bdf) < 0)
                return false;
        m->region = (int) bar;
        return true;
}

int mapping_parse(const char *line, struct mapping *ret)
{
        struct mapping m;
        uint64_t start, end, offset;
        const char *name;
        int n = -1;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %*x:%*x %*u %n", &start, &end, &offset,
                   &n) != 3 ||
            n < 0 || end <= start)
                return 0;
        name = line + n;
        m = (struct mapping){
                .start = start, .size = end - start, .offset = offset, .region = -1, .cdev = -1
        };
        if (startswith(name, DMA_BUFS)) {
                if (!parse_dma_buf(name, &m))
                        return 0;
                *ret = m;
                return 1;
        }
        /* A group's device file is anonymous; a character device of its own since 6.6. */
        if (!startswith(name, "anon_inode:[vfio-device]") && !startswith(name, VFIO_NODES))
                return 0;

        *ret = m;
        (void) sscanf(name, VFIO_NODES "%9d", &ret->cdev);
        if (offset >> REGION_SHIFT < REGIONS_MAX) {
                ret->region = (int) (offset >> REGION_SHIFT);
                ret->offset = offset & REGION_OFFSET_MASK;
        }
        return 1;
}

static bool has_candidate(const struct candidates *c, const char *bdf)
{
        for (size_t i = 0; i < c->n; i++)
                if (streq(c->bdf[i], bdf))
                        return true;
        return false;
}

static void add_candidate(struct candidates *c, const char *address)
{
        bdf_t bdf;

        if (c->n < CANDIDATES_MAX && bdf_parse(address, bdf) >= 0 && !has_candidate(c, bdf))
                memcpy(c->bdf[c->n++], bdf, sizeof(bdf));
}

/* The descriptors that can be of a VFIO device. On a recorded host, where the links are missing, all of
 * them. Returns 1, 0 where there may be more of them, or a negative errno. */
static int list_candidates(const struct root *root, int process_fd, struct names *ret)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd;

        if (!root->live) {
                int r = list_dir_at(process_fd, "fdinfo", ret);

                return r < 0 ? r : 1;
        }
        fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return -EACCES;
        }
        for (size_t n = 0; (entry = readdir(dir)); n++) {
                char target[64], **slot;
                ssize_t size;

                if (n == PROCESS_DESCRIPTORS_MAX || ret->n == CANDIDATES_MAX)
                        return 0;
                size = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);
                if (size < 0)
                        continue;
                target[size] = '\0';
                if (!startswith(target, "anon_inode:[vfio-device]") && !startswith(target, VFIO_NODES))
                        continue;
                slot = array_append(ret->names, ret->n);
                if (!slot)
                        return -ENOMEM;
                *slot = strdup(entry->d_name);
                if (!*slot)
                        return -ENOMEM;
        }
        return 1;
}

/* From about 6.16 on, fdinfo names the device of a descriptor: "vfio-device-syspath:
 * /sys/devices/.../0000:00:05.0". Returns whether there are no others. */
static bool candidates_from_fdinfo(struct candidates *c, const struct root *root, const struct process *p,
                                   int process_fd)
{
        static const char *const words[] = { "vfio-device-syspath:", NULL };
        _cleanup_(names_done) struct names names = {};
        int all = list_candidates(root, process_fd, &names);

        if (all < 0)
                return false;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *text = NULL;
                char path[sizeof("fdinfo/") + 10], *slash;
                size_t more;
                int r;

                if (strlen(names.names[i]) > 10)
                        continue;
                snprintf(path, sizeof(path), "fdinfo/%s", names.names[i]);
                r = process_grep(root, p, process_fd, path, words, 1, &text, &more);
                if (process_is_unread(r))
                        return false;
                if (r < 0)
                        continue;
                text[strcspn(text, "\n")] = '\0';
                slash = strrchr(text, '/');
                if (slash)
                        add_candidate(c, slash + 1);
        }
        return all > 0;
}

/* Other VMMs name a device by its directory in sysfs, or by its address alone:
 * path=/sys/bus/pci/devices/0000:41:00.0/,iommu=off. What follows below the directory is another device,
 * such as a mediated one. */
static void add_addresses(struct candidates *c, const char *arg)
{
        static const char digits[] = "0123456789abcdefABCDEF", ends[] = "/,; \"'";

        for (const char *s = arg; (s = strpbrk(s, digits)); s += strspn(s, digits)) {
                size_t n = strspn(s, "0123456789abcdefABCDEF:.");
                const char *end = s + n;
                bdf_t address;

                if ((s > arg && !strchr("/,;= \"'", s[-1])) || n >= sizeof(address) ||
                    (*end && !strchr(ends, *end)) || (*end == '/' && end[1] && !strchr(ends, end[1])))
                        continue;
                snprintf(address, sizeof(address), "%.*s", (int) n, s);
                /* With its domain, or "00:1f.2" could be a time. */
                if (strchr(address, ':') != strrchr(address, ':'))
                        add_candidate(c, address);
        }
}

/* QEMU has its devices on the command line: -device vfio-pci,host=0000:00:05.0 or
 * {"driver":"vfio-pci","host":"..."}. */
static void candidates_from_cmdline(struct candidates *c, const struct root *root, const struct process *p,
                                    int process_fd)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (process_read_file(root, p, process_fd, "cmdline", MIB(4), &text, &size) < 0)
                return;
        for (const char *arg = text; arg < text + size; arg += strlen(arg) + 1) {
                char device[64];

                if (!qemu_argument_is_vfio(arg))
                        add_addresses(c, arg);
                else if (qemu_argument_device(arg, device, sizeof(device)))
                        add_candidate(c, device);
        }
}

/* The function whose character device is /dev/vfio/devices/vfioCDEV, or NULL. The class has a link to it:
 * .../0000:41:00.0/vfio-dev/vfio3. A host that was recorded by hand may have only what that leads to. */
static const struct device *find_cdev(const struct root *root, const struct device_facts *devices, int cdev)
{
        char path[sizeof("sys/bus/pci/devices//vfio-dev/vfio") + sizeof(bdf_t) + 10];
        _cleanup_free_ char *target = NULL;
        char *end, *slash;

        snprintf(path, sizeof(path), "sys/class/vfio-dev/vfio%d", cdev);
        (void) read_link_at(root->fd, path, &target);
        end = target ? strstr(target, "/vfio-dev/") : NULL;
        if (end) {
                *end = '\0';
                slash = strrchr(target, '/');
                return device_facts_find(devices, slash ? slash + 1 : target);
        }
        for (size_t i = 0; !root->live && i < devices->n_devices; i++) {
                const struct device *d = &devices->devices[i];

                snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vfio-dev/vfio%d", d->bdf, cdev);
                if (d->driver_is_vfio && exists_at(root->fd, path))
                        return d;
        }
        return NULL;
}

static void add_group(struct candidates *c, const struct device_facts *devices, int group)
{
        for (size_t i = 0; i < devices->n_devices; i++)
                if (devices->devices[i].group == group && !device_is_bridge(&devices->devices[i]))
                        add_candidate(c, devices->devices[i].bdf);
}

/* The functions of the groups and character devices that it holds open. */
static int candidates_from_holders(struct candidates *c, const struct root *root, const struct process *p,
                                   int process_fd, const struct device_facts *devices)
{
        struct vfio_holder *holders = NULL;
        size_t n = 0, more = 0;
        int r;

        r = vfio_holders_read(root, p, process_fd, &holders, &n, &more);
        for (size_t i = 0; i < n; i++) {
                const struct device *d;

                if (holders[i].group >= 0)
                        add_group(c, devices, holders[i].group);
                d = holders[i].cdev >= 0 ? find_cdev(root, devices, holders[i].cdev) : NULL;
                if (d)
                        add_candidate(c, d->bdf);
                free(holders[i].command);
        }
        free(holders);
        if (r < 0 || more > 0)
                c->n = 0; /* not all of them are known */
        return r == -ENOMEM ? r : 0;
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

/* Those of the candidates that have such a BAR. */
static struct candidates select_fitting(const struct candidates *c, const struct mapping *m,
                                        const struct device_facts *devices)
{
        struct candidates fitting = {};

        for (size_t i = 0; i < c->n; i++)
                if (has_bar(device_facts_find(devices, c->bdf[i]), m))
                        add_candidate(&fitting, c->bdf[i]);
        return fitting;
}

/* Out of several functions of the groups that it holds, the only one that it was started with; not if
 * another of these groups came later. */
static const char *choose_named(const struct candidates *held, const struct candidates *named,
                                const struct device_facts *devices)
{
        const char *chosen = NULL;

        for (size_t i = 0; i < held->n; i++)
                if (has_candidate(named, held->bdf[i])) {
                        if (chosen)
                                return NULL;
                        chosen = held->bdf[i];
                }
        for (size_t i = 0; chosen && i < held->n; i++)
                if (device_facts_find(devices, held->bdf[i])->group !=
                    device_facts_find(devices, chosen)->group)
                        return NULL;
        return chosen;
}

/* Finds the function of a mapping. The kernel does not name it, because all descriptors that come from
 * groups share one inode: it is the one candidate whose BAR fits, and unknown where two fit. */
static void resolve_function(struct mapping *m, const struct device_facts *devices, const struct root *root,
                             const struct evidence_of_process *e)
{
        const struct device *d = m->cdev >= 0 ? find_cdev(root, devices, m->cdev) : NULL;
        const char *match = d ? d->bdf : NULL;
        struct candidates fitting;

        if (*m->bdf) /* the kernel has named it */
                return;
        /* A physical address can look like a region (2 TiB like region 2): a BAR that fits comes first. */
        if (!match && !fits_any(m, devices) && resolve_physical(m, devices))
                return;
        if (!match) {
                const struct candidates *from = e->open.n > 0 ? &e->open : &e->held;

                fitting = select_fitting(from->n > 0 ? from : &e->named, m, devices);
                match = fitting.n == 1 ? fitting.bdf[0] : choose_named(&fitting, &e->named, devices);
        }
        if (match)
                memcpy(m->bdf, match, sizeof(bdf_t));
}

static const char *const vfio_words[] = { "vfio-device", "/dev/vfio/", DMA_BUFS, NULL };

/* Some of them may be no mappings of VFIO devices after all. */
#define PROCESS_LINES_MAX ((size_t) 2 * PROCESS_MAPPINGS_MAX)

/* One process that is being read. */
struct reading {
        struct mapping_facts *facts;
        const struct root *root;
        struct process process;
        int fd;        /* its directory in /proc */
        size_t first;  /* of its mappings */
        size_t n_more; /* how many mappings were left out */
        /* What the file that was checked last was found to be: one is mapped many times. */
        unsigned major, minor;
        unsigned long long inode;
        bool checked, genuine;
};

/* Whether it is the same file as the host's own node, and so the device, whatever else may be seen of it. */
static bool is_hosts_node(const struct reading *r, const char *path)
{
        struct stat st;

        return fstatat(r->root->fd, path + 1, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISCHR(st.st_mode) &&
               major(st.st_dev) == r->major && minor(st.st_dev) == r->minor && st.st_ino == r->inode;
}

/* Asks for the number of the device that is mapped, by a link that takes CAP_CHECKPOINT_RESTORE to follow.
 * Returns 1, 0, or a negative errno of process_is_unread(). */
static int check_node(const struct reading *r, const struct mapping *m, const char *name)
{
        char link[sizeof("map_files/-") + 32], path[sizeof(VFIO_NODES) + 12];
        struct statx st;
        int q;

        snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, m->start, m->start + m->size);
        snprintf(path, sizeof(path), "%.*s", (int) strcspn(name, " "), name);
        q = process_stat(r->root, &r->process, r->fd, link, &st);
        if (q >= 0)
                q = vfio_node_is(r->root, &st, path);
        if (q >= 0 || process_is_unread(q))
                return q;
        return is_hosts_node(r, path) || process_is_believed(&r->process);
}

/* Anybody can give a dma-buf of memory any name. That the process has the device open is shown by the
 * kernel. */
static bool is_own_dma_buf(const struct reading *r, const struct mapping *m)
{
        struct candidates own = {};

        if (process_is_believed(&r->process))
                return true;
        (void) candidates_from_fdinfo(&own, r->root, &r->process, r->fd);
        return has_candidate(&own, m->bdf);
}

/* Whether the mapping is of a VFIO device, and not only of a file with such a name. Returns 1, 0, or a
 * negative errno of process_is_unread(). A record has what was found, as "vfio-mapping PID START" ->
 * "yes|no"; where an older one has nothing, the name is believed. */
static int is_genuine(struct reading *r, const struct mapping *m, const char *line)
{
        char question[64];
        unsigned major, minor;
        unsigned long long inode;
        int n = -1, q;

        if (sscanf(line, "%*s %*s %*s %x:%x %llu %n", &major, &minor, &inode, &n) != 3 || n < 0)
                return 0;
        if (line[n] != '/') /* anonymous files have names that only the kernel gives */
                return 1;
        snprintf(question, sizeof(question), "vfio-mapping %d %" PRIx64, r->process.pid, m->start);
        if (!r->root->live) {
                _cleanup_free_ char *answer = root_answer(r->root, question);

                return !answer || !streq(answer, "no");
        }
        if (!r->checked || r->major != major || r->minor != minor || r->inode != inode) {
                r->major = major;
                r->minor = minor;
                r->inode = inode;
                q = *m->bdf ? is_own_dma_buf(r, m) : check_node(r, m, line + n);
                if (q < 0)
                        return q;
                r->genuine = q > 0;
                r->checked = true;
        }
        root_note(r->root, question, r->genuine ? "yes" : "no");
        return r->genuine;
}

/* How many mappings a user has who is neither root nor runs libvirt's guests. */
struct mapping_count {
        uid_t uid;
        size_t n;
};

/* NULL: no memory */
static struct mapping_count *find_count(struct mapping_facts *f, uid_t uid)
{
        struct mapping_count *slot;

        for (size_t i = 0; i < f->n_counts; i++)
                if (f->counts[i].uid == uid)
                        return &f->counts[i];
        slot = array_append(f->counts, f->n_counts);
        if (slot)
                slot->uid = uid;
        return slot;
}

/* Counts one more mapping of the process. Returns 1, 0 where that would be too many, or -ENOMEM. */
static int count_mapping(struct reading *r)
{
        struct mapping_facts *f = r->facts;
        struct mapping_count *count;

        if (f->n_mappings - r->first >= PROCESS_MAPPINGS_MAX)
                return 0;
        if (r->process.trusted)
                return 1;
        if (f->n_counted >= USERS_MAPPINGS_MAX)
                return 0;
        count = find_count(f, r->process.uid);
        if (!count)
                return -ENOMEM;
        if (count->n >= USER_MAPPINGS_MAX)
                return 0;
        count->n++;
        f->n_counted++;
        return 1;
}

static int add_mapping(struct reading *r, const struct mapping *m)
{
        struct mapping *slot;
        int q = count_mapping(r);

        if (q < 0)
                return q;
        if (q == 0) {
                r->n_more++;
                return 0;
        }
        slot = array_append(r->facts->mappings, r->facts->n_mappings);
        if (!slot)
                return -ENOMEM;
        *slot = *m;
        slot->pid = r->process.pid;
        return 0;
}

/* Cuts `maps` to lines: sscanf() takes as long as its whole text is. */
static int add_mappings(struct reading *r, char *maps)
{
        char *save = NULL;

        for (char *line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                struct mapping m;
                int q;

                if (mapping_parse(line, &m) == 0)
                        continue;
                q = is_genuine(r, &m, line);
                if (q > 0)
                        q = add_mapping(r, &m);
                if (q < 0)
                        return q;
        }
        return 0;
}

static int add_process(const struct reading *r)
{
        struct mapping_facts *f = r->facts;
        struct mapping_process *p = array_append(f->processes, f->n_processes);

        if (!p)
                return -ENOMEM;
        for (size_t i = r->first; i < f->n_mappings; i++)
                p->mapped += f->mappings[i].size;
        mapping_process_read(p, r->root, &r->process, r->fd);
        for (size_t i = r->first; i < f->n_mappings; i++) {
                f->mappings[i].huge = p->huge;
                f->mappings[i].command = p->command ? memory_note(strdup(p->command)) : NULL;
        }
        return 0;
}

/* Notes how much of the process was left out. */
static int add_omission(struct mapping_facts *f, pid_t pid, int fd, size_t mappings, size_t descriptors)
{
        struct mapping_omission *o = f->n_omissions > 0 ? &f->omissions[f->n_omissions - 1] : NULL;

        if (mappings == 0 && descriptors == 0)
                return 0;
        if (!o || o->pid != pid) {
                if (f->n_omissions == OMISSIONS_MAX) {
                        f->n_more_omissions++;
                        return 0;
                }
                o = array_append(f->omissions, f->n_omissions);
                if (!o)
                        return -ENOMEM;
                o->pid = pid;
                (void) read_line_at(fd, "comm", &o->command);
        }
        o->mappings += mappings;
        o->descriptors += descriptors;
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

static int read_mappings(struct reading *r, const struct device_facts *devices, const bdf_t *hint,
                         size_t n_hint)
{
        struct mapping_facts *f = r->facts;
        struct evidence_of_process evidence = {};
        _cleanup_free_ char *maps = NULL;
        int q;

        q = process_grep(r->root, &r->process, r->fd, "maps", vfio_words, PROCESS_LINES_MAX, &maps,
                         &r->n_more);
        if (q < 0)
                return q;
        q = add_mappings(r, maps);
        if (q < 0)
                return q;
        q = add_omission(f, r->process.pid, r->fd, r->n_more, 0);
        if (q < 0 || f->n_mappings == r->first)
                return q;

        if (!candidates_from_fdinfo(&evidence.open, r->root, &r->process, r->fd))
                evidence.open.n = 0;
        q = candidates_from_holders(&evidence.held, r->root, &r->process, r->fd, devices);
        if (q < 0)
                return q;
        candidates_from_cmdline(&evidence.named, r->root, &r->process, r->fd);
        for (size_t i = 0; i < n_hint; i++)
                add_candidate(&evidence.named, hint[i]);
        for (size_t i = r->first; i < f->n_mappings; i++)
                resolve_function(&f->mappings[i], devices, r->root, &evidence);
        return add_process(r);
}

int mapping_facts_read_process(struct mapping_facts *f, const struct root *root, pid_t pid,
                               const struct device_facts *devices, const bdf_t *hint, size_t n_hint)
{
        _cleanup_close_ int fd = open_process(root, pid);
        struct reading reading;

        assert(f);
        assert(devices);

        if (fd < 0)
                return fd;
        reading = (struct reading){
                .facts = f,
                .root = root,
                .process = process_of(root, pid, fd),
                .fd = fd,
                .first = f->n_mappings,
        };
        return read_mappings(&reading, devices, hint, n_hint);
}

/* A record does not show what its reader was not allowed to see, so that is an answer in it. */
#define QUESTION_COMPLETE "all-processes-seen"

#define QUESTION_DENIED "process-denied"

/* The first one is named: on a host with hundreds, the others are like it. */
static void note_denied(struct mapping_facts *f, const struct root *root, pid_t pid)
{
        char path[sizeof("proc//comm") + 10];

        if (f->n_denied++ > 0)
                return;
        f->denied = pid;
        snprintf(path, sizeof(path), "proc/%d/comm", pid);
        (void) read_line_at(root->fd, path, &f->denied_command);
}

/* In a record: "NUMBER PID COMMAND". */
static void settle_denied(struct mapping_facts *f, const struct root *root)
{
        _cleanup_free_ char *answer = NULL;
        char text[128];
        unsigned long long number;
        int pid, n = -1;

        if (root->live) {
                if (f->n_denied == 0)
                        return;
                snprintf(text, sizeof(text), "%zu %d %s", f->n_denied, f->denied, f->denied_command ?: "?");
                for (char *s = text; *s; s++)
                        if ((unsigned char) *s < ' ')
                                *s = '?';
                root_note(root, QUESTION_DENIED, text);
                return;
        }
        answer = root_answer(root, QUESTION_DENIED);
        if (!answer || sscanf(answer, "%llu %d %n", &number, &pid, &n) != 2 || n < 0 || pid <= 0)
                return;
        free(f->denied_command);
        f->n_denied = number;
        f->denied = pid;
        f->denied_command = memory_note(strdup(answer + n));
}

static void settle_complete(struct mapping_facts *f, const struct root *root, bool denied, bool unread)
{
        _cleanup_free_ char *answer = root_answer(root, QUESTION_COMPLETE);

        if (root->live)
                root_note(root, QUESTION_COMPLETE, denied || unread ? "no" : "yes");
        if (denied || (answer && streq(answer, "no")))
                f->complete = fact_unknown("some processes may not be looked into");
        else if (unread)
                f->complete = fact_unknown("some processes did not answer in time");
        else if (f->n_omissions > 0)
                f->complete = fact_unknown(
                        "some processes have more mappings or descriptors than are shown");
        else
                f->complete = fact_is(true, SOURCE_PROC);
}

/* libvirt has a file with the pid of each guest in a directory of root's. It is not read by list_dir_at(),
 * because a record needs none of it: on a recorded host nobody has to be trusted. */
static void trust_guests(const struct root *root)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd;

        if (!root->live)
                return;
        fd = openat(root->fd, LIBVIRT_RUNNING_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return;
        }
        while ((entry = readdir(dir))) {
                size_t n = strlen(entry->d_name);
                char text[32];
                uint64_t pid;

                if (n > strlen(".pid") && streq(entry->d_name + n - strlen(".pid"), ".pid") &&
                    read_attribute_at(fd, entry->d_name, text, sizeof(text)) >= 0 &&
                    parse_u64(text, 10, &pid) >= 0 && pid <= INT32_MAX)
                        process_trust(root, (pid_t) pid);
        }
}

static int read_holder(struct mapping_facts *f, const struct root *root, pid_t pid)
{
        _cleanup_close_ int fd = open_process(root, pid);
        struct process process;
        size_t more;
        int r, q;

        if (fd < 0)
                return fd;
        process = process_of(root, pid, fd);
        r = vfio_holders_read(root, &process, fd, &f->holders, &f->n_holders, &more);
        if (r == -ENOMEM)
                return r;
        q = add_omission(f, pid, fd, 0, more);
        return q < 0 ? q : r;
}

static int compare_mappings(const void *a, const void *b)
{
        const struct mapping *x = a, *y = b;

        return (x->pid > y->pid) - (x->pid < y->pid) ?: (x->start > y->start) - (x->start < y->start);
}

static int compare_processes(const void *a, const void *b)
{
        const struct mapping_process *x = a, *y = b;

        return (x->pid > y->pid) - (x->pid < y->pid);
}

static int compare_holders(const void *a, const void *b)
{
        const struct vfio_holder *x = a, *y = b;

        return (x->pid > y->pid) - (x->pid < y->pid) ?: (x->group > y->group) - (x->group < y->group) ?:
               (x->cdev > y->cdev) - (x->cdev < y->cdev);
}

/* The trusted processes were read first. */
static void sort_facts(struct mapping_facts *f)
{
        if (f->n_mappings > 0)
                qsort(f->mappings, f->n_mappings, sizeof(*f->mappings), compare_mappings);
        if (f->n_processes > 0)
                qsort(f->processes, f->n_processes, sizeof(*f->processes), compare_processes);
        if (f->n_holders > 0)
                qsort(f->holders, f->n_holders, sizeof(*f->holders), compare_holders);
}

int mapping_facts_read(struct mapping_facts *f, const struct root *root, const struct device_facts *devices)
{
        _cleanup_free_ struct process *list = NULL;
        bool denied = false, unread = false;
        size_t n;
        int r;

        assert(f);
        assert(root);
        assert(devices);

        *f = (struct mapping_facts){};
        trust_guests(root);
        r = process_list(root, &list, &n);
        if (r < 0) {
                f->complete = fact_unknown("/proc cannot be read");
                return r == -ENOMEM ? r : 0;
        }
        for (size_t i = 0; i < n; i++) {
                r = mapping_facts_read_process(f, root, list[i].pid, devices, NULL, 0);
                if (r == -ENOMEM)
                        return r;
                if (r == -EACCES || r == -EPERM) {
                        note_denied(f, root, list[i].pid);
                        denied = true;
                }
                unread |= process_is_unread(r);
                if (r == -EACCES || r == -EPERM || r == -ESRCH)
                        continue;
                r = read_holder(f, root, list[i].pid);
                if (r == -ENOMEM)
                        return r;
                unread |= process_is_unread(r);
        }
        if (root->live)
                sort_facts(f);
        settle_denied(f, root);
        settle_complete(f, root, denied, unread);
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
        for (size_t i = 0; i < f->n_omissions; i++)
                free(f->omissions[i].command);
        free(f->denied_command);
        free(f->omissions);
        free(f->counts);
        free(f->mappings);
        free(f->processes);
        free(f->holders);
        *f = (struct mapping_facts){};
}
