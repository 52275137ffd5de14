/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>

#include "ctl.h"
#include "report/report.h"
#include "util/log.h"
#include "util/macro.h"

static bool arg_json;
static const char *arg_root;
static enum severity arg_fail_on = _SEVERITY_MAX; /* none reaches it */

/* Returns 0, or the negative of an exit code. */
static int parse_argv(int argc, char *argv[])
{
        enum { ARG_ROOT = 0x100, ARG_FAIL_ON };
        static const struct option options[] = {
                {"json", no_argument, NULL, 'j'},
                {"root", required_argument, NULL, ARG_ROOT},
                {"fail-on", required_argument, NULL, ARG_FAIL_ON},
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "j", options, NULL)) >= 0)
                switch (c) {
                case 'j':
                        arg_json = true;
                        break;
                case ARG_ROOT:
                        arg_root = optarg;
                        break;
                case ARG_FAIL_ON:
                        arg_fail_on = severity_from_string(optarg);
                        if (arg_fail_on >= 0)
                                break;
                        fprintf(stderr, "vfioalignctl: --fail-on %s: wanted info, notice, warning or error\n", optarg);
                        return -CTL_USAGE;
                default:
                        return -CTL_USAGE;
                }
        if (optind < argc) {
                fprintf(stderr, "vfioalignctl: %s takes no argument '%s'\n", argv[0], argv[optind]);
                return -CTL_USAGE;
        }
        return 0;
}

static int print(json_object *report, int (*print_text)(json_object *, FILE *))
{
        int r = 0;

        if (arg_json)
                report_print_json(report, stdout);
        else
                r = print_text(report, stdout);
        if (fflush(stdout) != 0)
                r = -errno;
        return r;
}

static int audit(int argc, char *argv[], int (*print_text)(json_object *, FILE *))
{
        struct root root;
        struct host host;
        struct findings findings = {};
        json_object *report = NULL;
        int r;

        r = parse_argv(argc, argv);
        if (r < 0)
                return -r;
        r = root_open(&root, arg_root);
        if (r < 0) {
                log_error(r, "Failed to open %s: %m", arg_root ?: "/");
                return CTL_FAILED;
        }

        r = host_read(&host, &root);
        if (r >= 0)
                r = findings_collect(&findings, &host);
        if (r >= 0)
                r = (report = report_new(&host, &findings)) ? print(report, print_text) : -ENOMEM;
        if (r < 0)
                log_error(r, "Failed to report on the host: %m");
        else if (findings.n_findings > 0 && findings_severity(&findings) >= arg_fail_on)
                r = CTL_FOUND;

        json_object_put(report);
        findings_done(&findings);
        host_done(&host);
        root_close(&root);
        return r < 0 ? CTL_FAILED : r;
}

int verb_audit(int argc, char *argv[])
{
        return audit(argc, argv, report_print_audit);
}

int verb_mappings(int argc, char *argv[])
{
        return audit(argc, argv, report_print_mappings);
}
