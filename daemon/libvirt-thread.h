/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Any call into libvirt can block without bound, so one thread makes them all. It shares nothing with the
 * event loop but what is here. Its connection is read-only, and open only while a guest runs, when libvirt's
 * daemon would not end for idleness anyway. It sets no keepalive: the daemon is behind a UNIX socket, and
 * the end of that is seen at once. */
struct libvirt_thread;

enum libvirt_event {
        LIBVIRT_GUEST,  /* this guest runs: already at the connection, since then, or with another device now
                         */
        LIBVIRT_LISTED, /* all guests that ran at the connection have been reported */
        LIBVIRT_FAILED, /* a call failed, and there is no connection */
        LIBVIRT_LOST,   /* the other side closed the connection */
};

struct libvirt_news {
        enum libvirt_event event;
        char *name; /* of the guest */
        char *text; /* LIBVIRT_GUEST: its domain XML; LIBVIRT_FAILED: "connect to libvirt: No such file" */
};

/* Starts the thread, without a connection. Only once in a process. Returns 0 or a negative errno. */
int libvirt_thread_new(struct libvirt_thread **ret);

/* Asks for a connection; nothing happens where there is one. Never waits. Returns 0 or -ENOMEM. */
int libvirt_thread_connect(struct libvirt_thread *t, const char *uri);

/* The descriptor is readable while there are news. Of each guest only the latest are kept. False: there are
 * no more; else release *ret with libvirt_news_done(). */
int libvirt_thread_fd(const struct libvirt_thread *t);
bool libvirt_thread_take(struct libvirt_thread *t, struct libvirt_news *ret);
void libvirt_news_done(struct libvirt_news *news);

/* Ends the thread. After a second, one that is stuck in libvirt is left behind with its memory. NULL is
 * fine. */
struct libvirt_thread *libvirt_thread_free(struct libvirt_thread *t);
