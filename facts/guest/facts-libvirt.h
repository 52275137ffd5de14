/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdlib.h>

#include "facts-guest.h"
#include "proxmox-conf.h"

/* What libvirt knows, from its files alone (libvirt-paths.h): its daemon is not asked and need not run. Most
 * files are only root's to read; what they say is unknown to others. Its list of guests also has those of
 * Proxmox VE (proxmox.h), by guest.manager. */

/* The drop-in that gives the daemons LD_PRELOAD with our library. Its name sorts after that of `systemctl
 * edit`, so it can extend what the operator has set there. */
#define LIBVIRT_PRELOAD_DROP_IN "zz-vfioalign-preload.conf"
#define PRELOAD_NAME "libvfioalign-preload.so"

struct libvirt_guest {
        struct guest xml;   /* as it runs, else as it would start now */
        struct guest later; /* of one that runs and is defined: as it starts the next time; else empty */
        bool defined;
        bool running;
        bool autostart;
        pid_t pid; /* 0: not running, or unknown */
};

/* A network that is a pool of functions, of which libvirt binds one to VFIO whenever a guest in it starts:
 * <forward mode='hostdev' managed='yes'>. */
struct libvirt_network {
        char *name;
        char *file;              /* absolute path */
        bdf_t physical_function; /* of <pf dev=''>, the pool is all of its virtual functions; else empty */
        bdf_t *functions;        /* of <address>, where physical_function is empty */
        size_t n_functions;
};

static inline void libvirt_network_done(struct libvirt_network *n)
{
        free(n->name);
        free(n->file);
        free(n->functions);
        *n = (struct libvirt_network){};
}

/* What keeps libvirt's daemon from running our hook, where `hook_allowed` is no. */
enum hook_obstacle {
        HOOK_OBSTACLE_NONE,
        HOOK_OBSTACLE_SELINUX,
        HOOK_OBSTACLE_APPARMOR,
        HOOK_OBSTACLE_CONTAINER,
        _HOOK_OBSTACLE_MAX,
};

struct libvirt_facts {
        struct fact installed;      /* a daemon for QEMU guests is on this host */
        struct fact readable;       /* the list of guests below has all that libvirt and Proxmox can know */
        struct fact hook_installed; /* ours is there, and libvirt would run it */
        struct fact site_hook;      /* the site has one of its own, which runs before ours */
        /* The daemon runs our hook. It looks for hooks when it starts and when it is reloaded (libvirt,
         * src/util/virhook.c); a reload leaves no trace, so of an installed hook this is never no. */
        struct fact hook_seen;
        struct fact hook_allowed; /* what confines the daemon lets it run our hook */
        enum hook_obstacle hook_obstacle;
        struct fact running; /* the daemon runs now */
        struct fact thp;     /* its guests may have huge pages: PR_SET_THP_DISABLE is inherited */
        struct fact preload; /* its guests inherit LD_PRELOAD with our library from it */
        const char *unit;    /* the daemon's, static: "libvirtd.service"; NULL where no daemon runs */
        pid_t pid;           /* of the daemon; 0: none */
        uint64_t start_usec; /* CLOCK_REALTIME; 0: unknown */
        struct libvirt_guest *guests; /* by name */
        size_t n_guests;
        /* Those that are defined, then those that are active, so a network can be there twice. */
        struct libvirt_network *networks;
        size_t n_networks;
        char *networks_unread; /* why there may be more, of the first file that could not be read; or NULL */
        /* Absolute paths of files that no parser reads (empty, cut off, garbled). libvirt skips them when it
         * starts, so the lists above are complete without them; what their guests or networks would have is
         * unknown. */
        char **damaged;
        size_t n_damaged;
        struct proxmox_mappings mappings; /* devices that Proxmox gives out by name */
        int mappings_error;               /* 0, or the negative errno of reading these */
        bool proxmox;                     /* this is a node of Proxmox VE */
        char *unread; /* internal: what `readable` says of the first file that could not be read */
};

/* What cannot be read is unknown. Returns 0 or -ENOMEM (l is then empty). */
int libvirt_facts_read(struct libvirt_facts *l, const struct root *root);

/* Reads again, cheaply, only the facts about the daemon itself: running, thp, preload, unit, pid and
 * start_usec. */
void libvirt_facts_refresh(struct libvirt_facts *l, const struct root *root);
void libvirt_facts_done(struct libvirt_facts *l);

/* The guest of that process, or NULL. */
const struct libvirt_guest *libvirt_facts_find_pid(const struct libvirt_facts *l, pid_t pid);
