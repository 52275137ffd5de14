/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* What systemd is to know of us (sd_notify(3)). */
void manager_notify_ready(struct manager *m);
void manager_notify_reloading(void);

/* Makes manager.status from the snapshot, and sends it where it has changed. */
void manager_notify_status(struct manager *m);
