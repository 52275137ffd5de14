/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command that applies these fixes (FIX_BIT), one after the other. guest: a fix that can be an edit of
 * one domain edits that of this guest; NULL: all fixes are for the host. The caller frees it; NULL: no
 * memory, and that is noted. */
char *fix_command(unsigned fixes, const char *guest);
