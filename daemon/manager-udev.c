/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-udev.h"

#include <sys/epoll.h>

#include "manager-bind.h"
#include "manager.h"
#include "util/log.h"

/* A host with a thousand functions sends as many events at once. Needs CAP_NET_ADMIN; without it the buffer
 * stays as it is, and lost events cause a new audit. */
#define RECEIVE_BUFFER_SIZE (16 << 20)

static void handle_device(struct manager *m, struct udev_device *d)
{
        const char *name = udev_device_get_sysname(d), *action = udev_device_get_action(d) ?: "?";

        log_debug("%s: %s", name, action);
        /* With a new device or kernel module the load may succeed after all. */
        m->module_load_failed = false;
        /* Not where somebody only repeats the event (udevadm trigger). */
        if (streq(action, "add") && !udev_device_get_property_value(d, "SYNTH_UUID"))
                manager_boot_device_added(m, name);
}

static int on_uevent(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct manager *m = userdata;
        struct udev_device *d;

        (void) source, (void) fd, (void) revents;
        errno = 0;
        d = udev_monitor_receive_device(m->udev_monitor);
        if (d) {
                handle_device(m, d);
                udev_device_unref(d);
        } else if (errno == ENOBUFS) {
                log_info("Events of udev were lost, reading all devices again");
                manager_boot_events_lost(m);
        } else
                return 0;
        manager_audit_soon(m);
        return 0;
}

int manager_udev_watch(struct manager *m)
{
        struct udev *udev = udev_new();
        int r;

        if (!udev)
                return -ENOMEM;
        m->udev_monitor = udev_monitor_new_from_netlink(udev, "udev");
        udev_unref(udev); /* the monitor holds it */
        if (!m->udev_monitor)
                return -ENOMEM;

        r = udev_monitor_filter_add_match_subsystem_devtype(m->udev_monitor, "pci", NULL);
        if (r < 0)
                return r;
        r = udev_monitor_filter_add_match_subsystem_devtype(m->udev_monitor, "vfio", NULL);
        if (r < 0)
                return r;
        (void) udev_monitor_set_receive_buffer_size(m->udev_monitor, RECEIVE_BUFFER_SIZE);
        r = udev_monitor_enable_receiving(m->udev_monitor);
        if (r < 0)
                return r;
        return sd_event_add_io(m->event, &m->udev_source, udev_monitor_get_fd(m->udev_monitor), EPOLLIN,
                               on_uevent, m);
}

void manager_udev_close(struct manager *m)
{
        m->udev_source = sd_event_source_disable_unref(m->udev_source);
        m->udev_monitor = udev_monitor_unref(m->udev_monitor);
}
