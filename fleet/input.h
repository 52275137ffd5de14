/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "documents.h"

/* A file of reports, which can be compressed (gzip, bzip2, xz, zstd, lz4); a directory: its regular files in
 * the order of their names, without those whose name begins with "."; "-": standard input. Files of writers
 * are named so until they are whole. What cannot be read goes to on_error(), with the negative errno and
 * what was not done (static text), and the reading goes on. Returns 0, or the negative errno with which `d`
 * ended it. */
typedef void (*on_input_error_t)(const char *path, int error, const char *failed, void *userdata);
int input_read(const char *path, struct documents *d, on_input_error_t on_error, void *userdata);
