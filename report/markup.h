/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts of strangers in HTML and SVG. */

/* What stands for a character that markup would act upon; NULL: the character itself. */
const char *markup_entity(char c);

/* A copy of the text for an element or an attribute: what a terminal would act upon is \xNN (util/escape.h),
 * as everywhere, and what markup would is an entity. The caller frees it; NULL: no memory, which is noted.
 */
char *markup_escape(const char *text);
