/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "manager-report.h"
#include "manager.h"
#include "running-guest.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/format.h"
#include "util/memory.h"
#include "util/switch.h"

void manager_notify_ready(struct manager *m)
{
        (void) sd_notifyf(false, "READY=1\nSTATUS=%s", m->status ?: "Auditing the host");
}

void manager_notify_reloading(void)
{
        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_usec(CLOCK_MONOTONIC));
}

/* "3 of 4 guests on the largest pages (1 GiB); gpu-07 on 4 KiB (placement)" */
static void print_guests(const struct manager *m, FILE *out)
{
        uint64_t largest = 0;
        size_t good = 0, named = 0;
        format_t page;

        if (m->n_guests == 0) {
                /* Those of Proxmox may run, and are not followed. */
                fprintf(out, "no guest%s with VFIO devices runs",
                        m->host.libvirt.proxmox ? " of libvirt" : "");
                return;
        }
        for (size_t i = 0; i < m->n_guests; i++) {
                if (running_guest_falls_short(m->guests[i]))
                        continue;
                good++;
                if (m->guests[i]->verdict.page_size > largest)
                        largest = m->guests[i]->verdict.page_size;
        }
        fprintf(out, "%zu of %zu guests on %s pages", good, m->n_guests,
                largest ? format_size(largest, page) : "the largest");

        for (size_t i = 0; i < m->n_guests && named < 3; i++) {
                const struct running_guest *g = m->guests[i];

                if (!running_guest_falls_short(g))
                        continue;
                fprintf(out, "; %s on %s (%s)", g->name,
                        g->verdict.page_size ? format_size(g->verdict.page_size, page) : "unknown pages",
                        condition_to_string(g->verdict.limit));
                named++;
        }
}

/* "; last start of train-a: 0.90 s in BARs of 12.1 s": the newest of all guests. */
static void print_last_start(const struct manager *m, FILE *out)
{
        const struct starts *starts = &m->host.starts;
        const struct start *last = NULL;
        format_t bars, all;

        for (size_t i = 0; i < starts->n_starts; i++)
                if (!last || starts->starts[i].time_usec > last->time_usec)
                        last = &starts->starts[i];
        if (last)
                fprintf(out, "; last start of %s: %s in BARs of %s", last->guest,
                        format_seconds((double) last->bars_usec / 1e6, bars),
                        format_seconds((double) last->usec / 1e6, all));
}

static const char *module_state(const struct module_facts *m)
{
        if (m->loaded.value == FACT_YES)
                return m->enabled.value == FACT_YES ? "module loaded" : "module loaded, switched off";
        if (m->installed.value == FACT_YES)
                return m->loadable.value == FACT_NO ? "module forbidden" : "module not loaded";
        return m->installed.value == FACT_NO ? "module not installed" : "module unknown";
}

void manager_notify_status(struct manager *m)
{
        const char *off = switched_off(&m->root);
        _cleanup_free_ char *text = NULL, *status = NULL;
        time_t audited = (time_t) (m->host.time_usec / USEC_PER_SEC);
        struct tm tm;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return;
        if (off)
                fprintf(out, "switched off by %s; ", off);
        if (m->config_error)
                fprintf(out, "configuration rejected: %s; %s; ", m->config_error,
                        m->observes_only ? "only observing" : "the previous one stays in force");
        if (m->generation == 0)
                fputs("auditing the host", out);
        else {
                print_guests(m, out);
                print_last_start(m, out);
                localtime_r(&audited, &tm);
                fprintf(out, "; %s; audited %02d:%02d", module_state(&m->host.module), tm.tm_hour,
                        tm.tm_min);
        }
        if (memory_stream_close(out, &text) < 0)
                return;

        /* A guest's name can have a line of its own, which would be a message of ours to systemd. */
        status = escape(text);
        if (!status || (m->status && streq(m->status, status)))
                return;
        free(m->status);
        m->status = TAKE_PTR(status);
        manager_report_changed(m);
        (void) sd_notifyf(false, "STATUS=%s", m->status);
}
