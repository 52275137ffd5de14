/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-index.h"

#include <libkmod.h>

#include "util/macro.h"

struct module_index {
        struct kmod_ctx *ctx;
};

DEFINE_TRIVIAL_CLEANUP(struct kmod_module *, kmod_module_unref)

static void silent(void *data, int priority, const char *file, int line, const char *fn, const char *format,
                   va_list args)
{
        (void) data, (void) priority, (void) file, (void) line, (void) fn, (void) format, (void) args;
}

int module_index_open(const struct root *root, const char *release, struct module_index **ret)
{
        _cleanup_free_ char *dir = NULL, *dep = NULL;
        struct module_index *index;
        const char *no_config[] = {NULL};

        if (asprintf(&dir, "%s/lib/modules/%s", root->path, release) < 0)
                return -ENOMEM;
        if (access(dir, R_OK | X_OK) < 0)
                return -errno;
        /* Without it libkmod finds nothing, as if nothing were installed. */
        if (asprintf(&dep, "%s/modules.dep.bin", dir) < 0)
                return -ENOMEM;
        if (access(dep, R_OK) < 0)
                return errno == ENOENT ? -ENODATA : -errno;

        index = calloc(1, sizeof(*index));
        if (!index)
                return -ENOMEM;
        index->ctx = kmod_new(dir, no_config);
        if (!index->ctx) {
                free(index);
                return -ENOMEM;
        }
        kmod_set_log_fn(index->ctx, silent, NULL);
        *ret = index;
        return 0;
}

void module_index_close(struct module_index *index)
{
        if (!index)
                return;
        kmod_unref(index->ctx);
        free(index);
}

/* NULL where depmod knows no such module. */
static struct kmod_module *lookup(struct module_index *index, const char *module)
{
        struct kmod_list *list = NULL;
        struct kmod_module *m = NULL;

        if (kmod_module_new_from_lookup(index->ctx, module, &list) < 0 || !list)
                return NULL;
        m = kmod_module_get_module(list);
        kmod_module_unref_list(list);
        return m;
}

struct fact module_index_has(struct module_index *index, const char *module)
{
        _cleanup_(kmod_module_unrefp) struct kmod_module *m = lookup(index, module);

        return fact_is(m, SOURCE_MODULE_INDEX);
}

struct fact module_index_imports(struct module_index *index, const char *module, const char *symbol)
{
        _cleanup_(kmod_module_unrefp) struct kmod_module *m = lookup(index, module);
        struct kmod_list *list = NULL, *item;
        struct fact f = fact_is(false, SOURCE_MODULE_FILE);

        if (!m || !kmod_module_get_path(m))
                return fact_unknown("the module has no file");
        if (kmod_module_get_dependency_symbols(m, &list) < 0)
                return fact_unknown("the module's file cannot be read");

        kmod_list_foreach(item, list)
                if (streq(kmod_module_dependency_symbol_get_symbol(item), symbol))
                        f = fact_is(true, SOURCE_MODULE_FILE);
        kmod_module_dependency_symbols_free_list(list);
        return f;
}

struct fact module_index_is_signed(struct module_index *index, const char *module)
{
        _cleanup_(kmod_module_unrefp) struct kmod_module *m = lookup(index, module);
        struct kmod_list *list = NULL, *item;
        struct fact f = fact_is(false, SOURCE_MODULE_FILE);

        if (!m || !kmod_module_get_path(m))
                return fact_unknown("the module has no file");
        if (kmod_module_get_info(m, &list) < 0)
                return fact_unknown("the module's file cannot be read");

        kmod_list_foreach(item, list)
                if (streq(kmod_module_info_get_key(item), "sig_id"))
                        f = fact_is(true, SOURCE_MODULE_FILE);
        kmod_module_info_free_list(list);
        return f;
}

char *module_index_path(struct module_index *index, const char *module)
{
        _cleanup_(kmod_module_unrefp) struct kmod_module *m = lookup(index, module);
        const char *path = m ? kmod_module_get_path(m) : NULL;

        return path ? strdup(path) : NULL;
}
