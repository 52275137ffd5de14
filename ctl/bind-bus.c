/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-request.h"
#include "bind/worker-reply.h"
#include "bind/worker.h"
#include "config/bus-names.h"
#include "ctl.h"
#include "daemon-call.h"
#include "report/table.h"
#include "util/log.h"
#include "util/macro.h"
#include "verbs.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

/* The daemon's report is the document that bind_by_worker() makes of the worker's replies. */
static int take_report(struct bind_request *q, const char *text)
{
        _cleanup_(json_object_putp) json_object *report = json_tokener_parse(text);
        json_object *groups = json_get(report, "groups");

        if (!json_object_is_type(groups, json_type_array))
                return log_error(-EBADMSG, "Failed to read vfioalignd's answer: %m");
        for (size_t i = 0; i < json_length(groups); i++) {
                json_object *group = json_object_array_get_idx(groups, i);

                if (!worker_group_is_valid(group))
                        return log_error(-EBADMSG, "Failed to read vfioalignd's answer: %m");
                bind_take_group(json_object_get(group), q);
        }
        return 0;
}

/* The longest that the daemon may need: WORKER_GROUPS_AT_ONCE groups go side by side. */
static uint64_t time_limit_of_call(const struct bind_request *q, const struct root *root)
{
        return (q->n_devices / WORKER_GROUPS_AT_ONCE + 1) * (bind_time_limit(root) + WORKER_GRACE_USEC);
}

int bind_by_daemon(struct bind_request *q, const struct root *root)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        uint64_t flags = (q->options.dry_run ? BUS_FLAG_DRY_RUN : 0) |
                         (q->options.force ? BUS_FLAG_FORCE : 0);
        _cleanup_free_ char *text = NULL;
        int r;

        r = daemon_call_new(&bus, q->operation == BIND_BIND ? "Bind" : "Unbind", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(call, (char **) q->devices);
        if (r < 0)
                return log_error(r, "Failed to ask vfioalignd: %m");
        r = sd_bus_message_append(call, "st", q->driver ?: "", flags);
        if (r < 0)
                return log_error(r, "Failed to ask vfioalignd: %m");
        r = daemon_call(bus, call, time_limit_of_call(q, root), &text);
        if (r < 0)
                return r;
        return take_report(q, text);
}

int verb_bind(int argc, char *argv[])
{
        return verb_bind_by(argc, argv, bind_by_daemon);
}
