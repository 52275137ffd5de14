/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"
#include "facts/host.h"
#include "options.h"
#include "record/record.h"
#include "report/report.h"
#include "unpacked.h"

/* A host as it was read, for the verbs that look at one. */
struct snapshot {
        struct unpacked unpacked; /* the files of an archive */
        struct root root;
        struct host host;
        struct findings findings;
};

/* Reads the host that the options name; --deep tries its emulators. Prints what is wrong; returns 0 or a
 * negative errno. Released by snapshot_done(), also after an error. */
int snapshot_read(struct snapshot *s, const struct options *o);

/* Does the same and records all that is read. *ret_record is the caller's to end and to free, also after an
 * error, where it can be NULL. */
int snapshot_record(struct snapshot *s, const struct options *o, struct record **ret_record);
void snapshot_done(struct snapshot *s);
