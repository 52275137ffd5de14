/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Any call into libvirt can block without bound: one thread makes them all, and shares nothing with the
 * event loop but what is here. Its connection is read-only, and there only while a guest runs, when
 * libvirt's daemon would not end for idleness anyway. It sets no keepalive: the daemon is behind a UNIX
 * socket, whose end is seen at once. */
struct libvirt_thread;

enum libvirt_event {
        LIBVIRT_GUEST,  /* this guest runs: it did at the connection, started since, or has another device */
        LIBVIRT_LISTED, /* all that ran at the connection have been told */
        LIBVIRT_FAILED, /* there is no connection */
        LIBVIRT_LOST,   /* the other side ended it */
};

struct libvirt_news {
        enum libvirt_event event;
        char *name; /* of the guest */
        char *text; /* its domain XML; or which call failed, and how */
};

/* Starts it, without a connection. Once in a process. Returns 0 or a negative errno. */
int libvirt_thread_new(struct libvirt_thread **ret);

/* Asks for a connection; nothing happens where there is one. Never waits. -ENOMEM */
int libvirt_thread_connect(struct libvirt_thread *t, const char *uri);

/* Becomes readable with news. Of a guest only the latest is kept. False: no more; else release with
 * libvirt_news_done(). */
int libvirt_thread_fd(const struct libvirt_thread *t);
bool libvirt_thread_take(struct libvirt_thread *t, struct libvirt_news *ret);
void libvirt_news_done(struct libvirt_news *news);

/* Ends it. One that is stuck in libvirt is left behind after a second, with its memory. NULL-safe */
struct libvirt_thread *libvirt_thread_free(struct libvirt_thread *t);
