/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Finishes or rolls back what a killed daemon or worker left; Bind=boot has its turn after that. */
void manager_bind_start(struct manager *m);
void manager_bind_close(struct manager *m);

/* After each audit: binds what has Bind=boot and was not tried before. */
void manager_bind_boot(struct manager *m);

/* Allows another try: of one function, of those whose events may have been lost, of all. */
void manager_boot_device_added(struct manager *m, const char *bdf);
void manager_boot_events_lost(struct manager *m);
void manager_boot_reset(struct manager *m);
