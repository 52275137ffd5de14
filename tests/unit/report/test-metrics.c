/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/metrics.h"

#include "fixture.h"
#include "test.h"

static const struct metric_family family = { "vfioalign_thing", "gauge", "name", "A thing" };

static char *print_label(const char *value)
{
        char *text = NULL;
        size_t size;
        struct metrics_text t = { .out = open_memstream(&text, &size) };

        metrics_add(&t, &family, (struct metric_label){ "name", value }, (struct metric_label){}, 1);
        fclose(t.out);
        return text;
}

static void test_label(void **state)
{
        static const struct {
                const char *value, *shown;
        } cases[] = {
                { "web1", "web1" },
                { "", "" },
                { NULL, "" },
                { "a\"b\\c\nd", "a\\\"b\\\\c\\nd" },
                { "\"} 0\nvfioalign_other 1", "\\\"} 0\\nvfioalign_other 1" },
                { "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80" },
                { "\xff\xfe \xc3", "?? ?" },        /* no UTF-8 */
                { "\x1b[31m\r\t\x7f", "?[31m???" }, /* a terminal's */
                { "\xe2\x80\xae", "?" },            /* turns the direction of writing */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = print_label(cases[i].value), *expected = NULL;

                assert_true(asprintf(&expected,
                                     "# HELP vfioalign_thing A thing\n# TYPE vfioalign_thing gauge\n"
                                     "vfioalign_thing{name=\"%s\"} 1\n",
                                     cases[i].shown) > 0);
                assert_string_equal(text, expected);
        }
}

static void test_numbers(void **state)
{
        static const struct metric_label none = {}, a = { "a", "1" }, b = { "b", "2" };
        static const struct metric_family other = { "vfioalign_other", "counter", "", "Another" };
        static const struct metric_family waits = { "vfioalign_waits", "histogram", "le", "Waits" };
        _cleanup_free_ char *text = NULL;
        size_t size;
        struct metrics_text t = { .out = open_memstream(&text, &size) };

        (void) state;
        metrics_add(&t, &family, none, none, 0);
        metrics_add(&t, &family, a, b, 134266880);
        metrics_add(&t, &other, b, none, 1795509381.024784);
        metrics_add_histogram(&t, &waits, (double[]){ .01, 2.5 }, (unsigned long[]){ 3, 4 }, 2, 5, 12.25);
        fclose(t.out);
        assert_string_equal(text, "# HELP vfioalign_thing A thing\n# TYPE vfioalign_thing gauge\n"
                                  "vfioalign_thing 0\nvfioalign_thing{a=\"1\",b=\"2\"} 134266880\n"
                                  "# HELP vfioalign_other Another\n# TYPE vfioalign_other counter\n"
                                  "vfioalign_other{b=\"2\"} 1795509381.024784\n"
                                  "# HELP vfioalign_waits Waits\n# TYPE vfioalign_waits histogram\n"
                                  "vfioalign_waits_bucket{le=\"0.01\"} 3\n"
                                  "vfioalign_waits_bucket{le=\"2.5\"} 4\n"
                                  "vfioalign_waits_bucket{le=\"+Inf\"} 5\n"
                                  "vfioalign_waits_sum 12.250000\nvfioalign_waits_count 5\n");
}

static void test_hook(void **state)
{
        struct metrics_counters c = {};

        (void) state;
        metrics_count_hook(&c, 10000); /* the bound belongs to its bucket */
        metrics_count_hook(&c, 10001);
        metrics_count_hook(&c, 60 * USEC_PER_SEC);
        assert_int_equal(c.hook.counts[0], 1);
        assert_int_equal(c.hook.counts[1], 2);
        assert_int_equal(c.hook.counts[7], 2); /* 5 s */
        assert_int_equal(c.hook.n, 3);
        assert_int_equal((long) c.hook.seconds, 60);
        metrics_count_measured(&c, 600 * USEC_PER_SEC);
        assert_int_equal(c.measured.counts[HISTOGRAM_BUCKETS_MAX - 1], 1);
        assert_int_equal(c.measured.counts[HISTOGRAM_BUCKETS_MAX - 2], 0);
        assert_int_equal(c.measured.n, 1);
}

static const char head[] =
        "{ 'libvirt': { 'installed': { 'value': 'yes' }, 'guests_readable': { 'value': 'yes' } },"
        "  'mappings_complete': { 'value': 'unknown' },"
        "  'emulators': [{ 'path': '/usr/bin/qemu', 'generation': 'none', 'distribution': true },"
        "                { 'path': '/usr/bin/qemu', 'generation': 'per-area', 'libvirt': true },"
        "                { 'path': '/home/ann/qemu', 'generation': 'none' }],"
        "  'findings': [{ 'id': 'a', 'severity': 'warning' }, { 'id': 'b', 'severity': 'info' },"
        "               { 'id': 'a', 'severity': 'warning' }],"
        "  'guests': [{ 'name': 'web', 'uuid': 'u1', 'running': true, 'limit': 'none',"
        "               'last_start': { 'seconds': 12.5, 'phases': { 'bars': 7.25 } } },"
        "             { 'name': 'web', 'uuid': 'u2', 'limit': 'none' },"
        "             { 'name': 'web', 'limit': 'none' },"
        "             { 'name': 'db', 'page_size': null, 'limit': 'unknown' },"
        "             { 'name': null, 'limit': 'none' }] }";

static char *print_head(struct fixture *f, enum export_guests guests)
{
        json_object *report = json_tokener_parse(head);
        struct host host = { .root = &f->root };
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert_non_null(report);
        metrics_print(&host, report, NULL, 0, guests, out);
        fclose(out);
        json_object_put(report);
        return text;
}

static void test_names(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *by_name = print_head(f, EXPORT_GUESTS_NAME),
                            *by_uuid = print_head(f, EXPORT_GUESTS_UUID),
                            *by_none = print_head(f, EXPORT_GUESTS_NONE);

        /* Two of one name are told apart, and one that cannot be has no series of its own. */
        assert_non_null(strstr(by_name, "vfioalign_guest_running{domain=\"web\"} 1\n"
                                        "vfioalign_guest_running{domain=\"web (u2)\"} 0\n"
                                        "vfioalign_guest_running{domain=\"db\"} 0\n#"));
        assert_non_null(strstr(by_uuid, "vfioalign_guest_running{domain=\"u1\"} 1\n"
                                        "vfioalign_guest_running{domain=\"u2\"} 0\n#"));
        assert_non_null(strstr(by_name, "vfioalign_guest_start_seconds{domain=\"web\"} 12.500000\n#"));
        assert_non_null(strstr(by_name, "vfioalign_guest_start_bar_seconds{domain=\"web\"} 7.250000\n#"));
        assert_null(strstr(by_uuid, "web"));
        assert_null(strstr(by_none, "domain"));
        assert_non_null(strstr(by_none, "vfioalign_guests{state=\"stopped\"} 4\n"));
}

static void test_unknown(void **state)
{
        static const char *const absent[] = { "page_size_bytes{domain=\"db\"}",
                                              "kernel_page_size",
                                              "mapped_",
                                              "hook_active",
                                              "pci_functions",
                                              "quarantined" };
        _cleanup_free_ char *text = print_head(*state, EXPORT_GUESTS_NAME);

        for (size_t i = 0; i < ELEMENTSOF(absent); i++)
                if (strstr(text, absent[i]))
                        fail_msg("%s is in: %s", absent[i], text);
        assert_non_null(strstr(text, "vfioalign_module_state{state=\"unknown\"} 1\n"));
}

static void test_once(void **state)
{
        _cleanup_free_ char *text = print_head(*state, EXPORT_GUESTS_NAME);

        assert_non_null(
                strstr(text, "vfioalign_emulator_info{path=\"/usr/bin/qemu\",generation=\"none\"} 1\n#"));
        assert_null(strstr(text, "ann"));
        assert_non_null(strstr(text, "vfioalign_finding{id=\"a\",severity=\"warning\"} 2\n"
                                     "vfioalign_finding{id=\"b\",severity=\"info\"} 1\n#"));
        assert_non_null(strstr(text, "vfioalign_findings{severity=\"error\"} 0\n"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_label),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_hook),
                cmocka_unit_test_setup_teardown(test_names, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_unknown, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_once, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
