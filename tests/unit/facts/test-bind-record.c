/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/bind-record.h"

#include "fixture.h"
#include "record/record.h"
#include "test.h"
#include "util/macro.h"

#define GPU "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define NIC "0000:02:00.0"
#define FILE_OF(bdf) BIND_RECORDS "/" bdf
#define BOOT "6b0f8f0e-1d8b-4f5c-9c5e-7a2f4f7a3b11"

/* A record of the GPU, with one word of it replaced. */
static void write_record(struct fixture *f, const char *word, const char *by)
{
        static const char record[] =
                "{\"boot_id\": \"" BOOT
                "\", \"state\": \"bound\", \"owner\": \"guest wäb1\", \"reason\": null, "
                "\"time_usec\": 1700000000000000, \"group\": 7, \"members\": [{\"address\": \"" GPU "\", "
                "\"vendor\": 4318, \"device\": 9008, \"subsystem_vendor\": 4318, \"subsystem_device\": 1, "
                "\"serial\": \"00-02-c9\", \"before\": {\"driver\": \"nvidia\", \"override\": null}, "
                "\"after\": {\"driver\": \"vfio-pci\", \"override\": \"vfio-pci\"}, \"settings\": "
                "{\"control\": \"auto\", \"d3cold_allowed\": \"1\", \"sriov_drivers_autoprobe\": null}}]}";
        const char *at = strstr(record, word);
        _cleanup_free_ char *text = NULL;

        assert_non_null(at);
        assert_true(asprintf(&text, "%.*s%s%s", (int) (at - record), record, by, at + strlen(word)) > 0);
        fixture_write(f, FILE_OF(GPU), text);
}

static void test_read(void **state)
{
        struct fixture *f = *state;
        struct bind_record r;
        const struct bind_member *m;

        write_record(f, "", "");
        assert_ok(bind_record_read(&r, &f->root, GPU));
        assert_string_equal(r.boot_id, BOOT);
        assert_int_equal(r.state, BIND_STATE_BOUND);
        assert_string_equal(r.owner, "guest wäb1");
        assert_null(r.reason);
        assert_int_equal(r.time_usec, 1700000000000000);
        assert_int_equal(r.group, 7);
        assert_int_equal(r.n_members, 1);
        m = r.members;
        assert_string_equal(m->bdf, GPU);
        assert_int_equal(m->vendor, 0x10de);
        assert_int_equal(m->device, 9008);
        assert_int_equal(m->subsystem_vendor, 0x10de);
        assert_int_equal(m->subsystem_device, 1);
        assert_string_equal(m->serial, "00-02-c9");
        assert_string_equal(m->before.driver, "nvidia");
        assert_string_equal(m->before.override, "");
        assert_string_equal(m->after.driver, "vfio-pci");
        assert_string_equal(m->after.override, "vfio-pci");
        assert_string_equal(m->settings.control, "auto");
        assert_string_equal(m->settings.d3cold_allowed, "1");
        assert_string_equal(m->settings.sriov_drivers_autoprobe, "");
        bind_record_done(&r);
        assert_int_equal(bind_record_read(&r, &f->root, NIC), -ENOENT);
}

static struct bind_record sample(struct bind_member *members, size_t n)
{
        struct bind_record r = {
                .boot_id = BOOT,
                .state = BIND_STATE_QUARANTINED,
                .owner = strdup("boot"),
                .reason = strdup("a \"b\" \\ c\n/d"),
                .time_usec = 1,
                .group = 12,
                .members = members,
                .n_members = n,
        };

        for (size_t i = 0; i < n; i++) {
                members[i] = (struct bind_member){
                        .vendor = 0xffff,
                        .device = 1,
                        .subsystem_vendor = 2,
                        .subsystem_device = (uint16_t) i,
                        .serial = "00-02-c9-03-00-0a-5f-d6",
                        .before = { .driver = "e1000e" },
                        .after = { .driver = "vfio-pci", .override = "vfio-pci" },
                        .settings = { .control = "on", .sriov_drivers_autoprobe = "1" },
                };
                snprintf(members[i].bdf, sizeof(bdf_t), "0000:%02zx:%02zx.%zu", (1 + i / 256) & 0xff,
                         i / 8 % 32, i % 8);
                /* The longest that there can be. */
                memset(members[i].before.override, 'x', sizeof(members[i].before.override) - 1);
        }
        return r;
}

/* What is written is read again as it was, also the largest group. */
static void test_round_trip(void **state)
{
        struct fixture *f = *state;
        static const size_t counts[] = { 1, 2, 1024 };

        for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
                struct bind_member *members = calloc(counts[i], sizeof(*members));
                struct bind_record r = sample(members, counts[i]), again;
                _cleanup_free_ char *text = bind_record_format(&r), *text_again = NULL;

                assert_non_null(text);
                fixture_write(f, FILE_OF("0000:01:00.0"), text);
                assert_ok(bind_record_read(&again, &f->root, "0000:01:00.0"));
                assert_string_equal(again.boot_id, r.boot_id);
                assert_int_equal(again.state, r.state);
                assert_string_equal(again.owner, r.owner);
                assert_string_equal(again.reason, "a \"b\" \\ c /d");
                assert_int_equal(again.time_usec, r.time_usec);
                assert_int_equal(again.group, r.group);
                assert_int_equal(again.n_members, r.n_members);
                assert_memory_equal(again.members, r.members, r.n_members * sizeof(*r.members));
                text_again = bind_record_format(&again);
                assert_string_equal(text_again, text);
                bind_record_done(&again);
                bind_record_done(&r);
        }
}

static void test_more_than_a_group_can_have(void **state)
{
        struct fixture *f = *state;
        struct bind_member *members = calloc(1025, sizeof(*members));
        struct bind_record r = sample(members, 1025), again;
        _cleanup_free_ char *text = bind_record_format(&r);

        fixture_write(f, FILE_OF("0000:01:00.0"), text);
        assert_int_equal(bind_record_read(&again, &f->root, "0000:01:00.0"), -EBADMSG);
        bind_record_done(&r);
}

/* No beginning of a record is one. */
static void test_truncated(void **state)
{
        struct fixture *f = *state;
        struct bind_member *members = calloc(2, sizeof(*members));
        struct bind_record r = sample(members, 2), again;
        _cleanup_free_ char *text = bind_record_format(&r);

        for (size_t i = 0; i < strlen(text); i++) {
                fixture_write_bytes(f, FILE_OF("0000:01:00.0"), text, i);
                assert_int_equal(bind_record_read(&again, &f->root, "0000:01:00.0"), -EBADMSG);
        }
        /* Nor is one with more behind its end. */
        fixture_write_bytes(f, FILE_OF("0000:01:00.0"), text, strlen(text) + 1);
        assert_int_equal(bind_record_read(&again, &f->root, "0000:01:00.0"), -EBADMSG);
        bind_record_done(&r);
}

static void test_hostile(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *word, *by;
        } cases[] = {
                { "\"bound\"", "\"lost\"" },
                { "\"bound\"", "null" },
                { "\"bound\"", "1" },
                { "\"guest wäb1\"", "null" },
                { "\"guest wäb1\"", "[\"x\"]" },
                { "\"guest wäb1\"", "\"a\\u0000b\"" },
                { "\"guest wäb1\"", "\"a\\nb\"" },
                { "\"reason\": null, ", "" },
                { "\"" BOOT "\"", "null" },
                { "\"" BOOT "\"", "\"" BOOT "0\"" },
                { "1700000000000000", "-1" },
                { "1700000000000000", "1.5" },
                { "1700000000000000", "\"1\"" },
                { ": 7", ": -1" },
                { ": 7", ": 2147483648" },
                { ": 7", ": true" },
                { "4318", "65536" },
                { "4318", "-1" },
                { "\"0000:01:00.0\"", "\"01:00.0\"" },
                { "\"0000:01:00.0\"", "\"0000:01:00.1\"" }, /* not the file's */
                { "\"0000:01:00.0\"", "\"../../01:00.0\"" },
                { "\"0000:01:00.0\"", "null" },
                { "\"00-02-c9\"", "\"00-02-c9-03-00-0a-5f-d6-\"" },
                { "\"nvidia\"", "\"../nvidia\"" },
                { "\"nvidia\"", "\"nvi\\tdia\"" },
                { "\"nvidia\"", "\"0123456789012345678901234567890123456789012345678901234567890123\"" },
                { "\"nvidia\"", "{}" },
                { "{\"driver\": \"nvidia\", \"override\": null}", "null" },
                { "{\"driver\": \"nvidia\", \"override\": null}", "[]" },
                { ", \"override\": null", "" },
                { "\"auto\"", "\"automatic\"" },
                { "\"auto\"", "\"a/b\"" },
                { "\"1\"", "1" },
                { "\"settings\"", "\"setting\"" },
                { "\"members\"", "\"member\"" },
                { "[{\"address\"", "[null, {\"address\"" },
                { "}]}", "}, 7]}" },
                { "}]}", "}]} x" },
                { "}]}", "}]}{}" },
                { "}]}", "}]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct bind_record r = { .group = 99 };

                write_record(f, cases[i].word, cases[i].by);
                if (bind_record_read(&r, &f->root, GPU) != -EBADMSG)
                        fail_msg("%s in place of %s is read", cases[i].by, cases[i].word);
                assert_int_equal(r.group, 99);
        }
        fixture_write(f, FILE_OF(GPU), "");
        assert_int_equal(bind_record_read(&(struct bind_record){}, &f->root, GPU), -EBADMSG);
        fixture_write(f, FILE_OF(GPU), "null");
        assert_int_equal(bind_record_read(&(struct bind_record){}, &f->root, GPU), -EBADMSG);
}

/* One member twice, or before another of a lower address. */
static void test_order(void **state)
{
        struct fixture *f = *state;
        static const char *const orders[][2] = { { GPU, AUDIO }, { GPU, GPU }, { AUDIO, GPU } };

        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                struct bind_member *members = calloc(2, sizeof(*members));
                struct bind_record r = sample(members, 2), again;
                char path[sizeof(FILE_OF(GPU))];
                _cleanup_free_ char *text = NULL;

                for (size_t k = 0; k < 2; k++)
                        strcpy(r.members[k].bdf, orders[i][k]);
                text = bind_record_format(&r);
                bind_record_done(&r);
                snprintf(path, sizeof(path), BIND_RECORDS "/%s", orders[i][0]);
                fixture_write(f, path, text);
                assert_int_equal(bind_record_read(&again, &f->root, orders[i][0]), i == 0 ? 0 : -EBADMSG);
                if (i == 0)
                        bind_record_done(&again);
        }
}

static void test_huge(void **state)
{
        struct fixture *f = *state;
        size_t size = 2 << 20;
        _cleanup_free_ char *text = malloc(size);

        memset(text, ' ', size);
        fixture_write_bytes(f, FILE_OF(GPU), text, size);
        assert_int_equal(bind_record_read(&(struct bind_record){}, &f->root, GPU), -EBADMSG);
        memset(text, '[', 65536);
        fixture_write_bytes(f, FILE_OF(GPU), text, 65536);
        assert_int_equal(bind_record_read(&(struct bind_record){}, &f->root, GPU), -EBADMSG);
}

static void test_all(void **state)
{
        struct fixture *f = *state;
        struct bind_records b;
        char *bad = NULL;

        assert_ok(bind_records_read(&b, &f->root, &bad));
        assert_null(bad);
        assert_int_equal(b.n_records, 0);

        write_record(f, "\"" GPU "\"", "\"" NIC "\"");
        assert_int_equal(renameat(f->root.fd, FILE_OF(GPU), f->root.fd, FILE_OF(NIC)), 0);
        write_record(f, "", "");
        fixture_write(f, BIND_RECORDS "/lock", "");
        fixture_write(f, FILE_OF(GPU) ".tmp", "x");
        assert_ok(bind_records_read(&b, &f->root, &bad)); /* which boot it is is not known */
        assert_null(bad);
        assert_int_equal(b.n_records, 0);

        fixture_write(f, "proc/sys/kernel/random/boot_id", BOOT "\n");
        assert_ok(bind_records_read(&b, &f->root, &bad));
        assert_null(bad);
        assert_int_equal(b.n_records, 2);
        assert_ptr_equal(bind_records_find(&b, GPU), &b.records[0]);
        assert_ptr_equal(bind_records_find(&b, NIC), &b.records[1]);
        assert_null(bind_records_find(&b, AUDIO));
        bind_records_done(&b);

        fixture_write(f, FILE_OF(AUDIO), "{}");
        write_record(f, BOOT, "another");
        assert_ok(bind_records_read(&b, &f->root, &bad));
        assert_string_equal(bad, AUDIO);
        free(bad);
        assert_int_equal(b.n_unread, 1);
        assert_string_equal(b.unread[0].bdf, AUDIO);
        assert_int_equal(b.unread[0].error, -EBADMSG);
        assert_int_equal(b.n_records, 1);
        assert_string_equal(b.records[0].members[0].bdf, NIC);
        bind_records_done(&b);
        assert_ok(bind_records_read(&b, &f->root, NULL));
        bind_records_done(&b);
}

/* A dump has what the next reader needs: the records, and which boot it is. */
static void test_recorded(void **state)
{
        struct fixture *f = *state;
        const struct record_entry *entries;
        struct record *record;
        struct bind_records b;
        unsigned found = 0;
        size_t n;

        write_record(f, "", "");
        fixture_write(f, "proc/sys/kernel/random/boot_id", BOOT "\n");
        assert_ok(record_begin(&f->root, &record));
        assert_ok(bind_records_read(&b, &f->root, NULL));
        assert_ok(record_end(record, &entries, &n));
        for (size_t i = 0; i < n; i++) {
                found += streq(entries[i].path, FILE_OF(GPU)) && strstr(entries[i].data, "guest wäb1");
                found += streq(entries[i].path, "proc/sys/kernel/random/boot_id");
        }
        assert_int_equal(found, 2);
        record_free(record);
        bind_records_done(&b);
}

static void test_binding_equal(void **state)
{
        struct binding a = { .driver = "nvme" }, b = { .driver = "nvme" };

        (void) state;
        assert_true(binding_equal(&a, &b));
        strcpy(b.override, "vfio-pci");
        assert_false(binding_equal(&a, &b));
        strcpy(a.override, "vfio-pci");
        *a.driver = '\0';
        assert_false(binding_equal(&a, &b));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_read, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_round_trip, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_more_than_a_group_can_have, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_truncated, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_hostile, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_order, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_huge, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_all, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_recorded, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_binding_equal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
