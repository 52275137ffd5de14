/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The name as part of a unit's, "vfioalign-trace@NAME.service": as systemd-escape(1) writes it, which gives
 * different names different units. It has no slash, and does not begin with a dot, so it may name a file as
 * well. The caller frees it; NULL: no memory. name: not empty. */
char *unit_name_escape(const char *name);
