/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Starts of guests are measured by vfioalign-trace@.service, which has the rights for that, and which keeps
 * what it saw in a directory (facts/start.h). Nothing here waits for it. */

/* Watches that directory: what is kept from now on is reported. */
void manager_measure_open(struct manager *m);
void manager_measure_close(struct manager *m);

/* Asks systemd to measure the start of this guest that is about to begin, if the configuration and the host
 * allow it. */
void manager_measure_start(struct manager *m, const char *guest);

/* The guest has left, or its start has failed, maybe before anything was watched: without this the service
 * would wait minutes for a start. What it has seen it keeps. */
void manager_measure_stop(struct manager *m, const char *guest);
