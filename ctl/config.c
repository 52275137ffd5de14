/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb config: what the files of the daemon's configuration say, without the daemon. */
#include "config/config.h"

#include <fcntl.h>

#include "columns.h"
#include "ctl.h"
#include "options.h"
#include "report/json.h"
#include "report/report.h"
#include "report/table.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"
#include "verbs.h"

struct config_request {
        bool show;
        const char *file; /* of "check FILE"; NULL: the usual ones */
        struct options options;
        struct root root;
        json_object *report, *settings, *errors;
        bool valid;
};

static void request_done(struct config_request *q)
{
        json_object_put(q->settings);
        json_object_put(q->errors);
        json_object_put(q->report);
        if (q->root.fd >= 0)
                root_close(&q->root);
}

/* The path as it would be opened; the caller frees it. */
static char *path_of(const struct config_request *q, const char *file)
{
        char *path;

        return asprintf(&path, "%s%s", q->file ? "" : "/", file) < 0 ? NULL : path;
}

static void on_problem(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        const struct config_request *q = userdata;
        _cleanup_free_ char *path = path_of(q, file);
        json_object *o;

        if (!q->options.json && line > 0)
                print_line(stderr, "%s:%u: %s", path ?: file, line, what);
        else if (!q->options.json)
                print_line(stderr, "%s: %s", path ?: file, what);
        if (!fatal)
                return;
        o = json_new_object();
        json_add_string(o, "file", path);
        json_add_count(o, "line", line > 0 ? line : COUNT_UNKNOWN);
        json_add_string(o, "text", what);
        json_append(q->errors, o);
}

/* The default of that key, or what took its place: of a section that stands for itself there is one row. */
static json_object *find_setting(json_object *settings, const struct config_setting *s)
{
        for (size_t i = 0; i < json_length(settings); i++) {
                json_object *o = json_object_array_get_idx(settings, i);

                if (streq(json_get_text(o, "section") ?: "", s->section) &&
                    streq(json_get_text(o, "key") ?: "", s->key))
                        return o;
        }
        return NULL;
}

static void on_setting(const struct config_setting *s, void *userdata)
{
        struct config_request *q = userdata;
        _cleanup_free_ char *path = s->file ? path_of(q, s->file) : NULL;
        bool is_named = strchr(s->section, ' ') != NULL;
        json_object *o = is_named ? NULL : find_setting(q->settings, s);

        if (!o) {
                o = json_new_object();
                json_append(q->settings, o);
        }
        json_add_string(o, "section", s->section);
        json_add_string(o, "key", s->key);
        json_add_string(o, "value", s->value);
        json_add_string(o, "file", path);
        json_add_count(o, "line", s->file ? s->line : COUNT_UNKNOWN);
}

static const char *cell_source(json_object *row, cell_t buffer)
{
        const char *file = json_get_text(row, "file");

        if (!file)
                return "default";
        snprintf(buffer, sizeof(cell_t), "%s:%ju", file, (uintmax_t) json_get_number(row, "line"));
        return buffer;
}

static const struct column columns[] = {
        { "SECTION", "the section, without its brackets", .path = "section" },
        { "KEY", "the key", .path = "key" },
        { "VALUE", "its value, as it is written", .path = "value" },
        { "SOURCE", "the file and the line that set it, or \"default\"", .cell = cell_source },
};

const struct column *columns_of_config(size_t *ret_n)
{
        *ret_n = ELEMENTSOF(columns);
        return columns;
}

static int read_config(struct config_request *q)
{
        const struct config_reader reader = {
                .file = q->file, .problem = on_problem, .setting = on_setting, .userdata = q
        };
        struct config config;
        int r;

        if (q->file)
                q->root = (struct root){ .fd = AT_FDCWD };
        else {
                r = root_open(&q->root, q->options.root);
                if (r < 0)
                        return log_error(r, "Failed to open '%s': %m", q->options.root ?: "/");
        }
        r = config_read_by(&config, &q->root, &reader);
        if (r == -ENOMEM)
                return log_error(r, "Failed to read the configuration: %m");
        q->valid = r == 0;
        if (q->valid)
                config_done(&config);
        return 0;
}

static int print_text(const struct config_request *q)
{
        const struct table_view view = { .columns = q->options.output,
                                         .csv = q->options.csv,
                                         .no_headings = q->options.no_headings };

        if (!q->valid) {
                print_line(stderr, "vfioalignctl: vfioalignd rejects this configuration as a whole");
                return 0;
        }
        if (q->show)
                return table_print_view(rows_of_array(q->settings), columns, ELEMENTSOF(columns), &view,
                                        stdout);
        print_line(stdout, "The configuration has no errors");
        return 0;
}

static int print_config(struct config_request *q)
{
        int r;

        json_add_count(q->report, "schema_version", 1);
        json_add_bool(q->report, "valid", q->valid);
        json_add(q->report, "errors", json_object_get(q->errors));
        json_add(q->report, "settings", json_object_get(q->settings));
        r = q->options.json ? report_print_json_as(q->report, q->options.json, 0, stdout) : print_text(q);
        if (r < 0)
                return r;
        return fflush(stdout) != 0 ? -errno : 0;
}

static int parse_words(struct config_request *q, char *words[])
{
        const char *operation = words[0] ?: "";

        q->show = streq(operation, "show");
        if (!q->show && !streq(operation, "check")) {
                print_line(stderr, "vfioalignctl: config %s: expected check or show", operation);
                return -CTL_USAGE;
        }
        if (q->show && words[1]) {
                print_line(stderr, "vfioalignctl: config show takes no argument '%s'", words[1]);
                return -CTL_USAGE;
        }
        q->file = words[1];
        return 0;
}

int verb_config(int argc, char *argv[])
{
        _cleanup_(request_done) struct config_request q = { .root = { .fd = -EBADF } };
        int word, r;

        word = options_parse(argc, argv,
                             OPTION_JSON | OPTION_CSV | OPTION_OUTPUT | OPTION_NO_HEADINGS | OPTION_ROOT, 1,
                             2, &q.options);
        if (word < 0)
                return -word;
        r = parse_words(&q, argv + word);
        if (r < 0)
                return -r;
        if (columns_print_help(q.options.output, columns, ELEMENTSOF(columns)))
                return CTL_OK;
        q.report = json_new_object();
        q.settings = json_new_array();
        q.errors = json_new_array();
        r = read_config(&q);
        if (r < 0)
                return CTL_FAILED;
        r = print_config(&q);
        if (r == -EINVAL && q.options.output)
                return columns_refuse(q.options.output, columns, ELEMENTSOF(columns));
        if (r < 0) {
                log_error(r, "Failed to print the configuration: %m");
                return CTL_FAILED;
        }
        return q.valid ? CTL_OK : CTL_FAILED;
}
