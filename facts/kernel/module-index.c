/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-index.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>

#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/module-name.h"

struct module_index {
        const struct root *root;
        char *dir;  /* lib/modules/RELEASE */
        bool other; /* its questions have the release */
};

DEFINE_TRIVIAL_CLEANUP(struct kmod_ctx *, kmod_unref)
DEFINE_TRIVIAL_CLEANUP(struct kmod_module *, kmod_module_unref)
DEFINE_TRIVIAL_CLEANUP(struct module_index *, module_index_close)

static void log_nothing(void *data, int priority, const char *file, int line, const char *fn,
                        const char *format, va_list args)
{
        (void) data, (void) priority, (void) file, (void) line, (void) fn, (void) format, (void) args;
}

/* A release is the name of one directory. */
static char *release_dir(const char *release)
{
        char *dir;

        if (strchr(release, '/') || *release == '.')
                return NULL;
        return asprintf(&dir, "lib/modules/%s", release) < 0 ? memory_note(NULL) : dir;
}

static char *index_file(const struct module_index *index, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", index->dir, name) < 0 ? memory_note(NULL) : path;
}

int module_index_open(const struct root *root, const char *release, struct module_index **ret)
{
        _cleanup_(module_index_closep) struct module_index *index = NULL;
        _cleanup_free_ char *dep = NULL;
        _cleanup_close_ int dir = -EBADF, fd = -EBADF;

        assert(root);
        assert(release);
        assert(ret);

        index = memory_note(calloc(1, sizeof(*index)));
        if (!index)
                return -ENOMEM;
        index->root = root;
        index->dir = release_dir(release);
        dep = index->dir ? index_file(index, "modules.dep") : NULL;
        if (!dep)
                return -EINVAL;
        dir = open_at(root->fd, index->dir, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return dir;
        fd = open_at(root->fd, dep, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fd == -ENOENT ? -ENODATA : fd;
        *ret = TAKE_PTR(index);
        return 0;
}

void module_index_name_release(struct module_index *index)
{
        assert(index);

        index->other = true;
}

void module_index_close(struct module_index *index)
{
        if (!index)
                return;
        free(index->dir);
        free(index);
}

/* Whether the path of `n` bytes is a file of that module: NAME.ko, or compressed NAME.ko.xz. */
static bool is_file_of(const char *path, size_t n, const char *module)
{
        const char *slash = memrchr(path, '/', n), *base = slash ? slash + 1 : path;
        const char *suffix = memmem(base, n - (size_t) (base - path), ".ko", strlen(".ko"));

        return suffix && module_name_equal_n(base, (size_t) (suffix - base), module);
}

/* Finds the path of the module in a list of files, one a line, up to a colon: modules.dep, modules.builtin.
 * Returns 0, -ENOENT if the list has no such module, -ENODATA if there is no list, or another negative
 * errno. */
static int find_path(struct module_index *index, const char *list, const char *module, char **ret)
{
        _cleanup_free_ char *path = index_file(index, list), *text = NULL, *word = NULL;
        int r;

        /* The word ends where the name can be spelled in two ways, which leaves only a few lines. */
        word = memory_note(strndup(module, strcspn(module, "-_")));
        if (!path || !word)
                return -ENOMEM;
        r = grep_file_at(index->root->fd, path, (const char *const[]){ word, NULL }, &text);
        if (r == -ENOENT)
                return -ENODATA;
        if (r < 0)
                return r;

        for (const char *line = text; *line;) {
                size_t n = strcspn(line, ":\n");

                if (is_file_of(line, n, module)) {
                        *ret = memory_note(strndup(line, n));
                        return *ret ? 0 : -ENOMEM;
                }
                line = strchrnul(line + n, '\n');
                line += *line == '\n';
        }
        return -ENOENT;
}

char *module_index_path(struct module_index *index, const char *module)
{
        char *path = NULL;

        assert(index);
        assert(module);

        (void) find_path(index, "modules.dep", module, &path);
        return path;
}

struct fact module_index_has(struct module_index *index, const char *module)
{
        static const char *const lists[] = { "modules.dep", "modules.builtin" };
        bool unseen = false;

        assert(index);
        assert(module);

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                _cleanup_free_ char *path = NULL;
                int r;

                r = find_path(index, lists[i], module, &path);
                if (r == 0)
                        return fact_is(true, SOURCE_MODULE_INDEX);
                if (r != -ENOENT)
                        unseen = true;
        }
        if (unseen)
                return fact_unknown("the list of modules cannot be read");
        return fact_is(false, SOURCE_MODULE_INDEX);
}

/* Asks `ask` about a module's file, as libkmod shows it. */
static int ask_file(struct module_index *index, const char *module, const char *key,
                    int (*ask)(struct kmod_module *m, const char *key, char **ret), char **ret)
{
        _cleanup_(kmod_module_unrefp) struct kmod_module *m = NULL;
        _cleanup_(kmod_unrefp) struct kmod_ctx *ctx = NULL;
        _cleanup_free_ char *below = module_index_path(index, module), *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *no_config[] = { NULL };
        char fd_path[64];

        path = below ? index_file(index, below) : NULL;
        if (!path)
                return -ENOENT;
        fd = open_regular_at(index->root->fd, path, NULL);
        if (fd < 0)
                return fd == -ENOENT ? -ENODATA : fd;

        snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", fd);
        ctx = kmod_new(NULL, no_config);
        if (!ctx)
                return -ENOMEM;
        kmod_set_log_fn(ctx, log_nothing, NULL);
        if (kmod_module_new_from_path(ctx, fd_path, &m) < 0)
                return -EBADMSG;
        return ask(m, key, ret);
}

/* Returns the recorded answer to "module MODULE WHAT KEY", or else asks the file. */
static int answer_question(struct module_index *index, const char *module, const char *what, const char *key,
                           int (*ask)(struct kmod_module *m, const char *key, char **ret), char **ret)
{
        _cleanup_free_ char *text = NULL, *answer = NULL;
        int r;

        if (asprintf(&text, "module %s%s%s %s %s", module, index->other ? " of " : "",
                     index->other ? index->dir + strlen("lib/modules/") : "", what, key) < 0) {
                memory_note_failure();
                return -ENOMEM;
        }
        answer = root_answer(index->root, text);
        if (!answer) {
                r = ask_file(index, module, key, ask, &answer);
                if (r < 0)
                        return r;
                for (char *p = answer; *p; p++) /* an answer is one line */
                        if ((unsigned char) *p < ' ')
                                *p = ' ';
                root_note(index->root, text, answer);
        }
        *ret = TAKE_PTR(answer);
        return 0;
}

static int ask_imports(struct kmod_module *m, const char *symbol, char **ret)
{
        struct kmod_list *list = NULL, *item;
        bool found = false;

        if (kmod_module_get_dependency_symbols(m, &list) < 0)
                return -EBADMSG;
        kmod_list_foreach (item, list)
                found |= streq(kmod_module_dependency_symbol_get_symbol(item), symbol);
        kmod_module_dependency_symbols_free_list(list);
        *ret = strdup(found ? "yes" : "no");
        return *ret ? 0 : -ENOMEM;
}

static int ask_info(struct kmod_module *m, const char *key, char **ret)
{
        struct kmod_list *list = NULL, *item;
        const char *value = "";

        if (kmod_module_get_info(m, &list) < 0)
                return -EBADMSG;
        kmod_list_foreach (item, list)
                if (streq(kmod_module_info_get_key(item), key))
                        value = kmod_module_info_get_value(item) ?: "";
        *ret = strdup(value);
        kmod_module_info_free_list(list);
        return *ret ? 0 : -ENOMEM;
}

struct fact module_index_imports(struct module_index *index, const char *module, const char *symbol)
{
        _cleanup_free_ char *answer = NULL;
        int r;

        assert(index);
        assert(module);
        assert(symbol);

        r = answer_question(index, module, "imports", symbol, ask_imports, &answer);
        if (r < 0)
                return fact_unknown(r == -ENOENT ? "the module has no file"
                                                 : "the module's file cannot be read");
        return fact_is(streq(answer, "yes"), SOURCE_MODULE_FILE);
}

int module_index_info(struct module_index *index, const char *module, const char *key, char **ret)
{
        assert(index);
        assert(module);
        assert(key);
        assert(ret);

        return answer_question(index, module, "info", key, ask_info, ret);
}
