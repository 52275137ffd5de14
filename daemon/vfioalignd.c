/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "config/config.h"
#include "facts/kernel/facts-kernel.h"
#include "manager.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/log.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(struct manager *, manager_free)

static void print_help(void)
{
        puts("vfioalignd [--debug] [--record-kernel] [--help] [--version]\n\n"
             "Gives the VFIO devices of every guest the largest pages they can have, before it starts.\n"
             "Started by systemd: systemctl start vfioalignd. See vfioalignd(8).\n\n"
             "Keys of /etc/vfioalignd.conf with their defaults. See vfioalignd.conf(5).");
        config_print_keys(stdout);
}

static int parse_argv(int argc, char *argv[], bool *record)
{
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                { "debug", no_argument, NULL, 'd' },
                { "record-kernel", no_argument, NULL, 'r' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        print_help();
                        return 0;
                case 'V':
                        puts("vfioalignd " PROJECT_VERSION);
                        return 0;
                case 'd':
                        log_max_priority = LOG_DEBUG;
                        break;
                case 'r':
                        *record = true;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                fprintf(stderr, "vfioalignd: unexpected argument '%s'; see vfioalignd --help\n",
                        argv[optind]);
                return -EINVAL;
        }
        return 1;
}

static int record_line(const struct root *root, const char *path, const char *text)
{
        int r = write_file_at(root->fd, path, text, strlen(text), 0644);

        return r < 0 ? log_error(r, "Failed to write '/%s': %m", path) : 0;
}

static int record_exempt(const struct root *root, const struct kernel_facts *k)
{
        if (k->thp_exempt.value == FACT_UNKNOWN)
                return 0;
        return record_line(root, KERNEL_LIVE_EXEMPT_RECORD, fact_value_to_string(k->thp_exempt.value));
}

static int record_probe(const struct root *root, const struct kernel_facts *k)
{
        char text[16];

        if (k->probed_pmd.value == FACT_UNKNOWN || k->probed_pud.value == FACT_UNKNOWN)
                return 0;
        snprintf(text, sizeof(text), "%s %s", fact_value_to_string(k->probed_pmd.value),
                 fact_value_to_string(k->probed_pud.value));
        return record_line(root, KERNEL_PROBE_RECORD, text);
}

static int record_hook(const struct root *root, const struct kernel_facts *k)
{
        if (k->built_with_thp.value == FACT_UNKNOWN)
                return 0;
        return record_line(root, KERNEL_HOOK_RECORD, fact_value_to_string(k->built_with_thp.value));
}

/* Records what the service's sandbox hides of the kernel. It cannot change before the next boot. */
static int record_kernel(void)
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        _cleanup_(kernel_facts_done) struct kernel_facts kernel = {};
        int results[3];
        int r;

        r = root_open(&root, secure_getenv("VFIOALIGN_ROOT"));
        if (r < 0)
                return log_error(r, "Failed to open '/': %m");
        if (exists_at(root.fd, KERNEL_LIVE_EXEMPT_RECORD) && exists_at(root.fd, KERNEL_PROBE_RECORD))
                return 0;
        r = kernel_facts_read(&kernel, &root);
        if (r < 0)
                return log_error(r, "Failed to read the kernel: %m");
        /* Without the one the others are still of use. */
        results[0] = record_exempt(&root, &kernel);
        results[1] = record_probe(&root, &kernel);
        results[2] = record_hook(&root, &kernel);
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                if (results[i] < 0)
                        return results[i];
        return 0;
}

static int run_daemon(void)
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
        /* sd-bus ends the loop where the bus has disconnected us: with 1, or in newer versions with an
         * error. */
        if (r > 0 || r == -ECONNRESET)
                return log_error(-ECONNRESET, "The connection to the system bus was lost, ending");
        return r < 0 ? log_error(r, "Failed to run the event loop: %m") : 0;
}

int main(int argc, char *argv[])
{
        bool record = false;
        int r = parse_argv(argc, argv, &record);

        if (r <= 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        return (record ? record_kernel() : run_daemon()) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
