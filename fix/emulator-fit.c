/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "emulator-fit.h"

#include "util/file.h"

struct fact emulator_has_text(const struct root *root, const struct emulator *e, const char *text)
{
        _cleanup_free_ char *code = NULL;
        size_t size;

        if (!e || e->container || e->replaced ||
            read_file_at(root->fd, (e->target ?: e->path) + 1, FILE_MAX_SIZE, &code, &size) < 0)
                return fact_unknown("its binary cannot be read");
        return fact_is(memmem(code, size, text, strlen(text) + 1) != NULL, SOURCE_ELF);
}

/* Every QEMU has the name of each of its machine types in it, with "-machine" behind (include/hw/boards.h). Names that stand
 * for the newest ("q35") are everywhere. */
bool emulator_knows_machine(const struct root *root, const struct emulator *e, const struct guest *g)
{
        _cleanup_free_ char *text = NULL;

        if (!g->machine || !strpbrk(g->machine, ".0123456789") || streq(g->machine, "q35"))
                return true;
        if (asprintf(&text, "%s-machine", g->machine) < 0)
                return false;
        return emulator_has_text(root, e, text).value != FACT_NO;
}

/* By its name, as the distributions give it: it runs guests of that architecture. */
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
        return !e->container && !e->replaced && is_for_arch(e, g->arch) && emulator_knows_machine(root, e, g);
}
