/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the files of this folder; nobody else needs it. */

#include "facts-emulator.h"

enum emulator_why {
        WHY_NO_ELF,
        WHY_OTHER_MACHINE,
        WHY_BROKEN,
        WHY_NO_FUNCTION,
        WHY_NO_CALL,
        WHY_UNREADABLE,
        WHY_NOT_REGULAR,
        WHY_NOT_OPENED,
        WHY_SCRIPT,
        WHY_NO_TARGET,
        WHY_TWO_SCRIPTS,
        WHY_NO_PERMISSION,
        WHY_PROCESS_GONE,
        WHY_PROBE_NOT_STARTED,
        WHY_PROBE_NOT_MAPPED,
        WHY_PROBE_CRASHED,
        WHY_PROBE_LATE,
        WHY_PROBE_OTHER,
        WHY_NOT_RECORDED,
        WHY_PROCESS_LATE,
        WHY_OTHER_PROGRAM,
        WHY_CLOUD_HYPERVISOR,
        WHY_PROBE_IS_FOR_QEMU,
        WHY_FILE_LATE,
        _WHY_MAX,
};

/* Static text. */
const char *emulator_why(enum emulator_why why);

/* The static text that equals this one of a recorded host; WHY_NOT_RECORDED's where there is none. */
const char *emulator_why_from_text(const char *text);

/* Looks at an open file and sets generation, source, why and build_id. Returns 0, -ENOEXEC where it is not
 * an ELF file (`why` says so), or -ENOMEM. */
int emulator_code_read(struct emulator *e, int fd);

/* The same as one line, "GENERATION SOURCE BUILD-ID|- [PROGRAM,static] WHY", without the brackets where they
 * would say nothing new ("qemu" where the generation is known), as a recorded host keeps it; the caller's to
 * free. NULL: no memory */
char *emulator_code_to_answer(const struct emulator *e);

/* The reverse. Any other text leaves the generation unknown. Returns 0 or -ENOMEM. */
int emulator_code_from_answer(struct emulator *e, const char *answer);

/* root_answer() and root_note() for the question "WHAT KEY". A key or answer with control characters is not
 * noted, because each answer is a line. */
char *emulator_ask(const struct root *root, const char *what, const char *key);
void emulator_note(const struct root *root, const char *what, const char *key, const char *answer);

/* Whether users other than root can change what the path leads to on the host. A recorded one has the
 * answer, because its files have lost their owners. */
bool emulator_is_changeable(const struct root *root, const char *path);

/* Are these states of one file that was not written to in between? */
bool emulator_is_same_file(const struct stat *a, const struct stat *b);

/* The index of the host's own emulator with that path, which may be another name of its file. It is read now
 * where it is new or has changed. Returns 0, -ENOENT or -ENOMEM. */
int emulator_facts_find(struct emulator_facts *f, const struct root *root, const char *path, size_t *ret);
