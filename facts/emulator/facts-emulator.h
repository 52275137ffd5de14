/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "util/fact.h"
#include "util/root.h"

/* How an emulator places the mapping of a BAR. */
enum emulator_generation {
        GENERATION_UNKNOWN,
        /* mmap(NULL): the kernel decides. QEMU up to 9.1 */
        GENERATION_NONE,
        /* At the lowest set bit of each area's size, at most 1 GiB. QEMU 9.2 (00b519c0bca0) */
        GENERATION_PER_AREA,
        /* The whole region at the next power of two above its size. QEMU 11.0 (3863e47828d5), OpenVMM */
        GENERATION_PER_REGION,
        /* At the next power of two above each area's size, at most 1 GiB. cloud-hypervisor 53 (de4ff39f4) */
        GENERATION_ROUNDED_AREA,
        _GENERATION_MAX,
        _GENERATION_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(emulator_generation, enum emulator_generation);

/* Does it align BARs by itself? */
bool generation_aligns(enum emulator_generation g);

/* Which program a binary is, as far as it matters. */
enum emulator_program {
        PROGRAM_UNKNOWN, /* if its generation is known, it is a QEMU: older records do not say */
        PROGRAM_QEMU,
        PROGRAM_CLOUD_HYPERVISOR,
        PROGRAM_OPENVMM,
        PROGRAM_OTHER, /* none of these */
        _PROGRAM_MAX,
        _PROGRAM_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(emulator_program, enum emulator_program);

/* One binary. A path can have two entries: the installed file, and an older one that processes still run
 * (`replaced`). */
struct emulator {
        char *path;   /* absolute, as the host names it; with `container`, as its own namespace does */
        char **names; /* other paths that led to this file when they were last asked for */
        size_t n_names;
        char *target;   /* the program that a wrapper script starts, absolute; NULL for a plain binary */
        char *build_id; /* hexadecimal, of .note.gnu.build-id; or NULL */
        enum emulator_generation generation;
        enum fact_source source;
        const char *why; /* static: why the generation is unknown, or NULL */
        enum emulator_program program;
        bool unpreloadable; /* a static binary, or one of another C library: nothing can be preloaded */

        bool distribution;  /* at a usual place */
        bool libvirt;       /* a domain's <emulator>: emulator_facts_get() was asked for it */
        size_t n_processes; /* of those that were added, how many run it */
        /* Processes run it, but its path has another file by now, or none. A guest must be stopped and
         * started to get the new one. */
        bool replaced;
        bool container;    /* the path is that of another mount namespace */
        bool contradicted; /* the probe saw another generation than the code promised */
        bool changeable;   /* users other than root can change what the path leads to */

        struct stat stat; /* of the file that was read, to notice when the path gets another one */
        struct stat target_stat;
};

/* Which binary a process runs. */
struct emulator_process {
        pid_t pid;
        size_t emulator; /* index into emulators, or EMULATOR_NOT_SEEN */
        const char *why; /* static: why it was not seen, or NULL */
};

#define EMULATOR_NOT_SEEN SIZE_MAX

struct emulator_facts {
        struct emulator *emulators;
        size_t n_emulators;
        struct emulator_process *processes;
        size_t n_processes;
};

/* Whether a guest may be given that emulator, and root may try it, without being told to: it is installed at
 * a usual place or named by a domain, and nobody but root can change it. What any process runs is no reason.
 * An old record, which does not say whose the file is, is believed. */
bool emulator_is_hosts(const struct emulator *e);

/* Whether it may be a QEMU, for all that is known. A binary at QEMU's place that is not one may start it, as
 * those of NixOS do. */
bool emulator_may_be_qemu(const struct emulator *e);

/* Whether what libvirt's QEMU driver puts into LD_PRELOAD may reach it. */
bool emulator_takes_preload(const struct emulator *e);

/* Whether it gives MADV_HUGEPAGE for BARs. QEMU does so for all memory of a guest (ram_block_add);
 * cloud-hypervisor and OpenVMM do so for the guest's RAM only. */
enum fact_value emulator_advises(const struct emulator *e);

/* Looks at the code of one binary, or of the one that a plain wrapper script ('exec /usr/bin/qemu "$@"')
 * starts. Any other script, another architecture, or a binary that hides its symbols is "unknown". On a
 * recorded host without the file, the noted answer counts: question "emulator PATH", answer "GENERATION
 * SOURCE BUILD-ID|- [PROGRAM,static] WHY", or "wrapper PATH" with what a script starts, or "same PATH" for a
 * second name. Returns 0, -ENOENT where there is no such file, or -ENOMEM; e is set on success only. */
int emulator_read(struct emulator *e, const struct root *root, const char *path);
void emulator_done(struct emulator *e);

/* The emulators at the distributions' usual places, each file once. Returns 0 or -ENOMEM. */
int emulator_facts_read(struct emulator_facts *f, const struct root *root);
void emulator_facts_done(struct emulator_facts *f);

/* The emulator with that path, which is a domain's <emulator> and is marked so. It is read now where it has
 * no entry yet, or the path has another file by now. A second name of a file has the entry of the first.
 * NULL where there is no such file, or memory is out. Earlier pointers into the list become invalid. */
const struct emulator *emulator_facts_get(struct emulator_facts *f, const struct root *root,
                                          const char *path);

/* The installed emulator to which that path led when it was last asked for by emulator_facts_get() or
 * emulator_facts_read(), whichever name the file was read by; NULL where none is known. Reads nothing. */
const struct emulator *emulator_facts_by_name(const struct emulator_facts *f, const char *path);

/* Adds a process to `processes`, with the binary of its /proc/PID/exe, also a deleted one or one in a
 * container, or with a reason where the process is gone or there is no privilege. The code of a file is read
 * once for all its processes. A pid that was added before is left alone. Returns 0 or -ENOMEM. Earlier
 * pointers become invalid. Recorded as "emulator-process PID" -> "here|replaced|container PATH" and
 * "emulator-code PID" -> as above. */
int emulator_facts_add_process(struct emulator_facts *f, const struct root *root, pid_t pid);

/* A process has mapped a BAR where nobody who aligns would have. If nothing else is known of its emulator,
 * it leaves the address to the kernel. */
void emulator_note_unaligned(struct emulator_facts *f, pid_t pid);

/* The binary of a process; NULL where the process was not added, or its binary could not be seen. */
const struct emulator *emulator_facts_of_process(const struct emulator_facts *f, pid_t pid);
