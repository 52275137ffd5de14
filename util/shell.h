/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A name as one argument of a command that people paste into a shell: quoted if the shell would read it in
 * another way, and behind "-- " if the command would take it for an option. The caller frees it; NULL means
 * that there is no memory. */
char *shell_argument(const char *name);
