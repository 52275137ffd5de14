/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For a build without clang or bpftool. */
#include <errno.h>

#include "watch.h"

int trace_watch_new(struct kernel_symbols *symbols, trace_event_t on_event, void *userdata,
                    struct trace_watch **ret, const char **ret_why)
{
        (void) symbols, (void) on_event, (void) userdata, (void) ret;
        *ret_why = "vfioalign was built without the trace, which takes clang and bpftool";
        return -EOPNOTSUPP;
}

struct trace_watch *trace_watch_free(struct trace_watch *w)
{
        (void) w;
        return NULL;
}

int trace_watch_wait(struct trace_watch *w, int milliseconds)
{
        (void) w, (void) milliseconds;
        return -EOPNOTSUPP;
}

uint64_t trace_watch_lost(const struct trace_watch *w)
{
        (void) w;
        return 0;
}

size_t trace_watch_unseen(const struct trace_watch *w, struct trace_unseen ret[static TRACE_UNSEEN_MAX])
{
        (void) w, (void) ret;
        return 0;
}
