/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

/* What a verb that takes long shows, and how it is stopped. */

/* The signal that came after long_run_catch_signals(), or 0. */
extern volatile sig_atomic_t long_run_stopped_by;

/* The first SIGINT, SIGTERM or SIGHUP is noted, so the verb can end in an orderly way. The second one ends
 * the process at once. One that was ignored (nohup) stays ignored. Returns the set of these signals. */
sigset_t long_run_catch_signals(void);

/* One line on the standard error that is overwritten each time; NULL removes it. Only a terminal gets it. */
void long_run_show_progress(const char *text);
