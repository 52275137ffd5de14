/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-guest.h"

/* What libvirt knows, from its files alone: no call to its daemon, which need not run. The modular daemon
 * (virtqemud) uses the same paths. Most is root's: unknown to others. */

/* What gives the daemons LD_PRELOAD with our library. The name sorts behind that of `systemctl edit`, so
 * that it can extend what the operator has set there. */
#define LIBVIRT_PRELOAD_DROP_IN "zz-vfioalign-preload.conf"
#define PRELOAD_NAME "libvfioalign-preload.so"

struct libvirt_guest {
        struct guest xml; /* as it runs, else as it is defined */
        bool defined;
        bool running;
        bool autostart;
        pid_t pid; /* 0: not running, or not told */
};

struct libvirt_facts {
        struct fact installed;      /* a daemon for QEMU guests is on this host */
        struct fact readable;       /* the list of guests below is complete */
        struct fact hook_installed; /* ours is there, and libvirt would run it */
        struct fact site_hook;      /* the site has one of its own, which runs before ours */
        /* The daemon runs our hook: it looks whether there are any when it starts and when it is reloaded,
         * which leaves no trace, so that a hook that is there is never surely unseen (libvirt,
         * src/util/virhook.c). */
        struct fact hook_seen;
        struct fact running; /* the daemon runs now */
        struct fact thp;     /* its guests may have huge pages: PR_SET_THP_DISABLE is inherited */
        struct fact preload; /* its guests inherit LD_PRELOAD with our library from it */
        const char *
                unit; /* the daemon's unit, "libvirtd.service", for `systemctl reload`; NULL where unknown */
        pid_t pid;    /* of the daemon; 0: none */
        uint64_t start_usec;          /* CLOCK_REALTIME; 0: unknown */
        struct libvirt_guest *guests; /* by name */
        size_t n_guests;
};

/* Returns 0 or -ENOMEM. */
int libvirt_facts_read(struct libvirt_facts *l, const struct root *root);

/* Reads again, cheaply, what concerns the daemon itself. */
void libvirt_facts_refresh(struct libvirt_facts *l, const struct root *root);
void libvirt_facts_done(struct libvirt_facts *l);

/* The guest of that process, or NULL. */
const struct libvirt_guest *libvirt_facts_find_pid(const struct libvirt_facts *l, pid_t pid);
