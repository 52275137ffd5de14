/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/guest-name.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"
#include "util/process-file.h"

#define NVIDIA_GPUS "proc/driver/nvidia/gpus"
#define NVIDIA_MAJOR 195 /* of /dev/nvidiaN, which sysfs does not know */
#define NVSWITCHES "proc/driver/nvidia-nvswitch/devices"
#define NVSWITCH_CONTROL 255
#define OPEN_NODES "open-device-nodes"

/* Device nodes that lead to a function; sorted by type and number. */
struct node {
        char type; /* 'c' or 'b' */
        unsigned major, minor;
        bool vfio;
        char *name;
        struct functions functions;
        pid_t user; /* the last process that was noted as its user */
};

struct nodes {
        struct node *nodes;
        size_t n;
        bool mappable; /* some of them can be mapped */
};

static int compare_nodes(const void *a, const void *b)
{
        const struct node *x = a, *y = b;

        return x->type - y->type ?: (x->major > y->major) - (x->major < y->major) ?:
               (x->minor > y->minor) - (x->minor < y->minor);
}

static void nodes_done(struct nodes *n)
{
        for (size_t i = 0; i < n->n; i++) {
                free(n->nodes[i].name);
                functions_done(&n->nodes[i].functions);
        }
        free(n->nodes);
}

static struct node *find_node(const struct nodes *n, char type, unsigned major, unsigned minor)
{
        struct node key = { .type = type, .major = major, .minor = minor };

        return n->n == 0 ? NULL : bsearch(&key, n->nodes, n->n, sizeof(key), compare_nodes);
}

/* Takes f over. A node of no function is left out. */
static int add_node(struct nodes *n, struct functions *f, char type, unsigned major, unsigned minor,
                    const char *name, bool vfio)
{
        _cleanup_free_ char *copy = NULL;
        struct node *slot;

        if (f->n == 0)
                return 0;
        copy = strdup(name);
        slot = copy ? array_append(n->nodes, n->n) : NULL;
        if (!slot)
                return -ENOMEM;
        *slot = (struct node){ type, major, minor, vfio, TAKE_PTR(copy), TAKE(*f, (struct functions){}) };
        /* Most network cards have a clock, which has no mmap (drivers/ptp/ptp_clock.c), so it is not worth
         * reading maps for. */
        n->mappable |= !startswith(name, "ptp");
        return 0;
}

/* A mediated device has a group of its own, and its function stays with its driver. */
static int functions_of_mdev_group(const struct use_reader *reader, const char *group, struct functions *f)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, MDEV, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *link = NULL, *number = NULL, *device = NULL, *target = NULL;

                if (asprintf(&link, MDEV "/%s/iommu_group", names.names[i]) < 0 ||
                    asprintf(&device, MDEV "/%s", names.names[i]) < 0)
                        return -ENOMEM;
                if (read_link_name_at(reader->root->fd, link, &number) < 0 || !streq(number, group) ||
                    read_link_at(reader->root->fd, device, &target) < 0)
                        continue;
                if (functions_of_path(reader, target, f) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* /dev/vfio/12 is group 12, and leads to all functions of it that are bound to VFIO. Without an IOMMU it is
 * called noiommu-12. */
static int functions_of_group(const struct use_reader *reader, const char *name, struct functions *f)
{
        uint64_t group;

        if (parse_u64(startswith(name, "noiommu-") ?: name, 10, &group) < 0)
                return 0;
        for (size_t i = 0; i < reader->devices->n_devices; i++) {
                const struct device *d = &reader->devices->devices[i];

                if (d->group >= 0 && (uint64_t) d->group == group && d->driver_is_vfio &&
                    functions_add(f, i) < 0)
                        return -ENOMEM;
        }
        return functions_of_mdev_group(reader, name, f);
}

/* /dev/sev speaks to the secure processor, whichever of the functions with that driver it is. */
static int functions_of_driver(const struct use_reader *reader, const char *driver, struct functions *f)
{
        for (size_t i = 0; i < reader->devices->n_devices; i++) {
                const struct device *d = &reader->devices->devices[i];

                if (d->driver && streq(d->driver, driver) && functions_add(f, i) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* /sys/dev/char/MAJOR:MINOR is a link to the device with that number. Returns 1, 0 if they cannot be listed,
 * or -ENOMEM. */
static int read_char_nodes(const struct use_reader *reader, struct nodes *nodes)
{
        _cleanup_close_ int dir = open_at(reader->root->fd, "sys/dev/char", O_PATH | O_DIRECTORY);
        _cleanup_(names_done) struct names names = {};

        if (list_dir_at(reader->root->fd, "sys/dev/char", &names) < 0)
                return 0;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_(functions_done) struct functions f = {};
                _cleanup_free_ char *target = NULL;
                const char *group, *slash;
                unsigned major, minor;
                int r;

                if (sscanf(names.names[i], "%u:%u", &major, &minor) != 2 ||
                    read_link_at(dir, names.names[i], &target) < 0)
                        continue;
                group = strstr(target, "/virtual/vfio/");
                if (group)
                        r = functions_of_group(reader, group + strlen("/virtual/vfio/"), &f);
                else if (strstr(target, "/virtual/misc/sev"))
                        r = functions_of_driver(reader, "ccp", &f);
                else
                        r = functions_of_path(reader, target, &f);
                if (r < 0)
                        return r;
                slash = strrchr(target, '/');
                if (add_node(nodes, &f, 'c', major, minor, slash ? slash + 1 : target,
                             group || strstr(target, "/vfio-dev/")) < 0)
                        return -ENOMEM;
        }
        return 1;
}

/* "Device Minor: \t 0" in proc/driver/nvidia/gpus/ADDRESS/information */
static int read_nvidia_nodes(const struct use_reader *reader, struct nodes *nodes)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, NVIDIA_GPUS, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_(functions_done) struct functions f = {};
                _cleanup_free_ char *path = NULL, *text = NULL;
                const char *line;
                unsigned minor;
                char name[32];

                if (asprintf(&path, NVIDIA_GPUS "/%s/information", names.names[i]) < 0)
                        return -ENOMEM;
                if (read_file_at(reader->root->fd, path, 65536, &text, NULL) < 0)
                        continue;
                line = strstr(text, "Device Minor:");
                if (!line || sscanf(line, "Device Minor: %u", &minor) != 1)
                        continue;
                snprintf(name, sizeof(name), "nvidia%u", minor);
                if (functions_of_path(reader, names.names[i], &f) < 0 ||
                    add_node(nodes, &f, 'c', NVIDIA_MAJOR, minor, name, false) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* The nodes of NVSwitch are no more in sysfs than those of GPUs. Which of them has which number is not
 * shown, and who has one, as the fabric manager, has them all. The last number is the node that controls the
 * driver. */
static int read_nvswitch_nodes(const struct use_reader *reader, struct nodes *nodes)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *text = NULL;
        const char *line;
        unsigned major;

        (void) list_dir_at(reader->root->fd, NVSWITCHES, &names);
        if (names.n == 0)
                return 0;
        if (read_file_at(reader->root->fd, "proc/devices", 65536, &text, NULL) < 0)
                return 0;
        line = strstr(text, " nvidia-nvswitch\n");
        while (line && line > text && line[-1] != '\n')
                line--;
        if (!line || sscanf(line, "%u", &major) != 1)
                return 0;
        for (unsigned minor = 0; minor < names.n && minor < NVSWITCH_CONTROL; minor++) {
                _cleanup_(functions_done) struct functions f = {};
                char name[32];

                snprintf(name, sizeof(name), "nvidia-nvswitch%u", minor);
                for (size_t i = 0; i < names.n; i++)
                        if (functions_of_path(reader, names.names[i], &f) < 0)
                                return -ENOMEM;
                if (add_node(nodes, &f, 'c', major, minor, name, false) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_block_nodes(const struct use_reader *reader, struct nodes *nodes)
{
        for (size_t i = 0; i < reader->n_blocks; i++) {
                const struct block *b = &reader->blocks[i];
                _cleanup_(functions_done) struct functions f = {};

                for (size_t k = 0; k < b->functions.n; k++)
                        if (functions_add(&f, b->functions.indices[k]) < 0)
                                return -ENOMEM;
                if (add_node(nodes, &f, 'b', b->major, b->minor, b->name, false) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* The guest's name, or else the command. The caller frees it. */
static char *process_name(const struct root *root, pid_t pid, bool guest)
{
        char path[sizeof("proc//comm") + 10], *name = NULL;

        if (guest && guest_name_of(root, pid, &name) >= 0 && name)
                return name;
        snprintf(path, sizeof(path), "proc/%d/comm", pid);
        if (read_line_at(root->fd, path, &name) < 0)
                return strdup("?");
        return name;
}

static int add_process(struct use_reader *reader, pid_t pid, const struct node *node)
{
        _cleanup_free_ char *name = process_name(reader->root, pid, node->vfio), *what = NULL;
        int r;

        if (!name)
                return -ENOMEM;
        if (node->vfio)
                r = asprintf(&what, "%s (pid %d)", name, pid);
        else
                r = asprintf(&what, "%s (pid %d, %s)", name, pid, node->name);
        if (r < 0)
                return -ENOMEM;
        return use_add(reader, &node->functions, node->vfio ? USE_GUEST : USE_PROCESS, pid, what);
}

static struct fact fact_all_seen(bool all, bool unread)
{
        if (!all)
                return fact_unknown("the open files of some processes cannot be seen");
        if (unread)
                return fact_unknown("some processes did not answer in time");
        return fact_is(true, SOURCE_PROC);
}

static int add_resource_user(struct use_reader *reader, pid_t pid, const char *bdf, const char *number)
{
        char name[16];
        struct node node = { .name = name };
        _cleanup_(functions_done) struct functions f = {};

        snprintf(name, sizeof(name), "resource%.1s", number);
        if (functions_of_path(reader, bdf, &f) < 0)
                return -ENOMEM;
        node.functions = f;
        return add_process(reader, pid, &node);
}

/* The answer is "all" or "some" (whether all processes could be seen), and then for each open
 * node "PID:TYPE:MAJOR:MINOR", for each BAR that is mapped by sysfs "PID:resource0=ADDRESS". */
static int add_recorded(struct use_reader *reader, const struct nodes *nodes, char *answer)
{
        char *save = NULL, *word = strtok_r(answer, " ", &save);

        reader->uses->processes = fact_all_seen(word && streq(word, "all"), false);
        while ((word = strtok_r(NULL, " ", &save))) {
                const struct node *node;
                unsigned major, minor;
                char type, number[2];
                bdf_t bdf;
                int pid;

                if (sscanf(word, "%d:resource%1[0-5]=%15s", &pid, number, bdf) == 3 &&
                    add_resource_user(reader, pid, bdf, number) < 0)
                        return -ENOMEM;
                if (sscanf(word, "%d:%c:%u:%u", &pid, &type, &major, &minor) != 4)
                        continue;
                node = find_node(nodes, type, major, minor);
                if (node && add_process(reader, pid, node) < 0)
                        return -ENOMEM;
        }
        return 0;
}

struct open_files {
        FILE *answer;
        const char *kernel_threads; /* the children of kthreadd, " 3 4 5 "; "  " if the kernel does not list
                                       them */
        bool hidden;                /* some could not be seen */
        bool unread;                /* some did not answer in time */
};

/* A process is noted once, however often it has the node open. node: may be NULL. */
static int add_user(struct use_reader *reader, pid_t pid, struct node *node, struct open_files *o)
{
        if (!node || node->user == pid)
                return 0;
        node->user = pid;
        fprintf(o->answer, " %d:%c:%u:%u", pid, node->type, node->major, node->minor);
        return add_process(reader, pid, node);
}

/* NULL with errno set. */
static DIR *open_directory(int dirfd, const char *path)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir;

        if (fd < 0)
                return NULL;
        dir = fdopendir(fd);
        if (dir)
                TAKE_FD(fd); /* it is the directory's now */
        return dir;
}

/* The node that an open file or a mapping is of; NULL if it is not a device node, or leads to no function.
 */
static struct node *find_node_of(const struct nodes *nodes, const struct statx *st)
{
        if (S_ISCHR(st->stx_mode))
                return find_node(nodes, 'c', st->stx_rdev_major, st->stx_rdev_minor);
        if (S_ISBLK(st->stx_mode))
                return find_node(nodes, 'b', st->stx_rdev_major, st->stx_rdev_minor);
        return NULL;
}

/* This asks only for what is at hand, so a file server that hangs does not hold the audit up. */
static int read_descriptors(struct use_reader *reader, const struct nodes *nodes, pid_t pid, DIR *dir,
                            const struct process_time *time, struct open_files *o)
{
        struct dirent *entry;
        int r;

        while ((errno = 0, entry = readdir(dir))) {
                struct statx st;

                if (process_time_is_over(time))
                        return -ETIMEDOUT;
                if (entry->d_name[0] == '.' ||
                    statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) <
                            0)
                        continue;
                r = add_user(reader, pid, find_node_of(nodes, &st), o);
                if (r < 0)
                        return r;
        }
        o->hidden |= errno != 0;
        return 0;
}

static int read_open(struct use_reader *reader, const struct nodes *nodes, const struct process *p,
                     int process_fd, struct open_files *o)
{
        _cleanup_closedir_ DIR *dir = open_directory(process_fd, "fd");
        struct process_time time;
        int r;

        if (!dir) {
                o->hidden |= errno == EACCES || errno == EPERM;
                return 0;
        }
        r = process_time_begin(reader->root, p, &time);
        if (r == 0) {
                r = read_descriptors(reader, nodes, p->pid, dir, &time, o);
                r = process_time_end(reader->root, p, &time, r);
        }
        o->unread |= process_is_unread(r);
        return process_is_unread(r) ? 0 : r;
}

static bool is_device_path(const char *path)
{
        static const char *const memory[] = { "/dev/shm/", "/dev/zero", "/dev/hugepages/", "/dev/mqueue/" };

        for (size_t i = 0; i < ELEMENTSOF(memory); i++)
                if (startswith(path, memory[i]))
                        return false;
        return startswith(path, "/dev/");
}

/* A node with the name of what is mapped. */
static struct node *find_named(const struct nodes *nodes, const char *path)
{
        const char *name = strrchr(path, '/') + 1;
        size_t n = strcspn(name, " "); /* "card0 (deleted)" */

        for (size_t i = 0; i < nodes->n; i++) {
                struct node *node = &nodes->nodes[i];

                if (strlen(node->name) == n && memcmp(node->name, name, n) == 0 &&
                    node->vfio == !!startswith(path, "/dev/vfio/"))
                        return node;
        }
        return NULL;
}

/* Following a link of map_files takes CAP_CHECKPOINT_RESTORE. Without that, the node is found by its name,
 * which a stranger can choose. *ret is NULL where there is none. Returns 0, or a negative errno of
 * process_is_unread(). */
static int find_mapped(const struct use_reader *reader, const struct nodes *nodes, const struct process *p,
                       int process_fd, uint64_t start, uint64_t end, const char *path, struct node **ret)
{
        char link[sizeof("map_files/-") + 32];
        struct statx st;
        int r;

        snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, start, end);
        r = process_stat(reader->root, p, process_fd, link, &st);
        if (process_is_unread(r))
                return r;
        if (r < 0)
                *ret = process_is_believed(p) ? find_named(nodes, path) : NULL;
        else
                *ret = find_node_of(nodes, &st);
        return 0;
}

/* "/sys/devices/pci0000:00/0000:05:00.0/resource0": a BAR that a program maps by sysfs, as flashrom,
 * user-space drivers without VFIO and tools of vendors do, whatever the driver is. Returns the address, or
 * NULL. */
static const char *parse_resource(const char *path, bdf_t bdf)
{
        const char *name = strrchr(path, '/'), *number = name ? startswith(name, "/resource") : NULL;
        const char *start = name;
        size_t n;

        if (!startswith(path, "/sys/devices/") || !number || *number < '0' || *number > '5')
                return NULL;
        while (start > path && start[-1] != '/')
                start--;
        n = (size_t) (name - start);
        if (n >= sizeof(bdf_t))
                return NULL;
        snprintf(bdf, sizeof(bdf_t), "%.*s", (int) n, start);
        return bdf;
}

/* Is it a file of sysfs? A stranger can give another file that name in a mount namespace. Returns as
 * find_mapped() does. */
static int add_mapped_resource(struct use_reader *reader, const struct process *p, int process_fd,
                               uint64_t start, uint64_t end, const char *path, struct open_files *o)
{
        char link[sizeof("map_files/-") + 32];
        const char *number = strrchr(path, '/');
        struct statx st, sys;
        bdf_t bdf;
        int r;

        if (!parse_resource(path, bdf))
                return 0;
        number += strlen("/resource");
        snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, start, end);
        r = process_stat(reader->root, p, process_fd, link, &st);
        if (process_is_unread(r))
                return r;
        if (r < 0 ? !process_is_believed(p)
                  : statx(reader->root->fd, "sys", 0, STATX_TYPE, &sys) < 0 ||
                            sys.stx_dev_major != st.stx_dev_major || sys.stx_dev_minor != st.stx_dev_minor)
                return 0;
        fprintf(o->answer, " %d:resource%.1s=%s", p->pid, number, bdf);
        return add_resource_user(reader, p->pid, bdf, number);
}

/* A driver's node can be mapped thousands of times, and only the first time matters. */
#define MAPPED_LINES_MAX 65536

/* Cuts `maps` to lines: sscanf() takes as long as its whole text is. */
static int add_mapped(struct use_reader *reader, const struct nodes *nodes, const struct process *p,
                      int process_fd, char *maps, struct open_files *o)
{
        unsigned long long last = 0;
        char *save = NULL;

        for (char *line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                unsigned long long inode;
                uint64_t start, end;
                struct node *node = NULL;
                int n = -1, r;

                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %llu %n", &start, &end, &inode, &n) !=
                            3 ||
                    n < 0 || inode == last)
                        continue;
                if (!is_device_path(line + n)) {
                        r = add_mapped_resource(reader, p, process_fd, start, end, line + n, o);
                        if (r < 0)
                                return r;
                        continue;
                }
                last = inode;
                r = find_mapped(reader, nodes, p, process_fd, start, end, line + n, &node);
                if (r < 0)
                        return r;
                r = add_user(reader, p->pid, node, o);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_maps(struct use_reader *reader, const struct nodes *nodes, const struct process *p,
                     int process_fd, struct open_files *o)
{
        static const char *const words[] = { " /dev/", "/resource", NULL };
        _cleanup_free_ char *maps = NULL;
        size_t more;
        int r;

        r = process_grep_private(reader->root, p, process_fd, "maps", words, MAPPED_LINES_MAX, &maps, &more);
        if (r < 0)
                return r;
        o->unread |= more > 0;
        return add_mapped(reader, nodes, p, process_fd, maps, o);
}

/* A node that is closed again is held by what is mapped of it. The recording of a host does not need
 * everything that every process maps. */
static int read_mapped(struct use_reader *reader, const struct nodes *nodes, const struct process *p,
                       int process_fd, struct open_files *o)
{
        int r = read_maps(reader, nodes, p, process_fd, o);

        o->hidden |= r == -EACCES || r == -EPERM;
        o->unread |= process_is_unread(r);
        return r == -ENOMEM ? r : 0;
}

/* Kernel threads have neither files nor memory, and are most of what is in /proc. A program that the kernel
 * starts is a child of kthreadd as well, but has an executable. */
static bool is_kernel_thread(const struct use_reader *reader, const struct open_files *o, pid_t pid)
{
        char key[16], path[sizeof("proc//exe") + 10], exe;

        snprintf(key, sizeof(key), " %d ", pid);
        snprintf(path, sizeof(path), "proc/%d/exe", pid);
        return strstr(o->kernel_threads, key) && readlinkat(reader->root->fd, path, &exe, sizeof(exe)) < 0 &&
               errno == ENOENT;
}

static char *list_kernel_threads(const struct root *root)
{
        _cleanup_close_ int fd = openat(root->fd, "proc/2/task/2/children", O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        char *list;

        if (fd >= 0)
                (void) read_fd(fd, FILE_MAX_SIZE, &text, NULL);
        return asprintf(&list, " %s ", text ?: "") < 0 ? NULL : list;
}

/* One process of the live host. */
static int read_process(struct use_reader *reader, const struct nodes *nodes, const struct process *p,
                        struct open_files *o)
{
        char path[sizeof("proc/") + 10];
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (is_kernel_thread(reader, o, p->pid))
                return 0;
        snprintf(path, sizeof(path), "proc/%d", p->pid);
        fd = openat(reader->root->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        r = read_open(reader, nodes, p, fd, o);
        if (r < 0 || !nodes->mappable)
                return r;
        return read_mapped(reader, nodes, p, fd, o);
}

static int read_live(struct use_reader *reader, const struct nodes *nodes)
{
        _cleanup_free_ char *text = NULL, *answer = NULL, *kernel_threads = NULL;
        _cleanup_free_ struct process *list = NULL;
        _cleanup_fclose_ FILE *out = NULL;
        const pid_t self = getpid();
        struct open_files o;
        size_t size, n;
        int r;

        r = process_list(reader->root, &list, &n);
        if (r < 0) {
                reader->uses->processes = fact_unknown("/proc cannot be read");
                return r == -ENOMEM ? r : 0;
        }
        kernel_threads = list_kernel_threads(reader->root);
        out = open_memstream(&text, &size);
        if (!kernel_threads || !out)
                return -ENOMEM;
        o = (struct open_files){
                .answer = out,
                .kernel_threads = kernel_threads,
                /* Where processes are hidden altogether (hidepid=), process 1 is hidden as well. */
                .hidden = faccessat(reader->root->fd, "proc/1/fd", R_OK | X_OK, AT_EACCESS) < 0,
        };
        for (size_t i = 0; i < n; i++) {
                if (list[i].pid == self)
                        continue;
                r = read_process(reader, nodes, &list[i], &o);
                if (r < 0)
                        return r;
        }
        if (memory_stream_close(TAKE_PTR(out), &text) < 0 ||
            asprintf(&answer, "%s%s", o.hidden || o.unread ? "some" : "all", text) < 0)
                return -ENOMEM;
        root_note(reader->root, OPEN_NODES, answer);
        reader->uses->processes = fact_all_seen(!o.hidden, o.unread);
        return 0;
}

int uses_read_processes(struct use_reader *reader)
{
        _cleanup_(nodes_done) struct nodes nodes = {};
        _cleanup_free_ char *answer = NULL;
        int listed = read_char_nodes(reader, &nodes);

        if (listed < 0 || read_nvidia_nodes(reader, &nodes) < 0 || read_nvswitch_nodes(reader, &nodes) < 0 ||
            read_block_nodes(reader, &nodes) < 0)
                return -ENOMEM;
        if (listed && nodes.n == 0) {
                /* Nobody can have a node open that does not exist, so thousands of processes can be skipped.
                 */
                reader->uses->processes = fact_is(true, SOURCE_SYSFS);
                return 0;
        }
        if (nodes.n > 0)
                qsort(nodes.nodes, nodes.n, sizeof(*nodes.nodes), compare_nodes);
        if (reader->root->live)
                return read_live(reader, &nodes);
        answer = root_answer(reader->root, OPEN_NODES);
        if (!answer) {
                reader->uses->processes = fact_unknown("the open files of processes are not recorded");
                return 0;
        }
        return add_recorded(reader, &nodes, answer);
}
