/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Makes a document of what facts/guest/ reads in a domain, a network, or the status of either; from the
 * rest, nothing is taken. Same output as redact(). */
int redact_xml(const char *data, size_t size, char **ret, size_t *ret_size);

/* What is kept of the value of QEMU's option -device: the function or mdev of a VFIO device, and its
 * properties that facts are made of. Returns 1 and the caller's *ret; 0 where it is about something else, or
 * -ENOMEM. */
int redact_device_argument(const char *argument, char **ret);

/* The same of the value of any option. option: without its dashes. */
int redact_option(const char *option, const char *value, char **ret);

/* Is the word one of the options whose values can be kept? */
bool option_is_kept(const char *word);
