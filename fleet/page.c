/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "print.h"
#include "report/markup.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"

/* Above this many hosts, squares would be smaller than what a screen shows: there are bars, and no names. */
#define SQUARES_MAX 50000

/* Of one host, in the units of the drawing. */
#define CELL 8
#define SQUARE 7
#define BAR_WIDTH 600
#define BAR_HEIGHT 26

/* The colours of Okabe and Ito, which the colour-blind can tell apart; and beside each its number. */
static const struct pages_style {
        const char *class, *colour, *label;
} pages_styles[_HOST_PAGES_MAX] = {
        [PAGES_BASE] = { "base", "#d55e00", "smaller pages than possible: of the base size (4 KiB)" },
        [PAGES_LARGE] = { "large", "#e69f00", "smaller pages than possible: large ones (2 MiB)" },
        [PAGES_UNKNOWN] = { "unknown", "#56b4e9", "unknown" },
        [PAGES_NO_GUEST] = { "idle", "#999999", "no guest" },
        [PAGES_BEST] = { "best", "#009e73", "the best pages" },
};

static const char style[] =
        ":root{color-scheme:light dark;--text:#1b1e24;--soft:#5b6270;--line:#d5d8de;--back:#fff}"
        "@media(prefers-color-scheme:dark)"
        "{:root{--text:#e6e8ec;--soft:#a2a9b6;--line:#3a4049;--back:#15181d}}"
        "body{margin:0 auto;padding:1.5rem 1rem;max-width:60rem;font:16px/1.45 system-ui,sans-serif;"
        "color:var(--text);background:var(--back);overflow-wrap:anywhere}"
        "h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}"
        "p{margin:.25rem 0}.soft{color:var(--soft);font-size:.9rem}"
        "table{border-collapse:collapse;width:100%}th{text-align:left}"
        "th,td{padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}"
        ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
        "code{font-size:.85rem}summary{cursor:pointer;color:var(--soft)}"
        ".names{font-size:.8rem;max-height:20rem;overflow:auto}"
        ".key{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;margin:.5rem 0;list-style:none}"
        "svg{display:block;width:100%;height:auto}"
        "@media(max-width:44rem){thead{display:none}tr{display:block;padding:.5rem 0;"
        "border-bottom:1px solid var(--line)}td{display:block;padding:.1rem 0;border:0;text-align:left}"
        "td.n{text-align:left;white-space:normal}td:empty{display:none}"
        "td[data-l]::before{content:attr(data-l) \" \";"
        "color:var(--soft);font-size:.85rem}}";

/* A text within an element. */
static void print_text(FILE *out, const char *text)
{
        _cleanup_free_ char *escaped = markup_escape(text);

        if (escaped)
                print(out, "%s", escaped);
}

static void print_head(const struct fleet *f, const struct fleet_view *view, FILE *out)
{
        struct fleet_group total = fleet_total(f);
        sentence_t sentence;
        format_t now, after, time;

        print_line(out, "<!DOCTYPE html>");
        print_line(out, "<html lang=\"en\"><head><meta charset=\"utf-8\">");
        print_line(out, "<meta http-equiv=\"Content-Security-Policy\" "
                        "content=\"default-src 'none'; style-src 'unsafe-inline'\">");
        print_line(out, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
        print_line(out, "<title>vfioalign: %s</title>", fleet_headline(f, sentence));
        print(out, "<style>%s", style);
        for (enum host_pages p = 0; p < _HOST_PAGES_MAX; p++)
                print(out, ".%s{fill:%s;color:%s}", pages_styles[p].class, pages_styles[p].colour,
                      pages_styles[p].colour);
        print_line(out, "</style></head><body>");
        print_line(out, "<h1>%s</h1>", sentence);
        if (total.counts.guests_short > 0)
                print_line(out, "<p>Their starts cost %s page faults; %s after what is named below.</p>",
                           format_count(total.counts.faults, now),
                           format_count(total.counts.faults_after, after));
        print(out, "<p class=\"soft\">%s", format_time(view->now * USEC_PER_SEC, time));
        if (*fleet_left_out(f, view, sentence))
                print(out, " &middot; %s", sentence);
        print_line(out, "</p>");
}

static const char *host_label(const struct fleet_host *h, format_t buffer)
{
        int n = 0;

        if (*h->name)
                return h->name;
        for (size_t i = 0; i < sizeof(h->id); i++)
                n += snprintf(buffer + n, sizeof(format_t) - (size_t) n, "%02x", h->id[i]);
        return buffer;
}

static void print_names(const struct fleet *f, const struct fleet_group *g, FILE *out)
{
        format_t count;

        print_line(out, "<details><summary>%s host%s</summary><p class=\"names\">",
                   format_count(g->n_hosts, count), g->n_hosts == 1 ? "" : "s");
        for (size_t i = 0; i < f->n_hosts; i++) {
                format_t label;

                if (f->hosts[i]->words[WORD_NEED] != g->first->words[WORD_NEED])
                        continue;
                print_text(out, host_label(f->hosts[i], label));
                fputs("\n", out);
        }
        print_line(out, "</p></details>");
}

static void print_need(const struct fleet *f, const struct fleet_group *g, FILE *out)
{
        const char *word = fleet_word(f, g->first, WORD_NEED);
        enum need_id id = need_from_string(word);
        const char *help = id < 0 ? NULL : need_type(id)->help;
        format_t hosts, guests, now, after;

        print(out, "<tr><td class=\"n\" data-l=\"Hosts\">%s</td>", format_count(g->n_hosts, hosts));
        if (g->counts.guests_short > 0) {
                print(out, "<td class=\"n\" data-l=\"Guests\">%s</td>",
                      format_count(g->counts.guests_short, guests));
                print(out, "<td class=\"n\" data-l=\"Page faults\">%s &rarr; %s</td>",
                      format_count(g->counts.faults, now), format_count(g->counts.faults_after, after));
        } else
                print(out, "<td></td><td></td>");
        print(out, "<td data-l=\"Need\"><b>");
        print_text(out, word);
        print(out, "</b><br><span class=\"soft\">%s</span></td><td>",
              id < 0 ? "a newer vfioalign knows it" : need_type(id)->text);
        if (help) {
                print(out, "<code>");
                print_text(out, help);
                print(out, "</code>");
        }
        if (f->n_hosts <= SQUARES_MAX)
                print_names(f, g, out);
        print_line(out, "</td></tr>");
}

static int print_needs(const struct fleet *f, FILE *out)
{
        static const enum host_word by_need = WORD_NEED;
        _cleanup_free_ struct fleet_group *groups = NULL;
        size_t n;
        int r;

        r = fleet_group(f, &by_need, 1, &groups, &n);
        if (r < 0)
                return r;
        print_line(out, "<h2>What to do</h2>");
        print_line(out, "<table><thead><tr><th class=\"n\">Hosts</th><th class=\"n\">Guests</th>"
                        "<th class=\"n\">Page faults</th><th>Need</th><th>What helps</th></tr></thead>"
                        "<tbody>");
        for (size_t i = 0; i < n; i++)
                print_need(f, &groups[i], out);
        print_line(out, "</tbody></table>");
        return 0;
}

static void print_key(const size_t counts[_HOST_PAGES_MAX], FILE *out)
{
        print_line(out, "<ul class=\"key\">");
        for (enum host_pages p = 0; p < _HOST_PAGES_MAX; p++) {
                format_t count;

                if (counts[p] > 0)
                        print_line(out,
                                   "<li><span class=\"%s\">&#9632;</span> %s <span class=\"soft\">%s"
                                   "</span></li>",
                                   pages_styles[p].class, pages_styles[p].label,
                                   format_count(counts[p], count));
        }
        print_line(out, "</ul>");
}

/* One path for all hosts of a colour. Each begins where the last one was, which takes few bytes. */
static void print_squares(const struct fleet *f, enum host_pages pages, size_t columns, FILE *out)
{
        size_t x = 0, y = 0;

        print(out, "<path class=\"%s\" d=\"", pages_styles[pages].class);
        for (size_t i = 0; i < f->n_hosts; i++) {
                size_t new_x = i % columns * CELL, new_y = i / columns * CELL;

                if (f->hosts[i]->pages != pages)
                        continue;
                print(out, "m%zd,%zdh%dv%dh-%dz", (ssize_t) new_x - (ssize_t) x,
                      (ssize_t) new_y - (ssize_t) y, SQUARE, SQUARE, SQUARE);
                x = new_x;
                y = new_y;
        }
        print_line(out, "\"/>");
}

static void draw_squares(const struct fleet *f, const size_t counts[_HOST_PAGES_MAX], FILE *out)
{
        size_t columns = 1;

        while (columns * columns < 2 * f->n_hosts)
                columns++;
        print_line(out, "<svg viewBox=\"0 0 %zu %zu\" style=\"max-width:%zupx\" role=\"img\">",
                   columns * CELL, (f->n_hosts + columns - 1) / columns * CELL, 2 * columns * CELL);
        for (enum host_pages p = 0; p < _HOST_PAGES_MAX; p++)
                if (counts[p] > 0)
                        print_squares(f, p, columns, out);
        print_line(out, "</svg>");
        print_line(out, "<p class=\"soft\">In the order of the table, then of their names, row by row.</p>");
}

static void draw_bars(const struct fleet *f, const size_t counts[_HOST_PAGES_MAX], FILE *out)
{
        print_line(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", BAR_WIDTH, BAR_HEIGHT * _HOST_PAGES_MAX);
        for (enum host_pages p = 0; p < _HOST_PAGES_MAX; p++)
                print_line(out, "<rect class=\"%s\" x=\"0\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
                           pages_styles[p].class, BAR_HEIGHT * (int) p,
                           (double) counts[p] * BAR_WIDTH / (double) f->n_hosts, BAR_HEIGHT - 4);
        print_line(out, "</svg>");
}

int fleet_print_page(const struct fleet *f, const struct fleet_view *view, FILE *out)
{
        unsigned long failures = memory_failures();
        size_t counts[_HOST_PAGES_MAX] = {};
        int r;

        assert(f);
        assert(view);
        assert(out);

        for (size_t i = 0; i < f->n_hosts; i++)
                counts[f->hosts[i]->pages]++;
        print_head(f, view, out);
        r = print_needs(f, out);
        if (r < 0)
                return r;
        print_line(out, "<h2>Every host, by the pages of its guests</h2>");
        print_key(counts, out);
        if (f->n_hosts > SQUARES_MAX)
                draw_bars(f, counts, out);
        else if (f->n_hosts > 0)
                draw_squares(f, counts, out);
        print_line(out, "</body></html>");
        return memory_check(failures, 0);
}
