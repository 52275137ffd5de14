/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-retry.h"

#include <assert.h>

#include "manager-guest.h"
#include "manager.h"
#include "running-guest.h"
#include "util/clock.h"
#include "util/log.h"

/* 5, 10, ... 160 seconds later */
#define FIRST_USEC (5 * USEC_PER_SEC)
#define RETRIES_MAX 6

static bool has_unread(const struct manager *m)
{
        const struct unread_processes *u = &m->host.unread;

        for (size_t i = 0; i < u->n; i++)
                if (u->processes[i].trusted)
                        return true;
        return false;
}

/* The guests that run, and of which nobody could see what they got. */
static void look_at_guests(struct manager *m)
{
        for (size_t i = 0; i < m->host.libvirt.n_guests; i++) {
                const struct libvirt_guest *g = &m->host.libvirt.guests[i];

                if (g->running && g->xml.name && !manager_find_guest(m, g->xml.name))
                        manager_guest_started(m, &g->xml);
        }
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct manager *m = userdata;
        unsigned n = m->n_retries;

        (void) source, (void) usec;
        m->retry_timer = sd_event_source_disable_unref(m->retry_timer);
        (void) manager_audit(m);
        if (m->n_retries < n) /* the audit has read all, but a guest that does not answer goes on */
                m->n_retries = n;
        look_at_guests(m);
        if (!m->retry_timer && !has_unread(m))
                m->n_retries = 0;
        return 0;
}

void manager_retry_soon(struct manager *m)
{
        int r;

        assert(m);

        if (m->retry_timer || m->n_retries == RETRIES_MAX)
                return;
        r = sd_event_add_time_relative(m->event, &m->retry_timer, CLOCK_MONOTONIC,
                                       FIRST_USEC << m->n_retries, 0, on_retry, m);
        if (r < 0)
                log_warning(
                        r, "Failed to schedule another look at a process that did not answer, ignoring: %m");
        else
                m->n_retries++;
}

void manager_retry_unread(struct manager *m)
{
        assert(m);

        if (has_unread(m))
                manager_retry_soon(m);
        else if (!m->retry_timer)
                m->n_retries = 0;
}

void manager_retry_close(struct manager *m)
{
        m->retry_timer = sd_event_source_disable_unref(m->retry_timer);
}
