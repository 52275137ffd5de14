/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/format.h"
#include "util/macro.h"

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

static const struct column *find(const struct column *columns, size_t n, const char *name, size_t length)
{
        for (size_t i = 0; i < n; i++)
                if (strlen(columns[i].name) == length && strncasecmp(columns[i].name, name, length) == 0)
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
                const struct column *c = find(columns, n, p, strcspn(p, ","));

                if (!c || count == COLUMNS_MAX)
                        return -EINVAL;
                ret[count++] = c;
        }
        *ret_n = count;
        return 0;
}

static int add_row(struct libscols_table *table, json_object *row, const struct column *const columns[],
                   size_t n)
{
        struct libscols_line *line = scols_table_new_line(table, NULL);
        int r = line ? 0 : -ENOMEM;

        for (size_t i = 0; i < n && r == 0; i++) {
                cell_t buffer;
                const char *text = columns[i]->cell(row, buffer);

                if (text)
                        r = scols_line_set_data(line, i, text);
        }
        return r;
}

static json_object *get_from_array(void *data, size_t i)
{
        return json_object_get(json_object_array_get_idx(data, i));
}

struct rows rows_of_array(json_object *array)
{
        return (struct rows){ .n = json_length(array), .get = get_from_array, .data = array };
}

int table_print(struct rows rows, const struct column *columns, size_t n, const char *selection, FILE *out)
{
        _cleanup_(scols_unref_tablep) struct libscols_table *table = scols_new_table();
        const struct column *selected[COLUMNS_MAX];
        size_t n_selected;
        int r;

        if (!table)
                return -ENOMEM;
        r = select_columns(columns, n, selection, selected, &n_selected);
        if (r < 0)
                return r;
        scols_table_set_stream(table, out);
        for (size_t i = 0; i < n_selected; i++)
                if (!scols_table_new_column(table, selected[i]->name, 0, selected[i]->flags))
                        return -ENOMEM;
        for (size_t i = 0; i < rows.n && r == 0; i++) {
                json_object *row = rows.get(rows.data, i);

                r = row ? add_row(table, row, selected, n_selected) : -ENOMEM;
                json_object_put(row);
        }
        return r ?: scols_print_table(table);
}
