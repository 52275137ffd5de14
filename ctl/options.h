/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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
};

struct options {
        enum json_style json; /* JSON_NONE: not asked for */
        bool deep, force, yes, dry_run, guest, persistent;
        const char *root;      /* NULL: this host */
        const char *host;      /* the name to give it; NULL: its own */
        const char *output;    /* columns; NULL: the usual ones */
        const char *area;      /* as it was given; NULL: none */
        const char *driver;    /* the same */
        const char *connect;   /* libvirt's URI; NULL: qemu:///system */
        const char *svg;       /* a file to write; NULL: none */
        const char *emulator;  /* path; NULL: none named */
        uint32_t pid;          /* 0: none named */
        uint32_t seconds;      /* how long; 0: not said */
        enum severity fail_on; /* _SEVERITY_MAX: no finding reaches it */
};

/* Parses the options of the verb argv[0], which accepts only those of `accepted`, and counts its other
 * words. Prints what is wrong. Returns the index of the first word; or the negative of an exit code, with
 * *ret untouched. */
int options_parse(int argc, char *argv[], unsigned accepted, int min_words, int max_words,
                  struct options *ret);

/* Whether the word is an option whose value is the next word. */
bool option_takes_next(const char *word);

/* For config_read(), by verbs that go on with the defaults. */
void warn_of_config(const char *file, unsigned line, bool fatal, const char *what, void *userdata);
