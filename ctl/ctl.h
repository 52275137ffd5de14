/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Exit codes, as vfioalignctl(1) promises them. */
enum {
        CTL_OK = 0,
        CTL_FAILED = 1,
        CTL_USAGE = 2,
        CTL_FOUND = 3,   /* audit: a finding at or over --fail-on */
        CTL_REFUSED = 4, /* hook: the guest must not start; hooks/qemu acts on this code and on no other */
};

/* A verb gets its own arguments, argv[0] being the verb. */
int verb_audit(int argc, char *argv[]);
int verb_devices(int argc, char *argv[]);
int verb_guests(int argc, char *argv[]);
int verb_emulators(int argc, char *argv[]);
int verb_mappings(int argc, char *argv[]);
int verb_explain(int argc, char *argv[]);
int verb_probe(int argc, char *argv[]);
int verb_bind(int argc, char *argv[]);
int verb_fix(int argc, char *argv[]);
int verb_guest(int argc, char *argv[]);
int verb_dump(int argc, char *argv[]);
int verb_status(int argc, char *argv[]);
