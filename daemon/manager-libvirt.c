/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-libvirt.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "facts/guest/libvirt-daemon.h"
#include "libvirt-thread.h"
#include "manager-guest-bind.h"
#include "manager-guest.h"
#include "manager.h"
#include "util/file.h"
#include "util/log.h"

/* libvirt reports what no hook does: guests that run already, devices that are plugged and unplugged,
 * restores and migrations. Two places in the file system decide here when to ask it: the pid file of its
 * daemon, and the directory with those of the guests (facts/guest/libvirt-paths.h). Connecting to its socket
 * without them would start a daemon that does not run. */

#define RUN_DIR "run" /* where the daemons write their pid files */

/* Longer than the daemon takes to end after it has closed its connections: until then a connection to its
 * socket would start it again. */
#define BACKOFF_MIN_USEC (5 * USEC_PER_SEC)
#define BACKOFF_MAX_USEC (300 * USEC_PER_SEC)

struct libvirt_watch {
        struct manager *manager;
        const char *uri_override;      /* for tests */
        struct libvirt_thread *thread; /* NULL before libvirt's daemon was seen for the first time */
        sd_event_source *news;
        sd_event_source *daemons, *guests; /* inotify; guests: NULL before its directory is there */
        sd_event_source *retry;
        uint64_t backoff_usec;
};

/* The URI of the daemon that runs, with its own socket: libvirt's choice could start the other daemon.
 * False: neither runs. */
static bool find_uri(const struct libvirt_watch *w, char *ret, size_t size)
{
        const struct root *root = &w->manager->root;
        const struct libvirt_daemon *daemon;

        if (w->uri_override) {
                snprintf(ret, size, "%s", w->uri_override);
                return true;
        }
        daemon = libvirt_daemon_by_pid_file(root, NULL);
        if (!daemon)
                return false;
        snprintf(ret, size, "qemu+unix:///system?mode=%s&socket=%s/%s", daemon->mode,
                 root->live ? "" : root->path, daemon->socket);
        return true;
}

static int on_news(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static int start_thread(struct libvirt_watch *w)
{
        int r;

        if (w->thread)
                return 0;
        r = libvirt_thread_new(&w->thread);
        if (r < 0)
                return r;
        return sd_event_add_io(w->manager->event, &w->news, libvirt_thread_fd(w->thread), EPOLLIN, on_news,
                               w);
}

static int ask_for_guests(struct libvirt_watch *w, const char *uri)
{
        int r;

        r = start_thread(w);
        if (r < 0)
                return r;
        return libvirt_thread_connect(w->thread, uri);
}

static void connect_if_running(struct libvirt_watch *w)
{
        char uri[PATH_MAX];
        int r;

        if (!find_uri(w, uri, sizeof(uri)))
                return;
        r = ask_for_guests(w, uri);
        if (r < 0)
                log_warning(r, "Failed to ask libvirt for the guests that run, ignoring: %m");
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct libvirt_watch *w = userdata;

        (void) source, (void) usec;
        w->retry = sd_event_source_disable_unref(w->retry);
        connect_if_running(w);
        return 0;
}

/* A daemon that has ended by then is left alone: the next one writes its pid file. */
static void retry_later(struct libvirt_watch *w)
{
        int r;

        if (w->retry)
                return;
        r = sd_event_add_time_relative(w->manager->event, &w->retry, CLOCK_MONOTONIC, w->backoff_usec, 0,
                                       on_retry, w);
        if (r < 0)
                log_warning(r, "Failed to schedule another try to reach libvirt, ignoring: %m");
        w->backoff_usec *= 2;
        if (w->backoff_usec > BACKOFF_MAX_USEC)
                w->backoff_usec = BACKOFF_MAX_USEC;
}

static bool has_suffix(const char *s, const char *suffix)
{
        size_t n = strlen(s), k = strlen(suffix);

        return n >= k && streq(s + n - k, suffix);
}

static int on_guests_changed(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct libvirt_watch *w = userdata;

        (void) source;
        if (event->mask & IN_IGNORED)
                w->guests = sd_event_source_disable_unref(w->guests);
        else if (event->len > 0 && has_suffix(event->name, ".pid"))
                connect_if_running(w);
        return 0;
}

static int add_watch(struct libvirt_watch *w, sd_event_source **source, const char *dir, uint32_t mask,
                     sd_event_inotify_handler_t handler)
{
        const struct root *root = &w->manager->root;
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", root->live ? "" : root->path, dir);
        return sd_event_add_inotify(w->manager->event, source, path, mask | IN_ONLYDIR, handler, w);
}

/* True where this call was the first to succeed: guests that started before it were not seen. */
static bool watch_guests(struct libvirt_watch *w)
{
        return !w->guests && add_watch(w, &w->guests, LIBVIRT_RUNNING_DIR, IN_CREATE | IN_MOVED_TO,
                                       on_guests_changed) >= 0;
}

static void see_guest(struct manager *m, const char *xml)
{
        struct guest guest;

        if (guest_parse(&guest, xml, strlen(xml)) < 0)
                return;
        manager_guest_started(m, &guest);
        guest_done(&guest);
}

static void handle_news(struct libvirt_watch *w, const struct libvirt_news *news)
{
        switch (news->event) {
        case LIBVIRT_GUEST:
                see_guest(w->manager, news->text);
                break;
        case LIBVIRT_LISTED:
                w->backoff_usec = BACKOFF_MIN_USEC;
                /* libvirt creates that directory when it starts; a guest may have started before we watched
                 * it. */
                if (watch_guests(w))
                        connect_if_running(w);
                /* A start that was cut off by the end of libvirt's daemon left its devices with VFIO. */
                manager_reconcile_soon(w->manager);
                break;
        case LIBVIRT_FAILED:
                /* The first failure means little: the daemon may be starting up, or ending. */
                log_full(
                        w->backoff_usec == 2 * BACKOFF_MIN_USEC ? LOG_WARNING : LOG_DEBUG, 0,
                        "Failed to %s; until it works, guests without our hook and devices that are plugged "
                        "go unseen",
                        news->text ?: "ask libvirt");
                retry_later(w);
                break;
        case LIBVIRT_LOST:
                log_debug("libvirt closed the connection");
                retry_later(w);
                break;
        }
}

static int on_news(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct libvirt_watch *w = userdata;
        struct libvirt_news news;

        (void) source, (void) fd, (void) revents;
        while (libvirt_thread_take(w->thread, &news)) {
                handle_news(w, &news);
                libvirt_news_done(&news);
        }
        return 0;
}

static int on_run_changed(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        (void) source;
        if (event->len == 0)
                return 0;
        for (size_t i = 0; i < N_LIBVIRT_DAEMONS; i++)
                if (streq(libvirt_daemons[i].pid_file + strlen(RUN_DIR "/"), event->name))
                        connect_if_running(userdata);
        return 0;
}

int manager_libvirt_watch(struct manager *m)
{
        struct libvirt_watch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (struct libvirt_watch){
                .manager = m,
                .uri_override = secure_getenv("VFIOALIGN_LIBVIRT_URI"),
                .backoff_usec = BACKOFF_MIN_USEC,
        };
        m->libvirt = w;
        /* Modified, not closed: the daemon keeps its pid file open, as a lock. */
        r = add_watch(w, &w->daemons, RUN_DIR, IN_MODIFY, on_run_changed);
        if (r < 0)
                log_warning(r, "Failed to watch '/run' for libvirt's daemon, ignoring: %m");
        (void) watch_guests(w);
        connect_if_running(w);
        return r;
}

void manager_libvirt_close(struct manager *m)
{
        struct libvirt_watch *w = TAKE_PTR(m->libvirt);

        if (!w)
                return;
        sd_event_source_disable_unref(w->daemons);
        sd_event_source_disable_unref(w->guests);
        sd_event_source_disable_unref(w->retry);
        sd_event_source_disable_unref(w->news);
        libvirt_thread_free(w->thread);
        free(w);
}
