/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host.h"

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
        FINDING_KERNEL_NO_HUGE_FAULT,
        FINDING_KERNEL_UNALIGNED,
        FINDING_KERNEL_PARTLY_ALIGNED,
        FINDING_KERNEL_PINS_PAGES,
        FINDING_THP_RESTRICTS,
        FINDING_MODULE_NOT_INSTALLED,
        FINDING_MODULE_NOT_LOADED,
        FINDING_MODULE_DISABLED,
        FINDING_MODULE_FORBIDDEN,
        FINDING_EMULATOR_UNALIGNED,
        FINDING_EMULATOR_UNKNOWN,
        FINDING_MAPPING_SMALL_PAGES,
        FINDING_MAPPINGS_UNSEEN,
        _FINDING_MAX,
        _FINDING_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(finding, enum finding_id);

/* One row of the one table: everything that shows a finding (text, JSON, journal) takes it from here. */
struct finding_type {
        enum severity severity;
        const char *text;       /* one line */
        const char *remedy;     /* the way out, a command where there is one */
        const char *message_id; /* MESSAGE_ID in the journal, 32 hex digits */
};

const struct finding_type *finding_type(enum finding_id id);

struct finding {
        enum finding_id id;
        char *subject; /* a PCI address, an emulator, a process; NULL: the host */
        char *detail;  /* what is particular to this host; NULL: the type's text says all */
};

struct findings {
        struct finding *findings;
        size_t n_findings;
};

/* What the facts of this host amount to. Returns 0 or -ENOMEM. */
int findings_collect(struct findings *f, const struct host *h);
void findings_done(struct findings *f);

/* The gravest severity among them; SEVERITY_INFO where there is none. */
enum severity findings_severity(const struct findings *f);
