/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

#include "audit/finding.h"
#include "audit/need.h"

/* Many hosts: each counts once, by the newest report of it. A million of them fit into 320 MiB. */

/* By the pages of its guests: how it is drawn. */
enum host_pages {
        PAGES_BASE,  /* a guest falls short, with pages of the base size (4 KiB) */
        PAGES_LARGE, /* a guest falls short, with larger ones */
        PAGES_UNKNOWN,
        PAGES_NO_GUEST,
        PAGES_BEST,
        _HOST_PAGES_MAX,
};

/* What hosts can be grouped by: words that many hosts have in common. */
enum host_word {
        WORD_NEED,
        WORD_KERNEL,
        WORD_EMULATOR, /* how its emulators align: "none", or "none+per-area" */
        WORD_LIMIT,    /* what limits its guests */
        WORD_VERSION,  /* of vfioalign */
        WORD_MODULE,   /* its state */
        WORD_THP,
        _HOST_WORD_MAX,
        _HOST_WORD_INVALID = -EINVAL,
};
#define WORD_HOST _HOST_WORD_MAX /* each host by itself */
DECLARE_STRING_TABLE(host_word, enum host_word);

/* COUNT_UNKNOWN is unknown. */
struct host_counts {
        uint64_t guests, guests_short, guests_unknown;
        uint64_t faults, faults_after, pin_steps, pin_steps_after;
};

struct fleet_host {
        uint64_t time; /* seconds since 1970: when its facts were read */
        struct host_counts counts;
        double bar_seconds; /* that mapping BARs took at the last starts that were measured; < 0: unknown */
        uint32_t words[_HOST_WORD_MAX]; /* numbers of texts: fleet_word() */
        enum severity severity : 8;     /* the highest of its findings */
        enum host_pages pages : 8;
        bool has_id;
        unsigned char id[16]; /* where it has one; otherwise hosts are known by their names */
        char name[];          /* as a stranger chose it, perhaps "" */
};

struct fleet {
        struct fleet_host **hosts; /* by need, then by name; NULL before fleet_sort() */
        size_t n_hosts;
        size_t n_unread;  /* documents that could not be read, or are something else */
        size_t n_unnamed; /* reports that do not say whose they are */
        size_t n_older;   /* reports of a host of which there was a newer one, or the same again */
        void *by_key;     /* of tsearch(3) */
        struct fleet_words *words;
};

/* Returns 0 or -ENOMEM. */
int fleet_open(struct fleet *f);
void fleet_done(struct fleet *f);

/* Adds a row or a report, or NULL for what could not be read. Returns 0 or -ENOMEM. */
int fleet_add(struct fleet *f, json_object *document);

/* Lists the hosts, once all reports are there. Returns 0 or -ENOMEM. */
int fleet_sort(struct fleet *f);

/* The text of a word of a host; "unknown" where its report does not say. */
const char *fleet_word(const struct fleet *f, const struct fleet_host *h, enum host_word word);

/* What all its hosts have in common, when they are grouped by these words. */
struct fleet_group {
        const struct fleet_host *first;
        size_t n_hosts;
        struct host_counts counts; /* sums of what is known */
        double bar_seconds;        /* < 0: none is known */
        enum severity severity;
};

/* by: n words, of which WORD_HOST can be one. The groups come in the order of their words, of needs in that
 * of need.h, and of others the largest first. The caller frees *ret. Returns 0 or -ENOMEM. */
int fleet_group(const struct fleet *f, const enum host_word by[], size_t n, struct fleet_group **ret,
                size_t *ret_n);

/* All hosts as one group. */
struct fleet_group fleet_total(const struct fleet *f);

/* How many hosts have a guest that falls short; how many reports are from before that time (seconds since
 * 1970). */
size_t fleet_count_short(const struct fleet *f);
size_t fleet_count_before(const struct fleet *f, uint64_t time);
