/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Returns an exit code (ctl.h). guest: its name. */
int keep_start(const char *guest);
