/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-variable.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdarg.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define UNIT_MAX_SIZE MIB(1)
#define SPACE " \t"

/* Where units are; the first unit of a name counts: systemd.unit(5), "Unit File Load Path" */
static const char *const directories[] = {
        "etc/systemd/system.control",  "run/systemd/system.control",   "run/systemd/transient",
        "run/systemd/generator.early", "etc/systemd/system",           "run/systemd/system",
        "run/systemd/generator",       "usr/local/lib/systemd/system", "usr/lib/systemd/system",
        "lib/systemd/system",          "run/systemd/generator.late",
};

struct unit_file {
        char *name; /* drop-ins are sorted by it; "" for the unit itself, which comes first */
        char *path;
};

struct reader {
        const struct root *root;
        const char *variable, *drop_in;
        struct unit_file *drop_ins;
        size_t n_drop_ins;
        char **files; /* of EnvironmentFile= */
        size_t n_files;
        char *unset; /* the file whose UnsetEnvironment= removes the variable, or NULL */
        struct unit_variable *v;
};

void unit_variable_done(struct unit_variable *v)
{
        free(v->value);
        free(v->doubt);
        *v = (struct unit_variable){};
}

static void forget_files(struct reader *r)
{
        for (size_t i = 0; i < r->n_files; i++)
                free(r->files[i]);
        r->n_files = 0;
        free(TAKE_PTR(r->files));
}

static void reader_done(struct reader *r)
{
        for (size_t i = 0; i < r->n_drop_ins; i++) {
                free(r->drop_ins[i].name);
                free(r->drop_ins[i].path);
        }
        free(r->drop_ins);
        forget_files(r);
        free(r->unset);
}

/* The first doubt stays. */
static int _printf_(2, 3) add_doubt(struct reader *r, const char *format, ...)
{
        va_list args;

        if (r->v->doubt)
                return 0;
        va_start(args, format);
        r->v->doubt = memory_vformat(format, args);
        va_end(args);
        return r->v->doubt ? 0 : -ENOMEM;
}

/* Cuts off the next word, in place, and removes its quotes but no backslashes. NULL at the end. */
static char *next_word(char **text)
{
        char *in = *text + strspn(*text, SPACE), *word = in, *out = in, quote = 0;

        if (!*in)
                return NULL;
        for (; *in && (quote || !strchr(SPACE, *in)); in++)
                if (quote ? *in == quote : *in == '"' || *in == '\'')
                        quote = quote ? 0 : *in;
                else {
                        if (*in == '\\' && in[1])
                                *out++ = *in++;
                        *out++ = *in;
                }
        *text = *in ? in + 1 : in;
        *out = '\0';
        return word;
}

static const char *value_of(const struct reader *r, const char *assignment)
{
        const char *rest = startswith(assignment, r->variable);

        return rest && *rest == '=' ? rest + 1 : NULL;
}

static int set_value(struct reader *r, const struct unit_file *f, const char *value)
{
        free(TAKE_PTR(r->v->value));
        if (value && !(r->v->value = strdup(value)))
                return -ENOMEM;
        if (strcmp(f->name, r->drop_in) > 0)
                return add_doubt(r, "/%s comes behind %s, and %s %s", f->path, r->drop_in,
                                 value ? "sets" : "clears", r->variable);
        return 0;
}

static int take_environment(struct reader *r, const struct unit_file *f, char *text)
{
        if (!*text)
                return set_value(r, f, NULL);
        for (char *word; (word = next_word(&text));) {
                const char *value = value_of(r, word);
                int error = value ? set_value(r, f, value) : 0;

                if (error < 0)
                        return error;
        }
        return 0;
}

static int take_file(struct reader *r, const char *path)
{
        char *copy, **slot;

        if (!*path) {
                forget_files(r);
                return 0;
        }
        copy = strdup(path);
        slot = copy ? array_append(r->files, r->n_files) : NULL;
        if (!slot) {
                free(copy);
                return -ENOMEM;
        }
        *slot = copy;
        return 0;
}

static int take_unset(struct reader *r, const struct unit_file *f, char *text)
{
        if (!*text)
                free(TAKE_PTR(r->unset));
        for (char *word; (word = next_word(&text));)
                if ((streq(word, r->variable) || value_of(r, word)) && !r->unset &&
                    !(r->unset = strdup(f->path)))
                        return -ENOMEM;
        return 0;
}

static int take_line(struct reader *r, const struct unit_file *f, char *line)
{
        char *equals = strchr(line, '='), *value, *end;

        if (!equals)
                return 0;
        for (end = equals; end > line && strchr(SPACE, end[-1]); end--)
                ;
        *end = '\0';
        value = equals + 1 + strspn(equals + 1, SPACE);
        for (end = value + strlen(value); end > value && strchr(SPACE "\r", end[-1]); end--)
                ;
        *end = '\0';
        if (streq(line, "Environment"))
                return take_environment(r, f, value);
        if (streq(line, "EnvironmentFile"))
                return take_file(r, value);
        if (streq(line, "UnsetEnvironment"))
                return take_unset(r, f, value);
        return 0;
}

/* Ends the line, with those that continue it: a backslash at the end becomes a blank. Returns the next one.
 */
static char *end_line(char *line, bool is_comment)
{
        char *next = line + strcspn(line, "\n");

        while (!is_comment && next > line && *next && next[-1] == '\\') {
                next[-1] = *next = ' ';
                next += strcspn(next, "\n");
        }
        if (*next)
                *next++ = '\0';
        return next;
}

static int read_unit(struct reader *r, const struct unit_file *f)
{
        _cleanup_free_ char *text = NULL;
        bool service = false;
        size_t size;
        int error = read_file_at(r->root->fd, f->path, UNIT_MAX_SIZE, &text, &size);

        if (error == -ENOENT)
                return 0;
        if (error == -ENOMEM)
                return error;
        if (error < 0)
                return add_doubt(r, "/%s cannot be read (%s)", f->path, strerror(-error));
        for (char *line = text, *next; *line; line = next) {
                bool is_comment;

                line += strspn(line, SPACE);
                is_comment = *line == '#' || *line == ';';
                next = end_line(line, is_comment);
                if (*line == '[')
                        service = startswith(line, "[Service]") != NULL;
                else if (service && !is_comment) {
                        error = take_line(r, f, line);
                        if (error < 0)
                                return error;
                }
        }
        return 0;
}

static int find_unit(struct reader *r, const char *unit, bool *ret_installed)
{
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *path = NULL, *target = NULL;

                if (asprintf(&path, "%s/%s", directories[i], unit) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (read_link_at(r->root->fd, path, &target) >= 0 && streq(target, "/dev/null"))
                        break;
                if (exists_at(r->root->fd, path)) {
                        struct unit_file f = { (char *) "", path };

                        *ret_installed = true;
                        return read_unit(r, &f);
                }
        }
        *ret_installed = false;
        return 0;
}

static int add_drop_in(struct reader *r, const char *directory, const char *name)
{
        struct unit_file f = {}, *slot;

        if (streq(name, r->drop_in) || fnmatch("*.conf", name, 0) != 0)
                return 0;
        for (size_t i = 0; i < r->n_drop_ins; i++)
                if (streq(r->drop_ins[i].name, name))
                        return 0;
        f.name = strdup(name);
        if (asprintf(&f.path, "%s/%s", directory, name) < 0)
                f.path = NULL;
        slot = f.name && f.path ? array_append(r->drop_ins, r->n_drop_ins) : NULL;
        if (!slot) {
                free(f.name);
                free(f.path);
                return -ENOMEM;
        }
        *slot = f;
        return 0;
}

/* owner: the unit, or "service", whose drop-ins are for all services. */
static int find_drop_ins_in(struct reader *r, const char *parent, const char *owner)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *directory = NULL;
        int error;

        if (asprintf(&directory, "%s/%s.d", parent, owner) < 0) {
                directory = NULL;
                return -ENOMEM;
        }
        error = list_dir_at(r->root->fd, directory, &names);
        if (error == -ENOENT || error == -ENOTDIR)
                return 0;
        if (error == -ENOMEM)
                return error;
        if (error < 0)
                return add_doubt(r, "/%s cannot be listed (%s)", directory, strerror(-error));
        for (size_t i = 0; i < names.n; i++) {
                error = add_drop_in(r, directory, names.names[i]);
                if (error < 0)
                        return error;
        }
        return 0;
}

/* Those of the unit go before those of all services, wherever they are: of a name, the first one counts. */
static int find_drop_ins(struct reader *r, const char *unit)
{
        const char *owners[] = { unit, "service" };

        for (size_t k = 0; k < ELEMENTSOF(owners); k++)
                for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                        int error = find_drop_ins_in(r, directories[i], owners[k]);

                        if (error < 0)
                                return error;
                }
        return 0;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct unit_file *) a)->name, ((const struct unit_file *) b)->name);
}

/* A variable in an EnvironmentFile= overrides whatever the unit and its drop-ins set. */
static int check_file(struct reader *r, const char *path)
{
        const char *words[] = { r->variable, NULL };
        _cleanup_free_ char *text = NULL;
        bool optional = *path == '-';
        char *save = NULL;
        int error;

        path += optional;
        if (*path != '/' || strpbrk(path, "*?[%"))
                return add_doubt(r, "EnvironmentFile=%s cannot be followed", path);
        error = grep_file_at(r->root->fd, path + 1, words, &text);
        if (error == -ENOENT)
                return 0;
        if (error == -ENOMEM)
                return error;
        if (error < 0)
                return add_doubt(r, "%s, its EnvironmentFile=, cannot be read (%s)", path, strerror(-error));
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *rest = startswith(line + strspn(line, SPACE), r->variable);

                if (rest && rest[strspn(rest, SPACE)] == '=')
                        return add_doubt(r,
                                         "%s, its EnvironmentFile=, has %s, and goes before every drop-in",
                                         path, r->variable);
        }
        return 0;
}

static int read_variable(struct reader *r, const char *unit)
{
        int error;

        error = find_unit(r, unit, &r->v->installed);
        if (error < 0)
                return error;
        error = find_drop_ins(r, unit);
        if (error < 0)
                return error;
        if (r->n_drop_ins > 0)
                qsort(r->drop_ins, r->n_drop_ins, sizeof(*r->drop_ins), by_name);
        for (size_t i = 0; i < r->n_drop_ins; i++) {
                error = read_unit(r, &r->drop_ins[i]);
                if (error < 0)
                        return error;
        }
        for (size_t i = 0; i < r->n_files; i++) {
                error = check_file(r, r->files[i]);
                if (error < 0)
                        return error;
        }
        if (r->unset)
                return add_doubt(r, "UnsetEnvironment= in /%s takes %s away", r->unset, r->variable);
        return 0;
}

int unit_variable_read(struct unit_variable *v, const struct root *root, const char *unit,
                       const char *variable, const char *drop_in)
{
        struct reader reader = { .root = root, .variable = variable, .drop_in = drop_in, .v = v };
        int r;

        assert(v);
        assert(root);
        assert(unit);
        assert(variable);
        assert(drop_in);

        *v = (struct unit_variable){};
        r = read_variable(&reader, unit);
        reader_done(&reader);
        if (r < 0)
                unit_variable_done(v);
        return r;
}
