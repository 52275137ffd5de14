/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* The filter of libarchive (ARCHIVE_FILTER_*) for a file that begins with these bytes; ARCHIVE_FILTER_NONE
 * where it is not compressed. libarchive itself would look for a compression inside of the compression, for
 * as long as it finds one. */
int compression_find(const char *begin, size_t n);
