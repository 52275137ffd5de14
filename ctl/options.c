/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <stddef.h>

#include "ctl.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/parse.h"
#include "util/print.h"

/* How an option's argument becomes the member: 0, or -CTL_USAGE with the reason printed. */
typedef int (*parse_option_t)(const char *argument, void *member);

static int parse_flag(const char *argument, void *member)
{
        (void) argument;
        *(bool *) member = true;
        return 0;
}

/* --json, or --json=pretty|short */
static int parse_json(const char *argument, void *member)
{
        enum json_style style = JSON_PRETTY;

        if (argument && streq(argument, "short"))
                style = JSON_SHORT;
        else if (argument && !streq(argument, "pretty")) {
                print_line(stderr, "vfioalignctl: --json=%s: expected pretty or short", argument);
                return -CTL_USAGE;
        }
        *(enum json_style *) member = style;
        return 0;
}

static int parse_text(const char *argument, void *member)
{
        *(const char **) member = argument;
        return 0;
}

static int parse_severity(const char *argument, void *member)
{
        enum severity severity = severity_from_string(argument);

        if (severity < 0) {
                print_line(stderr, "vfioalignctl: --fail-on %s: expected info, notice, warning or error",
                           argument);
                return -CTL_USAGE;
        }
        *(enum severity *) member = severity;
        return 0;
}

/* A number that is not 0. */
static int parse_number(const char *option, const char *expected, const char *argument, uint32_t *ret)
{
        uint64_t n;

        if (parse_u64(argument, 10, &n) < 0 || n == 0 || n > INT32_MAX) {
                print_line(stderr, "vfioalignctl: %s %s: expected %s", option, argument, expected);
                return -CTL_USAGE;
        }
        *ret = (uint32_t) n;
        return 0;
}

static int parse_pid(const char *argument, void *member)
{
        return parse_number("--pid", "the number of a process", argument, member);
}

static int parse_seconds(const char *argument, void *member)
{
        return parse_number("--for", "a number of seconds", argument, member);
}

static const struct option_row {
        enum option_flags flag;
        const char *name;
        char letter; /* 0: there is no short form */
        parse_option_t parse;
        size_t offset; /* of the member in struct options */
} option_rows[] = {
        { OPTION_JSON, "json", 'j', parse_json, offsetof(struct options, json) },
        { OPTION_ROOT, "root", 0, parse_text, offsetof(struct options, root) },
        { OPTION_HOST, "host", 0, parse_text, offsetof(struct options, host) },
        { OPTION_FAIL_ON, "fail-on", 0, parse_severity, offsetof(struct options, fail_on) },
        { OPTION_OUTPUT, "output", 'o', parse_text, offsetof(struct options, output) },
        { OPTION_DEEP, "deep", 0, parse_flag, offsetof(struct options, deep) },
        { OPTION_AREA, "area", 0, parse_text, offsetof(struct options, area) },
        { OPTION_FORCE, "force", 0, parse_flag, offsetof(struct options, force) },
        { OPTION_YES, "yes", 0, parse_flag, offsetof(struct options, yes) },
        { OPTION_DRY_RUN, "dry-run", 0, parse_flag, offsetof(struct options, dry_run) },
        { OPTION_DRIVER, "driver", 0, parse_text, offsetof(struct options, driver) },
        { OPTION_CONNECT, "connect", 0, parse_text, offsetof(struct options, connect) },
        { OPTION_EMULATOR, "emulator", 0, parse_text, offsetof(struct options, emulator) },
        { OPTION_GUEST, "guest", 0, parse_flag, offsetof(struct options, guest) },
        { OPTION_PID, "pid", 0, parse_pid, offsetof(struct options, pid) },
        { OPTION_SVG, "svg", 0, parse_text, offsetof(struct options, svg) },
        { OPTION_PERSISTENT, "persistent", 0, parse_flag, offsetof(struct options, persistent) },
        { OPTION_FOR, "for", 0, parse_seconds, offsetof(struct options, seconds) },
};

/* What it makes of an argument: no_argument, required_argument, or optional_argument, which only "=" gives.
 */
static int argument_of(const struct option_row *row)
{
        if (row->parse == parse_flag)
                return no_argument;
        return row->parse == parse_json ? optional_argument : required_argument;
}

/* What getopt_long() takes, of the rows that the verb accepts. It returns the number of the row, also for a
 * short form; letters are above those numbers. */
struct getopt_tables {
        struct option options[ELEMENTSOF(option_rows) + 1];
        char letters[1 + 2 * ELEMENTSOF(option_rows) + 1];
};

static struct getopt_tables getopt_tables_make(unsigned accepted)
{
        struct getopt_tables t = { .letters = ":" }; /* what is wrong is ours to say */
        size_t n = 0, k = 1;

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++) {
                const struct option_row *row = &option_rows[i];
                int argument = argument_of(row);

                if (!(accepted & row->flag))
                        continue;
                t.options[n++] = (struct option){ row->name, argument, NULL, (int) i };
                if (row->letter)
                        t.letters[k++] = row->letter;
                if (row->letter && argument == required_argument)
                        t.letters[k++] = ':';
        }
        return t;
}

bool option_takes_next(const char *word)
{
        assert(word);

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++) {
                const struct option_row *row = &option_rows[i];
                const char *name = startswith(word, "--");

                if (argument_of(row) != required_argument)
                        continue;
                if (name ? streq(name, row->name) : word[0] == '-' && word[1] == row->letter && !word[2])
                        return true;
        }
        return false;
}

/* "--json=1" */
static bool gives_value_to_flag(const char *word)
{
        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++) {
                const char *name = startswith(word, "--"),
                           *rest = name ? startswith(name, option_rows[i].name) : NULL;

                if (rest && *rest == '=' && option_rows[i].parse == parse_flag)
                        return true;
        }
        return false;
}

/* What is wrong where getopt_long() returned c. */
static void print_wrong_option(int c, const char *verb, const char *word)
{
        char letter[3] = { '-', (char) optopt };

        /* Of several letters in one word, optopt is the one; it is the number of a row where it is not one.
         */
        if (!startswith(word, "--") && optopt > ' ')
                word = letter;
        if (c == ':')
                print_line(stderr, "vfioalignctl: %s: option '%s' requires an argument", verb, word);
        else if (gives_value_to_flag(word))
                print_line(stderr, "vfioalignctl: %s: option '%s' takes no argument", verb, word);
        else
                print_line(stderr, "vfioalignctl: %s: unrecognized option '%s'; see vfioalignctl %s --help",
                           verb, word, verb);
}

/* c: what getopt_long() returned. NULL: no option that it knows. */
static const struct option_row *find_row(int c)
{
        if (c < (int) ELEMENTSOF(option_rows))
                return &option_rows[c];
        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++)
                if (option_rows[i].letter == c)
                        return &option_rows[i];
        return NULL;
}

int options_parse(int argc, char *argv[], unsigned accepted, int min_words, int max_words,
                  struct options *ret)
{
        struct getopt_tables tables = getopt_tables_make(accepted);
        struct options o = { .fail_on = _SEVERITY_MAX };
        int c, r;

        assert(argc > 0);
        assert(ret);

        while ((c = getopt_long(argc, argv, tables.letters, tables.options, NULL)) >= 0) {
                const struct option_row *row = find_row(c);

                if (!row) {
                        print_wrong_option(c, argv[0], argv[optind - 1]);
                        return -CTL_USAGE;
                }
                r = row->parse(optarg, (char *) &o + row->offset);
                if (r < 0)
                        return r;
        }
        if (argc - optind > max_words) {
                print_line(stderr, "vfioalignctl: %s takes no argument '%s'", argv[0],
                           argv[optind + max_words]);
                return -CTL_USAGE;
        }
        if (argc - optind < min_words) {
                print_line(stderr, "vfioalignctl: %s needs an argument; see vfioalignctl --help", argv[0]);
                return -CTL_USAGE;
        }
        *ret = o;
        return optind;
}

void warn_of_config(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        char place[16] = "";

        (void) userdata;
        if (!fatal)
                return;
        if (line > 0)
                snprintf(place, sizeof(place), ":%u", line);
        log_warning(0, "/%s%s: %s; going by the defaults", file, place, what);
}
