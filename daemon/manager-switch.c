/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-switch.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/inotify.h>

#include "manager-bus.h"
#include "manager-guest-bind.h"
#include "manager-notify.h"
#include "manager.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/log.h"
#include "util/switch.h"

/* The preload library in a guest's process, which AppArmor confines, can see the file but not the kernel's
 * command line. */
void manager_spread_switch(struct manager *m)
{
        const char *off;
        int r;

        assert(m);

        off = switched_off(&m->root);
        if (!off || !switched_off_at_boot(&m->root) || exists_at(m->root.fd, SWITCH_FILE))
                return;
        r = write_file_at(m->root.fd, SWITCH_FILE, "", 0, 0644);
        if (r < 0)
                log_warning(r, "Failed to create '/" SWITCH_FILE "', confined guests may not know of %s: %m",
                            off);
}

static int on_directory(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct manager *m = userdata;
        const char *off;

        (void) source;
        /* Records come and go beside it. With a queue that has overflowed nobody knows what came. */
        if (!(event->mask & IN_Q_OVERFLOW) && (event->len == 0 || !streq(event->name, "off")))
                return 0;
        off = switched_off(&m->root);
        if (off)
                log_notice("Switched off by %s", off);
        else
                log_notice("Switched on");
        manager_notify_status(m);
        manager_bus_changed(m);
        manager_audit_soon(m);     /* the module follows the file */
        manager_reconcile_soon(m); /* what was left undone while we were switched off */
        return 0;
}

void manager_watch_switch(struct manager *m)
{
        static const char *const files[] = { SWITCH_FILE, SWITCH_FILE_PERSISTENT };

        assert(m);

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *directory = strndup(files[i], strlen(files[i]) - strlen("/off"));
                _cleanup_close_ int fd = -EBADF;
                int r;

                fd = directory ? open_at(m->root.fd, directory, O_RDONLY | O_DIRECTORY) : -ENOMEM;
                r = fd < 0 ? fd
                           : sd_event_add_inotify_fd(m->event, &m->switch_sources[i], fd,
                                                     IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM,
                                                     on_directory, m);
                if (r < 0)
                        log_full(r == -ENOENT ? LOG_DEBUG : LOG_WARNING, r,
                                 "Failed to watch '/%s', the switch is seen when something else happens: %m",
                                 directory ?: files[i]);
        }
}

void manager_switch_close(struct manager *m)
{
        for (size_t i = 0; i < ELEMENTSOF(m->switch_sources); i++)
                sd_event_source_disable_unref(m->switch_sources[i]);
}
