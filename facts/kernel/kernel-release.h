/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* `uname -r` has at most 64 bytes (__NEW_UTS_LEN). */
#define KERNEL_RELEASE_SIZE 65

/* Whether it can be the name of a kernel's directory in /lib/modules, and of nothing else: letters, digits
 * and "._+~-", from a letter or digit on. Such a name needs no quotes in a command. */
bool kernel_release_is_valid(const char *s);

/* Which of two releases is the older one, as dpkg, GRUB and systemd-boot order them: numbers by value, and
 * "~" or "-rc" before the end ("7.3~rc7" and "7.3-rc7" before "7.3"). As strcmp(). */
int kernel_release_compare(const char *a, const char *b);

/* The longest of the releases that the text names as a whole, as in "MACHINE-ID-6.12.48-amd64.conf" or
 * "gnulinux-6.12.48-amd64-advanced-UUID"; NULL: none. */
const char *kernel_release_find(const char *text, char *const releases[], size_t n);
