/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rulers.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "audit/guest-cost.h"
#include "audit/what-if.h"
#include "svg.h"
#include "util/format.h"
#include "util/macro.h"

#define WIDTH 1000
#define EDGE 70 /* left and right of a ruler, where a label of an address has room */
#define HEIGHT 140
#define BAR_TOP 40
#define BAR_HEIGHT 36
#define LINES_MAX 6 /* of the ruler */
#define GAPS_MAX 64 /* between pages, that are drawn */
#define ALL ((size_t) SVG_TEXT_MAX)

static const char style[] =
        "text{font:14px sans-serif;fill:#222}.title{font-weight:bold}.pages{text-anchor:end}"
        ".address{text-anchor:middle;font-size:12px;fill:#555}.line{stroke:#777;stroke-dasharray:3 3}"
        ".off{stroke:#d55e00;stroke-width:2}.small{fill:#d55e00}.best{fill:#009e73}"
        ".gap{stroke:#fff;stroke-width:2}";

/* One mapping, where it is or would be. */
struct ruler {
        const struct mapping *mapping;
        char when[32];  /* behind its name */
        uint64_t start; /* its address; as if the space began there where the address is not known */
        bool has_address;
        uint64_t unit; /* bytes: the largest page that fits the BAR, at whose multiples the lines are */
        struct verdict verdict;
        int y;
        FILE *out;
};

static uint64_t line_below(const struct ruler *r)
{
        return r->start / r->unit * r->unit;
}

/* How far the mapping's start is from where a page of it could begin. */
static uint64_t past_line(const struct ruler *r)
{
        return (r->start - r->mapping->offset) % r->unit;
}

static double x_of(const struct ruler *r, uint64_t address)
{
        uint64_t first = line_below(r), last = r->start + r->mapping->size;

        return EDGE + (double) (address - first) / (double) (last - first) * (WIDTH - 2 * EDGE);
}

static void draw_title(const struct ruler *r)
{
        format_t size, page, faults;
        char text[SVG_TEXT_MAX], region[16] = "";

        /* Kernels before 6.12 do not show it. */
        if (r->mapping->region >= 0)
                snprintf(region, sizeof(region), " %d", r->mapping->region);
        snprintf(text, sizeof(text), "%s BAR%s, %s, %s", *r->mapping->bdf ? r->mapping->bdf : "?", region,
                 format_size(r->mapping->size, size), r->when);
        svg_text(r->out, EDGE - 30, r->y + 20, "title", text, ALL);
        if (r->verdict.page_size == 0 || r->verdict.faults == COUNT_UNKNOWN)
                snprintf(text, sizeof(text), "pages unknown");
        else
                snprintf(text, sizeof(text), "%s pages: %s to fill it",
                         format_size(r->verdict.page_size, page),
                         format_count(r->mapping->size / r->verdict.page_size, faults));
        svg_text(r->out, WIDTH - EDGE + 30, r->y + 20, "pages", text, ALL);
}

/* So few that their addresses have room. */
static void draw_lines(const struct ruler *r)
{
        uint64_t first = line_below(r), last = r->start + r->mapping->size, step = r->unit;
        char text[32];

        while ((last - first) / step > LINES_MAX)
                step *= 2;
        for (uint64_t line = first; line <= last; line += step) {
                double x = x_of(r, line);

                svg_line(r->out, x, r->y + BAR_TOP - 10, x, r->y + BAR_TOP + BAR_HEIGHT + 10, "line");
                if (!r->has_address)
                        continue;
                snprintf(text, sizeof(text), "%#" PRIx64, line);
                svg_text(r->out, x, r->y + BAR_TOP + BAR_HEIGHT + 26, "address", text, ALL);
        }
}

static void draw_bar(const struct ruler *r)
{
        uint64_t page = r->verdict.page_size ?: r->unit, end = r->start + r->mapping->size;
        double x = x_of(r, r->start);

        svg_rect(r->out, x, r->y + BAR_TOP, x_of(r, end) - x, BAR_HEIGHT,
                 page >= r->unit ? "best" : "small");
        if (r->mapping->size / page > GAPS_MAX)
                return;
        for (uint64_t gap = (r->start / page + 1) * page; gap < end; gap += page)
                svg_line(r->out, x_of(r, gap), r->y + BAR_TOP, x_of(r, gap), r->y + BAR_TOP + BAR_HEIGHT,
                         "gap");
}

static void draw_position(const struct ruler *r)
{
        uint64_t past = past_line(r);
        format_t unit, size;
        char text[SVG_TEXT_MAX];
        int y = r->y + BAR_TOP + BAR_HEIGHT;

        if (past > 0)
                svg_line(r->out, x_of(r, line_below(r)), y + 6, x_of(r, r->start), y + 6, "off");
        snprintf(text, sizeof(text), "%s%sa line of %s", past > 0 ? format_size(past, size) : "",
                 past > 0 ? " past " : "on ", format_size(r->unit, unit));
        svg_text(r->out, EDGE - 30, y + 46, "position", text, ALL);
}

static void draw_ruler(const struct ruler *r)
{
        draw_title(r);
        draw_lines(r);
        draw_bar(r);
        draw_position(r);
}

static struct ruler ruler_now(const struct host *h, const struct mapping *m)
{
        const struct mapping_process *p = mapping_facts_find_process(&h->mappings, m->pid);
        struct fact thp = p ? p->thp : fact_unknown(NULL);

        return (struct ruler){
                .mapping = m,
                .when = "now",
                .start = m->start,
                .has_address = true,
                .unit = verdict_best_page(&h->kernel, m->size),
                .verdict = verdict_mapping(&h->kernel, thp, process_placer(h, m->pid), m),
        };
}

/* The same with the first fix that surely gives it larger pages. False: there is none. */
static bool ruler_after(const struct host *h, const struct ruler *now, struct ruler *ret)
{
        struct help help = help_mapping(h, now->mapping);
        unsigned fixes = help_choose(&help, UINT_MAX);
        struct ruler after = *now;

        if (fixes == 0 || !what_if_mapping(h, now->mapping, fixes, &after.verdict) ||
            after.verdict.page_size <= now->verdict.page_size)
                return false;
        snprintf(after.when, sizeof(after.when), "with the fix %s",
                 help.alone & fixes ? fix_id_to_string((enum fix_id)(ffs((int) fixes) - 1)) : "module+thp");
        after.has_address = false;
        /* Some line; and from there as its offset in the BAR is. */
        after.start = now->unit + now->mapping->offset % now->unit;
        *ret = after;
        return true;
}

void report_rulers_print(const struct host *h, const struct mapping *const mappings[], size_t n, FILE *out)
{
        struct ruler rulers[2 * RULERS_MAX];
        size_t n_rulers = 0;

        assert(h);
        assert(mappings || n == 0);
        assert(out);

        for (size_t i = 0; i < n && i < RULERS_MAX; i++) {
                struct ruler *now = &rulers[n_rulers++];

                *now = ruler_now(h, mappings[i]);
                n_rulers += ruler_after(h, now, now + 1);
        }
        svg_begin(out, WIDTH, (int) n_rulers * HEIGHT + 10, style);
        for (size_t i = 0; i < n_rulers; i++) {
                rulers[i].out = out;
                rulers[i].y = (int) i * HEIGHT;
                draw_ruler(&rulers[i]);
        }
        svg_end(out);
}
