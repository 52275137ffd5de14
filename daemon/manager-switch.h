/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Where the host was booted with the switch off, says so where confined guests can see it, too. */
void manager_spread_switch(struct manager *m);

/* Hears of it when somebody switches vfioalign off or on, and acts at once. What fails is logged. */
void manager_watch_switch(struct manager *m);
void manager_switch_close(struct manager *m);
