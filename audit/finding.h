/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts/host.h"
#include "util/macro.h"

enum severity {
        SEVERITY_INFO,
        SEVERITY_NOTICE,
        SEVERITY_WARNING,
        SEVERITY_ERROR,
        _SEVERITY_MAX,
        _SEVERITY_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(severity, enum severity);

enum finding_id {
        FINDING_NO_IOMMU,
        FINDING_NO_VFIO,
        FINDING_NO_INTERRUPT_REMAPPING,
        FINDING_UNSAFE_INTERRUPTS,
        FINDING_IOMMU_SMALL_PAGES,
        FINDING_KVM_NO_GIGANTIC,
        FINDING_GROUP_NOT_VIABLE,
        FINDING_KERNEL_NO_HUGE_FAULT,
        FINDING_KERNEL_ALIGNS,
        FINDING_KERNEL_UNALIGNED,
        FINDING_KERNEL_PARTLY_ALIGNED,
        FINDING_KERNEL_PINS_PAGES,
        FINDING_HOOK_FOREIGN,
        FINDING_THP_RESTRICTS,
        FINDING_THP_ASKS,
        FINDING_MODULE_NOT_INSTALLED,
        FINDING_MODULE_NOT_LOADED,
        FINDING_MODULE_DISABLED,
        FINDING_MODULE_NOT_ALIVE,
        FINDING_MODULE_FORBIDDEN,
        FINDING_MODULE_OUTDATED,
        FINDING_NEXT_KERNEL_NO_MODULE,
        FINDING_DEVICE_UNAIDED,
        FINDING_DEVICE_CLAIMED,
        FINDING_DEVICE_IN_USE,
        FINDING_BAR_NO_ADDRESS,
        FINDING_BAR_RESERVED,
        FINDING_BIND_IN_USE,
        FINDING_BIND_CONSOLE,
        FINDING_BIND_CLAIMED,
        FINDING_BIND_VIRTUAL_FUNCTIONS,
        FINDING_BIND_UNREACHABLE,
        FINDING_BIND_UNASSIGNABLE,
        FINDING_BIND_GROUP,
        FINDING_BIND_UNSEEN,
        FINDING_BIND_DRIVER,
        FINDING_BIND_BUSY,
        FINDING_BIND_FAILED,
        FINDING_BIND_QUARANTINED,
        FINDING_BIND_LATE,
        FINDING_BIND_TAINT,
        FINDING_EMULATOR_UNALIGNED,
        FINDING_EMULATOR_UNKNOWN,
        FINDING_EMULATOR_STALE,
        FINDING_EMULATOR_CONTRADICTED,
        FINDING_GUEST_SMALL_PAGES,
        FINDING_GUEST_DEVICE_MISSING,
        FINDING_GUEST_WINDOW_SMALL,
        FINDING_GUEST_DAMAGED,
        FINDING_START_DAMAGED,
        FINDING_HOOK_MISSING,
        FINDING_HOOK_UNSEEN,
        FINDING_HOOK_FORBIDDEN,
        FINDING_MAPPING_SMALL_PAGES,
        FINDING_THP_DISABLED_FOR_PROCESS,
        FINDING_THP_DISABLED_FOR_LIBVIRT,
        FINDING_GUEST_RAW_DEVICE,
        FINDING_GUEST_TRAPS,
        FINDING_MAPPINGS_UNSEEN,
        FINDING_MAPPINGS_OMITTED,
        FINDING_PROCESS_UNREAD,
        FINDING_FACTS_UNSEEN,
        _FINDING_MAX,
        _FINDING_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(finding, enum finding_id);

/* One row of the table from which the tables, the JSON, the journal, its catalog and the manual take their
 * texts. */
struct finding_type {
        enum severity severity;
        const char *text;        /* one line */
        const char *explanation; /* whole sentences that follow the text: meaning, cost */
        unsigned fixes;     /* FIX_BIT(): the remedy is the first of these that helps on this host ... */
        const char *remedy; /* ... or this if none does */
        const char *remedy_as_root; /* the remedy for root, who need not become root; NULL: the same */
        unsigned lacks; /* FIX_BIT(): what the host lacks; if no user of the host would gain by it, the
                         * finding is only information */
        const char *message_id; /* MESSAGE_ID in the journal, 32 hex digits */
};

const struct finding_type *finding_type(enum finding_id id);

/* The remedy in general, for a manual. The caller frees it; NULL: no memory. */
char *finding_type_remedy(const struct finding_type *type);

struct finding {
        enum finding_id id;
        unsigned fixes; /* FIX_BIT(): what to do first here; 0: no fix helps, the type's remedy applies */
        char *guest;    /* the guest whose domain such a fix would edit; NULL: the fix is for the host */
        enum severity severity; /* of its type; lower if it does no harm on this host, and by what it costs
                                 * a start (rank.h) */
        double costs;           /* seconds of a start, of the guest that it costs most; below 0: unknown, or
                                 * the finding is not about time */
        bool costs_estimated;
        char *costs_guest;  /* that guest; NULL where costs is below 0, or no guest has them */
        size_t order;       /* in which it was found */
        char *subject;      /* a PCI address, an emulator, a guest; NULL: the host */
        const char *remedy; /* what helps here, static; NULL: the type's remedy */
        char *remedy_here;  /* the same where it has names of this host in it; NULL: none */
        bool recorded;      /* of a recorded host: its reader's privilege is not ours */
        char *detail;       /* what is particular to this host; NULL: the type's text says all */
};

struct findings {
        struct finding *findings;
        size_t n_findings;
};

/* id: valid. subject: see above; format: of the detail, or NULL. Returns 0 or -ENOMEM. */
int findings_add(struct findings *f, enum finding_id id, const char *subject, const char *format, ...)
        _printf_(4, 5);

/* The remedy of that type where no fix helps, for whoever asks now: root, or somebody else. Static. */
const char *finding_remedy_text(enum finding_id id);

/* The remedy on this host, as a command if there is one. The caller frees it; NULL: no memory. */
char *finding_remedy(const struct finding *f);

/* Judges the facts of a host. Returns 0, or -ENOMEM, and *f is empty then. */
int findings_collect(struct findings *f, const struct host *h);
void findings_done(struct findings *f);

/* The highest severity among them; SEVERITY_INFO if there are none. */
enum severity findings_severity(const struct findings *f);
