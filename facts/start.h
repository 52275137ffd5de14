/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/guest/facts-libvirt.h"
#include "util/root.h"

/* Starts of guests that were measured (vfioalign-trace@.service), one file for each: a document of
 * fleet/trace.schema.json with one process. Its name is the guest's, as part of a unit's name
 * (util/unit-name.h), "-", and when it began: CLOCK_REALTIME in microseconds, in 20 digits. Only root may
 * write there, and only root may read it. */
#define STATE_DIR "var/lib/vfioalign"
#define STARTS_DIR STATE_DIR "/starts"
#define START_NAME_MAX 220      /* bytes of an escaped name: a file and a unit have room for that */
#define START_SIZE_MAX MIB(1)   /* bytes of a file */
#define STARTS_OF_GUEST_MAX 20  /* files; a new one then replaces the guest's oldest */
#define STARTS_MAX 1024         /* files of all guests; then it replaces the oldest of all */
#define STARTS_SIZE_MAX MIB(16) /* bytes of all files; the same */
#define START_BARS_MAX 1024     /* as a trace has them (trace/account.h) */
#define START_DEVICES_MAX 256   /* the same */
#define START_SENTENCES_MAX 64
#define START_TEXT_MAX 96

/* A BAR, or another region of a device, or a part of one, that was mapped for DMA or had an address. */
struct start_bar {
        char device[START_TEXT_MAX]; /* "": unknown */
        unsigned region;             /* 0 to 5 are the BARs */
        uint64_t offset, size;       /* bytes, in the region */
        uint64_t calls, failed;      /* how often it was mapped for DMA, also in vain */
        uint64_t faults, usec;       /* of all calls */
        uint64_t page_size;          /* bytes, that the faults show; 0: there were none */
};

struct start_device {
        char address[START_TEXT_MAX]; /* "": unknown */
        uint64_t opens, open_usec;    /* without the resets within */
        uint64_t resets, reset_usec;
};

/* One start of a guest, from libvirt's hook to the last mapping for DMA. Times are microseconds. */
struct start {
        char *guest;        /* its name */
        char *file;         /* in STARTS_DIR */
        uint64_t time_usec; /* when it began, CLOCK_REALTIME */
        char kernel[65];    /* its release; "": unknown */
        bool partial;       /* something was not seen, so the sums below may lack some of it */
        bool ended;         /* the guest ended while it was watched */
        uint64_t usec;      /* all of it, which is the sum of these unless calls overlapped: */
        uint64_t hook_usec, libvirt_usec, open_usec, reset_usec, ram_usec, bars_usec, unmap_usec, other_usec;
        uint64_t ram_bytes, ram_faults; /* RAM mapped for DMA, also from a file */
        uint64_t bar_faults;            /* of all BARs */
        struct start_bar *bars;
        size_t n_bars;
        struct start_device *devices;
        size_t n_devices;
        char **sentences; /* that say where the time went */
        size_t n_sentences;
};

struct starts {
        struct start *starts;
        size_t n_starts;
        char **damaged; /* files in STARTS_DIR that are no kept start, or too large for one */
        size_t n_damaged;
        bool unread; /* this process may not read the directory */
};

/* Reads the newest kept start of each of these guests that has VFIO devices, in their order. A damaged one
 * hides those before it, because the last start is not known then. Returns 0 or -ENOMEM (s is then empty).
 */
int starts_read(struct starts *s, const struct root *root, const struct libvirt_facts *l);

/* Reads all that are kept of one guest, the newest first. Returns 0 or -ENOMEM (s is then empty). */
int starts_read_guest(struct starts *s, const struct root *root, const char *guest);
void starts_done(struct starts *s);

/* The newest start of a guest, or NULL. */
const struct start *starts_find(const struct starts *s, const char *guest);

/* Reads one file of STARTS_DIR, whose name start_file_parse() accepts. Returns 0; -EBADMSG where it is
 * damaged or too large; the negative errno of open or read; or -ENOMEM. */
int start_read(struct start *ret, const struct root *root, const char *file);
void start_done(struct start *s);

/* "train\x2da-00001764524400000000.json": the name of such a file. escaped: of at most START_NAME_MAX bytes.
 */
#define START_FILE_MAX (START_NAME_MAX + sizeof("-.json") + 20)
void start_file_format(char ret[static START_FILE_MAX], const char *escaped, uint64_t time_usec);

/* Whether it is one. *ret_length: of the guest's escaped name, with which it begins. */
bool start_file_parse(const char *file, size_t *ret_length, uint64_t *ret_time_usec);
