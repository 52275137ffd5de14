/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "manager.h"
#include "util/array.h"
#include "util/file.h"
#include "util/log.h"

/* Guests that started without telling us (before the daemon, or without the hook) are asked of libvirt once, each
 * time its daemon appears. Any call into libvirt can block without bound, so that a thread makes them; it shares
 * nothing with the event loop but this structure, which belongs to the thread until the eventfd is written. */
struct reconcile {
        int done_fd;
        sd_event_source *done;
        char **xml; /* domain XML of each running guest */
        size_t n_xml;
        const char *failed; /* the call that did; NULL: none */
};

static const char *const daemons[] = {"libvirtd", "virtqemud"};

static void collect(struct reconcile *c)
{
        virConnectPtr connection = virConnectOpenReadOnly("qemu:///system");
        virDomainPtr *domains = NULL;
        int n;

        if (!connection) {
                c->failed = "connect to libvirt";
                return;
        }
        n = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
        if (n < 0)
                c->failed = "list the guests";
        for (int i = 0; i < n; i++) {
                char *xml = virDomainGetXMLDesc(domains[i], 0);
                char **slot = xml ? array_append(c->xml, c->n_xml) : NULL;

                if (slot)
                        *slot = xml;
                else
                        free(xml);
                virDomainFree(domains[i]);
        }
        free(domains);
        virConnectClose(connection);
}

static void silent(void *userdata, virErrorPtr error)
{
        (void) userdata, (void) error;
}

static void *reconcile_thread(void *userdata)
{
        struct reconcile *c = userdata;

        virSetErrorFunc(NULL, silent);
        collect(c);
        (void) eventfd_write(c->done_fd, 1);
        return NULL;
}

static void reconcile_free(struct reconcile *c)
{
        sd_event_source_disable_unref(c->done);
        for (size_t i = 0; i < c->n_xml; i++)
                free(c->xml[i]);
        free(c->xml);
        closep(&c->done_fd);
        free(c);
}

static int on_reconciled(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct manager *m = userdata;
        struct reconcile *c = TAKE_PTR(m->reconcile);

        (void) source, (void) fd, (void) revents;
        if (c->failed)
                log_warning(0, "Failed to %s, guests that run already are not looked at", c->failed);
        for (size_t i = 0; i < c->n_xml; i++) {
                struct guest guest;

                if (guest_parse(&guest, c->xml[i], strlen(c->xml[i])) < 0)
                        continue;
                manager_guest_started(m, &guest);
                guest_done(&guest);
        }
        /* A start that libvirt's end cut off left its devices with VFIO. */
        if (!c->failed)
                manager_reconcile_soon(m);
        reconcile_free(c);
        return 0;
}

static int reconcile_start(struct manager *m)
{
        struct reconcile *c;
        pthread_t thread;
        int r;

        if (m->reconcile) /* still waits for libvirt */
                return 0;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = c->done_fd < 0 ? -errno : sd_event_add_io(m->event, &c->done, c->done_fd, EPOLLIN, on_reconciled, m);
        if (r >= 0)
                r = -pthread_create(&thread, NULL, reconcile_thread, c);
        if (r < 0) {
                reconcile_free(c);
                return r;
        }
        pthread_detach(thread);
        m->reconcile = c;
        return 0;
}

/* Connecting to libvirt's socket would start its daemon: only where it runs already. */
static bool daemon_runs(const struct root *root, const char *name)
{
        _cleanup_free_ char *comm = NULL;
        char path[64];
        uint64_t pid;

        snprintf(path, sizeof(path), "run/%s.pid", name);
        if (read_u64_at(root->fd, path, 10, &pid) < 0)
                return false;
        snprintf(path, sizeof(path), "proc/%llu/comm", (unsigned long long) pid);
        return read_line_at(root->fd, path, &comm) >= 0 && streq(comm, name);
}

static void reconcile_if_running(struct manager *m)
{
        for (size_t i = 0; i < ELEMENTSOF(daemons); i++)
                if (daemon_runs(&m->root, daemons[i])) {
                        int r = reconcile_start(m);

                        if (r < 0)
                                log_warning(r, "Failed to look at the guests that run already: %m");
                        return;
                }
}

static int on_run_changed(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        (void) source;
        for (size_t i = 0; event->len > 0 && i < ELEMENTSOF(daemons); i++) {
                const char *rest = startswith(event->name, daemons[i]);

                if (rest && streq(rest, ".pid"))
                        reconcile_if_running(userdata);
        }
        return 0;
}

int manager_libvirt_watch(struct manager *m)
{
        int r;

        /* Modified, not closed: the daemon keeps its pid file open, as a lock. */
        r = sd_event_add_inotify(m->event, &m->libvirt_source, "/run", IN_MODIFY | IN_ONLYDIR,
                                 on_run_changed, m);
        if (r < 0)
                log_warning(r, "Failed to watch for libvirt's daemon: %m");
        reconcile_if_running(m);
        return r;
}

void manager_libvirt_close(struct manager *m)
{
        m->libvirt_source = sd_event_source_disable_unref(m->libvirt_source);
        /* A thread that is stuck in libvirt keeps its structure; it ends with the process. */
        if (m->reconcile)
                m->reconcile->done = sd_event_source_disable_unref(m->reconcile->done);
        m->reconcile = NULL;
}
