/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* An image in SVG that stands alone: no script, no font and nothing else is fetched. Lengths are pixels; a
 * class is one of the style. */

#define SVG_TEXT_MAX 140 /* characters of one text; the rest is cut */

void svg_begin(FILE *out, int width, int height, const char *style);
void svg_end(FILE *out);

/* The first n characters. A name can be anything that others have chosen, and be cut within a character, so
 * only ASCII is kept of it. */
void svg_text(FILE *out, double x, int y, const char *class, const char *text, size_t n);

/* How many characters of the text surely fit into so many pixels, in a font of that size, whatever the
 * reader's sans-serif is. */
size_t svg_fitting(const char *text, int font_size, int pixels);

void svg_rect(FILE *out, double x, int y, double width, int height, const char *class);
void svg_line(FILE *out, double x1, int y1, double x2, int y2, const char *class);
