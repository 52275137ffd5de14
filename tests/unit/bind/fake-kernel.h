/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "facts/device/facts-device.h"
#include "util/root.h"

/* The driver core, as far as sysfs shows it, on a directory that stands for a host's root: functions,
 * drivers, IOMMU groups, driver_override, unbind and drivers_probe, as drivers/base/{bus,dd,driver}.c and
 * drivers/pci/pci-driver.c of Linux 6.12 have them. It lives in the directory and in memory that is shared
 * with all children, so that it outlives whoever dies at work.
 *
 * The code under test is linked with --wrap=write_attribute_at, and write_file_at, renameat, unlinkat: what
 * it keeps for itself; all end here. Each is a point, counted from 1, at which a fault can strike. Whatever
 * a careful tool would not write aborts the process, and is kept in `violation`. */

#define FAKE_FUNCTIONS_MAX 24
#define FAKE_FAULTS_MAX 4
#define FAKE_NAME_MAX 64

/* The drivers there are, in the order in which they registered; those for VFIO take nothing unless the
 * override says so. */
#define FAKE_HOST "hosta"   /* 1234:00a?, and its power/control becomes "auto" */
#define FAKE_SECOND "hostb" /* the same, where hosta is not made to */
#define FAKE_VFIO "vfio-pci"
#define FAKE_VARIANT "fake_gpu_vfio_pci" /* what modules.alias has for 1234:00a1 */
#define FAKE_PORT "pcieport"             /* bridges */

#define FAKE_HOST_ID 0x00a0
#define FAKE_VARIANT_ID 0x00a1
#define FAKE_NOBODYS_ID 0x00c0 /* no driver of the host knows it */

struct fake_function {
        bdf_t bdf;
        bool present;
        uint16_t device; /* of vendor 1234 */
        uint32_t class;
        int group;
        char serial[24];            /* or empty */
        char driver[FAKE_NAME_MAX]; /* empty: none */
        char override[FAKE_NAME_MAX];
        char control[8]; /* power/control */
        char d3cold_allowed[4];
        char autoprobe[4]; /* sriov_drivers_autoprobe; empty: no such attribute */
        bool used;         /* to unbind it would take it from somebody */
        bool silent;       /* its config space reads all ones */
};

enum fake_fault_kind {
        FAULT_NONE,
        FAULT_ERRNO,       /* the write fails, and has done nothing */
        FAULT_ERRNO_AFTER, /* the write fails, and has done all the same */
        FAULT_LIE,         /* drivers_probe succeeds and binds nothing */
        FAULT_VANISH,      /* the function that is written leaves the host just then */
        FAULT_HANG,        /* for ever */
        FAULT_KILL_BEFORE, /* SIGKILL to the writer */
        FAULT_KILL_AFTER,
        _FAULT_MAX,
};

struct fake_fault {
        enum fake_fault_kind kind;
        unsigned at; /* the point; every point from there on with `on` */
        bool on;
        int error; /* positive errno */
};

struct fake_kernel {
        char dir[64];
        unsigned boots;
        struct fake_function functions[FAKE_FUNCTIONS_MAX];
        size_t n_functions;
        struct fake_function shown[FAKE_FUNCTIONS_MAX]; /* what the directory shows of them */

        unsigned points; /* since fake_arm() */
        unsigned writes; /* of attributes */
        unsigned moves;  /* of files, to where they are seen or away */
        struct fake_fault faults[FAKE_FAULTS_MAX];
        char refusing[FAKE_NAME_MAX]; /* this driver's probe fails ... */
        bdf_t refused;                /* ... of this function; empty: of all ... */
        unsigned refusals;            /* ... as many times yet */
        bool read_only;               /* a dry run: any write is a violation */
        pid_t hung;                   /* who hangs in a write; a byte comes out of hung_pipe[0] then */
        int hung_pipe[2];
        char violation[256];
        char log[4096];   /* what was written: "drivers_probe=0000:01:00.0;", cut at its size */
        char loaded[256]; /* the drivers that were to be loaded and are not there: "vfio-pci;", the same */
        bool loadable;    /* they are there then */
};

/* Called on the way into the kernel and out of it, where it is set: what a test does to the code under test
 * it must not do to the kernel. */
extern void (*fake_boundary)(bool inside);

/* Ends the program on any failure. fake_delete() takes the directory along. */
struct fake_kernel *fake_new(void);
void fake_delete(struct fake_kernel *k);

/* Plugs a function in, or again what was there: a driver of the host takes it, as after a start. serial: or
 * NULL. */
struct fake_function *fake_add(struct fake_kernel *k, const char *bdf, uint16_t device, uint32_t class,
                               int group, const char *serial);
void fake_plug(struct fake_kernel *k, struct fake_function *f);
void fake_unplug(struct fake_kernel *k, struct fake_function *f);
struct fake_function *fake_find(struct fake_kernel *k, const char *bdf);

/* Somebody else's hand: brings the function there; then writes what the function has to where it shows. */
void fake_place(struct fake_kernel *k, struct fake_function *f, const char *driver, const char *override);
void fake_show(struct fake_kernel *k, struct fake_function *f);

/* A new boot: /run is empty, all functions with the drivers that take them; keep_run: as if /run were on a
 * disk. */
void fake_reboot(struct fake_kernel *k, bool keep_run);

/* Counts from 0 again, without faults; the fault strikes at that point. */
void fake_arm(struct fake_kernel *k);
void fake_fault(struct fake_kernel *k, enum fake_fault_kind kind, unsigned at, int error);
void fake_refuse(struct fake_kernel *k, const char *driver, const char *bdf, unsigned times);

/* Files besides, as the test likes them; text NULL: it is removed. */
void fake_write(struct fake_kernel *k, const char *path, const char *text);
void fake_link(struct fake_kernel *k, const char *path, const char *target);
bool fake_exists(struct fake_kernel *k, const char *path);

bool fake_driver_is_vfio(const char *driver);

/* "0000:01:00.0 hosta - on 1; ..." of all that are there: to compare two times. Static buffer, one of eight
 * in turn. */
const char *fake_state(const struct fake_kernel *k);
