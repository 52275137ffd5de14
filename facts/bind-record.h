/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/device/facts-device.h"
#include "util/string-table.h"

/* What vfioalign keeps of each IOMMU group that it has handed over or is handing over, one JSON file for
 * each, named after the group's first function. Only a transaction (bind/) writes them; everybody may read.
 * They live in /run, as a binding ends with the boot. */
#define BIND_RECORDS "run/vfioalign/bind"

/* No driver of the kernel has a name as long; the kernel takes up to a page for an override. */
#define BINDING_NAME_MAX 64

/* Where a function stands. Empty: none. */
struct binding {
        char driver[BINDING_NAME_MAX];
        char override[BINDING_NAME_MAX]; /* driver_override */
};

/* What a driver changes on its way and nobody gives back: attributes of the function, as they read before.
 * Empty: it has no such attribute. */
struct binding_settings {
        char control[8]; /* power/control: "on" or "auto" */
        char d3cold_allowed[4];
        char sriov_drivers_autoprobe[4];
};

/* One function of a group in a transaction. */
struct bind_member {
        bdf_t bdf;
        uint16_t vendor, device, subsystem_vendor, subsystem_device;
        char serial[24]; /* its PCIe serial number, "00-02-c9-03-00-0a-5f-d6"; empty: it has or shows none */
        struct binding before; /* what it has to go back to */
        struct binding after;  /* in VFIO's hands */
        struct binding_settings settings;
};

enum bind_state {
        BIND_STATE_BINDING, /* on the way from before to after */
        BIND_STATE_BOUND,
        BIND_STATE_RETURNING, /* on the way back */
        /* Neither could be reached, or a task hangs in the kernel; `reason` says which */
        BIND_STATE_QUARANTINED,
        _BIND_STATE_MAX,
        _BIND_STATE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(bind_state, enum bind_state);

struct bind_record {
        char boot_id[37];
        enum bind_state state;
        char *owner;        /* "operator", "boot", or "guest NAME" */
        char *reason;       /* of a quarantine, else NULL */
        uint64_t time_usec; /* CLOCK_REALTIME of the last change of the state */
        int group;
        struct bind_member *members; /* by address; bridges are left out */
        size_t n_members;
};

/* A record that cannot be read. Its name is all that is known: the group that this function is in now has
 * it. */
struct bind_unread {
        bdf_t bdf;
        int error; /* -EBADMSG: the file is damaged; or the negative errno of open or read */
};

struct bind_records {
        struct bind_record *records; /* by first member */
        size_t n_records;
        struct bind_unread *unread; /* by name */
        size_t n_unread;
};

/* Reads the records of this boot. *ret_bad is the name of the first file that cannot be read (the caller's
 * to free), or NULL. ret_bad may be NULL. Returns 0 or -ENOMEM (b is then empty). */
int bind_records_read(struct bind_records *b, const struct root *root, char **ret_bad);
void bind_records_done(struct bind_records *b);

/* The record that has the function, or NULL. */
const struct bind_record *bind_records_find(const struct bind_records *b, const char *bdf);

/* Reads one record from its file. Returns 0, -ENOENT, -EBADMSG where the file is damaged, the negative errno
 * of open or read, or -ENOMEM. */
int bind_record_read(struct bind_record *r, const struct root *root, const char *first_bdf);

/* The text of its file, the caller's to free. NULL: no memory */
char *bind_record_format(const struct bind_record *r);
void bind_record_done(struct bind_record *r);

bool binding_equal(const struct binding *a, const struct binding *b);
