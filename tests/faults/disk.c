/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS_MAX 256
#define NODES_MAX 64
#define FILES_MAX 128
#define TEXT_MAX 4096

typedef char path_t[256]; /* below the directory, without a slash in front */

struct step {
        enum { STEP_CREATE, STEP_WRITE, STEP_SYNC, STEP_RENAME, STEP_UNLINK, STEP_MKDIR } kind;
        path_t path, to;
        char text[TEXT_MAX];
        size_t size;
};

/* What a name stands for: a directory, or one of files[]. */
struct node {
        path_t path;
        int file; /* -1: a directory */
};

static const char *top;
static const struct disk_file *initial;
static struct step steps[STEPS_MAX];
static unsigned n_steps;
static bool armed, failed;
static struct {
        enum disk_fault kind;
        unsigned at;
        int error;
} fault;

/* --- The calls */

/* False where that is not on the disk. */
static bool path_of(int dirfd, const char *name, path_t ret)
{
        char link[64], folder[PATH_MAX];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
        n = readlink(link, folder, sizeof(folder) - 1);
        if (n < 0)
                return false;
        folder[n] = '\0';
        if (strncmp(folder, top, strlen(top)) != 0)
                return false;
        snprintf(ret, sizeof(path_t), "%.200s%s%.50s", folder + strlen(top), name && *name ? "/" : "",
                 name ?: "");
        if (*ret == '/')
                memmove(ret, ret + 1, strlen(ret));
        return true;
}

/* Notes a step; returns it, or NULL where it is not to be noted. *ret: the fault strikes. */
static struct step *note_step(int kind, int dirfd, const char *name, bool *ret)
{
        struct step *s = &steps[n_steps];

        *ret = false;
        if (!armed || !path_of(dirfd, name, s->path))
                return NULL;
        must(n_steps + 1 < STEPS_MAX);
        s->kind = kind;
        s->size = 0;
        n_steps++;
        *ret = fault.at == n_steps &&
               (fault.kind == DISK_ERRNO || (fault.kind == DISK_SHORT && kind == STEP_WRITE));
        if (*ret) {
                failed = true;
                errno = fault.error;
        }
        return s;
}

int __real_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath);
int __wrap_renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath);
int __real_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags);
int __real_mkdirat(int dirfd, const char *path, mode_t mode);
int __wrap_mkdirat(int dirfd, const char *path, mode_t mode);

int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
        mode_t mode = 0;
        bool strikes;
        va_list ap;

        if (!(flags & O_CREAT))
                return __real_openat64(dirfd, path, flags, 0);
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
        (void) note_step(STEP_CREATE, dirfd, path, &strikes);
        return strikes ? -1 : __real_openat64(dirfd, path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
        bool strikes;
        struct step *s = note_step(STEP_WRITE, fd, NULL, &strikes);

        if (strikes && fault.kind == DISK_ERRNO)
                return -1;
        if (strikes)
                size /= 2;
        if (s) {
                must(size <= TEXT_MAX);
                memcpy(s->text, data, size);
                s->size = size;
        }
        return __real_write(fd, data, size);
}

int __wrap_fsync(int fd)
{
        bool strikes;

        (void) note_step(STEP_SYNC, fd, NULL, &strikes);
        return strikes ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath)
{
        bool strikes;
        struct step *s = note_step(STEP_RENAME, olddirfd, oldpath, &strikes);

        if (s)
                must(path_of(newdirfd, newpath, s->to));
        return strikes ? -1 : __real_renameat(olddirfd, oldpath, newdirfd, newpath);
}

int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
        bool strikes;
        struct step *s = note_step(STEP_UNLINK, dirfd, path, &strikes);
        int r = strikes ? -1 : __real_unlinkat(dirfd, path, flags);

        if (s && r < 0 && !strikes)
                n_steps--; /* it was not there, or not empty */
        return r;
}

int __wrap_mkdirat(int dirfd, const char *path, mode_t mode)
{
        bool strikes;
        struct step *s = note_step(STEP_MKDIR, dirfd, path, &strikes);
        int r = strikes ? -1 : __real_mkdirat(dirfd, path, mode);

        if (s && r < 0 && !strikes)
                n_steps--; /* it is there */
        return r;
}

void disk_arm(enum disk_fault kind, unsigned at, int error)
{
        fault.kind = kind;
        fault.at = at;
        fault.error = error;
        n_steps = 0;
        failed = false;
        armed = true;
}

unsigned disk_disarm(void)
{
        armed = false;
        return n_steps;
}

int disk_has_failed(void)
{
        return failed;
}

const char *disk_step_name(unsigned at)
{
        static const char *const names[] = { "open", "write", "fsync", "rename", "unlink", "mkdir" };

        return at > 0 && at <= n_steps ? names[steps[at - 1].kind] : "the end";
}

/* --- What is left */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
        (void) st;
        (void) type;
        return where->level > 0 ? remove(path) : 0;
}

static void put(const char *path, const char *text, size_t size)
{
        char full[PATH_MAX];
        FILE *f;

        snprintf(full, sizeof(full), "%s/%s", top, path);
        if (!text) {
                must(mkdir(full, 0755) >= 0);
                return;
        }
        must((f = fopen(full, "w")));
        must(fwrite(text, 1, size, f) == size && fclose(f) == 0);
}

void disk_reset(const char *dir, const struct disk_file files[])
{
        armed = false;
        n_steps = 0;
        top = dir;
        initial = files;
        must(nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0);
        for (const struct disk_file *f = files; f->path; f++)
                put(f->path, f->text, f->text ? strlen(f->text) : 0);
}

struct names {
        struct node nodes[NODES_MAX];
        unsigned n;
};

static struct node *find_node(struct names *names, const char *path)
{
        for (unsigned i = 0; i < names->n; i++)
                if (strcmp(names->nodes[i].path, path) == 0)
                        return &names->nodes[i];
        return NULL;
}

static void set_node(struct names *names, const char *path, int file)
{
        struct node *node = find_node(names, path);

        if (!node) {
                must(names->n < NODES_MAX);
                node = &names->nodes[names->n++];
                snprintf(node->path, sizeof(node->path), "%s", path);
        }
        node->file = file;
}

static void drop_node(struct names *names, const char *path)
{
        struct node *node = find_node(names, path);

        if (node)
                *node = names->nodes[--names->n];
}

static bool is_in(const char *path, const char *folder)
{
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t) (slash - path) : 0;

        return strlen(folder) == n && strncmp(path, folder, n) == 0;
}

/* The directory's names on the disk are those that it has. */
static void sync_names(struct names *disk, const struct names *now, const char *folder)
{
        for (unsigned i = disk->n; i-- > 0;)
                if (is_in(disk->nodes[i].path, folder))
                        disk->nodes[i] = disk->nodes[--disk->n];
        for (unsigned i = 0; i < now->n; i++)
                if (is_in(now->nodes[i].path, folder))
                        set_node(disk, now->nodes[i].path, now->nodes[i].file);
}

static bool has_parents(struct names *names, const char *path)
{
        path_t parent;

        snprintf(parent, sizeof(parent), "%s", path);
        for (char *slash; (slash = strrchr(parent, '/'));) {
                *slash = '\0';
                if (!find_node(names, parent))
                        return false;
        }
        return true;
}

static int compare_nodes(const void *a, const void *b)
{
        return strcmp(((const struct node *) a)->path, ((const struct node *) b)->path);
}

void disk_end_at(unsigned n, enum disk_loss loss)
{
        static struct names now, disk;
        static struct {
                char text[TEXT_MAX];
                size_t size, synced;
        } files[FILES_MAX];
        struct names *left = loss == DISK_NAMES_GO ? &disk : &now;
        int n_files = 0;

        now.n = 0;
        for (const struct disk_file *f = initial; f->path; f++) {
                if (f->text) {
                        must(n_files < FILES_MAX && strlen(f->text) < TEXT_MAX);
                        strcpy(files[n_files].text, f->text);
                        files[n_files].size = files[n_files].synced = strlen(f->text);
                }
                set_node(&now, f->path, f->text ? n_files++ : -1);
        }
        disk = now;
        for (const struct step *s = steps; s < steps + n; s++) {
                struct node *node = find_node(&now, s->path);

                switch (s->kind) {
                case STEP_CREATE: /* and truncate */
                        if (!node) {
                                must(n_files < FILES_MAX);
                                set_node(&now, s->path, n_files++);
                                node = find_node(&now, s->path);
                        }
                        files[node->file].size = files[node->file].synced = 0;
                        break;
                case STEP_WRITE:
                        must(node && files[node->file].size + s->size <= TEXT_MAX);
                        memcpy(files[node->file].text + files[node->file].size, s->text, s->size);
                        files[node->file].size += s->size;
                        break;
                case STEP_SYNC:
                        must(node || !*s->path);
                        if (node && node->file >= 0)
                                files[node->file].synced = files[node->file].size;
                        else
                                sync_names(&disk, &now, s->path);
                        break;
                case STEP_RENAME:
                        must(node);
                        set_node(&now, s->to, node->file);
                        drop_node(&now, s->path);
                        break;
                case STEP_UNLINK:
                        drop_node(&now, s->path);
                        break;
                case STEP_MKDIR:
                        set_node(&now, s->path, -1);
                        break;
                }
        }
        must(nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0);
        qsort(left->nodes, left->n, sizeof(*left->nodes), compare_nodes);
        for (unsigned i = 0; i < left->n; i++) {
                const struct node *node = &left->nodes[i];

                if (!has_parents(left, node->path))
                        continue;
                if (node->file < 0)
                        put(node->path, NULL, 0);
                else
                        put(node->path, files[node->file].text,
                            loss == DISK_KILLED ? files[node->file].size : files[node->file].synced);
        }
}
