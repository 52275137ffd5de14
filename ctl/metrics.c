/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/metrics.h"

#include <fcntl.h>

#include "ctl.h"
#include "snapshot.h"
#include "util/clock.h"
#include "util/file-write.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/print.h"
#include "verbs.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

/* The whole text, so nobody gets the half of it. NULL: no memory. */
static char *metrics_text(const struct snapshot *s, enum export_guests guests, uint64_t audit_usec,
                          size_t *ret_size)
{
        unsigned long failures = memory_failures();
        _cleanup_(json_object_putp) json_object *head = report_head(&s->host, &s->findings);
        _cleanup_free_ char *text = NULL;
        FILE *out;

        if (!head)
                return NULL;
        out = open_memstream(&text, ret_size);
        if (!out)
                return NULL;
        metrics_print(&s->host, head, NULL, audit_usec, guests, out);
        if (memory_stream_close(out, &text) < 0 || memory_failures() != failures)
                return NULL;
        return TAKE_PTR(text);
}

static int write_metrics(const char *path, const char *text, size_t size)
{
        int r;

        if (!path) {
                print_lines(stdout, text);
                return fflush(stdout) == 0 ? 0 : log_error(-errno, "Failed to print the metrics: %m");
        }
        r = write_foreign_file_at(AT_FDCWD, path, text, size, 0644);
        return r < 0 ? log_error(r, "Failed to write '%s': %m", path) : 0;
}

static void warn_of_no_names(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        char place[16] = "";

        (void) userdata;
        if (!fatal)
                return;
        if (line > 0)
                snprintf(place, sizeof(place), ":%u", line);
        log_warning(0, "/%s%s: %s; no guest is named, because Guests= is not known", file, place, what);
}

static int run_metrics(const struct snapshot *s, const struct options *o, uint64_t audit_usec)
{
        struct config config;
        enum export_guests guests;
        _cleanup_free_ char *text = NULL;
        size_t size;

        /* Not by the default, which would name guests that nobody is to see. */
        if (config_read(&config, &s->root, warn_of_no_names, NULL) < 0)
                guests = EXPORT_GUESTS_NONE;
        else {
                guests = config.export_guests;
                config_done(&config);
        }
        text = metrics_text(s, guests, audit_usec, &size);
        if (!text)
                return log_error(-ENOMEM, "Failed to make the metrics: %m");
        return write_metrics(o->output, text, size);
}

int verb_metrics(int argc, char *argv[])
{
        uint64_t begin = clock_usec(CLOCK_MONOTONIC);
        struct options o;
        struct snapshot s;
        int r;

        r = options_parse(argc, argv, OPTION_ROOT | OPTION_FILE, 0, 0, &o);
        if (r < 0)
                return -r;
        r = snapshot_read(&s, &o);
        r = r < 0 ? r : run_metrics(&s, &o, clock_usec(CLOCK_MONOTONIC) - begin);
        snapshot_done(&s);
        return r < 0 ? CTL_FAILED : CTL_OK;
}
