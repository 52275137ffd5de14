/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

/* Print what facts/guest/proxmox.c reads in a guest's configuration, and in the mappings of names to
 * devices. data is changed. Return 0 or -ENOMEM. */
int redact_proxmox(char *data, FILE *out);
int redact_proxmox_mappings(char *data, FILE *out);
