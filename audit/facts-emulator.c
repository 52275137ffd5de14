/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-emulator.h"

#include <fcntl.h>

#include "elf-calls.h"
#include "util/array.h"
#include "util/macro.h"

/* The function in which QEMU maps a BAR; exported, since QEMU's own modules may call it. */
#define QEMU_MAP_FUNCTION "vfio_region_mmap"

/* Said by the second generation only (da02b21cc70e). */
#define QEMU_REGION_TEXT "overlapping sparse mmap regions detected"

static const char *const emulator_generation_table[_GENERATION_MAX] = {
        [GENERATION_UNKNOWN] = "unknown",
        [GENERATION_NONE] = "none",
        [GENERATION_PER_AREA] = "per-area",
        [GENERATION_PER_REGION] = "per-region",
};
DEFINE_STRING_TABLE(emulator_generation, enum emulator_generation);

DEFINE_TRIVIAL_CLEANUP(struct elf_image *, elf_image_close)

static bool contains_gib(const uint8_t *code, size_t size)
{
        const uint32_t gib = 1U << 30;

        return memmem(code, size, &gib, sizeof(gib));
}

/* The first generation reserves address space and maps over it, two calls of mmap() where older ones have one,
 * and caps the alignment at 1 GiB. (Seen in the binaries of 7.2, 10.0 and 11.1.) */
static void classify(struct emulator *e, struct elf_image *image)
{
        const uint8_t *code;
        uint64_t address;
        size_t size, calls;

        if (elf_image_function(image, QEMU_MAP_FUNCTION, &code, &size, &address) < 0) {
                e->why = "the binary exports no " QEMU_MAP_FUNCTION "()";
                return;
        }
        calls = elf_image_count_calls(image, code, size, address, "mmap64") +
                elf_image_count_calls(image, code, size, address, "mmap");
        if (calls == 0) {
                e->why = QEMU_MAP_FUNCTION "() does not call mmap() itself";
                return;
        }
        e->source = SOURCE_ELF;
        if (calls < 2 || !contains_gib(code, size))
                e->generation = GENERATION_NONE;
        else if (elf_image_has_text(image, QEMU_REGION_TEXT))
                e->generation = GENERATION_PER_REGION;
        else
                e->generation = GENERATION_PER_AREA;
}

int emulator_read(struct emulator *e, const struct root *root, const char *path)
{
        _cleanup_(elf_image_closep) struct elf_image *image = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct emulator new = {};
        int r;

        path += strspn(path, "/");
        if (fstatat(root->fd, path, &new.stat, 0) < 0)
                return -ENOENT;
        if (asprintf(&new.path, "/%s", path) < 0)
                return -ENOMEM;

        fd = openat(root->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        r = fd < 0 ? -errno : elf_image_open(fd, &image);
        if (fd < 0)
                new.why = "the file cannot be opened";
        else if (r < 0)
                new.why = "not an x86-64 program (a wrapper script?)";
        else
                classify(&new, image);
        *e = new;
        return 0;
}

void emulator_done(struct emulator *e)
{
        free(e->path);
        *e = (struct emulator) {};
}

static int add(struct emulator_facts *f, const struct root *root, const char *path)
{
        struct emulator e, *slot;
        int r;

        r = emulator_read(&e, root, path);
        if (r < 0)
                return r;
        slot = array_append(f->emulators, f->n_emulators);
        if (!slot) {
                emulator_done(&e);
                return -ENOMEM;
        }
        *slot = e;
        return 0;
}

int emulator_facts_read(struct emulator_facts *f, const struct root *root)
{
        static const char *const paths[] = {
                "/usr/bin/qemu-system-x86_64",
                "/usr/libexec/qemu-kvm",
                "/usr/bin/qemu-kvm",
                "/usr/bin/qemu-system-aarch64",
        };
        int r;

        *f = (struct emulator_facts) {};
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                r = add(f, root, paths[i]);
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        return 0;
}

void emulator_facts_done(struct emulator_facts *f)
{
        for (size_t i = 0; i < f->n_emulators; i++)
                emulator_done(&f->emulators[i]);
        free(f->emulators);
        *f = (struct emulator_facts) {};
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

const struct emulator *emulator_facts_get(struct emulator_facts *f, const struct root *root, const char *path)
{
        for (size_t i = 0; i < f->n_emulators; i++) {
                struct emulator *e = &f->emulators[i], fresh;
                struct stat st;

                if (!streq(e->path, path))
                        continue;
                if (fstatat(root->fd, path + strspn(path, "/"), &st, 0) >= 0 && is_same_file(&st, &e->stat))
                        return e;
                if (emulator_read(&fresh, root, path) < 0)
                        return NULL;
                emulator_done(e);
                *e = fresh;
                return e;
        }
        return add(f, root, path) < 0 ? NULL : &f->emulators[f->n_emulators - 1];
}
