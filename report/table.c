/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/escape.h"
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
        owner = find_owner(row, c->path, &key);
        if (!owner)
                return c->missing;
        switch (c->format) {
        case CELL_SIZE:
                return cell_size(json_get_number(owner, key), buffer);
        case CELL_COUNT:
                return cell_count(json_get_number(owner, key), buffer);
        case CELL_YES_NO:
                return json_get_flag(owner, key) ? "yes" : "no";
        case CELL_TEXT:
                break;
        }
        return json_get_text(owner, key) ?: c->missing;
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

static int add_row(struct libscols_table *table, json_object *row, const struct column *const columns[],
                   size_t n)
{
        struct libscols_line *line = scols_table_new_line(table, NULL);

        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *escaped = NULL;
                cell_t buffer;
                const char *text = cell_of_column(columns[i], row, buffer);
                int r;

                if (!text)
                        continue;
                escaped = escape_for_locale(text); /* libsmartcols never ends on other text */
                r = escaped ? scols_line_set_data(line, i, escaped) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_rows(struct libscols_table *table, struct rows rows, const struct column *const columns[],
                    size_t n)
{
        for (size_t i = 0; i < rows.n; i++) {
                json_object *row = rows.get(rows.data, i);
                int r = row ? add_row(table, row, columns, n) : -ENOMEM;

                json_object_put(row);
                if (r < 0)
                        return r;
        }
        return 0;
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

        assert(n <= COLUMNS_MAX);
        assert(out);

        if (!table)
                return -ENOMEM;
        r = select_columns(columns, n, selection, selected, &n_selected);
        if (r < 0)
                return r;
        scols_table_set_stream(table, out);
        /* It would escape what is escaped already. */
        scols_table_enable_noencoding(table, true);
        for (size_t i = 0; i < n_selected; i++)
                if (!scols_table_new_column(table, selected[i]->name, 0, selected[i]->flags))
                        return -ENOMEM;
        r = add_rows(table, rows, selected, n_selected);
        return r < 0 ? r : scols_print_table(table);
}
