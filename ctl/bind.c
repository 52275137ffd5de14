/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>

#include "bind-report.h"
#include "bind-request.h"
#include "bind-worker.h"
#include "bind/worker-reply.h"
#include "bind/worker.h"
#include "config/config.h"
#include "ctl.h"
#include "long-run.h"
#include "options.h"
#include "report/report.h"
#include "report/table.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"
#include "util/switch.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

static void request_done(struct bind_request *q)
{
        free(q->addresses);
        free(q->devices);
        json_object_put(q->report);
}

static int parse_addresses(struct bind_request *q, char *words[])
{
        size_t n = 0;

        while (words[n])
                n++;
        q->addresses = calloc(n, sizeof(*q->addresses));
        q->devices = calloc(n + 1, sizeof(*q->devices));
        if (!q->addresses || !q->devices) {
                log_error(-ENOMEM, "Failed to read the addresses: %m");
                return -CTL_FAILED;
        }
        for (size_t i = 0; i < n; i++) {
                size_t k = 0;

                if (bdf_parse(words[i], q->addresses[q->n_devices]) < 0) {
                        print_line(stderr, "vfioalignctl: '%s' is not a PCI address like 0000:41:00.0",
                                   words[i]);
                        return -CTL_USAGE;
                }
                while (!streq(q->addresses[k], q->addresses[q->n_devices]))
                        k++;
                if (k == q->n_devices) {
                        q->devices[q->n_devices] = q->addresses[q->n_devices];
                        q->n_devices++;
                }
        }
        return 0;
}

static int parse_driver(struct bind_request *q)
{
        const char *driver = q->options.driver;

        if (!driver || streq(driver, "auto"))
                return 0;
        if (!driver_name_is_valid(driver)) {
                print_line(stderr, "vfioalignctl: --driver %s: expected auto or the name of a driver",
                           driver);
                return -CTL_USAGE;
        }
        q->driver = driver;
        return 0;
}

void bind_take_group(json_object *group, void *userdata)
{
        struct bind_request *q = userdata;

        bind_report_add(q->report, group);
        if (!q->options.json && q->error == 0)
                q->error = bind_group_print(group, q->operation == BIND_UNBIND);
}

uint64_t bind_time_limit(const struct root *root)
{
        struct config config = config_default();
        uint64_t usec;

        (void) config_read(&config, root, warn_of_config, NULL);
        usec = config.bind_deadline_usec;
        config_done(&config);
        return usec;
}

static void ignore_group(json_object *group, void *userdata)
{
        (void) userdata;
        json_object_put(group);
}

/* A worker that is killed together with its children leaves groups between the host and VFIO. Another one
 * brings them to one side. */
static void settle_killed(uint64_t timeout_usec)
{
        _cleanup_free_ char *order = worker_order_format(BIND_SETTLE, NULL, 0, NULL, "settle", false, false,
                                                         timeout_usec, 0);

        log_notice("Settling what it left");
        if (!order || bind_worker_run("settle", order, timeout_usec, ignore_group, NULL) < 0)
                log_notice(
                        "What it left on its way is settled when vfioalignd starts, or by the next bind or "
                        "unbind of the same function");
}

int bind_by_worker(struct bind_request *q, const struct root *root)
{
        uint64_t timeout_usec = bind_time_limit(root);
        _cleanup_free_ char *order = worker_order_format(q->operation, q->devices, q->n_devices, q->driver,
                                                         "operator", q->options.dry_run, q->options.force,
                                                         timeout_usec, 0);
        const char *off = switched_off(root);
        int r;

        /* The switch keeps us from taking devices, never from giving them back. */
        if (off && q->operation == BIND_BIND)
                return log_error(-EPERM, "Switched off by %s", off);
        if (!order)
                return log_error(-ENOMEM, "Failed to format the order: %m");
        r = bind_worker_run(bind_operation_to_string(q->operation), order, timeout_usec, bind_take_group, q);
        if (r == -EPIPE && !q->options.dry_run)
                settle_killed(timeout_usec);
        return r;
}

static bool has_result(json_object *groups, const char *bdf)
{
        for (size_t i = 0; i < json_length(groups); i++)
                if (bind_group_has(json_object_array_get_idx(groups, i), bdf))
                        return true;
        return false;
}

/* Every group went well, and every function is in one of them. */
static bool request_succeeded(const struct bind_request *q)
{
        json_object *groups = json_get(q->report, "groups");
        bool good = true;

        for (size_t i = 0; i < json_length(groups); i++)
                if (!bind_outcome_is_good(worker_group_outcome(json_object_array_get_idx(groups, i))))
                        return false; /* a group that failed may not name all of its functions */
        for (size_t i = 0; i < q->n_devices; i++)
                if (!has_result(groups, q->devices[i])) {
                        log_error(0, "No result was reported for %s", q->devices[i]);
                        good = false;
                }
        return good;
}

static int carry_out(struct bind_request *q, bind_carrier_t carrier)
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        int r;

        r = root_open(&root, NULL);
        if (r < 0)
                return log_error(r, "Failed to open '/': %m");
        r = carrier(q, &root);
        /* Groups that were through before an error are worth printing. */
        if (q->options.json && (r == 0 || json_length(json_get(q->report, "groups")) > 0) && q->error == 0)
                q->error = report_print_json_as(q->report, q->options.json, 0, stdout);
        if (r == 0 && !request_succeeded(q))
                r = -EIO;
        if (q->error == 0 && fflush(stdout) != 0)
                q->error = -errno;
        return q->error < 0 ? log_error(q->error, "Failed to print the result: %m") : r;
}

int verb_bind_by(int argc, char *argv[], bind_carrier_t carrier)
{
        _cleanup_(request_done) struct bind_request q = { .operation = bind_operation_from_string(argv[0]) };
        int word, r;

        word = options_parse(argc, argv, OPTION_JSON | OPTION_DRY_RUN | OPTION_DRIVER | OPTION_FORCE, 1,
                             INT_MAX, &q.options);
        if (word < 0)
                return -word;
        r = parse_driver(&q);
        if (r < 0)
                return -r;
        r = parse_addresses(&q, argv + word);
        if (r < 0)
                return -r;
        q.report = bind_report_new(bind_operation_to_string(q.operation), q.options.dry_run);
        r = carry_out(&q, carrier);
        if (long_run_stopped_by)
                raise(long_run_stopped_by); /* without its handler, so the shell learns why we ended */
        return r < 0 ? CTL_FAILED : CTL_OK;
}
