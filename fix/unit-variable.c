/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-variable.h"

#include <fnmatch.h>
#include <stdarg.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define UNIT_MAX_SIZE MIB(1)
#define SPACE " \t"

/* Where units are, the first of a name counts: systemd.unit(5), "Unit File Load Path" */
static const char *const directories[] = {
        "etc/systemd/system.control",  "run/systemd/system.control",   "run/systemd/transient",
        "run/systemd/generator.early", "etc/systemd/system",           "run/systemd/system",
        "run/systemd/generator",       "usr/local/lib/systemd/system", "usr/lib/systemd/system",
        "lib/systemd/system",          "run/systemd/generator.late",
};

struct unit_file {
        char *name; /* of a drop-in, by which they are sorted; of the unit itself "", which comes first */
        char *path;
};

struct reader {
        const struct root *root;
        const char *variable, *drop_in;
        struct unit_file *drop_ins;
        size_t n_drop_ins;
        char **files; /* of EnvironmentFile= */
        size_t n_files;
        char *unset; /* the file whose UnsetEnvironment= takes it away */
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

/* The first one stays. */
static int _printf_(2, 3) doubt(struct reader *r, const char *format, ...)
{
        va_list args;
        int n;

        if (r->v->doubt)
                return 0;
        va_start(args, format);
        n = vasprintf(&r->v->doubt, format, args);
        va_end(args);
        if (n >= 0)
                return 0;
        r->v->doubt = NULL;
        return -ENOMEM;
}

/* The next word, quotes removed, in place; what is escaped stays so. NULL at the end. */
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
                return doubt(r, "/%s comes behind %s, and %s %s", f->path, r->drop_in,
                             value ? "sets" : "clears", r->variable);
        return 0;
}

static int take_environment(struct reader *r, const struct unit_file *f, char *text)
{
        int error = 0;

        if (!*text)
                return set_value(r, f, NULL);
        for (char *word; error >= 0 && (word = next_word(&text));)
                if (value_of(r, word))
                        error = set_value(r, f, value_of(r, word));
        return error;
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
        return streq(line, "Environment")        ? take_environment(r, f, value)
               : streq(line, "EnvironmentFile")  ? take_file(r, value)
               : streq(line, "UnsetEnvironment") ? take_unset(r, f, value)
                                                 : 0;
}

static int read_unit(struct reader *r, const struct unit_file *f)
{
        _cleanup_free_ char *text = NULL;
        bool service = false;
        size_t size;
        int error = read_file_at(r->root->fd, f->path, UNIT_MAX_SIZE, &text, &size);

        if (error == -ENOENT || error == -ENOMEM)
                return error == -ENOENT ? 0 : error;
        if (error < 0)
                return doubt(r, "/%s cannot be read (%s)", f->path, strerror(-error));
        for (char *line = text, *next; *line && error >= 0; line = next) {
                bool comment = false;

                line += strspn(line, SPACE);
                comment = *line == '#' || *line == ';';
                next = line + strcspn(line, "\n");
                while (!comment && next > line && *next && next[-1] == '\\') {
                        next[-1] = *next = ' ';
                        next += strcspn(next, "\n");
                }
                if (*next)
                        *next++ = '\0';
                if (*line == '[')
                        service = startswith(line, "[Service]") != NULL;
                else if (service && !comment)
                        error = take_line(r, f, line);
        }
        return error;
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

static int find_drop_ins(struct reader *r, const char *unit)
{
        int error = 0;

        for (size_t i = 0; i < 2 * ELEMENTSOF(directories) && error >= 0; i++) {
                _cleanup_(names_done) struct names names = {};
                _cleanup_free_ char *directory = NULL;

                if (asprintf(&directory, "%s/%s.d", directories[i % ELEMENTSOF(directories)],
                             i < ELEMENTSOF(directories) ? unit : "service") < 0) {
                        directory = NULL;
                        return -ENOMEM;
                }
                error = list_dir_at(r->root->fd, directory, &names);
                if (error < 0) {
                        error = error == -ENOMEM ? error
                                : error == -ENOENT || error == -ENOTDIR
                                        ? 0
                                        : doubt(r, "/%s cannot be listed (%s)", directory, strerror(-error));
                        continue;
                }
                for (size_t k = 0; k < names.n && error >= 0; k++)
                        error = add_drop_in(r, directory, names.names[k]);
        }
        return error;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct unit_file *) a)->name, ((const struct unit_file *) b)->name);
}

/* What a file of variables sets goes before all that a unit sets. */
static int check_file(struct reader *r, const char *path)
{
        const char *words[] = { r->variable, NULL };
        _cleanup_free_ char *text = NULL;
        bool optional = *path == '-';
        char *save = NULL;
        int error;

        path += optional;
        if (*path != '/' || strpbrk(path, "*?[%"))
                return doubt(r, "EnvironmentFile=%s cannot be followed", path);
        error = grep_file_at(r->root->fd, path + 1, words, &text);
        if (error < 0)
                return error == -ENOENT || error == -ENOMEM
                               ? (error == -ENOENT ? 0 : error)
                               : doubt(r, "%s, its EnvironmentFile=, cannot be read (%s)", path,
                                       strerror(-error));
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *rest = startswith(line + strspn(line, SPACE), r->variable);

                if (rest && rest[strspn(rest, SPACE)] == '=')
                        return doubt(r, "%s, its EnvironmentFile=, has %s, and goes before every drop-in",
                                     path, r->variable);
        }
        return 0;
}

int unit_variable_read(struct unit_variable *v, const struct root *root, const char *unit,
                       const char *variable, const char *drop_in)
{
        struct reader r = { .root = root, .variable = variable, .drop_in = drop_in, .v = v };
        int error;

        *v = (struct unit_variable){};
        error = find_unit(&r, unit, &v->installed);
        if (error >= 0)
                error = find_drop_ins(&r, unit);
        if (r.n_drop_ins > 0)
                qsort(r.drop_ins, r.n_drop_ins, sizeof(*r.drop_ins), by_name);
        for (size_t i = 0; i < r.n_drop_ins && error >= 0; i++)
                error = read_unit(&r, &r.drop_ins[i]);
        for (size_t i = 0; i < r.n_files && error >= 0; i++)
                error = check_file(&r, r.files[i]);
        if (error >= 0 && r.unset)
                error = doubt(&r, "UnsetEnvironment= in /%s takes %s away", r.unset, variable);
        reader_done(&r);
        if (error < 0)
                unit_variable_done(v);
        return error;
}
