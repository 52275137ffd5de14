/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"

#define NVIDIA_GPUS "proc/driver/nvidia/gpus"
#define NVIDIA_MAJOR 195 /* nvidia's own, not known to sysfs: /dev/nvidiaN */
#define OPEN_NODES "open-device-nodes"
#define SOME_HIDDEN "the open files of some processes cannot be seen"
#define CMDLINE_MAX_SIZE (4U << 20)

/* Device nodes that lead to a function; sorted by type and number. */
struct node {
        char type; /* 'c' or 'b' */
        unsigned major, minor;
        bool vfio;
        char *name;
        struct functions functions;
        pid_t user; /* the process of which it was told last */
};

struct nodes {
        struct node *nodes;
        size_t n;
        bool mappable; /* some of them */
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

/* Takes f over; a node of no function is left out. */
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
        /* Most network cards have a clock, and that has no mmap (drivers/ptp/ptp_clock.c): no maps are read
         * for it. */
        n->mappable |= !startswith(name, "ptp");
        return 0;
}

/* /dev/vfio/12 is group 12: all of it that is in VFIO's hands. */
static int functions_of_group(const struct use_reader *r, const char *number, struct functions *f)
{
        uint64_t group;

        if (parse_u64(number, 10, &group) < 0)
                return 0;
        for (size_t i = 0; i < r->devices->n_devices; i++) {
                const struct device *d = &r->devices->devices[i];

                if (d->group >= 0 && (uint64_t) d->group == group && d->driver_is_vfio &&
                    functions_add(f, i) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* /sys/dev/char/MAJOR:MINOR is a link to what has that number. Returns whether they could be seen. */
static int read_char_nodes(const struct use_reader *r, struct nodes *nodes)
{
        _cleanup_close_ int dir = open_at(r->root->fd, "sys/dev/char", O_PATH | O_DIRECTORY);
        _cleanup_(names_done) struct names names = {};

        if (list_dir_at(r->root->fd, "sys/dev/char", &names) < 0)
                return false;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_(functions_done) struct functions f = {};
                _cleanup_free_ char *target = NULL;
                const char *group, *slash;
                unsigned major, minor;

                if (sscanf(names.names[i], "%u:%u", &major, &minor) != 2 ||
                    read_link_at(dir, names.names[i], &target) < 0)
                        continue;
                group = strstr(target, "/virtual/vfio/");
                if ((group ? functions_of_group(r, group + strlen("/virtual/vfio/"), &f)
                           : functions_of_path(r, target, &f)) < 0)
                        return -ENOMEM;
                slash = strrchr(target, '/');
                if (add_node(nodes, &f, 'c', major, minor, slash ? slash + 1 : target,
                             group || strstr(target, "/vfio-dev/")) < 0)
                        return -ENOMEM;
        }
        return true;
}

/* "Device Minor: \t 0" in proc/driver/nvidia/gpus/ADDRESS/information */
static int read_nvidia_nodes(const struct use_reader *r, struct nodes *nodes)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(r->root->fd, NVIDIA_GPUS, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_(functions_done) struct functions f = {};
                _cleanup_free_ char *path = NULL, *text = NULL;
                const char *line;
                unsigned minor;
                char name[32];

                if (asprintf(&path, NVIDIA_GPUS "/%s/information", names.names[i]) < 0)
                        return -ENOMEM;
                if (read_file_at(r->root->fd, path, 65536, &text, NULL) < 0)
                        continue;
                line = strstr(text, "Device Minor:");
                if (!line || sscanf(line, "Device Minor: %u", &minor) != 1)
                        continue;
                snprintf(name, sizeof(name), "nvidia%u", minor);
                if (functions_of_path(r, names.names[i], &f) < 0 ||
                    add_node(nodes, &f, 'c', NVIDIA_MAJOR, minor, name, false) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_block_nodes(const struct use_reader *r, struct nodes *nodes)
{
        for (size_t i = 0; i < r->n_blocks; i++) {
                const struct block *b = &r->blocks[i];
                _cleanup_(functions_done) struct functions f = {};

                for (size_t k = 0; k < b->functions.n; k++)
                        if (functions_add(&f, b->functions.indices[k]) < 0)
                                return -ENOMEM;
                if (add_node(nodes, &f, 'b', b->major, b->minor, b->name, false) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* QEMU's -name guest=web1,debug-threads=on, as libvirt writes it; else the command. The caller frees it. */
static char *process_name(const struct root *root, pid_t pid, bool guest)
{
        _cleanup_free_ char *text = NULL;
        char path[sizeof("proc//cmdline") + 10], *name = NULL;
        size_t size;

        snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
        if (guest && read_file_at(root->fd, path, CMDLINE_MAX_SIZE, &text, &size) >= 0)
                for (const char *arg = text; arg < text + size; arg += strlen(arg) + 1) {
                        const char *value = arg + strlen(arg) + 1;

                        if (!streq(arg, "-name") || value >= text + size)
                                continue;
                        value = startswith(value, "guest=") ?: value;
                        return strndup(value, strcspn(value, ","));
                }
        snprintf(path, sizeof(path), "proc/%d/comm", pid);
        if (read_line_at(root->fd, path, &name) < 0)
                return strdup("?");
        return name;
}

static int add_process(struct use_reader *r, pid_t pid, const struct node *node)
{
        _cleanup_free_ char *name = process_name(r->root, pid, node->vfio), *what = NULL;

        if (!name)
                return -ENOMEM;
        if ((node->vfio ? asprintf(&what, "%s (pid %d)", name, pid)
                        : asprintf(&what, "%s (pid %d, %s)", name, pid, node->name)) < 0)
                return -ENOMEM;
        return use_add(r, &node->functions, node->vfio ? USE_GUEST : USE_PROCESS, pid, what);
}

/* The answer is "all" or "some" (whose files could be seen), then for each open node "PID:TYPE:MAJOR:MINOR".
 */
static int add_recorded(struct use_reader *r, const struct nodes *nodes, char *answer)
{
        char *save = NULL, *word = strtok_r(answer, " ", &save);

        r->uses->processes = word && streq(word, "all") ? fact_is(true, SOURCE_PROC)
                                                        : fact_unknown(SOME_HIDDEN);
        while ((word = strtok_r(NULL, " ", &save))) {
                const struct node *node;
                unsigned major, minor;
                char type;
                int pid;

                if (sscanf(word, "%d:%c:%u:%u", &pid, &type, &major, &minor) != 4)
                        continue;
                node = find_node(nodes, type, major, minor);
                if (node && add_process(r, pid, node) < 0)
                        return -ENOMEM;
        }
        return 0;
}

struct open_files {
        FILE *answer;
        char *kernel_threads; /* the children of kthreadd, " 3 4 5 "; empty where the kernel does not list
                                 them */
        bool hidden;          /* some could not be seen */
};

/* Once for each process, however often it has it. */
static int tell_node(struct use_reader *r, pid_t pid, struct node *node, struct open_files *o)
{
        if (!node || node->user == pid)
                return 0;
        node->user = pid;
        fprintf(o->answer, " %d:%c:%u:%u", pid, node->type, node->major, node->minor);
        return add_process(r, pid, node);
}

static int read_open(struct use_reader *r, const struct nodes *nodes, pid_t pid, int process_fd,
                     struct open_files *o)
{
        int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), k = 0;
        _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *entry;

        if (!dir) {
                o->hidden |= errno == EACCES || errno == EPERM;
                if (fd >= 0)
                        close(fd);
                return 0;
        }
        while (k >= 0 && (errno = 0, entry = readdir(dir))) {
                struct statx st;

                if (entry->d_name[0] == '.' ||
                    statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) <
                            0)
                        continue;
                if (S_ISCHR(st.stx_mode) || S_ISBLK(st.stx_mode))
                        k = tell_node(r, pid,
                                      find_node(nodes, S_ISCHR(st.stx_mode) ? 'c' : 'b', st.stx_rdev_major,
                                                st.stx_rdev_minor),
                                      o);
        }
        o->hidden |= k >= 0 && errno != 0;
        return k;
}

static bool is_device_path(const char *path)
{
        static const char *const memory[] = { "/dev/shm/", "/dev/zero", "/dev/hugepages/", "/dev/mqueue/" };

        for (size_t i = 0; i < ELEMENTSOF(memory); i++)
                if (startswith(path, memory[i]))
                        return false;
        return startswith(path, "/dev/");
}

/* Following a link of map_files takes CAP_CHECKPOINT_RESTORE; without it, what has the name that the node
 * has. */
static struct node *find_mapped(const struct nodes *nodes, int process_fd, uint64_t start, uint64_t end,
                                const char *path)
{
        char link[sizeof("map_files/-") + 32];
        const char *name = strrchr(path, '/') + 1;
        size_t n = strcspn(name, " \n"); /* "card0 (deleted)" */
        struct statx st;

        snprintf(link, sizeof(link), "map_files/%" PRIx64 "-%" PRIx64, start, end);
        if (statx(process_fd, link, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) >= 0)
                return S_ISCHR(st.stx_mode) || S_ISBLK(st.stx_mode)
                               ? find_node(nodes, S_ISCHR(st.stx_mode) ? 'c' : 'b', st.stx_rdev_major,
                                           st.stx_rdev_minor)
                               : NULL;
        for (size_t i = 0; i < nodes->n; i++) {
                struct node *node = &nodes->nodes[i];

                if (strlen(node->name) == n && memcmp(node->name, name, n) == 0 &&
                    node->vfio == !!startswith(path, "/dev/vfio/"))
                        return node;
        }
        return NULL;
}

/* A node that is closed again is held by what is mapped of it. Not by grep_file_at(): the recording of a
 * host needs not all that every process maps. */
static int read_mapped(struct use_reader *r, const struct nodes *nodes, pid_t pid, int process_fd,
                       struct open_files *o)
{
        int fd = openat(process_fd, "maps", O_RDONLY | O_CLOEXEC), k = 0;
        char buffer[4096]; /* what the kernel gives at once; stdio would ask for 1024 */
        _cleanup_fclose_ FILE *maps = fd >= 0 ? fdopen(fd, "re") : NULL;
        _cleanup_free_ char *line = NULL;
        unsigned long long last = 0;
        size_t capacity = 0;
        ssize_t n;

        if (!maps) {
                o->hidden |= errno == EACCES || errno == EPERM;
                if (fd >= 0)
                        close(fd);
                return 0;
        }
        (void) setvbuf(maps, buffer, _IOFBF, sizeof(buffer));
        while (k >= 0 && (n = getline(&line, &capacity, maps)) > 0) {
                const char *path = memchr(line, '/', (size_t) n);
                unsigned long long inode;
                uint64_t start, end;

                /* A driver's node can be mapped thousands of times. */
                if (!path || !is_device_path(path) ||
                    sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %llu", &start, &end, &inode) != 3 ||
                    inode == last)
                        continue;
                last = inode;
                k = tell_node(r, pid, find_mapped(nodes, process_fd, start, end, path), o);
        }
        return k;
}

/* They have neither files nor memory, and are most of what is in /proc. A program that the kernel starts is
 * a child of kthreadd as well, and has its file. */
static bool is_kernel_thread(const struct use_reader *r, const struct open_files *o, pid_t pid)
{
        char key[16], path[sizeof("proc//exe") + 10], exe;

        snprintf(key, sizeof(key), " %d ", pid);
        snprintf(path, sizeof(path), "proc/%d/exe", pid);
        return strstr(o->kernel_threads, key) && readlinkat(r->root->fd, path, &exe, sizeof(exe)) < 0 &&
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

/* One process of the live host. statx() with what is at hand: of a file system that hangs only files hang.
 */
static int read_process(struct use_reader *r, const struct nodes *nodes, pid_t pid, struct open_files *o)
{
        char path[sizeof("proc/") + 10];
        _cleanup_close_ int fd = -EBADF;
        int k;

        if (is_kernel_thread(r, o, pid))
                return 0;
        snprintf(path, sizeof(path), "proc/%d", pid);
        fd = openat(r->root->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        k = read_open(r, nodes, pid, fd, o);
        return k < 0 || !nodes->mappable ? k : read_mapped(r, nodes, pid, fd, o);
}

static int read_live(struct use_reader *r, const struct nodes *nodes)
{
        _cleanup_closedir_ DIR *dir = NULL;
        _cleanup_free_ char *text = NULL, *answer = NULL, *kernel_threads = list_kernel_threads(r->root);
        struct open_files o = { .kernel_threads = kernel_threads };
        const pid_t self = getpid();
        struct dirent *entry;
        size_t size;
        int fd = openat(r->root->fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), k = 0;

        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                r->uses->processes = fact_unknown("/proc cannot be read");
                return 0;
        }
        /* Where processes are hidden altogether (hidepid=), the first one is as well. */
        o.hidden = faccessat(r->root->fd, "proc/1/fd", R_OK | X_OK, AT_EACCESS) < 0;
        o.answer = kernel_threads ? open_memstream(&text, &size) : NULL;
        if (!o.answer)
                return -ENOMEM;
        while (k >= 0 && (entry = readdir(dir))) {
                uint64_t pid;

                if (parse_u64(entry->d_name, 10, &pid) >= 0 && pid <= INT32_MAX && (pid_t) pid != self)
                        k = read_process(r, nodes, (pid_t) pid, &o);
        }
        if (fclose(o.answer) != 0 || k < 0 || asprintf(&answer, "%s%s", o.hidden ? "some" : "all", text) < 0)
                return -ENOMEM;
        root_note(r->root, OPEN_NODES, answer);
        r->uses->processes = o.hidden ? fact_unknown(SOME_HIDDEN) : fact_is(true, SOURCE_PROC);
        return 0;
}

int uses_read_processes(struct use_reader *r)
{
        _cleanup_(nodes_done) struct nodes nodes = {};
        _cleanup_free_ char *answer = NULL;
        int seen = read_char_nodes(r, &nodes);

        if (seen < 0 || read_nvidia_nodes(r, &nodes) < 0 || read_block_nodes(r, &nodes) < 0)
                return -ENOMEM;
        if (seen && nodes.n == 0) {
                /* Nobody can have open what is not there, and a host has thousands of processes. */
                r->uses->processes = fact_is(true, SOURCE_SYSFS);
                return 0;
        }
        if (nodes.n > 0)
                qsort(nodes.nodes, nodes.n, sizeof(*nodes.nodes), compare_nodes);
        if (r->root->live)
                return read_live(r, &nodes);
        answer = root_answer(r->root, OPEN_NODES);
        if (!answer) {
                r->uses->processes = fact_unknown("the open files of processes are not recorded");
                return 0;
        }
        return add_recorded(r, &nodes, answer);
}
