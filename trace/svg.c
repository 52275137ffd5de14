/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include "report/json.h"
#include "report/svg.h"
#include "util/format.h"
#include "util/macro.h"

/* Pixels. The text is large enough to be read in a ticket. */
#define WIDTH 1200
#define LABELS 410 /* what stands left of the chart */
#define CHART (WIDTH - LABELS - 20)
#define TOP 70
#define ROW 24
#define LINE 20
#define EDGE 20
#define FONT 14
#define TITLE_FONT 18
#define BAR_ROWS_MAX 40

/* One start that is drawn. */
struct timeline {
        const struct trace_process *process;
        struct trace_phases phases;
        double scale; /* pixels for each nanosecond */
        int y;        /* of the row that is drawn */
        FILE *out;
};

static double x_of(const struct timeline *t, uint64_t time)
{
        uint64_t ns = time > t->phases.begin ? time - t->phases.begin : 0;
        double x = (double) ns * t->scale;

        return LABELS + (x > CHART ? CHART : x);
}

/* As wide as a pixel at least, so it can be seen. */
static void draw_span(const struct timeline *t, uint64_t begin, uint64_t end, const char *class)
{
        double x = x_of(t, begin), width = x_of(t, end) - x;

        if (begin >= t->phases.end)
                return;
        svg_rect(t->out, x, t->y + 3, width < 1 ? 1 : width, ROW - 6, class);
}

static void draw_label(const struct timeline *t, const char *label)
{
        svg_text(t->out, LABELS - 8, t->y + ROW - 7, "label", label, SVG_TEXT_MAX);
}

static void draw_spans(struct timeline *t, enum trace_span_kind kind, size_t index, const char *class)
{
        for (size_t i = 0; i < t->process->n_spans; i++) {
                const struct trace_span *span = &t->process->spans[i];

                if (span->kind == kind && span->index == index)
                        draw_span(t, span->begin, span->end, class);
        }
}

static void draw_row(struct timeline *t, const char *label, enum trace_span_kind kind, size_t index,
                     const char *class)
{
        draw_label(t, label);
        draw_spans(t, kind, index, class);
        t->y += ROW;
}

static size_t count_bars(const struct trace_process *p)
{
        size_t n = 0;

        for (size_t i = 0; i < p->n_bars && n < BAR_ROWS_MAX; i++)
                n += p->bars[i].maps.calls > 0;
        return n;
}

static void draw_bars(struct timeline *t)
{
        size_t left = count_bars(t->process);

        for (size_t i = 0; i < t->process->n_bars && left > 0; i++) {
                const struct trace_bar *bar = &t->process->bars[i];
                char label[sizeof(bar->device) + 64];
                format_t size, page;

                if (bar->maps.calls == 0)
                        continue;
                snprintf(label, sizeof(label), "%s BAR %u, %s%s%s", bar->device, bar->region,
                         format_size(bar->size, size), bar->page_size ? ", pages of " : "",
                         bar->page_size ? format_size(bar->page_size, page) : "");
                draw_row(t, label, TRACE_SPAN_BAR, i, "bar");
                left--;
        }
}

static void draw_devices(struct timeline *t)
{
        for (size_t i = 0; i < t->process->n_devices && i < BAR_ROWS_MAX; i++) {
                char label[TRACE_TEXT_MAX + 32];

                snprintf(label, sizeof(label), "%s opened, reset", t->process->devices[i].name);
                draw_spans(t, TRACE_SPAN_OPEN, i, "open");
                draw_row(t, label, TRACE_SPAN_RESET, i, "reset");
        }
}

/* The hook is within what libvirt does. */
static void draw_before(struct timeline *t)
{
        if (!t->phases.from_hook)
                return;
        draw_label(t, "libvirt, until the emulator ran");
        draw_span(t, t->phases.begin, t->process->started, "libvirt");
        t->y += ROW;
}

/* A line at each 1, 2 or 5 of a power of ten of seconds: ten of them at most. */
static void draw_axis(const struct timeline *t, int bottom)
{
        static const double factors[] = { 2, 2.5, 2 };
        double seconds = (double) (t->phases.end - t->phases.begin) / 1e9, step = 0.001;
        char text[32];

        for (size_t i = 0; seconds / step > 10; i++)
                step *= factors[i % 3];
        for (int i = 0; i <= 10 && step * i <= seconds; i++) {
                double x = LABELS + step * i * 1e9 * t->scale;

                svg_line(t->out, x, TOP, x, bottom, "axis");
                snprintf(text, sizeof(text), "%g s", step * i);
                svg_text(t->out, x, TOP - 6, "tick", text, sizeof(text));
        }
}

/* How much of the text goes into the next line: up to a space, if there is one. */
static size_t line_length(const char *text)
{
        size_t fitting = svg_fitting(text, FONT, WIDTH - 2 * EDGE), n = fitting;

        if (!text[n])
                return n;
        while (n > 0 && text[n] != ' ')
                n--;
        return n > 0 ? n : fitting;
}

/* The sentences, each in as many lines as it takes. Returns the last line's y; t NULL: only that. */
static int draw_verdict(const struct timeline *t, json_object *verdict, int y)
{
        for (size_t i = 0; i < json_length(verdict); i++) {
                const char *text = json_object_get_string(json_object_array_get_idx(verdict, i));

                while (*text) {
                        size_t n = line_length(text);

                        y += LINE;
                        if (t)
                                svg_text(t->out, EDGE, y, "verdict", text, n);
                        text += n;
                        text += *text == ' ';
                }
        }
        return y;
}

static const char style[] = "text{font:14px sans-serif;fill:#222}.title{font-size:18px;font-weight:bold}"
                            ".label{text-anchor:end}.tick{text-anchor:middle;font-size:12px;fill:#555}"
                            ".axis{stroke:#ddd}.ram{fill:#4878a8}.bar{fill:#c44e52}.open{fill:#b8b080}"
                            ".reset{fill:#dd8452}.unmap{fill:#999}.libvirt{fill:#9a7bb0}";

void trace_svg_print(const struct trace_account *a, const struct trace_process *p, FILE *out)
{
        struct timeline t = { .process = p, .phases = trace_phases_of(a, p), .y = TOP, .out = out };
        json_object *verdict = trace_verdict(a, p);
        size_t n_devices = p->n_devices < BAR_ROWS_MAX ? p->n_devices : BAR_ROWS_MAX;
        size_t rows = 2 + t.phases.from_hook + n_devices + count_bars(p);
        int bottom = TOP + (int) rows * ROW, height = draw_verdict(NULL, verdict, bottom) + 2 * LINE;
        uint64_t ns = t.phases.end - t.phases.begin;
        trace_name_t name;
        char title[sizeof(name) + 32];

        t.scale = ns > 0 ? CHART / (double) ns : 0;
        svg_begin(out, WIDTH, height, style);
        snprintf(title, sizeof(title), "The start of %s", trace_process_name(p, name));
        svg_text(out, EDGE, 30, "title", title, svg_fitting(title, TITLE_FONT, WIDTH - 2 * EDGE));
        draw_axis(&t, bottom);
        draw_before(&t);
        draw_devices(&t);
        draw_row(&t, "RAM mapped for DMA", TRACE_SPAN_RAM, 0, "ram");
        draw_bars(&t);
        draw_row(&t, "unmapped", TRACE_SPAN_UNMAP, 0, "unmap");
        draw_verdict(&t, verdict, bottom + LINE / 2);
        svg_end(out);
        json_object_put(verdict);
}
