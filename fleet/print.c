/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "print.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <libsmartcols.h>

#include "audit/verdict.h"
#include "report/csv.h"
#include "util/format.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_DAY (24 * SECONDS_PER_HOUR)

static const char *plural_of(size_t n)
{
        return n == 1 ? "" : "s";
}

const char *fleet_headline(const struct fleet *f, sentence_t buffer)
{
        size_t n_short = fleet_count_short(f);
        struct fleet_group total = fleet_total(f);
        format_t hosts, guests, all;

        if (n_short == 0)
                snprintf(buffer, sizeof(sentence_t),
                         "No guest on %s host%s is seen to have smaller pages than it could have",
                         format_count(f->n_hosts, all), plural_of(f->n_hosts));
        else
                snprintf(buffer, sizeof(sentence_t),
                         "%s guest%s on %s of %s host%s %s smaller pages than %s could have",
                         format_count(total.counts.guests_short, guests),
                         plural_of(total.counts.guests_short), format_count(n_short, hosts),
                         format_count(f->n_hosts, all), plural_of(f->n_hosts),
                         total.counts.guests_short == 1 ? "has" : "have",
                         total.counts.guests_short == 1 ? "it" : "they");
        return buffer;
}

static void append_sentence(sentence_t buffer, size_t n, const char *one, const char *many)
{
        size_t length = strlen(buffer);
        format_t count;

        if (n == 0)
                return;
        snprintf(buffer + length, sizeof(sentence_t) - length, "%s%s %s", length > 0 ? ", " : "",
                 format_count(n, count), n == 1 ? one : many);
}

/* "7 days", "12 hours", "90 seconds" */
static const char *format_age(uint64_t seconds, format_t buffer)
{
        const char *unit = "second";
        uint64_t n = seconds;

        if (n >= SECONDS_PER_DAY && n % SECONDS_PER_DAY == 0) {
                n /= SECONDS_PER_DAY;
                unit = "day";
        } else if (n >= SECONDS_PER_HOUR && n % SECONDS_PER_HOUR == 0) {
                n /= SECONDS_PER_HOUR;
                unit = "hour";
        }
        snprintf(buffer, sizeof(format_t), "%" PRIu64 " %s%s", n, unit, plural_of(n));
        return buffer;
}

static size_t count_old(const struct fleet *f, const struct fleet_view *view)
{
        return fleet_count_before(f, view->now > view->max_age ? view->now - view->max_age : 0);
}

const char *fleet_left_out(const struct fleet *f, const struct fleet_view *view, sentence_t buffer)
{
        format_t age;
        char one[128], many[128];

        assert(f);
        assert(view);

        buffer[0] = '\0';
        append_sentence(buffer, f->n_unread, "report could not be read", "reports could not be read");
        append_sentence(buffer, f->n_unnamed, "report does not say whose it is",
                        "reports do not say whose they are");
        append_sentence(buffer, f->n_older, "report was older than another of its host",
                        "reports were older than another of their host");
        (void) format_age(view->max_age, age);
        snprintf(one, sizeof(one), "host was last seen more than %s ago", age);
        snprintf(many, sizeof(many), "hosts were last seen more than %s ago", age);
        append_sentence(buffer, count_old(f, view), one, many);
        return buffer;
}

static void add_counts(json_object *o, const struct fleet_group *g)
{
        json_add_count(o, "hosts", g->n_hosts);
        json_add_count(o, "guests", g->counts.guests);
        json_add_count(o, "guests_short", g->counts.guests_short);
        json_add_count(o, "guests_unknown", g->counts.guests_unknown);
        json_add_count(o, "faults", g->counts.faults);
        json_add_count(o, "faults_after", g->counts.faults_after);
        json_add_count(o, "pin_steps", g->counts.pin_steps);
        json_add_count(o, "pin_steps_after", g->counts.pin_steps_after);
        if (g->bar_seconds >= 0)
                json_add_seconds(o, "bar_seconds", g->bar_seconds);
        else
                json_add(o, "bar_seconds", NULL);
        json_add_string(o, "severity", severity_to_string(g->severity));
}

static bool is_by_need(const struct fleet_view *view)
{
        for (size_t i = 0; i < view->n_by; i++)
                if (view->by[i] == WORD_NEED)
                        return true;
        return false;
}

/* What helps where the need is that word. NULL: nothing has to be done, or the word is of a newer vfioalign.
 */
static const char *help_of(const char *need)
{
        enum need_id id = need_from_string(need);

        return id < 0 ? NULL : need_type(id)->help;
}

static json_object *new_group(const struct fleet *f, const struct fleet_view *view,
                              const struct fleet_group *g)
{
        json_object *o = json_new_object();

        for (size_t i = 0; i < view->n_by; i++)
                json_add_string(o, host_word_to_string(view->by[i]), fleet_word(f, g->first, view->by[i]));
        add_counts(o, g);
        if (is_by_need(view))
                json_add_string(o, "help", help_of(fleet_word(f, g->first, WORD_NEED)));
        return o;
}

int fleet_print_json(const struct fleet *f, const struct fleet_view *view, enum json_style style, FILE *out)
{
        unsigned long failures = memory_failures();
        _cleanup_(json_object_putp) json_object *o = json_new_object();
        _cleanup_free_ struct fleet_group *groups = NULL;
        struct fleet_group total = fleet_total(f);
        json_object *array = json_new_array(), *by = json_new_array();
        format_t time;
        size_t n;
        int r;

        assert(view);

        json_add_string(o, "kind", "fleet");
        json_add_string(o, "time", format_time(view->now * USEC_PER_SEC, time));
        add_counts(o, &total);
        json_add_count(o, "hosts_short", fleet_count_short(f));
        json_add_count(o, "hosts_old", count_old(f, view));
        json_add_count(o, "unread", f->n_unread);
        json_add_count(o, "unnamed", f->n_unnamed);
        json_add_count(o, "older", f->n_older);
        for (size_t i = 0; i < view->n_by; i++)
                json_append_string(by, host_word_to_string(view->by[i]));
        json_add(o, "by", by);
        json_add(o, "groups", array);
        r = fleet_group(f, view->by, view->n_by, &groups, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                json_append(array, new_group(f, view, &groups[i]));
        return report_print_json_as(o, style, failures, out);
}

static const char *cell_number(uint64_t n, cell_t buffer)
{
        if (n == COUNT_UNKNOWN)
                return NULL;
        snprintf(buffer, sizeof(cell_t), "%" PRIu64, n);
        return buffer;
}

/* Columns of numbers, for programs. */
static const struct number_column {
        const char *name;
        size_t offset; /* in struct host_counts */
} number_columns[] = {
        { "guests", offsetof(struct host_counts, guests) },
        { "guests_short", offsetof(struct host_counts, guests_short) },
        { "guests_unknown", offsetof(struct host_counts, guests_unknown) },
        { "faults", offsetof(struct host_counts, faults) },
        { "faults_after", offsetof(struct host_counts, faults_after) },
        { "pin_steps", offsetof(struct host_counts, pin_steps) },
        { "pin_steps_after", offsetof(struct host_counts, pin_steps_after) },
};

#define CSV_COLUMNS (FLEET_BY_MAX + 1 + ELEMENTSOF(number_columns) + 3)

static void print_csv_head(const struct fleet_view *view, FILE *out)
{
        const char *cells[CSV_COLUMNS];
        size_t n = 0;

        for (size_t i = 0; i < view->n_by; i++)
                cells[n++] = host_word_to_string(view->by[i]);
        cells[n++] = "hosts";
        for (size_t i = 0; i < ELEMENTSOF(number_columns); i++)
                cells[n++] = number_columns[i].name;
        cells[n++] = "bar_seconds";
        cells[n++] = "severity";
        if (is_by_need(view))
                cells[n++] = "help";
        csv_print_record(cells, n, out);
}

static void print_csv_group(const struct fleet *f, const struct fleet_view *view,
                            const struct fleet_group *g, FILE *out)
{
        const char *cells[CSV_COLUMNS];
        cell_t buffers[CSV_COLUMNS];
        size_t n = 0;

        for (size_t i = 0; i < view->n_by; i++)
                cells[n++] = fleet_word(f, g->first, view->by[i]);
        cells[n] = cell_number(g->n_hosts, buffers[n]);
        n++;
        for (size_t i = 0; i < ELEMENTSOF(number_columns); i++, n++)
                cells[n] = cell_number(
                        *(const uint64_t *) ((const char *) &g->counts + number_columns[i].offset),
                        buffers[n]);
        snprintf(buffers[n], sizeof(cell_t), "%.3f", g->bar_seconds);
        cells[n] = g->bar_seconds < 0 ? NULL : buffers[n];
        n++;
        cells[n++] = severity_to_string(g->severity);
        if (is_by_need(view))
                cells[n++] = help_of(fleet_word(f, g->first, WORD_NEED));
        csv_print_record(cells, n, out);
}

int fleet_print_csv(const struct fleet *f, const struct fleet_view *view, FILE *out)
{
        unsigned long failures = memory_failures();
        _cleanup_free_ struct fleet_group *groups = NULL;
        size_t n;
        int r;

        assert(view);

        r = fleet_group(f, view->by, view->n_by, &groups, &n);
        if (r < 0)
                return r;
        print_csv_head(view, out);
        for (size_t i = 0; i < n; i++)
                print_csv_group(f, view, &groups[i], out);
        return memory_check(failures, 0);
}

/* "268 M", "1,005 G": of numbers that nobody reads to the last digit. */
static const char *format_large(uint64_t n, format_t buffer)
{
        static const struct {
                uint64_t unit;
                const char *letter;
        } units[] = { { 1000000000000, "T" }, { 1000000000, "G" }, { 1000000, "M" } };
        format_t count;

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (n >= 10 * units[i].unit) {
                        snprintf(buffer, sizeof(format_t), "%s %s", format_count(n / units[i].unit, count),
                                 units[i].letter);
                        return buffer;
                }
        return format_count(n, buffer);
}

static const char *arrow_of_locale(void)
{
        return streq(nl_langinfo(CODESET), "UTF-8") ? "\xe2\x86\x92" : "->";
}

static const char *cell_positive(json_object *row, const char *key, cell_t buffer)
{
        uint64_t n = json_get_number(row, key);

        return n > 0 ? cell_count(n, buffer) : NULL;
}

static const char *cell_guests(json_object *row, cell_t buffer)
{
        return cell_positive(row, "guests_short", buffer);
}

static const char *cell_all_guests(json_object *row, cell_t buffer)
{
        return cell_positive(row, "guests", buffer);
}

static const char *cell_faults(json_object *row, cell_t buffer)
{
        format_t now, after;

        if (json_get_number(row, "guests_short") == 0)
                return NULL;
        snprintf(buffer, sizeof(cell_t), "%s %s %s", format_count(json_get_number(row, "faults"), now),
                 arrow_of_locale(), format_count(json_get_number(row, "faults_after"), after));
        return buffer;
}

/* Of steps most remedies change little. */
static const char *cell_steps(json_object *row, cell_t buffer)
{
        uint64_t steps = json_get_number(row, "pin_steps"),
                 steps_after = json_get_number(row, "pin_steps_after");
        format_t now, after;

        if (json_get_number(row, "guests_short") == 0)
                return NULL;
        (void) format_large(steps, now);
        (void) format_large(steps_after, after);
        if (streq(now, after))
                snprintf(buffer, sizeof(cell_t), "%s", now);
        else
                snprintf(buffer, sizeof(cell_t), "%s %s %s", now, arrow_of_locale(), after);
        return buffer;
}

static const char *cell_seconds(json_object *row, cell_t buffer)
{
        json_object *seconds = json_get(row, "bar_seconds");

        if (!seconds)
                return NULL;
        snprintf(buffer, sizeof(cell_t), "%.1f", json_object_get_double(seconds));
        return buffer;
}

static const struct column count_columns[] = {
        { "HOSTS", "how many hosts there are of this kind", SCOLS_FL_RIGHT, .path = "hosts",
          .format = CELL_COUNT },
        { "ALL-GUESTS", "how many guests they have", SCOLS_FL_RIGHT, .extra = true,
          .cell = cell_all_guests },
        { "GUESTS", "how many of them have smaller pages than they could have", SCOLS_FL_RIGHT,
          .cell = cell_guests },
        { "PAGE-FAULTS", "at the starts of these: now, and once the need is met", SCOLS_FL_RIGHT,
          .cell = cell_faults },
        { "DMA-STEPS", "of pinning their BARs, likewise", SCOLS_FL_RIGHT, .cell = cell_steps, .rank = 1 },
        { "SECONDS", "what mapping BARs took at the last starts that were measured", SCOLS_FL_RIGHT,
          .extra = true, .cell = cell_seconds },
        { "SEVERITY", "the highest of their findings", .extra = true, .path = "severity" },
};

static const struct column word_columns[FLEET_BY_MAX] = {
        [WORD_NEED] = { "NEED", "what they need first", .path = "need" },
        [WORD_KERNEL] = { "KERNEL", "its release", .path = "kernel" },
        [WORD_EMULATOR] = { "EMULATOR", "how their emulators align BARs", .path = "emulator" },
        [WORD_LIMIT] = { "LIMIT", "what limits the guest with the smallest pages", .path = "limit" },
        [WORD_VERSION] = { "VERSION", "of vfioalign", .path = "version" },
        [WORD_MODULE] = { "MODULE", "what the module vfio_align does", .path = "module" },
        [WORD_THP] = { "THP", "transparent_hugepage/enabled", .path = "thp" },
        [WORD_HOST] = { "HOST", "the host's name", .path = "host" },
};

static const struct column help_column = { "WHAT-HELPS", "what brings their guests to their best pages",
                                           .path = "help" }; /* a command is never broken */

const struct column *fleet_columns(const struct fleet_view *view, size_t *ret_n)
{
        static struct column columns[ELEMENTSOF(count_columns) + FLEET_BY_MAX + 1];
        size_t n = 0;

        assert(view);
        assert(ret_n);

        for (size_t i = 0; i < ELEMENTSOF(count_columns); i++)
                columns[n++] = count_columns[i];
        for (size_t i = 0; i < view->n_by; i++)
                columns[n++] = word_columns[view->by[i]];
        if (is_by_need(view))
                columns[n++] = help_column;
        *ret_n = n;
        return columns;
}

struct group_rows {
        const struct fleet *fleet;
        const struct fleet_view *view;
        const struct fleet_group *groups;
};

static json_object *get_group(void *data, size_t i)
{
        const struct group_rows *rows = data;

        return new_group(rows->fleet, rows->view, &rows->groups[i]);
}

/* The usual columns: seconds where any are known. */
static const char *usual_columns(const struct fleet *f, const struct fleet_view *view, sentence_t buffer)
{
        if (fleet_total(f).bar_seconds < 0)
                return NULL;
        strcpy(buffer, "HOSTS,GUESTS,PAGE-FAULTS,DMA-STEPS,SECONDS");
        for (size_t i = 0; i < view->n_by; i++) {
                strcat(buffer, ",");
                strcat(buffer, word_columns[view->by[i]].name);
        }
        return is_by_need(view) ? strcat(buffer, ",WHAT-HELPS") : buffer;
}

int fleet_print_text(const struct fleet *f, const struct fleet_view *view, FILE *out)
{
        unsigned long failures = memory_failures();
        _cleanup_free_ struct fleet_group *groups = NULL;
        sentence_t sentence, usual;
        struct group_rows data;
        const struct column *columns;
        size_t n, n_columns;
        int r;

        assert(f);
        assert(view);

        r = fleet_group(f, view->by, view->n_by, &groups, &n);
        if (r < 0)
                return r;
        if (!view->columns) {
                print_line(out, "%s", fleet_headline(f, sentence));
                if (*fleet_left_out(f, view, sentence))
                        print_line(out, "%s", sentence);
                fputs("\n", out);
        }
        data = (struct group_rows){ f, view, groups };
        columns = fleet_columns(view, &n_columns);
        r = table_print((struct rows){ .n = n, .get = get_group, .data = &data }, columns, n_columns,
                        view->columns ?: usual_columns(f, view, usual), out);
        return memory_check(failures, r);
}

/* A line of an inventory is more than a name where it has white space, "=" or "[", and what Ansible finds
 * there it does: others write reports, and must not get there. */
static bool is_host_name(const char *name)
{
        if (!isascii(*name) || !isalnum((unsigned char) *name))
                return false;
        for (const char *p = name; *p; p++)
                if (!isascii(*p) || (!isalnum((unsigned char) *p) && !strchr(".-_", *p)))
                        return false;
        return true;
}

size_t fleet_print_hosts(const struct fleet *f, const char *need, FILE *out)
{
        const char *last = NULL;
        size_t n_left = 0;

        assert(f);
        assert(need);

        for (size_t i = 0; i < f->n_hosts; i++) {
                const struct fleet_host *h = f->hosts[i];

                if (!streq(fleet_word(f, h, WORD_NEED), need))
                        continue;
                if (!is_host_name(h->name))
                        n_left++;
                else if (!last || !streq(last, h->name))
                        print_line(out, "%s", h->name);
                last = h->name;
        }
        return n_left;
}
