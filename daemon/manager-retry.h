/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* A guest that pins its memory holds the lock of it for seconds, longer than anybody waits for a process.
 * What was not read of root's processes and libvirt's guests is read again a few times, each time later.
 * What strangers keep from being read is not: they could make us ask all the time. */

/* Schedules that where the last audit has left such a process out. */
void manager_retry_unread(struct manager *m);

/* The same for a guest that could not be looked at when it started. */
void manager_retry_soon(struct manager *m);

void manager_retry_close(struct manager *m);
