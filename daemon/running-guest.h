/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "audit/verdict.h"

struct guest;
struct manager;

/* One guest that runs, and what it really got. */
struct running_guest {
        struct manager *manager;
        char *name;
        pid_t pid;
        sd_event_source *exit;   /* of its process: the end needs no hook */
        struct verdict verdict;  /* of the mapping that falls furthest short */
        uint64_t best_page_size; /* of that mapping */
        json_object *mappings;
};

/* Reads what a guest's process maps, and notes what is new of it as evidence. before: what was known under
 * that name, or NULL. on_exit: called with the new guest when its process ends. Returns 0 or a negative
 * errno, with nothing to release then. */
int running_guest_new(struct manager *m, const struct guest *guest, const struct running_guest *before,
                      sd_event_io_handler_t on_exit, struct running_guest **ret);
struct running_guest *running_guest_free(struct running_guest *g);

bool running_guest_falls_short(const struct running_guest *g);
bool running_guest_equal(const struct running_guest *a, const struct running_guest *b);

/* A member of the document that the bus hands out; the caller puts it. */
json_object *running_guest_report(const struct running_guest *g);
void running_guest_log(const struct running_guest *g);

/* The one of that name in manager.guests, or NULL. */
struct running_guest **manager_find_guest(const struct manager *m, const char *name);

/* Whether its process is there, whoever started it. */
bool manager_guest_runs(const struct manager *m, const char *name);
