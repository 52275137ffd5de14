/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "columns.h"
#include "ctl.h"
#include "fleet/input.h"
#include "fleet/print.h"
#include "options.h"
#include "util/clock.h"
#include "util/file-write.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"
#include "util/print.h"
#include "verbs.h"

#define MAX_AGE_SECONDS (7 * 24 * 3600)

struct request {
        struct options options;
        struct fleet_view view;
        struct fleet fleet;
        size_t n_documents;
};

/* "7d", "12h", "30min", "90s" */
static int parse_age(const char *text, uint64_t *ret)
{
        static const struct {
                const char *name;
                uint64_t seconds;
        } units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 24 * 3600 }, { "w", 7 * 24 * 3600 } };
        size_t n = strspn(text, "0123456789");
        char digits[16];
        uint64_t count;

        if (n == 0 || n >= sizeof(digits))
                return -EINVAL;
        snprintf(digits, sizeof(digits), "%.*s", (int) n, text);
        if (parse_u64(digits, 10, &count) < 0 || count > UINT32_MAX)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(text + n, units[i].name)) {
                        *ret = count * units[i].seconds;
                        return 0;
                }
        return -EINVAL;
}

/* "need,kernel": the words by which hosts are grouped. */
static int parse_by(const char *text, struct fleet_view *view)
{
        view->n_by = 0;
        for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
                char name[16];
                enum host_word word;

                if (strcspn(p, ",") >= sizeof(name) || view->n_by == FLEET_BY_MAX)
                        return -EINVAL;
                snprintf(name, sizeof(name), "%.*s", (int) strcspn(p, ","), p);
                word = host_word_from_string(name);
                if (word < 0)
                        return -EINVAL;
                view->by[view->n_by++] = word;
        }
        return 0;
}

static int refuse_by(const char *text)
{
        print(stderr, "vfioalignctl: --by %s: expected some of", text);
        for (enum host_word w = 0; w <= WORD_HOST; w++)
                print(stderr, "%s %s", w > 0 ? "," : "", host_word_to_string(w));
        fputs("\n", stderr);
        return -CTL_USAGE;
}

static int refuse_need(const char *text)
{
        print(stderr, "vfioalignctl: --hosts %s: expected one of", text);
        for (enum need_id id = 0; id < _NEED_MAX; id++)
                print(stderr, "%s %s", id > 0 ? "," : "", need_to_string(id));
        fputs("\n", stderr);
        return -CTL_USAGE;
}

/* How many of the ways to print were asked for. */
static unsigned count_outputs(const struct options *o)
{
        return (o->json != JSON_NONE) + o->csv + (o->html != NULL) + (o->hosts != NULL) +
               (o->output != NULL);
}

/* Returns the index of the first word, or the negative of an exit code. */
static int parse_request(struct request *q, int argc, char *argv[])
{
        const struct options *o = &q->options;
        int first = options_parse(argc, argv,
                                  OPTION_JSON | OPTION_CSV | OPTION_HTML | OPTION_HOSTS | OPTION_BY |
                                          OPTION_OUTPUT | OPTION_MAX_AGE | OPTION_FAIL_ON,
                                  0, INT_MAX, &q->options);

        if (first < 0)
                return first;
        q->view = (struct fleet_view){
                .by = { WORD_NEED },
                .n_by = 1,
                .columns = o->output,
                .now = clock_usec(CLOCK_REALTIME) / USEC_PER_SEC,
                .max_age = MAX_AGE_SECONDS,
        };
        if (count_outputs(o) > 1) {
                print_line(stderr, "vfioalignctl: --json, --csv, --html, --hosts and --output exclude each "
                                   "other");
                return -CTL_USAGE;
        }
        if (o->by && parse_by(o->by, &q->view) < 0)
                return refuse_by(o->by);
        if (o->hosts && need_from_string(o->hosts) < 0)
                return refuse_need(o->hosts);
        if (o->max_age && parse_age(o->max_age, &q->view.max_age) < 0) {
                print_line(stderr, "vfioalignctl: --max-age %s: expected a time such as 7d, 12h or 30min",
                           o->max_age);
                return -CTL_USAGE;
        }
        return first;
}

/* An on_document_t. */
static int add_document(json_object *document, void *userdata)
{
        struct request *q = userdata;

        q->n_documents++;
        return fleet_add(&q->fleet, document);
}

/* An on_input_error_t. */
static void say_input_error(const char *path, int error, const char *failed, void *userdata)
{
        (void) userdata;
        /* This one is about the file and not the system's words. */
        if (error == -EBADMSG)
                log_warning(0, "'%s': %s, ignoring the rest", path, failed);
        else
                log_warning(error, "'%s': %s, ignoring: %m", path, failed);
}

static int read_files(struct request *q, int n, char *paths[])
{
        _cleanup_(documents_done) struct documents d;
        int r;

        r = documents_open(&d, add_document, q);
        for (int i = 0; r >= 0 && i < n; i++)
                r = input_read(paths[i], &d, say_input_error, NULL);
        return r < 0 ? r : fleet_sort(&q->fleet);
}

/* A file is replaced as a whole; anything else, such as a pipe or a terminal, is written to. */
static int write_file(const char *path, const char *text, size_t size)
{
        struct stat st;
        FILE *f;

        if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
                return write_file_at(AT_FDCWD, path, text, size, 0644);
        f = fopen(path, "we");
        if (!f)
                return -errno;
        for (size_t i = 0; i < size; i++)
                (void) putc(text[i], f); /* all of it is escaped */
        return fclose(f) != 0 ? -errno : 0;
}

static int write_page(const struct request *q, const char *path)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return -ENOMEM;
        r = fleet_print_page(&q->fleet, &q->view, f);
        if (memory_stream_close(f, &text) < 0)
                return -ENOMEM;
        return r < 0 ? r : write_file(path, text, size);
}

static int print_fleet(const struct request *q)
{
        const struct options *o = &q->options;
        size_t n_left;

        if (o->html)
                return write_page(q, o->html);
        if (o->json)
                return fleet_print_json(&q->fleet, &q->view, o->json, stdout);
        if (o->csv)
                return fleet_print_csv(&q->fleet, &q->view, stdout);
        if (!o->hosts)
                return fleet_print_text(&q->fleet, &q->view, stdout);
        n_left = fleet_print_hosts(&q->fleet, o->hosts, stdout);
        if (n_left > 0)
                log_warning(0, "Leaving out %zu of the hosts, whose names are not names of hosts", n_left);
        return 0;
}

/* Returns an exit code. */
static int show_fleet(const struct request *q)
{
        const struct options *o = &q->options;
        int r;

        if (q->fleet.n_hosts == 0) {
                log_error(0, "There is no report among the %zu document%s that were read", q->n_documents,
                          q->n_documents == 1 ? "" : "s");
                return CTL_FAILED;
        }
        r = print_fleet(q);
        if (r == -EINVAL && o->output) {
                size_t n;
                const struct column *columns = fleet_columns(&q->view, &n);

                return columns_refuse(o->output, columns, n);
        }
        if (r == 0 && fflush(stdout) != 0)
                r = -errno;
        if (r < 0 && o->html)
                log_error(r, "Failed to write '%s': %m", o->html);
        else if (r < 0)
                log_error(r, "Failed to print the fleet: %m");
        if (r < 0)
                return CTL_FAILED;
        return fleet_total(&q->fleet).severity >= o->fail_on ? CTL_FOUND : CTL_OK;
}

int verb_fleet(int argc, char *argv[])
{
        struct request q = {};
        const struct column *columns;
        int first, code, r;
        size_t n;

        first = parse_request(&q, argc, argv);
        if (first < 0)
                return -first;
        columns = fleet_columns(&q.view, &n);
        if (columns_print_help(q.options.output, columns, n))
                return CTL_OK;
        if (first == argc) {
                print_line(stderr, "vfioalignctl: fleet needs a file, a directory or -; see vfioalignctl "
                                   "fleet --help");
                return CTL_USAGE;
        }
        r = fleet_open(&q.fleet);
        if (r == 0)
                r = read_files(&q, argc - first, argv + first);
        if (r < 0)
                log_error(r, "Failed to read the reports: %m");
        code = r < 0 ? CTL_FAILED : show_fleet(&q);
        fleet_done(&q.fleet);
        return code;
}
