/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One row for each verb: its name, its arguments, one line for --help, the program that has it, and its
 * function there. Without a line for --help it is for libvirt or for a shell,
 * and not for people. The options come first in its arguments; the common ones (options.h) are not named.
 *
 * The programs are several because loading libraries takes most of the time of a short run (the number of
 * libraries that ldd(1) lists is in parentheses):
 *   vfioalignctl        (4)   dispatches. For root it also binds and unbinds by itself (ROOT_OR_MAIN, by
 *                             verb_bind_by()), which scripts do for device after device.
 *   vfioalignctl-main   (27)  has most verbs.
 *   vfioalignctl-guest  (68)  alone needs libvirt's library, which brings all the others.
 *   vfioalign-trace     (18)  watches the kernel, for one verb.
 *   vfioalignctl-hook   (10)  runs several times in each start of a guest, and only needs the system bus. */
#define VERBS(ROW) \
        ROW("doctor", "[--json] [--watch[=SECONDS]] [--root HOST] [--fail-on SEVERITY]", \
            "what is wrong, worst first, and what helps; the same without a verb", MAIN, verb_doctor) \
        ROW("audit", \
            "[--json] [--watch[=SECONDS]] [--root HOST] [--host NAME] [--fail-on SEVERITY] [--deep] " \
            "[--all] [--full]", \
            "what every BAR on this host gets, and why", MAIN, verb_audit) \
        ROW("devices", \
            "[--json] [--csv] [--output COLUMNS] [--no-headings] [--watch[=SECONDS]] [--root HOST] " \
            "[--fail-on SEVERITY] [ADDRESS...]", \
            "every PCI function: driver, IOMMU group, BARs, and who uses it", MAIN, verb_devices) \
        ROW("guests", \
            "[--json] [--csv] [--output COLUMNS] [--no-headings] [--watch[=SECONDS]] [--root HOST] " \
            "[--fail-on SEVERITY] [GUEST...]", \
            "libvirt's guests with VFIO devices, and the pages they get", MAIN, verb_guests) \
        ROW("emulators", \
            "[--json] [--csv] [--output COLUMNS] [--no-headings] [--watch[=SECONDS]] [--root HOST] " \
            "[--fail-on SEVERITY] [--deep] [PATH...]", \
            "how each emulator places BARs", MAIN, verb_emulators) \
        ROW("mappings", \
            "[--json] [--csv] [--output COLUMNS] [--no-headings] [--watch[=SECONDS]] [--root HOST] " \
            "[--fail-on SEVERITY] [PROCESS|ADDRESS...]", \
            "what processes map of VFIO devices, and in which pages", MAIN, verb_mappings) \
        ROW("explain", \
            "[--json] [--root HOST] [--area BAR:OFFSET+LENGTH] [--svg FILE] [--guest] " \
            "FINDING|ADDRESS|GUEST", \
            "why, in whole sentences, with this host's numbers", MAIN, verb_explain) \
        ROW("probe", "[--json] [--yes] ADDRESS", \
            "open an idle device, map its BARs, and measure: resets it", MAIN, verb_probe) \
        ROW("trace", "[--json] [--svg FILE] [--pid PID] [--for SECONDS] [GUEST]", \
            "watch the next start of a guest, and see where its seconds go", TRACE, verb_trace) \
        ROW("bind", "[--json] [--dry-run] [--driver NAME] [--force] ADDRESS...", \
            "hand devices to VFIO, whole IOMMU groups, or say what is against it", ROOT_OR_MAIN, verb_bind) \
        ROW("unbind", "[--json] [--dry-run] [--driver NAME] [--force] ADDRESS...", \
            "give them back to the drivers that they had", ROOT_OR_MAIN, verb_bind) \
        ROW("fix", \
            "[--json] [--csv] [--output COLUMNS] [--no-headings] [--root HOST] [--dry-run] [--yes] " \
            "[--force] " \
            "[list|plan|apply|revert] [FIX]", \
            "what gives devices larger pages: show, do, or undo it", MAIN, verb_fix) \
        ROW("guest", \
            "[--json] [--dry-run] [--yes] [--emulator PATH] [--connect URI] plan|apply|revert NAME [FIX]", \
            "edit a defined guest so that its BARs get large pages, or undo it", GUEST, verb_guest) \
        ROW("dump", "[--root HOST] [--force] FILE", "record what the audit reads, for --root", MAIN, \
            verb_dump) \
        ROW("row", "[--root HOST] [--host NAME]", "this host on one line of JSON, for a fleet", MAIN, \
            verb_row) \
        ROW("metrics", "[--root HOST] [--output FILE]", "the audit as metrics for Prometheus", MAIN, \
            verb_metrics) \
        ROW("check", "[--format FORMAT] [--root HOST]", \
            "the state of this host as one line and an exit code, for a monitoring system", MAIN, \
            verb_check) \
        ROW("fleet", \
            "[--json|--csv|--html FILE|--hosts NEED] [--by WORDS] [--output COLUMNS] [--max-age TIME] " \
            "[--fail-on SEVERITY] FILE|DIRECTORY|-...", \
            "many hosts' rows or reports, one answer: which hosts need what", MAIN, verb_fleet) \
        ROW("status", "[--json] [--watch[=SECONDS]]", "what the daemon last saw", MAIN, verb_status) \
        ROW("config", \
            "[--json] [--csv] [--output COLUMNS] [--no-headings] [--root HOST] show|check [FILE]", \
            "every value of vfioalignd's configuration and where it is from, or its errors", MAIN, \
            verb_config) \
        ROW("off", "[--persistent] [--dry-run]", "switch all of vfioalign off", MAIN, verb_off) \
        ROW("on", "[--dry-run]", "switch it on again", MAIN, verb_on) \
        ROW("complete", "WORD...", NULL, MAIN, verb_complete) \
        ROW("hook", "GUEST OPERATION SUB-OPERATION EXTRA", NULL, HOOK, verb_hook)

/* A verb gets its own arguments, argv[0] being the verb, and returns an exit code (ctl.h). */
#define DECLARE_VERB(name, arguments, help, program, function) int function(int argc, char *argv[]);
VERBS(DECLARE_VERB)
#undef DECLARE_VERB
