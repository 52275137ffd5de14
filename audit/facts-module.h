/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "fact.h"
#include "util/root.h"

#define VFIO_ALIGN_MODULE "vfio_align"

/* Our kernel module (dkms/vfio_align.c) on this host. */
struct module_facts {
        struct fact installed; /* for the running kernel */
        struct fact loadable;  /* no: `why` says what forbids it, and loading must not even be tried */
        struct fact loaded;
        struct fact enabled;   /* the module says that its hook is in place */
        uint64_t hits;         /* mappings that went through the hook, and those it aligned; 0 when not loaded */
        uint64_t aligned;
};

/* release: of the kernel, NULL where unknown. */
void module_facts_read(struct module_facts *m, const struct root *root, const char *release);
