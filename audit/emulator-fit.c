/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "emulator-fit.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "facts/emulator/emulator-internal.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define UNREADABLE "its binary cannot be read"
#define QUESTION "emulator-text"

/* This bypasses the recording of a host, because an emulator is large and the answer is one word. */
static struct fact file_has_text(const struct root *root, const char *path, const char *text)
{
        struct stat st;
        _cleanup_close_ int fd = open_regular_at(root->fd, path + 1, &st);
        struct fact has;
        void *code;

        if (fd < 0 || st.st_size == 0)
                return fact_unknown(UNREADABLE);
        code = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (code == MAP_FAILED)
                return fact_unknown(UNREADABLE);
        has = fact_is(memmem(code, (size_t) st.st_size, text, strlen(text) + 1) != NULL, SOURCE_ELF);
        (void) munmap(code, (size_t) st.st_size);
        return has;
}

static struct fact fact_from_answer(const char *answer)
{
        if (streq(answer, "yes") || streq(answer, "no"))
                return fact_is(streq(answer, "yes"), SOURCE_ELF);
        return fact_unknown(UNREADABLE);
}

struct fact emulator_has_text(const struct root *root, const struct emulator *e, const char *text)
{
        _cleanup_free_ char *key = NULL, *answer = NULL;
        struct fact has;

        if (!e || e->container || e->replaced)
                return fact_unknown(UNREADABLE);
        if (asprintf(&key, "%s %s", e->target ?: e->path, text) < 0) {
                key = NULL;
                memory_note_failure();
                return fact_unknown(UNREADABLE);
        }
        answer = emulator_ask(root, QUESTION, key);
        if (answer)
                return fact_from_answer(answer);
        has = file_has_text(root, e->target ?: e->path, text);
        emulator_note(root, QUESTION, key, fact_value_to_string(has.value));
        return has;
}

/* A QEMU binary holds the name of each of its machine types, followed by "-machine" (include/hw/boards.h).
 * Every QEMU knows the names that stand for its newest type ("q35"). */
bool emulator_knows_machine(const struct root *root, const struct emulator *e, const struct guest *g)
{
        _cleanup_free_ char *text = NULL;

        assert(root);
        assert(g);

        if (!g->machine || !strpbrk(g->machine, ".0123456789") || streq(g->machine, "q35"))
                return true;
        if (asprintf(&text, "%s-machine", g->machine) < 0) {
                text = NULL;
                memory_note_failure();
                return false;
        }
        return emulator_has_text(root, e, text).value != FACT_NO;
}

/* Does it run guests of that architecture? Its name says so, as distributions choose it. */
static bool is_for_arch(const struct emulator *e, const char *arch)
{
        const char *name = strrchr(e->path, '/'), *of;

        if (!name || !arch)
                return false;
        of = startswith(name, "/qemu-system-");
        return of ? streq(of, arch) : streq(arch, "x86_64");
}

bool emulator_fits_guest(const struct root *root, const struct emulator *e, const struct guest *g)
{
        assert(e);
        assert(g);

        return !e->container && !e->replaced && emulator_may_be_qemu(e) && is_for_arch(e, g->arch) &&
               emulator_knows_machine(root, e, g);
}
