/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "fix-id.h"
#include "util/pci-address.h"
#include "util/root.h"
#include "util/string-table.h"

/* etc/vfioalignd.conf and its drop-ins. */

/* What to do with the start of a guest that would get smaller pages than it could have. */
enum on_unaligned {
        ON_UNALIGNED_ALLOW,
        ON_UNALIGNED_WARN,
        ON_UNALIGNED_REFUSE,
        _ON_UNALIGNED_MAX,
        _ON_UNALIGNED_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(on_unaligned, enum on_unaligned);

struct guest_policy {
        enum on_unaligned on_unaligned;
        uint64_t min_bar_size; /* bytes; smaller BARs do not count */
};

/* What the hook answers libvirt when the daemon gives no answer in time. */
enum on_unreachable {
        ON_UNREACHABLE_ALLOW,
        ON_UNREACHABLE_REFUSE,
        _ON_UNREACHABLE_MAX,
        _ON_UNREACHABLE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(on_unreachable, enum on_unreachable);

/* How what is exported names guests: [Export] Guests=. */
enum export_guests {
        EXPORT_GUESTS_NAME,
        EXPORT_GUESTS_UUID,
        EXPORT_GUESTS_NONE, /* only how many there are */
        _EXPORT_GUESTS_MAX,
        _EXPORT_GUESTS_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(export_guests, enum export_guests);

/* Whether the starts of guests are measured. */
enum measure {
        MEASURE_AUTO, /* where the host can */
        MEASURE_OFF,
        _MEASURE_MAX,
        _MEASURE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(measure, enum measure);

/* When to hand a device to VFIO: [Device NAME] Bind=. */
enum bind_policy {
        BIND_NEVER,
        BIND_GUEST, /* while a guest with managed='no' has it */
        BIND_BOOT,  /* always */
        _BIND_POLICY_MAX,
        _BIND_POLICY_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(bind_policy, enum bind_policy);

/* A section [Device NAME]: which functions it is about (everything that is given has to match, and at least
 * one thing is), and what to do with them. */
struct device_section {
        char *name;
        char *file; /* it is in this file, at this line */
        unsigned line;
        bdf_t address;              /* Address=, in the kernel's spelling; empty: any */
        uint32_t vendor, device;    /* ID=10de:2330, ID=10de:*; UINT32_MAX: any */
        uint32_t class, class_mask; /* Class=0300, Class=030200: the leading digits; mask 0: any */
        char *driver;               /* Driver=: the driver of the host that it has or had; NULL: any */
        enum bind_policy bind;
        char *vfio_driver; /* VfioDriver=; NULL: auto, the best one for each function */
};

/* A section [Guest NAME]: for guests whose name matches (fnmatch(3)), it overrides [Guest]. */
struct guest_section {
        char *name;
        unsigned line;
        unsigned has; /* mask of its keys: guest-section.h */
        struct guest_policy policy;
};

struct config {
        enum policy fixes[_FIX_ID_MAX]; /* [Fix]: a key for each, see struct fix_type */
        struct guest_policy guest;      /* [Guest] OnUnaligned=, MinBarSize= */
        struct guest_section *guests;   /* in the order of the files */
        size_t n_guests;
        uint64_t hook_deadline_usec;        /* [Guest] HookDeadlineSec= */
        enum on_unreachable on_unreachable; /* [Guest] OnUnreachable= */
        enum measure measure;               /* [Guest] Measure= */
        uint64_t bind_deadline_usec;        /* [Bind] DeadlineSec=: for one IOMMU group */
        enum export_guests export_guests;   /* [Export] Guests= */
        uint64_t audit_interval_usec;       /* [Export] AuditIntervalSec= */
        struct device_section *devices;     /* in the order of the files */
        size_t n_devices;
};

/* Called for each problem: the file, its line (0: the file as a whole), what it is, and whether it makes the
 * configuration unusable (fatal) or was ignored (a file where the directory should be). */
typedef void (*config_problem_t)(const char *file, unsigned line, bool fatal, const char *what,
                                 void *userdata);

/* A value as it is written, and where. */
struct config_setting {
        const char *section, *key, *value;
        const char *file; /* NULL: it is the default */
        unsigned line;
};

/* Called for each key: first for all defaults, then for those of the files, in their order; of two with the
 * same section, which is not one of [Device NAME] or [Guest NAME], the second counts. */
typedef void (*config_setting_t)(const struct config_setting *setting, void *userdata);

/* The defaults, then etc/vfioalignd.conf, then etc/vfioalignd.conf.d/ (files ending in .conf, by name),
 * below root. A missing file is fine. On an unknown section or key, a bad value or an unreadable file
 * returns a negative errno, after all problems have been reported, and leaves *ret alone, which it never
 * releases. problem: NULL: problems are not reported. */
int config_read(struct config *ret, const struct root *root, config_problem_t problem, void *userdata);

/* The same with more to say. */
struct config_reader {
        const char *file; /* instead of all the usual ones, and it has to be there; NULL: those */
        bool partly;      /* on an error, *ret is set all the same: to what could be read */
        config_problem_t problem;
        config_setting_t setting;
        void *userdata;
};
int config_read_by(struct config *ret, const struct root *root, const struct config_reader *reader);

void config_done(struct config *c);

/* The section for a function, or NULL: the last that matches, so a drop-in overrides the file. driver: the
 * one that it is bound to, or that it had before we took it; NULL: none. */
const struct device_section *config_find_device(const struct config *c, const char *address, uint16_t vendor,
                                                uint16_t device, uint32_t class, const char *driver);

/* The policy for a guest of that name: for each key, the last section that matches and has it. */
struct guest_policy config_guest_policy(const struct config *c, const char *guest);

/* The compiled-in defaults, which are also the comments in the shipped file. */
struct config config_default(void);

/* All keys with their defaults and a line of help each, for --help. */
void config_print_keys(FILE *out);
