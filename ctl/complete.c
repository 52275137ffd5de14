/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfioalignctl complete WORD...: what the last word can become, for the completion of each shell. The words
 * are those behind "vfioalignctl" on the command line. Each line is a word, a tab, and what it means; or
 * "files" alone where a file is to be named. What the words can be follows from verbs.h and options.c, so no
 * shell has a list of its own. It only reads, and says nothing about what it cannot read. */
#include <fcntl.h>

#include "audit/need.h"
#include "columns.h"
#include "config/fix-id.h"
#include "ctl.h"
#include "facts/device/device-name.h"
#include "facts/guest/facts-libvirt.h"
#include "fleet/fleet.h"
#include "options.h"
#include "report/filter.h"
#include "util/escape.h"
#include "util/macro.h"
#include "util/print.h"
#include "verbs.h"

#define VERB_ROW(name, arguments, help, program, function) { name, arguments, help },
static const struct {
        const char *name, *arguments, *help;
} verbs[] = { VERBS(VERB_ROW) };

struct completion {
        char **words; /* those before the one that is completed */
        size_t n_words;
        const char *begun; /* what there is of it */
        const char
                *before; /* in front of each answer: "--fail-on=", or the columns that are there already */
        size_t n_before;
        const char *root; /* a recorded host; NULL: this one */
        bool has_files;   /* these were offered */
        size_t verb;      /* number of the row; ELEMENTSOF(verbs): there is none yet */
        size_t n_arguments;
        char **arguments; /* the words of the verb that are no options, before this one */
};

/* Prints the word if it goes on from what has begun. A name with line breaks and the like is left out. */
static void offer_word(const char *word, const char *help, void *userdata)
{
        const struct completion *c = userdata;

        if (!startswith(word, c->begun) || escape_is_needed(word))
                return;
        print(stdout, "%.*s%s", (int) c->n_before, c->before, word);
        fputc('\t', stdout);
        print_line(stdout, "%s", help);
}

/* An argument can be a file or a directory, which is the same to a shell. */
static void offer_files(struct completion *c)
{
        if (!c->has_files)
                fputs("files\n", stdout);
        c->has_files = true;
}

static void offer_verbs(struct completion *c)
{
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].help)
                        offer_word(verbs[i].name, verbs[i].help, c);
}

static bool is_given(const struct completion *c, const char *bdf)
{
        bdf_t spelt;

        for (size_t i = 0; i < c->n_arguments; i++)
                if (bdf_parse(c->arguments[i], spelt) >= 0 && streq(spelt, bdf))
                        return true;
        return false;
}

/* Without its domain only where it was begun that way. */
static void offer_addresses(struct completion *c)
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        struct device_facts d = {};

        if (root_open(&root, c->root) < 0)
                return;
        if (device_facts_read_bindings(&d, &root, NULL) >= 0) {
                (void) device_names_read(&d, &root);
                for (size_t i = 0; i < d.n_devices; i++) {
                        const char *bdf = d.devices[i].bdf, *text = filter_short_address(bdf),
                                   *help = d.devices[i].name ?: d.devices[i].driver ?: "PCI function";

                        if (is_given(c, bdf))
                                continue;
                        offer_word(bdf, help, c);
                        if (*c->begun && text != bdf && !startswith(bdf, c->begun))
                                offer_word(text, help, c);
                }
        }
        device_facts_done(&d);
}

/* For who may ask libvirt, and may not read its files. */
static void offer_guests_of_virsh(struct completion *c)
{
        FILE *names = popen("exec virsh -rq list --all --name 2>/dev/null </dev/null", "re");
        char line[512];

        if (!names)
                return;
        while (fgets(line, sizeof(line), names)) {
                line[strcspn(line, "\n")] = '\0';
                if (*line)
                        offer_word(line, "guest", c);
        }
        pclose(names);
}

static void offer_guests(struct completion *c)
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        struct libvirt_facts l = {};

        if (root_open(&root, c->root) < 0)
                return;
        if (libvirt_facts_read(&l, &root) >= 0) {
                for (size_t i = 0; i < l.n_guests; i++)
                        offer_word(l.guests[i].xml.name, l.guests[i].running ? "running guest" : "guest", c);
                if (l.n_guests == 0 && root.live)
                        offer_guests_of_virsh(c);
        }
        libvirt_facts_done(&l);
}

static void offer_findings(struct completion *c)
{
        for (enum finding_id id = 0; id < _FINDING_MAX; id++)
                offer_word(finding_to_string(id), finding_type(id)->text, c);
}

static void offer_fixes(struct completion *c)
{
        bool of_guest = c->verb < ELEMENTSOF(verbs) && streq(verbs[c->verb].name, "guest");

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (!of_guest || FIXES_OF_GUEST & FIX_BIT(id))
                        offer_word(fix_id_to_string(id), fix_type(id)->does, c);
}

static void offer_severities(struct completion *c)
{
        for (enum severity s = 0; s < _SEVERITY_MAX; s++)
                offer_word(severity_to_string(s), "", c);
}

static void offer_colors(struct completion *c)
{
        offer_word("auto", "on a terminal", c);
        offer_word("always", "", c);
        offer_word("never", "", c);
}

static void offer_formats(struct completion *c)
{
        offer_word("nagios", "and all who run its plugins", c);
        offer_word("checkmk", "a local check", c);
}

/* The names of a directory, such as the drivers. */
static void offer_names(struct completion *c, const char *path, bool (*wanted)(const char *name))
{
        _cleanup_(names_done) struct names names = {};

        if (list_dir_at(AT_FDCWD, path, &names) < 0)
                return;
        for (size_t i = 0; i < names.n; i++)
                if (wanted(names.names[i]))
                        offer_word(names.names[i], "", c);
}

static bool is_process(const char *name)
{
        return *name && strspn(name, "0123456789") == strlen(name);
}

static void offer_processes(struct completion *c)
{
        offer_names(c, "/proc", is_process);
}

static void offer_drivers(struct completion *c)
{
        offer_word("auto", "the one that fits best", c);
        offer_names(c, "/sys/bus/pci/drivers", driver_name_is_valid);
}

/* Of a list with commas, the last word is completed. */
static void begin_last(struct completion *c)
{
        const char *comma = strrchr(c->begun, ',');

        if (!comma || c->n_before > 0)
                return;
        c->before = c->begun;
        c->n_before = (size_t) (comma + 1 - c->begun);
        c->begun = comma + 1;
}

static void offer_columns(struct completion *c)
{
        const struct column *columns;
        size_t n = 0;

        if (c->verb == ELEMENTSOF(verbs))
                return;
        columns = columns_of_verb(verbs[c->verb].name, &n);
        if (!strchr(c->begun, ','))
                offer_word("help", "list all columns", c);
        begin_last(c);
        for (size_t i = 0; i < n; i++)
                offer_word(columns[i].name, columns[i].help ?: "", c);
}

static void offer_needs(struct completion *c)
{
        for (enum need_id need = 0; need < _NEED_MAX; need++)
                offer_word(need_to_string(need), "", c);
}

static void offer_host_words(struct completion *c)
{
        begin_last(c);
        for (enum host_word word = 0; word < _HOST_WORD_MAX; word++)
                offer_word(host_word_to_string(word), "", c);
        offer_word("host", "", c);
}

/* What an argument in capitals stands for. Others are for the user to think of. */
static void offer_kind(struct completion *c, const char *kind)
{
        static const struct {
                const char *kind;
                void (*offer)(struct completion *c);
        } kinds[] = {
                { "ADDRESS", offer_addresses }, { "GUEST", offer_guests },
                { "NAME", offer_guests },       { "FINDING", offer_findings },
                { "FIX", offer_fixes },         { "PROCESS", offer_processes },
                { "PID", offer_processes },     { "DRIVER", offer_drivers },
                { "COLUMNS", offer_columns },   { "SEVERITY", offer_severities },
                { "WHEN", offer_colors },       { "FORMAT", offer_formats },
                { "WORDS", offer_host_words },  { "NEED", offer_needs },
        };
        static const char *const files[] = { "FILE", "HOST", "PATH", "DIRECTORY" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (streq(kind, files[i]))
                        offer_files(c);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(kind, kinds[i].kind))
                        kinds[i].offer(c);
}

/* "[list|plan]", "FINDING|ADDRESS": words, and kinds in capitals. */
static void offer_alternatives(struct completion *c, const char *argument, size_t n)
{
        _cleanup_free_ char *text = strndup(argument, n);
        char *rest = text, *word;

        while ((word = strsep(&rest, "|[]. "))) {
                if (*word >= 'a' && *word <= 'z')
                        offer_word(word, "", c);
                else if (*word)
                        offer_kind(c, word);
        }
}

/* The arguments of the verb stand behind its options, with blanks in between. The last one is again and
 * again where it ends with "...". */
static void offer_arguments(struct completion *c)
{
        const char *argument = verb_arguments_skip_options(verbs[c->verb].arguments);
        size_t n;

        for (size_t i = 0; *argument; i++) {
                n = strcspn(argument, " ");
                if (i == c->n_arguments || (!argument[n] && strstr(argument, "..."))) {
                        offer_alternatives(c, argument, n);
                        return;
                }
                argument += n + (argument[n] == ' ');
        }
}

/* "--fail-on=w", or "w" behind "--fail-on". */
static bool offer_value(struct completion *c)
{
        const char *equals = startswith(c->begun, "--") ? strchr(c->begun, '=') : NULL,
                   *last = c->n_words > 0 ? c->words[c->n_words - 1] : "";
        _cleanup_free_ char *option = NULL;
        const char *kind;

        if (equals)
                option = strndup(c->begun, (size_t) (equals - c->begun));
        else if (option_takes_next(last))
                option = strdup(last);
        if (!option)
                return false;
        kind = option_argument(option, c->verb < ELEMENTSOF(verbs) ? verbs[c->verb].arguments : "");
        if (equals) {
                c->before = c->begun;
                c->n_before = (size_t) (equals + 1 - c->begun);
                c->begun = equals + 1;
        }
        if (streq(option, "--driver"))
                kind = "DRIVER";
        else if (kind && streq(kind, "NAME"))
                kind = NULL; /* of what nobody can know */
        if (kind)
                offer_kind(c, kind);
        return true;
}

/* Finds the verb, its arguments and the host among the words. */
static void read_words(struct completion *c)
{
        bool only_arguments = false;

        c->verb = ELEMENTSOF(verbs);
        for (size_t i = 0; i < c->n_words; i++) {
                char *word = c->words[i];

                if (!only_arguments && *word == '-') {
                        only_arguments = streq(word, "--");
                        if (streq(word, "--root") && i + 1 < c->n_words)
                                c->root = c->words[i + 1];
                        i += option_takes_next(word);
                } else if (c->verb == ELEMENTSOF(verbs)) {
                        for (c->verb = 0; c->verb < ELEMENTSOF(verbs); c->verb++)
                                if (streq(verbs[c->verb].name, word))
                                        break;
                        if (c->verb == ELEMENTSOF(verbs))
                                return;
                } else {
                        c->arguments[c->n_arguments++] = word;
                }
        }
}

int verb_complete(int argc, char *argv[])
{
        _cleanup_free_ char **arguments = calloc((size_t) argc, sizeof(*arguments));
        struct completion c = { .words = argv + 1,
                                .n_words = argc > 1 ? (size_t) argc - 2 : 0,
                                .begun = argc > 1 ? argv[argc - 1] : "",
                                .before = "",
                                .arguments = arguments };

        if (!arguments)
                return CTL_FAILED;
        read_words(&c);
        if (offer_value(&c))
                return CTL_OK;
        if (*c.begun == '-')
                options_offer(c.verb < ELEMENTSOF(verbs) ? verbs[c.verb].arguments : "", offer_word, &c);
        if (*c.begun == '-' && c.n_words == 0)
                offer_word("--version", "show the version", &c);
        if (*c.begun == '-')
                return CTL_OK;
        if (c.verb < ELEMENTSOF(verbs))
                offer_arguments(&c);
        else if (c.n_words == 0 || *c.words[c.n_words - 1] == '-' || c.n_words > 1)
                offer_verbs(&c);
        return CTL_OK;
}
