/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "util/root.h"

/* What DKMS calls our module (dkms/dkms.conf). */
#define DKMS_MODULE "vfio-align"
#define DKMS_VERSION_SIZE 32

/* The newest version of our module that DKMS has the source of; empty if there is none. */
void dkms_version_read(const struct root *root, char ret[static DKMS_VERSION_SIZE]);

/* The first error of the build for that kernel, if that is the last one that failed; NULL: none is seen. The
 * caller frees it. */
char *dkms_error_read(const struct root *root, const char *version, const char *release);
