/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <stddef.h>

#include "ctl.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/near.h"
#include "util/parse.h"
#include "util/print.h"
#include "util/terminal.h"

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

static int parse_format(const char *argument, void *member)
{
        if (!streq(argument, "nagios") && !streq(argument, "checkmk")) {
                print_line(stderr, "vfioalignctl: --format %s: expected nagios or checkmk", argument);
                return -CTL_USAGE;
        }
        *(bool *) member = streq(argument, "checkmk");
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
                struct near near = { .word = argument };
                near_t question;

                for (enum severity i = 0; i < _SEVERITY_MAX; i++)
                        near_offer(&near, severity_to_string(i));
                print_line(stderr, "vfioalignctl: --fail-on %s: expected info, notice, warning or error%s",
                           argument, near_question(&near, question));
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

#define WATCH_SECONDS 2

static int parse_watch(const char *argument, void *member)
{
        if (argument)
                return parse_number("--watch", "a number of seconds", argument, member);
        *(uint32_t *) member = WATCH_SECONDS;
        return 0;
}

static int parse_color(const char *argument, void *member)
{
        static const char *const modes[] = {
                [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"
        };

        (void) member;
        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (streq(argument, modes[i])) {
                        terminal_set_color((enum color_mode) i);
                        return 0;
                }
        print_line(stderr, "vfioalignctl: --color %s: expected auto, always or never", argument);
        return -CTL_USAGE;
}

static const struct option_row {
        enum option_flags flag;
        const char *name;
        char letter; /* 0: there is no short form */
        parse_option_t parse;
        size_t offset; /* of the member in struct options */
        const char *argument, *help;
} option_rows[] = {
        { OPTION_JSON, "json", 'j', parse_json, offsetof(struct options, json), "STYLE",
          "print JSON; STYLE: pretty, or short for one line" },
        { OPTION_ROOT, "root", 0, parse_text, offsetof(struct options, root), "HOST",
          "read a recorded host: a directory or an archive" },
        { OPTION_HOST, "host", 0, parse_text, offsetof(struct options, host), "NAME",
          "the name of the host in the report" },
        { OPTION_FAIL_ON, "fail-on", 0, parse_severity, offsetof(struct options, fail_on), "SEVERITY",
          "exit with 3 at a finding this severe or worse" },
        { OPTION_OUTPUT, "output", 'o', parse_text, offsetof(struct options, output), "COLUMNS",
          "show these columns: NAME,NAME; help lists them" },
        { OPTION_FILE, "output", 'o', parse_text, offsetof(struct options, output), "FILE",
          "write this file instead of standard output" },
        { OPTION_FORMAT, "format", 0, parse_format, offsetof(struct options, checkmk), "FORMAT",
          "for whom the line is: nagios, or checkmk" },
        { OPTION_DEEP, "deep", 0, parse_flag, offsetof(struct options, deep), NULL,
          "run each emulator, and observe how it places BARs" },
        { OPTION_AREA, "area", 0, parse_text, offsetof(struct options, area), "BAR:OFFSET+LENGTH",
          "explain a part of one BAR" },
        { OPTION_FORCE, "force", 0, parse_flag, offsetof(struct options, force), NULL,
          "go on where that can be overridden" },
        { OPTION_YES, "yes", 0, parse_flag, offsetof(struct options, yes), NULL, "do not ask" },
        { OPTION_DRY_RUN, "dry-run", 0, parse_flag, offsetof(struct options, dry_run), NULL,
          "show what would be written, and write nothing" },
        { OPTION_DRIVER, "driver", 0, parse_text, offsetof(struct options, driver), "NAME",
          "the driver to bind to, or to return to" },
        { OPTION_CONNECT, "connect", 0, parse_text, offsetof(struct options, connect), "URI",
          "libvirt's connection" },
        { OPTION_EMULATOR, "emulator", 0, parse_text, offsetof(struct options, emulator), "PATH",
          "the QEMU for the fix emulator" },
        { OPTION_GUEST, "guest", 0, parse_flag, offsetof(struct options, guest), NULL,
          "explain the guest of this name, and nothing else" },
        { OPTION_PID, "pid", 0, parse_pid, offsetof(struct options, pid), "PID", "the process" },
        { OPTION_SVG, "svg", 0, parse_text, offsetof(struct options, svg), "FILE",
          "write an image as well" },
        { OPTION_PERSISTENT, "persistent", 0, parse_flag, offsetof(struct options, persistent), NULL,
          "also after the next boot" },
        { OPTION_ALL, "all", 0, parse_flag, offsetof(struct options, all), NULL,
          "also what neither VFIO nor a guest has" },
        { OPTION_FULL, "full", 0, parse_flag, offsetof(struct options, full), NULL,
          "also the facts about the host" },
        { OPTION_FOR, "for", 0, parse_seconds, offsetof(struct options, seconds), "SECONDS",
          "watch for so long" },
        { OPTION_CSV, "csv", 0, parse_flag, offsetof(struct options, csv), NULL,
          "print CSV, with bytes and plain numbers" },
        { OPTION_HTML, "html", 0, parse_text, offsetof(struct options, html), "FILE",
          "write a page for a browser instead" },
        { OPTION_HOSTS, "hosts", 0, parse_text, offsetof(struct options, hosts), "NEED",
          "print only the names of hosts with it" },
        { OPTION_BY, "by", 0, parse_text, offsetof(struct options, by), "WORDS",
          "group by these instead of the need" },
        { OPTION_MAX_AGE, "max-age", 0, parse_text, offsetof(struct options, max_age), "TIME",
          "leave out reports that are older" },
        { OPTION_NO_HEADINGS, "no-headings", 0, parse_flag, offsetof(struct options, no_headings), NULL,
          "print the table without its headings" },
        { OPTION_WATCH, "watch", 0, parse_watch, offsetof(struct options, watch), "SECONDS",
          "look again every 2 or SECONDS s, until Ctrl-C" },
        { OPTION_COLOR, "color", 0, parse_color, 0, "WHEN", "use colours: auto, always or never" },
        { OPTION_NO_PAGER, "no-pager", 0, parse_flag, offsetof(struct options, no_pager), NULL,
          "do not show long output in a pager" },
};

/* As getopt_long() names it. */
static int argument_kind(const struct option_row *row)
{
        if (row->parse == parse_flag)
                return no_argument;
        return row->parse == parse_json || row->parse == parse_watch ? optional_argument : required_argument;
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

                if (!(accepted & row->flag))
                        continue;
                t.options[n++] = (struct option){ row->name, argument_kind(row), NULL, (int) i };
                if (row->letter)
                        t.letters[k++] = row->letter;
                if (row->letter && argument_kind(row) == required_argument)
                        t.letters[k++] = ':';
        }
        return t;
}

/* word: an option as it is given: "--output", "-o". */
static bool is_called(const struct option_row *row, const char *word)
{
        const char *name = startswith(word, "--");

        return name ? streq(name, row->name) : word[0] == '-' && word[1] == row->letter && !word[2];
}

bool option_takes_next(const char *word)
{
        assert(word);

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++)
                if (is_called(&option_rows[i], word))
                        return argument_kind(&option_rows[i]) == required_argument;
        return false;
}

const char *verb_arguments_skip_options(const char *arguments)
{
        assert(arguments);

        while (startswith(arguments, "[--")) {
                const char *end = strstr(arguments, "] ");

                arguments = end ? end + strlen("] ") : "";
        }
        return arguments;
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

/* "--jsn=1" of options: what may have been meant, else where to read on. The buffers hold what is pointed
 * to.
 */
static const char *guess_option(const struct getopt_tables *tables, const char *verb, const char *word,
                                near_t buffer)
{
        char names[ELEMENTSOF(option_rows)][24], name[24];
        struct near near = { .word = name };

        snprintf(name, sizeof(name), "%.*s", (int) strcspn(word, "="), word);
        for (size_t i = 0; tables->options[i].name; i++) {
                snprintf(names[i], sizeof(names[i]), "--%s", tables->options[i].name);
                near_offer(&near, names[i]);
        }
        if (!*near_question(&near, buffer))
                snprintf(buffer, sizeof(near_t), "; see vfioalignctl %s --help", verb);
        return buffer;
}

/* What is wrong where getopt_long() returned c. */
static void print_wrong_option(const struct getopt_tables *tables, int c, const char *verb, const char *word)
{
        char letter[3] = { '-', (char) optopt };
        near_t guess;

        /* Of several letters in one word, optopt is the one; it is the number of a row where it is not one.
         */
        if (!startswith(word, "--") && optopt > ' ')
                word = letter;
        if (c == ':')
                print_line(stderr, "vfioalignctl: %s: option '%s' requires an argument", verb, word);
        else if (gives_value_to_flag(word))
                print_line(stderr, "vfioalignctl: %s: option '%s' takes no argument", verb, word);
        else
                print_line(stderr, "vfioalignctl: %s: unrecognized option '%s'%s", verb, word,
                           guess_option(tables, verb, word, guess));
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
        struct getopt_tables tables = getopt_tables_make(accepted | OPTIONS_COMMON);
        struct options o = { .fail_on = _SEVERITY_MAX };
        int c, r;

        assert(argc > 0);
        assert(ret);

        while ((c = getopt_long(argc, argv, tables.letters, tables.options, NULL)) >= 0) {
                const struct option_row *row = find_row(c);

                if (!row) {
                        print_wrong_option(&tables, c, argv[0], argv[optind - 1]);
                        return -CTL_USAGE;
                }
                r = row->parse(optarg, (char *) &o + row->offset);
                if (r < 0)
                        return r;
        }
        if (o.json && o.watch > 0)
                o.json = JSON_SHORT;
        if (o.csv && (o.json || o.watch > 0)) {
                print_line(stderr, "vfioalignctl: %s: --csv goes neither with --json nor with --watch",
                           argv[0]);
                return -CTL_USAGE;
        }
        if (argc - optind > max_words) {
                print_line(stderr, "vfioalignctl: %s takes no argument '%s'", argv[0],
                           argv[optind + max_words]);
                return -CTL_USAGE;
        }
        if (argc - optind < min_words) {
                print_line(stderr, "vfioalignctl: %s needs an argument; see vfioalignctl %s --help", argv[0],
                           argv[0]);
                return -CTL_USAGE;
        }
        *ret = o;
        return optind;
}

/* Whether the verb takes the option. */
static bool is_named(const char *arguments, const struct option_row *row)
{
        char name[32];
        const char *found;
        size_t n;

        if (row->flag & OPTIONS_COMMON)
                return true;
        n = (size_t) snprintf(name, sizeof(name), "--%s", row->name);
        for (found = arguments; (found = strstr(found, name)); found += n) {
                if (strchr("]=[|", found[n]))
                        return true;
                /* One name can stand for two options, with an argument of another kind each. */
                if (found[n] == ' ' && (!row->argument || startswith(found + n + 1, row->argument)))
                        return true;
        }
        return false;
}

const char *option_argument(const char *word, const char *arguments)
{
        assert(word);
        assert(arguments);

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++)
                if (is_called(&option_rows[i], word) && is_named(arguments, &option_rows[i]))
                        return option_rows[i].argument;
        return NULL;
}

void options_print_help(const char *arguments, FILE *out)
{
        assert(arguments);
        assert(out);

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++) {
                const struct option_row *row = &option_rows[i];
                char letter[] = "  ", text[64];

                if (!is_named(arguments, row))
                        continue;
                if (row->letter)
                        memcpy(letter, (char[]){ '-', row->letter }, 2);
                if (argument_kind(row) == optional_argument)
                        snprintf(text, sizeof(text), "--%s[=%s]", row->name, row->argument);
                else
                        snprintf(text, sizeof(text), "--%s %s", row->name, row->argument ?: "");
                print_line(out, "  %s %-24s %s", letter, text, row->help ?: "");
        }
        print_line(out, "  -h %-24s show this", "--help");
}

void options_offer(const char *arguments, void (*offer)(const char *name, const char *help, void *userdata),
                   void *userdata)
{
        assert(arguments);

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++) {
                char name[32];

                if (!is_named(arguments, &option_rows[i]))
                        continue;
                snprintf(name, sizeof(name), "--%s", option_rows[i].name);
                offer(name, option_rows[i].help ?: "", userdata);
        }
        offer("--help", "show what the verb takes", userdata);
}

void warn_of_config(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        char place[16] = "";

        (void) userdata;
        if (!fatal)
                return;
        if (line > 0)
                snprintf(place, sizeof(place), ":%u", line);
        log_warning(0, "/%s%s: %s; going by the defaults (vfioalignctl config check)", file, place, what);
}
