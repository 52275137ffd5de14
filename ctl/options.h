/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "audit/finding.h"
#include "report/json.h"

/* The options that several verbs take. */
enum option_flags {
        OPTION_JSON = 1 << 0,
        OPTION_ROOT = 1 << 1,
        OPTION_FAIL_ON = 1 << 2,
        OPTION_OUTPUT = 1 << 3,
        OPTION_DEEP = 1 << 4,
        OPTION_AREA = 1 << 5,
        OPTION_FORCE = 1 << 6,
        OPTION_YES = 1 << 7,
        OPTION_DRY_RUN = 1 << 8,
        OPTION_DRIVER = 1 << 9,
        OPTION_CONNECT = 1 << 10,
        OPTION_EMULATOR = 1 << 11,
        OPTION_GUEST = 1 << 12,
        OPTION_PID = 1 << 13,
        OPTION_FOR = 1 << 14,
        OPTION_SVG = 1 << 15,
        OPTION_PERSISTENT = 1 << 16,
        OPTION_HOST = 1 << 17,
        OPTION_FILE = 1 << 18,
        OPTION_MAX_AGE = 1 << 19,
        OPTION_HOSTS = 1 << 20,
        OPTION_HTML = 1 << 21,
        OPTION_BY = 1 << 22,
        OPTION_FORMAT = 1 << 23,
        OPTION_CSV = 1 << 24,
        OPTION_NO_HEADINGS = 1 << 25,
        OPTION_WATCH = 1 << 26,
        OPTION_COLOR = 1 << 27,
        OPTION_NO_PAGER = 1 << 28,
        OPTION_ALL = 1 << 29,
        OPTION_FULL = 1 << 30,
};

/* What each verb takes. */
#define OPTIONS_COMMON (OPTION_COLOR | OPTION_NO_PAGER)

struct options {
        enum json_style json; /* JSON_NONE: not asked for */
        bool deep, force, yes, dry_run, guest, persistent, csv, no_headings, no_pager, all, full;
        bool checkmk;          /* --format */
        const char *root;      /* NULL: this host */
        const char *html;      /* a file to write; NULL: none */
        const char *hosts;     /* a need; NULL: none */
        const char *by;        /* words; NULL: the usual one */
        const char *max_age;   /* as it was given; NULL: none */
        const char *host;      /* the name to give it; NULL: its own */
        const char *output;    /* columns; NULL: the usual ones */
        const char *area;      /* as it was given; NULL: none */
        const char *driver;    /* the same */
        const char *connect;   /* libvirt's URI; NULL: qemu:///system */
        const char *svg;       /* a file to write; NULL: none */
        const char *emulator;  /* path; NULL: none named */
        uint32_t pid;          /* 0: none named */
        uint32_t seconds;      /* how long; 0: not said */
        uint32_t watch;        /* look again after so many seconds; 0: look once */
        enum severity fail_on; /* _SEVERITY_MAX: no finding reaches it */
};

/* Parses the options of the verb argv[0], which accepts only those of `accepted` and the common ones, and
 * counts its other words. Prints what is wrong. Returns the index of the first word; or the negative of an
 * exit code, with *ret untouched. */
int options_parse(int argc, char *argv[], unsigned accepted, int min_words, int max_words,
                  struct options *ret);

/* Whether the word is an option whose value is the next word. */
bool option_takes_next(const char *word);

/* What an option's argument is called, as in "COLUMNS", where a verb with these arguments (verbs.h) takes
 * it. NULL: the verb does not take the option, or the option takes none. */
const char *option_argument(const char *word, const char *arguments);

/* The arguments of a verb (verbs.h) without its options, which come first. */
const char *verb_arguments_skip_options(const char *arguments);

/* Prints a line for each option that a verb takes. arguments: its row in verbs.h names them. */
void options_print_help(const char *arguments, FILE *out);

/* Calls offer() for each option that a verb takes: its name with "--", and its line of help. */
void options_offer(const char *arguments, void (*offer)(const char *name, const char *help, void *userdata),
                   void *userdata);

/* For config_read(), by verbs that go on with the defaults. */
void warn_of_config(const char *file, unsigned line, bool fatal, const char *what, void *userdata);
