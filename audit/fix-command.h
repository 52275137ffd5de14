/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command that applies these fixes (FIX_BIT), one behind the other. guest: whose fixes are edits of its domain, where they
 * can be; NULL: all are the host's. The caller's to free; NULL: no memory. */
char *fix_command(unsigned fixes, const char *guest);
