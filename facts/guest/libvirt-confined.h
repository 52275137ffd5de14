/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts-libvirt.h"

/* Sets hook_allowed and hook_obstacle. After libvirt_daemon_read(). */
void libvirt_confined_read(struct libvirt_facts *l, const struct root *root);

/* Whether a profile of AppArmor, or what is included into one, lets libvirt's daemon run our hook: no if a
 * line denies that, yes if one allows it, unknown if none is about it. text: its lines about the hooks; is
 * changed. */
enum fact_value apparmor_allows_hook(char *text);
