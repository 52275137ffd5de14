/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "util/string-table.h"

/* What became of one IOMMU group: fleet/bind.schema.json. */
enum bind_outcome {
        BIND_UNCHANGED,   /* it was there already, nothing was written */
        BIND_PLANNED,     /* a dry run that found nothing against it */
        BIND_BOUND,       /* in VFIO's hands */
        BIND_RETURNED,    /* with the drivers it had before */
        BIND_GONE,        /* every function has left the host */
        BIND_REFUSED,     /* nothing was written; the findings say why */
        BIND_FAILED,      /* everything is as it was before; the findings say why */
        BIND_QUARANTINED, /* neither here nor there; the findings say which function is where */
        BIND_STUCK,       /* a task hangs in the kernel with it */
        _BIND_OUTCOME_MAX,
        _BIND_OUTCOME_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(bind_outcome, enum bind_outcome);

/* Both take a valid outcome. Good: the group is where it was asked to go, or would be. The text is static
 * and follows "group 12: ". */
bool bind_outcome_is_good(enum bind_outcome outcome);
const char *bind_outcome_text(enum bind_outcome outcome);
