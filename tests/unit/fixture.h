/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "util/root.h"

/* A directory that stands for a host's root: a test writes the files it wants a reader to find. Any failure
 * ends the test. Paths are relative to the root; parents are made as needed. */
struct fixture {
        char *dir;
        struct root root; /* opened as a recorded host */
        char *stalled;    /* where fixture_stall() has mounted, and the device of that */
        int stalled_device;
};

/* cmocka's setup and teardown of one test; *state is the struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_write(struct fixture *f, const char *path, const char *text);
void fixture_write_bytes(struct fixture *f, const char *path, const void *bytes, size_t size);
void fixture_link(struct fixture *f, const char *path, const char *target);
void fixture_copy(struct fixture *f, const char *path, const char *from);
void fixture_remove(struct fixture *f, const char *path);

/* Mounts a file server that never answers there, up to the end of the test, in a mount namespace of this
 * process. Skips the test where that cannot be. Once in a test. */
void fixture_stall(struct fixture *f, const char *path);

/* The absolute path of a file in it, in a static buffer. */
const char *fixture_path(struct fixture *f, const char *path);
