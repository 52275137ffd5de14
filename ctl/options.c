/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <getopt.h>

#include "ctl.h"
#include "util/log.h"
#include "util/macro.h"

static const struct {
        enum option_flags flag;
        struct option option;
} known[] = {
        { OPTION_JSON, { "json", no_argument, NULL, 'j' } },
        { OPTION_ROOT, { "root", required_argument, NULL, 'r' } },
        { OPTION_FAIL_ON, { "fail-on", required_argument, NULL, 'f' } },
        { OPTION_OUTPUT, { "output", required_argument, NULL, 'o' } },
        { OPTION_DEEP, { "deep", no_argument, NULL, 'd' } },
        { OPTION_AREA, { "area", required_argument, NULL, 'a' } },
        { OPTION_FORCE, { "force", no_argument, NULL, 'F' } },
        { OPTION_YES, { "yes", no_argument, NULL, 'y' } },
        { OPTION_DRY_RUN, { "dry-run", no_argument, NULL, 'n' } },
        { OPTION_DRIVER, { "driver", required_argument, NULL, 'D' } },
        { OPTION_CONNECT, { "connect", required_argument, NULL, 'c' } },
        { OPTION_EMULATOR, { "emulator", required_argument, NULL, 'e' } },
};

static int apply(struct options *o, int c)
{
        switch (c) {
        case 'j':
                o->json = true;
                return 0;
        case 'r':
                o->root = optarg;
                return 0;
        case 'f':
                o->fail_on = severity_from_string(optarg);
                if (o->fail_on >= 0)
                        return 0;
                fprintf(stderr, "vfioalignctl: --fail-on %s: wanted info, notice, warning or error\n",
                        optarg);
                return -CTL_USAGE;
        case 'o':
                o->output = optarg;
                return 0;
        case 'd':
                o->deep = true;
                return 0;
        case 'a':
                o->area = optarg;
                return 0;
        case 'F':
                o->force = true;
                return 0;
        case 'y':
                o->yes = true;
                return 0;
        case 'n':
                o->dry_run = true;
                return 0;
        case 'D':
                o->driver = optarg;
                return 0;
        case 'c':
                o->connect = optarg;
                return 0;
        case 'e':
                o->emulator = optarg;
                return 0;
        default:
                return -CTL_USAGE; /* getopt_long() has said why */
        }
}

int options_parse(int argc, char *argv[], unsigned accepted, int min_words, int max_words,
                  struct options *ret)
{
        struct option options[ELEMENTSOF(known) + 1] = {};
        struct options o = { .fail_on = _SEVERITY_MAX };
        char letters[8] = "";
        size_t n = 0;
        int c, r;

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (accepted & known[i].flag)
                        options[n++] = known[i].option;
        if (accepted & OPTION_JSON)
                strcat(letters, "j");
        if (accepted & OPTION_OUTPUT)
                strcat(letters, "o:");

        while ((c = getopt_long(argc, argv, letters, options, NULL)) >= 0) {
                r = apply(&o, c);
                if (r < 0)
                        return r;
        }
        if (argc - optind > max_words) {
                fprintf(stderr, "vfioalignctl: %s takes no argument '%s'\n", argv[0],
                        argv[optind + max_words]);
                return -CTL_USAGE;
        }
        if (argc - optind < min_words) {
                fprintf(stderr, "vfioalignctl: %s wants an argument; see vfioalignctl --help\n", argv[0]);
                return -CTL_USAGE;
        }
        *ret = o;
        return optind;
}

void warn_of_config(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        (void) userdata;
        if (fatal)
                log_warning(
                        0, line ? "/%s:%u: %s; going by the defaults" : "/%s:%.0u %s; going by the defaults",
                        file, line, what);
}
