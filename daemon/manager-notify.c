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

/* The guests of libvirt with VFIO devices that do not run. */
static size_t count_idle(const struct manager *m)
{
        size_t n = 0;

        for (size_t i = 0; i < m->host.libvirt.n_guests; i++) {
                const struct guest *g = &m->host.libvirt.guests[i].xml;

                n += g->manager == GUEST_OF_LIBVIRT && g->n_hostdevs > 0 && !manager_find_guest(m, g->name);
        }
        return n;
}

/* Where none runs, as far as this daemon follows them: those of Proxmox may. */
static void print_idle(const struct manager *m, FILE *out)
{
        const char *whose = m->host.libvirt.proxmox ? " of libvirt" : "";
        size_t n = count_idle(m);

        if (n > 0)
                fprintf(out, "0 of %zu guest%s%s with VFIO devices running", n, n == 1 ? "" : "s", whose);
        else
                fprintf(out, "no guest%s with VFIO devices runs", whose);
}

/* "3 of 4 guests on the largest pages (1 GiB); gpu-07 on 4 KiB (placement)" */
static void print_guests(const struct manager *m, FILE *out)
{
        uint64_t largest = 0;
        size_t good = 0, named = 0;
        format_t page;

        if (m->n_guests == 0) {
                print_idle(m, out);
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
        if (count_idle(m) > 0)
                fprintf(out, "; %zu more defined", count_idle(m));
}

/* What the next start of those that do not run would get, and how many findings there are to be read. */
static void print_findings(const struct manager *m, FILE *out)
{
        size_t small = 0, warnings = 0;

        for (size_t i = 0; i < m->findings.n_findings; i++) {
                const struct finding *f = &m->findings.findings[i];

                small += f->id == FINDING_GUEST_SMALL_PAGES;
                warnings += f->severity >= SEVERITY_WARNING;
        }
        if (small > 0)
                fprintf(out, "; %zu will start on small pages", small);
        if (warnings > 0)
                fprintf(out, "; %zu warning%s", warnings, warnings == 1 ? "" : "s");
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

static void print_audit(const struct manager *m, FILE *out)
{
        time_t audited = (time_t) (m->host.time_usec / USEC_PER_SEC);
        struct tm tm;

        print_guests(m, out);
        print_last_start(m, out);
        print_findings(m, out);
        localtime_r(&audited, &tm);
        fprintf(out, "; %s; audited %04d-%02d-%02d %02d:%02d", module_state(&m->host.module),
                tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

void manager_notify_status(struct manager *m)
{
        const char *off = switched_off(&m->root);
        _cleanup_free_ char *text = NULL, *status = NULL;
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
        else
                print_audit(m, out);
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
