/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "manager.h"
#include "util/log.h"

DEFINE_TRIVIAL_CLEANUP(struct manager *, manager_free)

static int parse_argv(int argc, char *argv[])
{
        static const struct option options[] = {
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'V'},
                {"debug", no_argument, NULL, 'd'},
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        puts("vfioalignd [--debug] [--help] [--version]\n\n"
                             "Gives every guest's VFIO devices the largest pages they can have, before it starts.\n"
                             "Started by systemd: systemctl start vfioalignd. See vfioalignd(8).");
                        return 0;
                case 'V':
                        puts("vfioalignd " PROJECT_VERSION);
                        return 0;
                case 'd':
                        log_max_priority = LOG_DEBUG;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                fprintf(stderr, "vfioalignd takes no arguments; see vfioalignd --help\n");
                return -EINVAL;
        }
        return 1;
}

static int run(void)
{
        _cleanup_(manager_freep) struct manager *m = NULL;
        int r;

        log_open_journal(false);
        umask(0022);
        r = manager_new(&m);
        if (r < 0)
                return r;
        r = manager_start(m);
        if (r < 0)
                return r;
        r = sd_event_loop(m->event);
        (void) sd_notify(false, "STOPPING=1");
        return r < 0 ? log_error(r, "The event loop failed: %m") : 0;
}

int main(int argc, char *argv[])
{
        int r = parse_argv(argc, argv);

        if (r <= 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
