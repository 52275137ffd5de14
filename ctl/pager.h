/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Long output goes through a pager, as systemctl's does: $VFIOALIGN_PAGER, $SYSTEMD_PAGER or $PAGER, else
 * less with FRSXMK, which ends by itself where all fits on the screen. Only on a terminal that is not dumb.
 */

/* From now on, standard output and error go to the pager, if there is to be one. Nothing may have been
 * printed yet. SIGINT and SIGPIPE are ignored until pager_close(): the pager decides when it ends. */
void pager_open(bool no_pager);

/* Flushes what was printed. Returns 0 or a negative errno. That the reader has quit the pager early is not
 * an error. */
int pager_flush(void);

/* Waits until the reader has quit. Without a pager this does nothing. */
void pager_close(void);
