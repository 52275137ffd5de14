/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-thread.h"

#include <assert.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "util/array.h"
#include "util/macro.h"

#define JOIN_SECONDS 1

struct libvirt_thread {
        pthread_t thread;
        int wake_fd, news_fd;

        pthread_mutex_t mutex; /* over these */
        bool stop;
        char *uri; /* requested, and not yet taken by the thread */
        struct libvirt_news *news;
        size_t n_news;

        /* The thread's own */
        virConnectPtr connection;
        int callbacks[3];
        /* Noted by callbacks, which had better not call libvirt, for a look later. */
        virDomainPtr *domains;
        size_t n_domains;
        bool guest_ended, lost;
};

static const int watched[] = {
        VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
        VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
};

/* Takes ownership of name and text. Replaces what is still unread about the same guest. */
static void post_news(struct libvirt_thread *t, enum libvirt_event event, char *name, char *text)
{
        struct libvirt_news *slot = NULL;

        pthread_mutex_lock(&t->mutex);
        for (size_t i = 0; name && i < t->n_news && !slot; i++)
                if (t->news[i].name && streq(t->news[i].name, name))
                        slot = &t->news[i];
        if (slot)
                libvirt_news_done(slot);
        else
                slot = array_append(t->news, t->n_news);
        if (slot)
                *slot = (struct libvirt_news){ event, TAKE_PTR(name), TAKE_PTR(text) };
        pthread_mutex_unlock(&t->mutex);
        free(name);
        free(text);
        (void) eventfd_write(t->news_fd, 1);
}

static void post_failure(struct libvirt_thread *t, const char *call)
{
        virErrorPtr error = virGetLastError();
        char *text;

        if (asprintf(&text, "%s: %s", call, error && error->message ? error->message : "unknown error") < 0)
                text = NULL;
        post_news(t, LIBVIRT_FAILED, NULL, text);
}

/* Notes each domain once, however many events there are about it. Keeps a reference. */
static void note_domain(struct libvirt_thread *t, virDomainPtr domain)
{
        virDomainPtr *slot;

        for (size_t i = 0; i < t->n_domains; i++)
                if (streq(virDomainGetName(t->domains[i]), virDomainGetName(domain)))
                        return;
        slot = array_append(t->domains, t->n_domains);
        if (slot && virDomainRef(domain) >= 0)
                *slot = domain;
        else if (slot)
                t->n_domains--;
}

static void on_wake(int watch, int fd, int events, void *userdata)
{
        eventfd_t value;

        (void) watch, (void) events, (void) userdata;
        (void) eventfd_read(fd, &value);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *userdata)
{
        struct libvirt_thread *t = userdata;

        (void) connection, (void) detail;
        /* Started: also by a restore or a migration, which resume it later. */
        if (event == VIR_DOMAIN_EVENT_STARTED || event == VIR_DOMAIN_EVENT_RESUMED)
                note_domain(t, domain);
        else if (event == VIR_DOMAIN_EVENT_STOPPED)
                t->guest_ended = true;
        return 0;
}

/* libvirt sends it after the emulator has answered device_add or released the device: its mappings are final
 * by then. */
static void on_device(virConnectPtr connection, virDomainPtr domain, const char *alias, void *userdata)
{
        (void) connection, (void) alias;
        note_domain(userdata, domain);
}

static void on_close(virConnectPtr connection, int reason, void *userdata)
{
        struct libvirt_thread *t = userdata;

        (void) connection, (void) reason;
        t->lost = true;
}

static void forget_domains(struct libvirt_thread *t)
{
        while (t->n_domains > 0)
                virDomainFree(t->domains[--t->n_domains]);
        free(t->domains);
        t->domains = NULL;
}

static void close_connection(struct libvirt_thread *t)
{
        forget_domains(t);
        if (!t->connection)
                return;
        for (size_t i = 0; i < ELEMENTSOF(watched); i++)
                if (t->callbacks[i] >= 0)
                        (void) virConnectDomainEventDeregisterAny(t->connection, t->callbacks[i]);
        (void) virConnectUnregisterCloseCallback(t->connection, on_close);
        (void) virConnectClose(t->connection);
        t->connection = NULL;
}

/* libvirt is still starting it: it has no process yet, and an event follows. */
static bool is_starting(virDomainPtr domain)
{
        int state, reason;

        return virDomainGetState(domain, &state, &reason, 0) >= 0 && state == VIR_DOMAIN_PAUSED &&
               reason == VIR_DOMAIN_PAUSED_STARTING_UP;
}

static void look_at_domains(struct libvirt_thread *t)
{
        for (size_t i = 0; i < t->n_domains; i++) {
                char *xml = is_starting(t->domains[i]) ? NULL : virDomainGetXMLDesc(t->domains[i], 0);
                char *name = xml ? strdup(virDomainGetName(t->domains[i])) : NULL;

                if (name)
                        post_news(t, LIBVIRT_GUEST, name, xml);
                else
                        free(xml);
        }
        forget_domains(t);
}

/* Notes the domains that run. Returns their number, or a negative one. */
static int list_domains(struct libvirt_thread *t)
{
        virDomainPtr *domains = NULL;
        int n = virConnectListAllDomains(t->connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

        for (int i = 0; i < n; i++) {
                note_domain(t, domains[i]);
                virDomainFree(domains[i]);
        }
        free(domains);
        return n;
}

static bool watch_events(struct libvirt_thread *t)
{
        const virConnectDomainEventGenericCallback handlers[] = {
                VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle),
                VIR_DOMAIN_EVENT_CALLBACK(on_device),
                VIR_DOMAIN_EVENT_CALLBACK(on_device),
        };
        bool ok = virConnectRegisterCloseCallback(t->connection, on_close, t, NULL) >= 0;

        for (size_t i = 0; i < ELEMENTSOF(watched); i++) {
                t->callbacks[i] = virConnectDomainEventRegisterAny(t->connection, NULL, watched[i],
                                                                   handlers[i], t, NULL);
                ok = ok && t->callbacks[i] >= 0;
        }
        return ok;
}

static void connect_to(struct libvirt_thread *t, const char *uri)
{
        int n;

        if (t->connection && virConnectIsAlive(t->connection) == 1)
                return;
        close_connection(t);
        t->lost = t->guest_ended = false;
        t->connection = virConnectOpenReadOnly(uri);
        if (!t->connection) {
                post_failure(t, "connect to libvirt");
                return;
        }
        /* Subscribe first, so no start between the two is missed. */
        n = watch_events(t) ? list_domains(t) : -1;
        if (n < 0) {
                post_failure(t, "list libvirt's guests");
                close_connection(t);
                return;
        }
        look_at_domains(t);
        post_news(t, LIBVIRT_LISTED, NULL, NULL);
        if (n == 0)
                close_connection(t);
}

static void ignore_error(void *userdata, virErrorPtr error)
{
        (void) userdata, (void) error;
}

/* False: the thread has to end. */
static bool take_request(struct libvirt_thread *t, char **ret_uri)
{
        bool stop;

        pthread_mutex_lock(&t->mutex);
        *ret_uri = TAKE_PTR(t->uri);
        stop = t->stop;
        pthread_mutex_unlock(&t->mutex);
        return !stop;
}

static void handle_events(struct libvirt_thread *t)
{
        look_at_domains(t);
        if (t->lost) {
                t->lost = false;
                close_connection(t);
                post_news(t, LIBVIRT_LOST, NULL, NULL);
        }
        if (t->guest_ended && t->connection && virConnectNumOfDomains(t->connection) == 0)
                close_connection(t);
        t->guest_ended = false;
}

static void *thread_main(void *userdata)
{
        struct libvirt_thread *t = userdata;
        sigset_t mask;
        int wake = -1;

        /* libvirt writes to a socket whose other end may be gone. */
        sigemptyset(&mask);
        sigaddset(&mask, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &mask, NULL);
        virSetErrorFunc(NULL, ignore_error);
        if (virEventRegisterDefaultImpl() >= 0)
                wake = virEventAddHandle(t->wake_fd, VIR_EVENT_HANDLE_READABLE, on_wake, NULL, NULL);
        if (wake < 0) {
                post_failure(t, "watch libvirt");
                return NULL;
        }
        for (;;) {
                _cleanup_free_ char *uri = NULL;

                if (!take_request(t, &uri))
                        break;
                if (uri)
                        connect_to(t, uri);
                handle_events(t);
                if (virEventRunDefaultImpl() < 0) {
                        post_failure(t, "wait for libvirt");
                        break;
                }
        }
        close_connection(t);
        (void) virEventRemoveHandle(wake);
        return NULL;
}

static void thread_release(struct libvirt_thread *t)
{
        for (size_t i = 0; i < t->n_news; i++)
                libvirt_news_done(&t->news[i]);
        free(t->news);
        free(t->uri);
        closep(&t->wake_fd);
        closep(&t->news_fd);
        pthread_mutex_destroy(&t->mutex);
        free(t);
}

DEFINE_TRIVIAL_CLEANUP(struct libvirt_thread *, thread_release)

int libvirt_thread_new(struct libvirt_thread **ret)
{
        _cleanup_(thread_releasep) struct libvirt_thread *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        pthread_mutex_init(&t->mutex, NULL);
        t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        t->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (t->wake_fd < 0 || t->news_fd < 0)
                return -errno;
        r = -pthread_create(&t->thread, NULL, thread_main, t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

int libvirt_thread_connect(struct libvirt_thread *t, const char *uri)
{
        char *copy;

        assert(t && uri);

        copy = strdup(uri);
        if (!copy)
                return -ENOMEM;
        pthread_mutex_lock(&t->mutex);
        SWAP(t->uri, copy);
        pthread_mutex_unlock(&t->mutex);
        free(copy);
        (void) eventfd_write(t->wake_fd, 1);
        return 0;
}

int libvirt_thread_fd(const struct libvirt_thread *t)
{
        assert(t);

        return t->news_fd;
}

bool libvirt_thread_take(struct libvirt_thread *t, struct libvirt_news *ret)
{
        eventfd_t value;
        bool found;

        assert(t && ret);

        pthread_mutex_lock(&t->mutex);
        found = t->n_news > 0;
        if (found) {
                *ret = t->news[0];
                memmove(t->news, t->news + 1, --t->n_news * sizeof(*t->news));
        } else {
                (void) eventfd_read(t->news_fd, &value);
                free(t->news);
                t->news = NULL;
        }
        pthread_mutex_unlock(&t->mutex);
        return found;
}

void libvirt_news_done(struct libvirt_news *news)
{
        free(news->name);
        free(news->text);
        *news = (struct libvirt_news){};
}

struct libvirt_thread *libvirt_thread_free(struct libvirt_thread *t)
{
        struct timespec end;

        if (!t)
                return NULL;
        pthread_mutex_lock(&t->mutex);
        t->stop = true;
        pthread_mutex_unlock(&t->mutex);
        (void) eventfd_write(t->wake_fd, 1);

        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += JOIN_SECONDS;
        if (pthread_timedjoin_np(t->thread, NULL, &end) == 0)
                thread_release(t);
        else
                pthread_detach(t->thread);
        return NULL;
}
