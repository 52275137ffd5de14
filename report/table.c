/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "csv.h"
#include "table-layout.h"
#include "util/escape.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/terminal.h"

DEFINE_TRIVIAL_CLEANUP(struct libscols_table *, scols_unref_table)

#define COLUMNS_MAX 32

const char *cell_size(uint64_t bytes, cell_t buffer)
{
        format_t text;

        snprintf(buffer, sizeof(cell_t), "%s", bytes == UINT64_MAX ? "unknown" : format_size(bytes, text));
        return buffer;
}

const char *cell_count(uint64_t n, cell_t buffer)
{
        format_t text;

        snprintf(buffer, sizeof(cell_t), "%s", n == UINT64_MAX ? "unknown" : format_count(n, text));
        return buffer;
}

void cell_append(cell_t buffer, const char *separator, const char *text)
{
        size_t n = strlen(buffer);

        snprintf(buffer + n, sizeof(cell_t) - n, "%s%s", n > 0 ? separator : "", text);
}

const char *cell_join(json_object *array, const char *key, cell_t buffer)
{
        buffer[0] = '\0';
        for (size_t i = 0; i < json_length(array); i++)
                cell_append(buffer, ", ", json_get_text(json_object_array_get_idx(array, i), key) ?: "?");
        return buffer;
}

const char *cell_reason(json_object *row, cell_t buffer)
{
        (void) buffer;
        return json_get_text(row, "why") ?: json_get_text(row, "source");
}

/* The object that has the last member of the path, or NULL; and the key of that member. */
static json_object *find_owner(json_object *row, const char *path, const char **ret_key)
{
        for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
                char key[64];

                snprintf(key, sizeof(key), "%.*s", (int) (dot - path), path);
                row = json_get(row, key);
        }
        *ret_key = path;
        return row;
}

static const char *cell_of_column(const struct column *c, json_object *row, cell_t buffer)
{
        json_object *owner;
        const char *key;

        if (c->cell)
                return c->cell(row, buffer);
        if (c->number) {
                uint64_t n = c->number(row);

                if (n == 0)
                        return NULL;
                return c->format == CELL_SIZE ? cell_size(n, buffer) : cell_count(n, buffer);
        }
        owner = find_owner(row, c->path, &key);
        if (!owner)
                return c->missing;
        switch (c->format) {
        case CELL_SIZE:
                return cell_size(json_get_number(owner, key), buffer);
        case CELL_COUNT:
                return cell_count(json_get_number(owner, key), buffer);
        case CELL_SECONDS:
                if (!json_get(owner, key))
                        return c->missing;
                snprintf(buffer, sizeof(cell_t), "%.3f", json_object_get_double(json_get(owner, key)));
                return buffer;
        case CELL_YES_NO:
                return json_get_flag(owner, key) ? "yes" : "no";
        case CELL_TEXT:
                break;
        }
        return json_get_text(owner, key) ?: c->missing;
}

/* The same for a program: a number as it is, and empty where it is unknown. */
static const char *raw_cell(const struct column *c, json_object *row, cell_t buffer)
{
        json_object *owner;
        const char *key;
        uint64_t n;

        if (c->cell || (c->format != CELL_SIZE && c->format != CELL_COUNT))
                return cell_of_column(c, row, buffer);
        if (c->number) {
                n = c->number(row);
        } else {
                owner = find_owner(row, c->path, &key);
                n = json_get_number(owner, key);
        }
        if (n == UINT64_MAX || (c->number && n == 0))
                return NULL;
        snprintf(buffer, sizeof(cell_t), "%ju", (uintmax_t) n);
        return buffer;
}

static bool is_named(const char *column, const char *name, size_t length)
{
        return column && strlen(column) == length && strncasecmp(column, name, length) == 0;
}

static const struct column *find_column(const struct column *columns, size_t n, const char *name,
                                        size_t length)
{
        for (size_t i = 0; i < n; i++)
                if (is_named(columns[i].name, name, length) || is_named(columns[i].former, name, length))
                        return &columns[i];
        return NULL;
}

static int select_columns(const struct column *columns, size_t n, const char *selection,
                          const struct column *ret[COLUMNS_MAX], size_t *ret_n)
{
        size_t count = 0;

        for (size_t i = 0; !selection && i < n; i++)
                if (!columns[i].extra)
                        ret[count++] = &columns[i];
        for (const char *p = selection; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
                const struct column *c = find_column(columns, n, p, strcspn(p, ","));

                if (!c || count == COLUMNS_MAX)
                        return -EINVAL;
                ret[count++] = c;
        }
        *ret_n = count;
        return 0;
}

/* The cells of the columns that were selected, row by row. NULL is an empty one. */
struct grid {
        const struct column *columns[COLUMNS_MAX];
        size_t n_columns, n_rows;
        char **cells;
};

static void grid_done(struct grid *g)
{
        for (size_t i = 0; g->cells && i < g->n_rows * g->n_columns; i++)
                free(g->cells[i]);
        free(g->cells);
}

static char *grid_cell(const struct grid *g, size_t row, size_t column)
{
        return g->cells[row * g->n_columns + column];
}

static int grid_fill_row(struct grid *g, size_t row, json_object *object, bool csv)
{
        for (size_t i = 0; i < g->n_columns; i++) {
                char **cell = &g->cells[row * g->n_columns + i];
                cell_t buffer;
                const char *text = csv ? raw_cell(g->columns[i], object, buffer)
                                       : cell_of_column(g->columns[i], object, buffer);

                if (!text)
                        continue;
                *cell = csv ? strdup(text)
                            : escape_for_locale(text); /* libsmartcols never ends on other text */
                if (!*cell)
                        return -ENOMEM;
        }
        return 0;
}

static int grid_fill(struct grid *g, struct rows rows, bool csv)
{
        g->n_rows = rows.n;
        g->cells = calloc(rows.n * g->n_columns + 1, sizeof(*g->cells));
        if (!g->cells)
                return -ENOMEM;
        for (size_t i = 0; i < rows.n; i++) {
                json_object *row = rows.get(rows.data, i);
                int r = row ? grid_fill_row(g, i, row, csv) : -ENOMEM;

                json_object_put(row);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int grid_print_csv(const struct grid *g, bool headings, FILE *out)
{
        unsigned long failures = memory_failures();
        const char *names[COLUMNS_MAX] = {};

        for (size_t i = 0; i < g->n_columns; i++)
                names[i] = g->columns[i]->name;
        if (headings)
                csv_print_record(names, g->n_columns, out);
        for (size_t i = 0; i < g->n_rows; i++)
                csv_print_record((const char *const *) &g->cells[i * g->n_columns], g->n_columns, out);
        return memory_check(failures, 0);
}

/* named: somebody named the columns, so none is dropped. */
static void grid_measure(const struct grid *g, bool named, bool headings,
                         struct layout_column ret[COLUMNS_MAX])
{
        for (size_t i = 0; i < g->n_columns; i++) {
                const struct column *c = g->columns[i];
                struct layout_column l = { .rank = named ? 0 : c->rank };

                l.natural = l.least = headings ? strlen(c->name) : 1;
                for (size_t k = 0; k < g->n_rows; k++) {
                        const char *cell = grid_cell(g, k, i) ?: "";
                        size_t width = layout_text_width(cell),
                               least = c->flags & SCOLS_FL_WRAP ? layout_word_width(cell) : width;

                        l.natural = width > l.natural ? width : l.natural;
                        l.least = least > l.least ? least : l.least;
                }
                ret[i] = l;
        }
}

static int add_columns(struct libscols_table *table, const struct grid *g,
                       const struct layout_column layout[], bool headings)
{
        for (size_t i = 0; i < g->n_columns; i++) {
                const struct column *c = g->columns[i];
                struct libscols_column *column;

                if (layout[i].width == 0)
                        continue;
                column = scols_table_new_column(table, c->name, 0, c->flags);
                if (!column)
                        return -ENOMEM;
                if (c->flags & SCOLS_FL_WRAP)
                        scols_column_set_wrapfunc(column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk,
                                                  NULL);
                if (headings && *style_begin(STYLE_HEADING))
                        scols_cell_set_color(scols_column_get_header(column), style_begin(STYLE_HEADING));
        }
        return 0;
}

static int add_line(struct libscols_table *table, const struct grid *g, const struct layout_column layout[],
                    size_t row)
{
        struct libscols_line *line = scols_table_new_line(table, NULL);
        size_t n = 0;

        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < g->n_columns; i++) {
                _cleanup_free_ char *wrapped = NULL;
                const char *text = grid_cell(g, row, i);
                int r;

                if (layout[i].width == 0)
                        continue;
                if (text && layout_text_width(text) > layout[i].width) {
                        text = wrapped = layout_wrap(text, layout[i].width);
                        if (!text)
                                return -ENOMEM;
                }
                r = text ? scols_line_set_data(line, n, text) : 0;
                if (r < 0)
                        return r;
                n++;
        }
        return 0;
}

static int grid_print_table(const struct grid *g, bool named, bool headings, FILE *out)
{
        _cleanup_(scols_unref_tablep) struct libscols_table *table = scols_new_table();
        struct layout_column layout[COLUMNS_MAX];
        size_t total = 0;
        int r;

        if (!table)
                return -ENOMEM;
        grid_measure(g, named, headings, layout);
        layout_fit(layout, g->n_columns, terminal_width());
        for (size_t i = 0; i < g->n_columns; i++)
                total += layout[i].width + 1;
        scols_table_set_stream(table, out);
        /* It would escape what is escaped already. */
        scols_table_enable_noencoding(table, true);
        scols_table_enable_noheadings(table, !headings);
        scols_table_enable_colors(table, true);
        /* All fits: it breaks cells where we say, and cuts none. */
        scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
        scols_table_set_termwidth(table, total);
        r = add_columns(table, g, layout, headings);
        for (size_t i = 0; r == 0 && i < g->n_rows; i++)
                r = add_line(table, g, layout, i);
        return r < 0 ? r : scols_print_table(table);
}

static json_object *get_from_array(void *data, size_t i)
{
        return json_object_get(json_object_array_get_idx(data, i));
}

struct rows rows_of_array(json_object *array)
{
        return (struct rows){ .n = json_length(array), .get = get_from_array, .data = array };
}

int table_print_view(struct rows rows, const struct column *columns, size_t n, const struct table_view *view,
                     FILE *out)
{
        _cleanup_(grid_done) struct grid grid = {};
        int r;

        assert(n <= COLUMNS_MAX);
        assert(view);
        assert(out);

        r = select_columns(columns, n, view->columns, grid.columns, &grid.n_columns);
        if (r < 0)
                return r;
        r = grid_fill(&grid, rows, view->csv);
        if (r < 0)
                return r;
        if (view->csv)
                return grid_print_csv(&grid, !view->no_headings, out);
        return grid_print_table(&grid, view->columns, !view->no_headings, out);
}

int table_print(struct rows rows, const struct column *columns, size_t n, const char *selection, FILE *out)
{
        const struct table_view view = { .columns = selection };

        return table_print_view(rows, columns, n, &view, out);
}
