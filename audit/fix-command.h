/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command that applies these fixes (FIX_BIT), in turn. guest: a fix that can be an edit of one domain is
 * one of this guest's; NULL: all are the host's. The caller's to free; NULL: no memory. */
char *fix_command(unsigned fixes, const char *guest);
