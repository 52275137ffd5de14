/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bar-reserved.h"

#include <assert.h>

#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/module-name.h"

#define IOMEM "proc/iomem"
#define NAME_MAX_SIZE 64

/* The whole of a BAR, as addresses of the host; and whether the kernel's tree of resources has it. */
struct span {
        uint64_t start, end;
        struct device *device;
        struct bar *bar;
        bool listed;
};

struct spans {
        struct span *spans; /* by address */
        size_t n;
};

struct resource {
        uint64_t start, end;
        char name[NAME_MAX_SIZE];
};

static int compare_spans(const void *a, const void *b)
{
        const struct span *x = a, *y = b;

        return (x->start > y->start) - (x->start < y->start);
}

static int list_spans(const struct device_facts *f, struct spans *ret)
{
        size_t n = 0;

        ret->spans = calloc(f->n_devices ?: 1, PCI_BARS * sizeof(*ret->spans));
        if (!ret->spans)
                return -ENOMEM;
        for (size_t i = 0; i < f->n_devices; i++)
                for (size_t k = 0; k < f->devices[i].n_bars; k++) {
                        struct bar *b = &f->devices[i].bars[k];

                        if (b->address > 0 && b->size > 0)
                                ret->spans[n++] = (struct span){ b->address, b->address + b->size - 1,
                                                                 &f->devices[i], b, false };
                }
        qsort(ret->spans, n, sizeof(*ret->spans), compare_spans);
        ret->n = n;
        return 0;
}

/* "    2800000000-2801fa3fff : BOOTFB" */
static bool parse_resource(const char *line, struct resource *ret)
{
        unsigned long long start, end;
        int n = -1;

        if (sscanf(line, " %llx-%llx : %n", &start, &end, &n) != 2 || n < 0 || end < start)
                return false;
        ret->start = start;
        ret->end = end;
        snprintf(ret->name, sizeof(ret->name), "%.*s", (int) strcspn(line + n, "\n"), line + n);
        return true;
}

/* What the firmware had set up for its display. A driver of the host takes that away when it comes, and so
 * does vfio-pci, of a VGA device alone (vfio_pci_vga_init(), since 6.0). */
static bool is_boot_framebuffer(const char *name)
{
        static const char *const names[] = { "BOOTFB", "simplefb", "simpledrm", "simple-framebuffer",
                                             "efifb",  "efidrm",   "vesafb",    "vesadrm",
                                             "ofdrm",  "vga16fb" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(name, names[i]))
                        return true;
        return false;
}

/* Whether VFIO can have the BAR in spite of it: it is VFIO's own ("vfio", "vfio-pci"), or that of the driver
 * which has to leave first, or a framebuffer that has to. */
static bool gives_way(const struct device *d, const char *name)
{
        if (startswith(name, "vfio"))
                return true;
        if (d->driver_is_vfio)
                return module_name_equal(name, d->driver);
        return d->driver || (is_boot_framebuffer(name) && d->class >> 8 == 0x0300);
}

/* Returns 1 where the line is about the BAR, 0 where it is about what the BAR is a part of, or -ENOMEM. */
static int judge_resource(struct span *s, const struct resource *r)
{
        bool whole = r->start == s->start && r->end == s->end, within;

        if (whole && streq(r->name, s->device->bdf)) {
                s->listed = true;
                return 1;
        }
        within = r->start >= s->start && r->end <= s->end;
        /* A bridge can have a window of just that size. */
        if ((whole && !s->listed) || (!within && r->start <= s->start && r->end >= s->end))
                return 0;
        if (within && gives_way(s->device, r->name))
                return 1;
        /* The last one is the innermost, and the one that is in use. */
        free(s->bar->reserved_by);
        s->bar->reserved_by = strdup(r->name);
        return s->bar->reserved_by ? 1 : -ENOMEM;
}

/* The first span that ends there or behind it. */
static size_t find_span(const struct spans *spans, uint64_t address)
{
        size_t low = 0, high = spans->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (spans->spans[middle].end < address)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* Judges every BAR that the resource overlaps. Returns as judge_resource(). */
static int judge_bars(const struct spans *spans, const struct resource *r)
{
        bool about = false;

        for (size_t i = find_span(spans, r->start); i < spans->n && spans->spans[i].start <= r->end; i++) {
                int q = judge_resource(&spans->spans[i], r);

                if (q < 0)
                        return q;
                about |= q > 0;
        }
        return about;
}

/* Goes through the file, and copies the lines about BARs to `excerpt`. *ret_seen: it shows addresses. */
static int judge_lines(const struct spans *spans, const char *text, FILE *excerpt, bool *ret_seen)
{
        for (const char *line = text; *line;) {
                size_t n = strcspn(line, "\n");
                struct resource resource;

                if (parse_resource(line, &resource)) {
                        int r = judge_bars(spans, &resource);

                        if (r < 0)
                                return r;
                        if (r > 0)
                                fprintf(excerpt, "%.*s\n", (int) n, line);
                        *ret_seen |= resource.end > 0;
                }
                line += n;
                line += *line == '\n';
        }
        return 0;
}

static int read_lines(struct device_facts *f, const struct root *root, const struct spans *spans)
{
        _cleanup_(file_lines_close) struct file_lines lines = FILE_LINES_NONE;
        _cleanup_free_ char *text = NULL;
        bool seen = false;
        size_t size = 0;
        FILE *excerpt;
        int r;

        r = file_lines_open_at(root->fd, IOMEM, &lines);
        if (r < 0) {
                f->reservations = fact_unknown("/" IOMEM " cannot be read");
                return r == -ENOMEM ? r : 0;
        }
        excerpt = open_memstream(&text, &size);
        if (!excerpt)
                return -ENOMEM;
        r = judge_lines(spans, lines.text, excerpt, &seen);
        if (memory_stream_close(excerpt, &text) < 0 || r < 0)
                return -ENOMEM;
        /* A record has no line where there is none about a BAR. */
        if (seen || (!root->live && lines.size == 0)) {
                f->reservations = fact_is(true, SOURCE_PROC);
                file_report_opened(FILE_EXCERPT, root->fd, IOMEM, lines.fd, text, size);
                return 0;
        }
        f->reservations = fact_unknown("without CAP_SYS_ADMIN, /" IOMEM " shows no addresses");
        (void) file_report_denied(root->fd, IOMEM, -EACCES);
        return 0;
}

/* The framebuffer of the firmware lies in the device that it has used as its display. */
static void mark_unseen(struct device_facts *f)
{
        for (size_t i = 0; i < f->n_devices; i++)
                for (size_t k = 0; k < f->devices[i].n_bars; k++)
                        f->devices[i].bars[k].unseen = f->devices[i].boot_vga &&
                                                       f->devices[i].driver_is_vfio;
}

int bar_reservations_read(struct device_facts *f, const struct root *root)
{
        struct spans spans = {};
        int r;

        assert(f);
        assert(root);

        r = list_spans(f, &spans);
        if (r < 0)
                return r;
        r = read_lines(f, root, &spans);
        free(spans.spans);
        if (r < 0)
                return r;
        if (f->reservations.value == FACT_UNKNOWN)
                mark_unseen(f);
        return 0;
}
