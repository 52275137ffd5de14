/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/decision.h"

#include <string.h>

#include "test.h"
#include "util/macro.h"

#define YES \
        { \
                .value = FACT_YES \
        }
#define NO \
        { \
                .value = FACT_NO \
        }

static struct device devices[] = {
        { .bdf = "0000:00:05.0", .group = 5, .n_bars = 1, .bars = { { .size = GIB(2) } } },
        { .bdf = "0000:00:06.0", .group = 6, .n_bars = 1, .bars = { { .size = MIB(64) } } },
};

static struct emulator emulator = { .path = (char *) "/usr/bin/qemu",
                                    .generation = GENERATION_NONE,
                                    .distribution = true };

static struct hostdev hostdevs[] = { { .bdf = "0000:00:05.0" }, { .bdf = "0000:00:06.0" } };

static const struct host host = {
        .kernel = {
                .page_size = KIB(4), .pmd_size = MIB(2), .pud_size = GIB(1),
                .huge_pmd = YES, .huge_pud = YES,
                .places_pmd = NO, .places_pud = NO, .thp = THP_ALWAYS, .pin_by_leaf = YES,
        },
        .module = {.installed = YES, .loadable = YES, .loaded = NO, .enabled = NO},
        .devices = {.listed = YES, .devices = devices, .n_devices = ELEMENTSOF(devices)},
        .emulators = {.emulators = &emulator, .n_emulators = 1},
};

static const struct guest guest = { .name = (char *) "gpu-7", .hostdevs = hostdevs, .n_hostdevs = 2 };

static struct config new_config(enum on_unaligned on_unaligned)
{
        struct config c = config_default();

        c.guest.on_unaligned = on_unaligned;
        return c;
}

static void assert_decision(const struct host *h, const struct config *c, const struct guest *g,
                            bool allowed, bool unaligned, bool warn, const char *text)
{
        struct decision d = decision_make(h, c, g);

        assert_int_equal(d.allowed, allowed);
        assert_int_equal(d.unaligned, unaligned);
        assert_int_equal(d.warn, warn);
        assert_string_equal(d.text, text);
}

#define SHORT "0000:00:05.0 gets 4 KiB pages or more by chance where 1 GiB are possible (placement)"

static void test_words(void **state)
{
        struct config c = new_config(ON_UNALIGNED_ALLOW);

        (void) state;
        assert_decision(&host, &c, &guest, true, true, false,
                        SHORT "; what helps: vfioalignctl fix apply module");
        c.guest.on_unaligned = ON_UNALIGNED_WARN;
        assert_decision(&host, &c, &guest, true, true, true,
                        SHORT "; what helps: vfioalignctl fix apply module");
        c.guest.on_unaligned = ON_UNALIGNED_REFUSE;
        assert_decision(&host, &c, &guest, false, true, true,
                        SHORT
                        "; what helps: vfioalignctl fix apply module; OnUnaligned=refuse is set for it");
        c.fixes[FIX_MODULE] = POLICY_OFF;
        assert_decision(
                &host, &c, &guest, false, true, true,
                SHORT
                "; what helps: vfioalignctl guest apply gpu-7 preload; OnUnaligned=refuse is set for it");
        c.fixes[FIX_PRELOAD] = POLICY_OFF;
        assert_decision(&host, &c, &guest, false, true, true, SHORT "; OnUnaligned=refuse is set for it");
}

static void test_fine(void **state)
{
        struct config c = new_config(ON_UNALIGNED_REFUSE);
        struct host h = host;

        (void) state;
        h.module.loaded.value = h.module.enabled.value = FACT_YES;
        assert_decision(&h, &c, &guest, true, false, false, "0000:00:05.0 gets 1 GiB pages");
}

/* What nobody can help, and what is not known, is no reason to refuse. */
/* What was seen before of the BAR that it is about stands beside what is foretold. */
static void test_evidence(void **state)
{
        struct sighting seen = {
                .key = { .emulator = "0123", .release = "7.3.4", .thp = THP_ALWAYS },
                .bar_size = GIB(2),
                .page_size = MIB(2),
                .count = 12,
                .time_usec = 1,
        };
        struct emulator known = emulator;
        struct config c = new_config(ON_UNALIGNED_ALLOW);
        struct host h = host;

        (void) state;
        known.build_id = (char *) "0123";
        h.emulators.emulators = &known;
        h.kernel.release = (char *) "7.3.4";
        h.evidence = (struct evidence){ .sightings = &seen, .n_sightings = 1 };
        assert_decision(&h, &c, &guest, true, true, false,
                        SHORT "; seen here 12 times: 2 MiB; what helps: vfioalignctl fix apply module");
        seen.bar_size = MIB(64);
        assert_decision(&h, &c, &guest, true, true, false,
                        SHORT "; what helps: vfioalignctl fix apply module");
        h.module.loaded.value = h.module.enabled.value = FACT_YES;
        seen.bar_size = GIB(2);
        seen.page_size = GIB(1);
        seen.key.module = true;
        assert_decision(&h, &c, &guest, true, false, false,
                        "0000:00:05.0 gets 1 GiB pages; seen here 12 times: 1 GiB");
}

static void test_not_to_blame(void **state)
{
        struct config c = new_config(ON_UNALIGNED_REFUSE);
        struct host h = host;

        (void) state;
        h.kernel.huge_pmd.value = h.kernel.huge_pud.value = FACT_NO; /* 6.1 */
        assert_true(decision_make(&h, &c, &guest).allowed);
        assert_false(decision_make(&h, &c, &guest).unaligned);

        h = host;
        h.kernel.places_pmd.value = h.kernel.places_pud.value = FACT_UNKNOWN;
        assert_true(decision_make(&h, &c, &guest).allowed);
        assert_non_null(strstr(decision_make(&h, &c, &guest).text, "gets unknown pages"));

        h = host;
        h.emulators.n_emulators = 0;
        assert_true(decision_make(&h, &c, &guest).allowed);

        /* What cannot be known is not said to be none. */
        h = host;
        h.devices.n_devices = 0;
        assert_decision(&h, &c, &guest, true, false, false,
                        "nothing is predicted, because its device is not on this host");
        h.devices.listed = fact_unknown(NULL);
        assert_decision(&h, &c, &guest, true, false, false,
                        "nothing is predicted, because the devices of this host could not be listed");
        h = host;
        h.kernel.places_pmd.value = h.kernel.places_pud.value = FACT_YES;
        h.devices.n_devices = 1;
        assert_decision(&h, &c, &guest, true, false, false,
                        "0000:00:05.0 gets 1 GiB pages, but its device is not on this host");
}

/* THP in the way, as on 6.12 with "never" */
static void test_thp(void **state)
{
        struct config c = new_config(ON_UNALIGNED_REFUSE);
        struct host h = host;

        (void) state;
        h.kernel.thp = THP_NEVER;
        h.kernel.thp_exempt.value = FACT_NO;
        h.kernel.places_pmd.value = FACT_YES;
        assert_decision(&h, &c, &guest, false, true, true,
                        "0000:00:05.0 gets 4 KiB pages where 1 GiB are possible (thp); what helps: "
                        "vfioalignctl fix apply thp; OnUnaligned=refuse is set for it");
}

static void test_min_bar_size(void **state)
{
        struct config c = new_config(ON_UNALIGNED_REFUSE);
        struct guest g = guest;

        (void) state;
        c.guest.min_bar_size = GIB(2);
        assert_false(decision_make(&host, &c, &g).allowed);
        c.guest.min_bar_size = GIB(4);
        assert_decision(&host, &c, &g, true, false, false,
                        SHORT "; what helps: vfioalignctl fix apply module");
        g.hostdevs = &hostdevs[1];
        g.n_hostdevs = 1;
        c.guest.min_bar_size = MIB(64);
        assert_false(decision_make(&host, &c, &g).allowed);
        c.guest.min_bar_size = MIB(65);
        assert_true(decision_make(&host, &c, &g).allowed);
}

/* The domain's own <metadata> goes before the configuration; what is no word there changes nothing. */
static void test_metadata(void **state)
{
        static const char format[] = "<domain type='kvm'><name>gpu-7</name><metadata>"
                                     "<other:policy xmlns:other='urn:x' on-unaligned='allow'/>"
                                     "<v:policy xmlns:v='" POLICY_XMLNS "' %s/></metadata></domain>";
        static const struct {
                const char *attributes;
                enum on_unaligned on_unaligned;
                uint64_t min_bar_size;
        } cases[] = {
                { "", ON_UNALIGNED_WARN, MIB(64) },
                { "on-unaligned='refuse'", ON_UNALIGNED_REFUSE, MIB(64) },
                { "min-bar-size='1G'", ON_UNALIGNED_WARN, GIB(1) },
                { "on-unaligned='allow' min-bar-size='0'", ON_UNALIGNED_ALLOW, 0 },
                { "on-unaligned='perhaps' min-bar-size='big'", ON_UNALIGNED_WARN, MIB(64) },
        };
        struct config c = config_default();

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct guest_policy p;
                struct guest g;
                char xml[512];
                int n = snprintf(xml, sizeof(xml), format, cases[i].attributes);

                assert_ok(guest_parse(&g, xml, (size_t) n));
                p = decision_policy(&c, &g);
                assert_int_equal(p.on_unaligned, cases[i].on_unaligned);
                assert_int_equal(p.min_bar_size, cases[i].min_bar_size);
                guest_done(&g);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),    cmocka_unit_test(test_fine),
                cmocka_unit_test(test_evidence), cmocka_unit_test(test_not_to_blame),
                cmocka_unit_test(test_thp),      cmocka_unit_test(test_min_bar_size),
                cmocka_unit_test(test_metadata),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
