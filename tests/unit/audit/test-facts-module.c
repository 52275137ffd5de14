/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/facts-module.h"

#include <string.h>

#include "fake-modules.h"
#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define PARAMETERS "sys/module/vfio_align/parameters/"

static struct module_facts read_facts(struct fixture *f)
{
        struct module_facts m;

        module_facts_read(&m, &f->root, FAKE_RELEASE);
        return m;
}

static void assert_forbidden(struct fixture *f, const char *why)
{
        struct module_facts m = read_facts(f);

        assert_int_equal(m.loadable.value, FACT_NO);
        assert_non_null(m.loadable.why);
        assert_non_null(strstr(m.loadable.why, why));
}

static void assert_allowed(struct fixture *f)
{
        assert_int_equal(read_facts(f).loadable.value, FACT_YES);
}

static void test_parameters(void **state)
{
        struct fixture *f = *state;
        struct module_facts m;

        m = read_facts(f);
        assert_int_equal(m.installed.value, FACT_UNKNOWN);
        assert_int_equal(m.loaded.value, FACT_NO);
        assert_int_equal(m.enabled.value, FACT_NO);

        fixture_write(f, PARAMETERS "enabled", "Y\n");
        fixture_write(f, PARAMETERS "hits", "12\n");
        fixture_write(f, PARAMETERS "aligned", "7\n");
        m = read_facts(f);
        assert_int_equal(m.loaded.value, FACT_YES);
        assert_int_equal(m.enabled.value, FACT_YES);
        assert_int_equal(m.hits, 12);
        assert_int_equal(m.aligned, 7);

        fixture_write(f, PARAMETERS "enabled", "N\n");
        fixture_remove(f, PARAMETERS "hits");
        m = read_facts(f);
        assert_int_equal(m.enabled.value, FACT_NO);
        assert_int_equal(m.hits, 0);

        fixture_remove(f, PARAMETERS "enabled");
        fixture_write(f, PARAMETERS "enabled/directory", ""); /* there, and not to be read */
        m = read_facts(f);
        assert_int_equal(m.loaded.value, FACT_YES);
        assert_int_equal(m.enabled.value, FACT_UNKNOWN);
}

static void test_panic_on_taint(void **state)
{
        struct fixture *f = *state;

        assert_allowed(f);
        fixture_write(f, "proc/cmdline", "quiet panic_on_taint=1000\n"); /* bit 12: out of tree */
        assert_forbidden(f, "panic_on_taint");
        fixture_write(f, "proc/cmdline", "quiet panic_on_taint=0x2000\n"); /* bit 13: unsigned */
        assert_forbidden(f, "panic_on_taint");
        fixture_write(f, "proc/cmdline", "panic_on_taint=0xffff,nousertaint quiet\n");
        assert_forbidden(f, "panic_on_taint");
        fixture_write(f, "proc/cmdline", "panic_on_taint=20 quiet\n"); /* bad page */
        assert_allowed(f);
        fixture_write(f, "proc/cmdline", "panic_on_taint=1000 panic_on_taint=20\n"); /* the last one counts */
        assert_allowed(f);
        fixture_write(f, "proc/cmdline", "xpanic_on_taint=1000 no_panic_on_taint=1000\n");
        assert_allowed(f);
}

static void test_modules_disabled(void **state)
{
        struct fixture *f = *state;

        fixture_write(f, "proc/sys/kernel/modules_disabled", "0\n");
        assert_allowed(f);
        fixture_write(f, "proc/sys/kernel/modules_disabled", "1\n");
        assert_forbidden(f, "modules_disabled");
}

static void test_signature(void **state)
{
        struct fixture *f = *state;

        /* Without the module's file nobody knows whether it is signed; that is not "unsigned". */
        fixture_write(f, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        assert_allowed(f);

        fake_module_write(f, "vfio_align", NULL, 0, false);
        fake_modules_index(f);
        assert_int_equal(read_facts(f).installed.value, FACT_YES);
        assert_forbidden(f, "signed");
        fixture_write(f, "sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
        assert_forbidden(f, "signed");
        fixture_write(f, "sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
        assert_allowed(f);
        fixture_write(f, "sys/module/module/parameters/sig_enforce", "Y\n");
        assert_forbidden(f, "signed");
        fixture_write(f, "sys/module/module/parameters/sig_enforce", "N\n");
        assert_allowed(f);

        fixture_write(f, "sys/module/module/parameters/sig_enforce", "Y\n");
        fixture_write(f, "proc/cmdline", "panic_on_taint=2000\n");
        fake_module_write(f, "vfio_align", NULL, 0, true);
        assert_allowed(f); /* signed: neither refused nor tainting that bit */
        fixture_write(f, "proc/cmdline", "panic_on_taint=1000\n");
        assert_forbidden(f, "panic_on_taint"); /* out of tree it stays */
}

static void test_not_installed(void **state)
{
        struct fixture *f = *state;

        fake_module_write(f, "other", NULL, 0, false);
        fake_modules_index(f);
        assert_int_equal(read_facts(f).installed.value, FACT_NO);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_parameters, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_panic_on_taint, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_modules_disabled, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_signature, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_not_installed, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
