/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/fix.h"

#include "audit/guest-cost.h"

#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define YES {.value = FACT_YES}
#define NO {.value = FACT_NO}

static struct device devices[] = {
        {.bdf = "0000:00:01.0", .class = 0x060400, .group = 1, .n_bars = 1, .bars = {{.size = GIB(2)}}}, /* a bridge */
        {.bdf = "0000:00:05.0", .group = 5, .n_bars = 2, .bars = {{.size = KIB(4)}, {.index = 1, .size = GIB(2)}}},
        {.bdf = "0000:00:06.0", .group = 6, .n_bars = 1, .bars = {{.size = MIB(64)}}},
        {.bdf = "0000:00:07.0", .group = 7, .n_bars = 1, .bars = {{.size = KIB(16)}}},
};

static struct host new_host(const struct root *root)
{
        return (struct host) {
                .root = root,
                .kernel = {
                        .page_size = KIB(4), .pmd_size = MIB(2), .pud_size = GIB(1), .huge_pmd = YES, .huge_pud = YES,
                        .places_pmd = NO, .places_pud = NO, .thp = THP_ALWAYS, .pin_by_leaf = YES,
                },
                .module = {.installed = YES, .loadable = YES, .loaded = NO, .enabled = NO},
                .devices = {.listed = YES, .devices = devices, .n_devices = ELEMENTSOF(devices)},
        };
}

static struct guest new_guest(struct hostdev *hostdev, const char *bdf)
{
        strcpy(hostdev->bdf, bdf);
        return (struct guest) {.name = (char *) "guest", .hostdevs = hostdev, .n_hostdevs = 1};
}

/* The first that helps, whatever the configuration makes of it. */
static const char *found(const struct host *h, const struct guest *g)
{
        struct config c = config_default();
        const struct fix *fix;

        c.fixes[FIX_NO_MMAP] = POLICY_SUGGEST;
        fix = fix_find(h, g, &c, POLICY_SUGGEST);
        return fix ? fix_id_to_string(fix->id) : "none";
}

static void test_host(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);

        assert_string_equal(found(&h, NULL), "module");
        h.module.loadable.value = FACT_NO;
        assert_string_equal(found(&h, NULL), "preload");

        h = new_host(&f->root);
        h.module.loaded.value = h.module.enabled.value = FACT_YES;
        assert_string_equal(found(&h, NULL), "none");

        /* 6.12 with the module, and THP in the way */
        h.kernel.thp = THP_MADVISE;
        h.kernel.thp_exempt.value = FACT_NO;
        assert_string_equal(found(&h, NULL), "preload"); /* which asks for huge pages itself */

        /* 7.3 with THP=madvise: whether the kernel heeds that cannot be seen, and the module lifts what can */
        h = new_host(&f->root);
        h.kernel.thp = THP_MADVISE;
        assert_string_equal(found(&h, NULL), "module");

        /* Nothing that a guest could get has a BAR that gains. */
        h = new_host(&f->root);
        h.devices.devices = &devices[3];
        h.devices.n_devices = 1;
        assert_string_equal(found(&h, NULL), "none");
        h.devices.devices = &devices[0]; /* the bridge */
        assert_string_equal(found(&h, NULL), "none");

        /* 6.1 */
        h = new_host(&f->root);
        h.kernel.huge_pmd.value = h.kernel.huge_pud.value = FACT_NO;
        assert_string_equal(found(&h, NULL), "none");
}

static struct guest_cost cost(const struct host *h, const struct guest *g)
{
        return guest_cost(&h->devices, g, &h->kernel, &h->module, guest_placer(h, g), 0);
}

static void test_guest(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct emulator e = {.path = (char *) "/opt/qemu", .generation = GENERATION_NONE};
        struct hostdev hostdevs[3] = {};
        struct guest g = new_guest(hostdevs, "0000:00:05.0");
        struct guest_cost v;

        /* An emulator that is not there is an unknown one. */
        v = cost(&h, &g);
        assert_string_equal(v.bdf, "0000:00:05.0");
        assert_int_equal(v.best_page_size, GIB(1));
        assert_int_equal(v.worst.limit, CONDITION_UNKNOWN);
        assert_string_equal(found(&h, &g), "module");

        fixture_write(f, "opt/qemu", "");
        assert_ok(emulator_read(&e, &f->root, "/opt/qemu"));
        e.generation = GENERATION_NONE;
        h.emulators = (struct emulator_facts) {.emulators = &e, .n_emulators = 1};
        g.emulator = (char *) "/opt/qemu";
        v = cost(&h, &g);
        assert_int_equal(v.worst.page_size, KIB(4));
        assert_true(v.worst.luck);
        assert_string_equal(found(&h, &g), "module");

        e.generation = GENERATION_PER_AREA;
        v = cost(&h, &g);
        assert_int_equal(v.worst.page_size, GIB(1));
        assert_string_equal(found(&h, &g), "none");

        /* The BAR that falls furthest short stands for the guest. */
        e.generation = GENERATION_NONE;
        g.n_hostdevs = 3;
        strcpy(hostdevs[0].bdf, "0000:00:06.0");
        strcpy(hostdevs[1].bdf, "0000:00:07.0");
        strcpy(hostdevs[2].bdf, "0000:00:05.0");
        v = cost(&h, &g);
        assert_string_equal(v.bdf, "0000:00:05.0");

        /* Nothing to gain, and devices that are not there */
        g.n_hostdevs = 2;
        strcpy(hostdevs[0].bdf, "0000:99:00.0");
        v = cost(&h, &g);
        assert_string_equal(v.bdf, "");
        assert_string_equal(found(&h, &g), "none");
        emulator_done(&e);
}

/* Another QEMU that is installed is better than a library under the one that the guest has. */
static void test_emulator(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct emulator e[] = {
                {.path = (char *) "/usr/bin/qemu", .generation = GENERATION_NONE, .distribution = true},
                {.path = (char *) "/opt/qemu", .generation = GENERATION_PER_REGION},
        };
        struct hostdev hostdev = {};
        struct guest g = new_guest(&hostdev, "0000:00:05.0");

        h.emulators = (struct emulator_facts) {.emulators = e, .n_emulators = 2};
        h.module.loadable.value = FACT_NO;
        g.arch = (char *) "x86_64";
        assert_string_equal(found(&h, &g), "emulator");
        assert_ptr_equal(fix_better_emulator(&h, &g), &e[1]);

        /* One that cannot run the guest is none: of another architecture, or without its machine type. */
        g.arch = (char *) "aarch64";
        assert_null(fix_better_emulator(&h, &g));
        g.arch = (char *) "x86_64";
        e[1].path = (char *) "/opt/qemu-system-aarch64";
        assert_null(fix_better_emulator(&h, &g));
        e[1].path = (char *) "/opt/qemu";
        g.machine = (char *) "pc-q35-7.2";
        fixture_write_bytes(f, "opt/qemu", "pc-q35-10.0-machine", sizeof("pc-q35-10.0-machine"));
        assert_null(fix_better_emulator(&h, &g));
        assert_string_equal(found(&h, &g), "preload");
        g.machine = (char *) "pc-q35-10.0";
        assert_ptr_equal(fix_better_emulator(&h, &g), &e[1]);
        g.machine = NULL;
        assert_string_equal(found(&h, NULL), "preload"); /* of one guest, not of the host */
        e[1].generation = GENERATION_UNKNOWN;
        assert_string_equal(found(&h, &g), "preload");
        e[1].generation = GENERATION_PER_AREA;
        e[1].replaced = true;
        assert_string_equal(found(&h, &g), "preload");

        /* The guest has the good one; another has nothing mapped, so that nothing helps. */
        e[1].replaced = false;
        g.emulator = (char *) "/opt/qemu";
        assert_string_equal(found(&h, &g), "none");
        g.emulator = NULL;
        hostdev.no_mmap = true;
        assert_string_equal(found(&h, &g), "none");
}

/* What the configuration does not let us do is not found. */
static void test_policy(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct config c = config_default();

        assert_int_equal(fix_find(&h, NULL, &c, POLICY_AUTO)->id, FIX_MODULE);
        c.fixes[FIX_MODULE] = POLICY_SUGGEST;
        assert_null(fix_find(&h, NULL, &c, POLICY_AUTO));
        assert_int_equal(fix_find(&h, NULL, &c, POLICY_SUGGEST)->id, FIX_MODULE);
        c.fixes[FIX_MODULE] = POLICY_OFF;
        assert_int_equal(fix_find(&h, NULL, &c, POLICY_SUGGEST)->id, FIX_PRELOAD);
        c.fixes[FIX_PRELOAD] = POLICY_OFF;
        assert_null(fix_find(&h, NULL, &c, POLICY_SUGGEST));
}

static void test_table(void **state)
{
        const struct config c = config_default();

        (void) state;
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                const struct fix *fix = fix_get(id);

                assert_int_equal(fix->id, id);
                assert_true(*fix->does && !strchr(fix->does, '\n'));
                assert_true(*fix->price && !strchr(fix->price, '\n'));
                assert_true(fix->of_guest || fix->run);
                assert_true(!fix->run == !fix->state);
                /* What edits a guest, or waits for a restart, is never done unasked. */
                assert_true(c.fixes[id] < POLICY_AUTO || !fix->of_guest);
        }
        /* The report calls the remedies so, too. */
        for (enum remedy r = 0; r < _REMEDY_MAX; r++)
                assert_true(fix_id_from_string(remedy_to_string(r)) >= 0);
        assert_int_equal(c.fixes[FIX_NO_MMAP], POLICY_OFF);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_host, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_guest, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_emulator, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_policy, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
