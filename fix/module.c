/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module.h"

#include <errno.h>

#include "audit/facts-module.h"
#include "util/macro.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

struct module_load {
        sd_bus *bus;
        sd_bus_slot *removed; /* JobRemoved, watched from before the job exists */
        sd_bus_slot *call;
        sd_event_source *timeout;
        char *job; /* NULL until systemd has answered */
        char *gone; /* a job of our unit that ended before we knew ours */
        module_load_done_t done;
        void *userdata;
};

void module_load_cancel(struct module_load *load)
{
        if (!load)
                return;
        sd_bus_slot_unref(load->removed);
        sd_bus_slot_unref(load->call);
        sd_event_source_disable_unref(load->timeout);
        sd_bus_unref(load->bus);
        free(load->job);
        free(load->gone);
        free(load);
}

static int finish(struct module_load *load, int error)
{
        module_load_done_t done = load->done;
        void *userdata = load->userdata;

        module_load_cancel(load);
        done(error, userdata);
        return 0;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct module_load *load = userdata;
        const char *job, *unit;

        (void) error;
        if (sd_bus_message_read(m, "uos", NULL, &job, &unit) < 0 || !streq(unit, "modprobe@" VFIO_ALIGN_MODULE ".service"))
                return 0;
        if (load->job)
                return streq(load->job, job) ? finish(load, 0) : 0;
        free(load->gone);
        load->gone = strdup(job);
        return 0;
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct module_load *load = userdata;
        const char *job;

        (void) error;
        if (sd_bus_message_is_method_error(m, NULL))
                return finish(load, -sd_bus_message_get_errno(m));
        if (sd_bus_message_read(m, "o", &job) < 0)
                return finish(load, -EBADMSG);
        if (load->gone && streq(load->gone, job))
                return finish(load, 0);
        load->job = strdup(job);
        return load->job ? 0 : finish(load, -ENOMEM);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void) source, (void) usec;
        return finish(userdata, -ETIMEDOUT);
}

int module_load_start(sd_bus *bus, uint64_t timeout_usec, module_load_done_t done, void *userdata,
                      struct module_load **ret)
{
        struct module_load *load = calloc(1, sizeof(*load));
        int r;

        if (!load)
                return -ENOMEM;
        load->bus = sd_bus_ref(bus);
        load->done = done;
        load->userdata = userdata;

        r = sd_event_add_time_relative(sd_bus_get_event(bus), &load->timeout, CLOCK_BOOTTIME, timeout_usec, 0,
                                       on_timeout, load);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, &load->removed, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                              "JobRemoved", on_job_removed, NULL, load);
        /* systemd sends signals while somebody is subscribed; the answer does not matter, the order does. */
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe", NULL,
                                             NULL, "");
        /* Restart, not start: newer systemd keeps the unit active, though the module may be gone since. */
        if (r >= 0)
                r = sd_bus_call_method_async(bus, &load->call, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                             "RestartUnit", on_started, load, "ss",
                                             "modprobe@" VFIO_ALIGN_MODULE ".service", "replace");
        if (r < 0) {
                module_load_cancel(load);
                return r;
        }
        *ret = load;
        return 0;
}
