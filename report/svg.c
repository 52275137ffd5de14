/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "svg.h"

#include <assert.h>
#include <string.h>

#include "markup.h"
#include "util/macro.h"
#include "util/print.h"

typedef char xml_t[6 * SVG_TEXT_MAX + 1];

static const char *xml_escape(const char *text, size_t n, xml_t buffer)
{
        char *p = buffer;

        for (size_t i = 0; i < n && i < SVG_TEXT_MAX && text[i]; i++) {
                const char *escaped = markup_entity(text[i]);

                if (escaped)
                        p = stpcpy(p, escaped);
                else
                        *p++ = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
        }
        *p = '\0';
        return buffer;
}

void svg_begin(FILE *out, int width, int height, const char *style)
{
        assert(out);
        assert(style);

        print_line(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\">",
                   width, height, width, height);
        print_line(out, "<style>%s</style>", style);
        print_line(out, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>", width, height);
}

void svg_end(FILE *out)
{
        print_line(out, "</svg>");
}

void svg_text(FILE *out, double x, int y, const char *class, const char *text, size_t n)
{
        xml_t xml;

        assert(text);

        print_line(out, "<text x=\"%.1f\" y=\"%d\" class=\"%s\">%s</text>", x, y, class,
                   xml_escape(text, n, xml));
}

/* Of a letter, in hundredths of the font's size: of the bold ones of wide fonts. */
static int width_of(char c)
{
        if (strchr("mwMW@%", c))
                return 112;
        if (strchr("iljtfrI.,:;'|!()[]/ -", c))
                return 50;
        return (c >= 'A' && c <= 'Z') || c == '&' ? 90 : 72;
}

size_t svg_fitting(const char *text, int font_size, int pixels)
{
        size_t n = 0;

        assert(text);

        for (int left = 100 * pixels; text[n] && n < SVG_TEXT_MAX; n++) {
                left -= font_size * width_of(text[n]);
                if (left < 0)
                        break;
        }
        return n;
}

void svg_rect(FILE *out, double x, int y, double width, int height, const char *class)
{
        print_line(out, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"%s\"/>", x, y, width,
                   height, class);
}

void svg_line(FILE *out, double x1, int y1, double x2, int y2, const char *class)
{
        print_line(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" class=\"%s\"/>", x1, y1, x2, y2,
                   class);
}
