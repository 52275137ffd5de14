/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

#include "util/root.h"

/* Whose facts these are, so reports of many hosts can be told apart. A member that is not known is empty. */
struct identity {
        char name[HOST_NAME_MAX + 1]; /* the host's name; a recorded host has none */
        char id[33];      /* 32 hex digits, made from /etc/machine-id, which they do not reveal */
        char boot_id[33]; /* of the boot */
};

/* The host's name and its machine-id are not recorded: a record goes to others. The id is, because it says
 * no more than that two records are of one host. */
void identity_read(struct identity *i, const struct root *root);
