/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/evidence.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/finding.h"
#include "audit/guest-evidence.h"
#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

#define YES \
        { \
                .value = FACT_YES \
        }
#define NO \
        { \
                .value = FACT_NO \
        }
#define BUILD_ID "0123456789abcdef"

static const struct sighting gigantic = {
        .key = { .emulator = BUILD_ID, .release = "7.3.4", .module = true, .thp = THP_ALWAYS },
        .bar_size = GIB(2),
        .page_size = GIB(1),
        .time_usec = 1000,
};

/* One sighting, with one word replaced. */
static void write_file(struct fixture *f, const char *word, const char *by)
{
        static const char file[] = "{\"sightings\":[{\"emulator\":\"" BUILD_ID
                                   "\",\"release\":\"7.3.4\",\"module\":true,\"preload\":false,"
                                   "\"thp\":\"always\",\"bar_size\":2147483648,\"page_size\":1073741824,"
                                   "\"count\":12,\"time_usec\":1000}]}";
        const char *at = strstr(file, word);
        _cleanup_free_ char *text = NULL;

        assert_non_null(at);
        assert_true(asprintf(&text, "%.*s%s%s\n", (int) (at - file), file, by, at + strlen(word)) > 0);
        fixture_write(f, EVIDENCE_FILE, text);
}

static void test_read(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;
        struct evidence e;

        assert_int_equal(evidence_read(&e, &f->root), -ENOENT);
        assert_int_equal(e.n_sightings, 0);
        write_file(f, "", "");
        assert_ok(evidence_read(&e, &f->root));
        assert_int_equal(e.n_sightings, 1);
        assert_true(evidence_key_equal(&e.sightings[0].key, &gigantic.key));
        assert_int_equal(e.sightings[0].bar_size, GIB(2));
        assert_int_equal(e.sightings[0].page_size, GIB(1));
        assert_int_equal(e.sightings[0].count, 12);
        assert_int_equal(e.sightings[0].time_usec, 1000);

        text = evidence_format(&e);
        evidence_done(&e);
        fixture_write(f, EVIDENCE_FILE, text);
        assert_ok(evidence_read(&e, &f->root));
        assert_int_equal(e.n_sightings, 1);
        assert_true(evidence_key_equal(&e.sightings[0].key, &gigantic.key));
        evidence_done(&e);
}

static void test_damaged(void **state)
{
        static const char *const words[][2] = {
                { "{", "" },
                { "]}", "]" },
                { "]}", "]} x" },
                { "\"sightings\"", "\"other\"" },
                { "[{", "[7,{" },
                { "[{", "[[],{" },
                { BUILD_ID, "" },
                { BUILD_ID, "a\\nb" },
                { BUILD_ID, "a\\u0000b" },
                { "\"7.3.4\"", "7" },
                { "true", "1" },
                { "false", "null" },
                { "always", "sometimes" },
                { "2147483648", "1" },
                { "2147483648", "\"2\"" },
                { "1073741824", "1073741823" },
                { ":12,", ":0," },
                { ":12,", ":-1," },
                { ":12,", ":1.5," },
                { ":12,", ":99999999999999999999," },
                { ",\"time_usec\":1000", "" },
                { BUILD_ID, "0123456789012345678901234567890123456789012345678901234567890123"
                            "456789012345678901234567890123456789" },
        };
        struct fixture *f = *state;
        _cleanup_free_ char *long_list = strdup("{\"sightings\":[");
        char *longer;
        struct evidence e;

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                int r;

                write_file(f, words[i][0], words[i][1]);
                r = evidence_read(&e, &f->root);
                /* json-c 0.16 cuts what is too large to the largest there is; 0.18 refuses it */
                if (strstr(words[i][1], "9999"))
                        assert_true(r == 0 || r == -EBADMSG);
                else if (r != -EBADMSG)
                        fail_msg("\"%s\" for \"%s\": %d", words[i][1], words[i][0], r);
                evidence_done(&e);
        }
        fixture_write(f, EVIDENCE_FILE, "");
        assert_int_equal(evidence_read(&e, &f->root), -EBADMSG);
        fixture_write_bytes(f, EVIDENCE_FILE, "\0\0\0\0", 4);
        assert_int_equal(evidence_read(&e, &f->root), -EBADMSG);
        assert_int_equal(e.n_sightings, 0);

        for (int i = 0; i <= EVIDENCE_MAX; i++) {
                assert_true(asprintf(&longer, "%s%s{}", long_list, i ? "," : "") > 0);
                free(long_list);
                long_list = longer;
        }
        assert_true(asprintf(&longer, "%s]}", long_list) > 0);
        fixture_write(f, EVIDENCE_FILE, longer);
        free(longer);
        assert_int_equal(evidence_read(&e, &f->root), -EBADMSG);
}

/* A FIFO is no evidence, whether or not somebody has it open and writes nothing; nobody waits for that. */
static void test_fifo(void **state)
{
        struct fixture *f = *state;
        _cleanup_close_ int fd = -EBADF;
        struct evidence e;

        fixture_write(f, "var/lib/vfioalign/other", "");
        assert_int_equal(mkfifo(fixture_path(f, EVIDENCE_FILE), 0600), 0);
        alarm(test_slower() * 10);
        assert_int_equal(evidence_read(&e, &f->root), -EBADMSG);
        fd = open(fixture_path(f, EVIDENCE_FILE), O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(evidence_read(&e, &f->root), -EAGAIN);
        alarm(0);
        assert_int_equal(e.n_sightings, 0);
}

/* A link is followed within the root, as one to another disk would be, and never out of it. */
static void test_link(void **state)
{
        static const struct {
                const char *target;
                int result;
        } cases[] = {
                { "moved.json", 0 },    { "/srv/moved.json", 0 },     { "../../../../../srv/moved.json", 0 },
                { "nothing", -ENOENT }, { "evidence.json", -EACCES }, /* as a recording shows what could not
                                                                         be read */
                { ".", -EISDIR },       { "/dev/zero", -ENOENT },
        };
        struct fixture *f = *state;

        write_file(f, "", "");
        fixture_copy(f, "srv/moved.json", fixture_path(f, EVIDENCE_FILE));
        assert_int_equal(renameat(f->root.fd, EVIDENCE_FILE, f->root.fd, "var/lib/vfioalign/moved.json"), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct evidence e;

                fixture_link(f, EVIDENCE_FILE, cases[i].target);
                if (evidence_read(&e, &f->root) != cases[i].result)
                        fail_msg("'%s' is not %d", cases[i].target, cases[i].result);
                assert_int_equal(e.n_sightings, cases[i].result == 0);
                evidence_done(&e);
                fixture_remove(f, EVIDENCE_FILE);
        }
}

/* More than a file of ours can ever have: it is not taken in, good as its beginning may be. */
static void test_oversized(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL, *good = NULL;
        struct evidence e;
        size_t size;

        write_file(f, "", "");
        assert_ok(read_file_at(f->root.fd, EVIDENCE_FILE, MIB(1), &good, &size));
        text = malloc(MIB(1) + 1);
        assert_non_null(text);
        memset(text, ' ', MIB(1) + 1);
        memcpy(text, good, size);
        fixture_write_bytes(f, EVIDENCE_FILE, text, MIB(1));
        assert_ok(evidence_read(&e, &f->root));
        assert_int_equal(e.n_sightings, 1);
        evidence_done(&e);
        fixture_write_bytes(f, EVIDENCE_FILE, text, MIB(1) + 1);
        assert_int_equal(evidence_read(&e, &f->root), -EBADMSG);
        assert_int_equal(e.n_sightings, 0);
}

static void test_add(void **state)
{
        struct sighting s = gigantic;
        struct evidence e = {};

        (void) state;
        /* From before our time: better than nothing, and never counted on. */
        assert_int_equal(evidence_add(&e, &s, true), 1);
        assert_int_equal(evidence_add(&e, &s, true), 0);
        assert_int_equal(e.sightings[0].count, 1);
        s.time_usec = 2000;
        assert_int_equal(evidence_add(&e, &s, false), 1);
        assert_int_equal(e.n_sightings, 1);
        assert_int_equal(e.sightings[0].count, 2);
        assert_int_equal(e.sightings[0].time_usec, 2000);

        s.page_size = MIB(2);
        assert_int_equal(evidence_add(&e, &s, false), 1);
        s.bar_size = GIB(4);
        assert_int_equal(evidence_add(&e, &s, false), 1);
        s.key.module = false;
        assert_int_equal(evidence_add(&e, &s, false), 1);
        s.key.preload = true;
        assert_int_equal(evidence_add(&e, &s, false), 1);
        s.key.thp = THP_NEVER;
        assert_int_equal(evidence_add(&e, &s, false), 1);
        strcpy(s.key.release, "7.3.5");
        assert_int_equal(evidence_add(&e, &s, false), 1);
        strcpy(s.key.emulator, "1");
        assert_int_equal(evidence_add(&e, &s, false), 1);
        assert_int_equal(e.n_sightings, 8);
        for (size_t i = 1; i < 8; i++)
                assert_int_equal(e.sightings[i].count, 1);
        evidence_done(&e);
}

static void test_bound(void **state)
{
        struct sighting s = gigantic;
        struct evidence e = {};

        (void) state;
        for (int i = 0; i < EVIDENCE_MAX + 10; i++) {
                snprintf(s.key.release, sizeof(s.key.release), "%d", i);
                s.time_usec = 1000 + (uint64_t) i;
                assert_int_equal(evidence_add(&e, &s, false), 1);
        }
        assert_int_equal(e.n_sightings, EVIDENCE_MAX);
        for (int i = 0; i < EVIDENCE_MAX; i++)
                assert_true(e.sightings[i].time_usec >= 1010);
        evidence_done(&e);
}

static void test_key(void **state)
{
        struct kernel_facts k = { .release = (char *) "7.3.4", .thp = THP_MADVISE };
        struct module_facts m = { .loaded = YES, .enabled = YES };
        struct emulator e = { .path = (char *) "/usr/bin/qemu", .build_id = (char *) BUILD_ID };
        struct evidence_key key, other;

        (void) state;
        assert_true(evidence_key_make(&key, &k, &m, &e, true));
        assert_string_equal(key.emulator, BUILD_ID);
        assert_string_equal(key.release, "7.3.4");
        assert_true(key.module && key.preload);
        assert_int_equal(key.thp, THP_MADVISE);

        /* Without a build id it is the file; without that, nobody knows. */
        e.build_id = NULL;
        assert_false(evidence_key_make(&key, &k, &m, &e, true));
        e.stat = (struct stat){ .st_dev = 1, .st_ino = 2, .st_size = 3, .st_mtime = 4 };
        assert_true(evidence_key_make(&key, &k, &m, &e, true));
        e.stat.st_mtime = 5;
        assert_true(evidence_key_make(&other, &k, &m, &e, true));
        assert_false(evidence_key_equal(&key, &other));
        /* Of a wrapper it is what the wrapper starts. */
        e.target = (char *) "/opt/qemu";
        assert_false(evidence_key_make(&other, &k, &m, &e, true));
        e.target_stat = (struct stat){ .st_dev = 1, .st_ino = 2, .st_size = 3, .st_mtime = 4 };
        assert_true(evidence_key_make(&other, &k, &m, &e, true));
        assert_true(evidence_key_equal(&key, &other));

        assert_false(evidence_key_make(&key, &k, &m, NULL, true));
        k.release = NULL;
        assert_false(evidence_key_make(&key, &k, &m, &e, true));
}

static struct device device = { .bdf = "0000:00:05.0",
                                .n_bars = 2,
                                .bars = { { .size = KIB(4) }, { .index = 2, .size = GIB(2) } } };
static struct emulator emulator = { .path = (char *) "/opt/qemu",
                                    .build_id = (char *) BUILD_ID,
                                    .generation = GENERATION_PER_AREA };
static struct hostdev hostdev = { .bdf = "0000:00:05.0" };
static const struct guest guest = {
        .name = (char *) "g", .emulator = (char *) "/opt/qemu", .hostdevs = &hostdev, .n_hostdevs = 1
};

static struct host new_host(void)
{
        return (struct host) {
                .kernel = {
                        .release = (char *) "7.3.4", .page_size = KIB(4), .pmd_size = MIB(2),
                        .pud_size = GIB(1), .huge_pmd = YES, .huge_pud = YES,
                        .places_pmd = NO, .places_pud = NO, .thp = THP_ALWAYS, .pin_by_leaf = YES,
                },
                .module = {.loaded = YES, .enabled = YES},
                .devices = {.listed = YES, .devices = &device, .n_devices = 1},
                .emulators = {.emulators = &emulator, .n_emulators = 1},
        };
}

static void add(struct host *h, uint64_t page_size, uint64_t time_usec)
{
        struct sighting s = gigantic;

        s.page_size = page_size;
        s.time_usec = time_usec;
        assert_int_equal(evidence_add(&h->evidence, &s, false), 1);
}

static void assert_text(const struct host *h, uint64_t bar_size, const char *wanted)
{
        char text[256];

        guest_evidence_text(h, &guest, bar_size, text, sizeof(text));
        assert_string_equal(text, wanted);
}

static void test_guest(void **state)
{
        struct host h = new_host();
        struct guest other = guest;
        const struct sighting *seen[EVIDENCE_MAX];
        char text[8];

        (void) state;
        assert_text(&h, GIB(2), "");
        add(&h, MIB(2), 1000);
        assert_text(&h, GIB(2), "seen here 1 time: 2 MiB");
        for (int i = 0; i < 12; i++)
                add(&h, GIB(1), 2000);
        assert_text(&h, GIB(2), "seen here 12 times: 1 GiB, 1 time: 2 MiB");
        assert_text(&h, GIB(1), "");
        guest_evidence_text(&h, &guest, GIB(2), text, sizeof(text));
        assert_string_equal(text, "seen he");

        /* Any circumstance that differs makes it no knowledge. */
        other.preload = (char *) "/usr/lib/libvfioalign-preload.so";
        assert_int_equal(guest_evidence(&h, &other, seen), 0);
        h.module.enabled.value = FACT_NO;
        assert_text(&h, GIB(2), "");
        h.module.enabled.value = FACT_YES;
        h.kernel.thp = THP_NEVER;
        assert_text(&h, GIB(2), "");
        h.kernel.thp = THP_ALWAYS;
        device.bars[1].size = GIB(4);
        assert_text(&h, GIB(2), "");
        device.bars[1].size = GIB(2);
        assert_int_equal(guest_evidence(&h, &guest, seen), 2);
        assert_int_equal(seen[0]->page_size, GIB(1));
        evidence_done(&h.evidence);
}

static bool is_contradicted(const struct host *h, uint64_t foretold)
{
        struct findings f;
        uint64_t got = 0;
        bool told = false;
        const struct sighting *s = emulator_contradiction(h, &emulator, &got);

        assert_ok(findings_collect(&f, h));
        for (size_t i = 0; i < f.n_findings; i++)
                if (f.findings[i].id == FINDING_EMULATOR_CONTRADICTED) {
                        told = true;
                        assert_string_equal(f.findings[i].subject, "/opt/qemu");
                }
        findings_done(&f);
        assert_int_equal(told, s != NULL);
        if (s)
                assert_int_equal(got, foretold);
        return told;
}

static void test_contradiction(void **state)
{
        struct host h = new_host();

        (void) state;
        assert_false(is_contradicted(&h, 0));
        add(&h, GIB(1), 1000);
        assert_false(is_contradicted(&h, 0));
        add(&h, MIB(2), 2000);
        assert_true(is_contradicted(&h, GIB(1)));
        /* What was seen last counts; what was under other circumstances does not. */
        add(&h, GIB(1), 3000);
        assert_false(is_contradicted(&h, 0));
        add(&h, MIB(2), 4000);
        h.kernel.thp = THP_NEVER;
        assert_false(is_contradicted(&h, 0));
        h.kernel.thp = THP_ALWAYS;
        assert_true(is_contradicted(&h, GIB(1)));

        /* Where nobody aligns, more is luck. */
        emulator.generation = GENERATION_NONE;
        h.module.enabled.value = FACT_NO;
        h.evidence.sightings[1].key.module = false;
        assert_false(is_contradicted(&h, 0));
        /* An emulator that could not be read may do what it likes, but not less than is sure. */
        emulator.generation = GENERATION_UNKNOWN;
        assert_false(is_contradicted(&h, 0));
        h.module.enabled.value = FACT_YES;
        h.evidence.sightings[1].key.module = true;
        assert_true(is_contradicted(&h, GIB(1)));
        emulator.generation = GENERATION_PER_AREA;
        evidence_done(&h.evidence);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_read, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_damaged, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_fifo, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_link, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_oversized, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_add),
                cmocka_unit_test(test_bound),
                cmocka_unit_test(test_key),
                cmocka_unit_test(test_guest),
                cmocka_unit_test(test_contradiction),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
