/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Whether only root decides what an absolute path leads to, below the directory `rootfd`: everything on the
 * way, and what symlinks lead through, is root's and not writable by others. A group counts as root's if it
 * is a system group (Debian's staff has /usr/local), and so does a directory with the sticky bit, where
 * nobody can replace what is root's. False as well if there is no such file. The walk never enters a
 * directory of somebody else, so a file server of theirs is not asked. */
bool path_is_roots(int rootfd, const char *path);
