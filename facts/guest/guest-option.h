/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-guest.h"

/* Options of QEMU that somebody adds to a guest by hand, and what they mean for its devices. */

void hostdev_done(struct hostdev *h);

/* Takes over what h owns, whatever comes of it. Returns 0, -EFBIG or -ENOMEM. */
int guest_add_hostdev(struct guest *g, struct hostdev *h);

/* The words of a command line. */
struct words {
        char **words;
        size_t n;
};

/* Adds a copy of the n bytes. Returns 0 or -ENOMEM. */
int words_add(struct words *w, const char *text, size_t n);
void words_done(struct words *w);

/* Reads what they say; an option and its value are two words. The guest has all its other devices already.
 * Returns 0, -EFBIG or -ENOMEM. */
int guest_read_options(struct guest *g, const struct words *w);
