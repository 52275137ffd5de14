/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/fix.h"

#include <string.h>

#include "fixture.h"
#include "sample-host.h"
#include "test.h"
#include "util/macro.h"

/* What the configuration does not let us do is not found. */
static void test_policy(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct config c = config_default();

        assert_int_equal(fixes_choose(&h, NULL, &c, POLICY_AUTO), FIX_BIT(FIX_MODULE));
        c.fixes[FIX_MODULE] = POLICY_SUGGEST;
        assert_int_equal(fixes_choose(&h, NULL, &c, POLICY_AUTO), 0);
        assert_int_equal(fixes_choose(&h, NULL, &c, POLICY_SUGGEST), FIX_BIT(FIX_MODULE));
        c.fixes[FIX_MODULE] = POLICY_OFF;
        assert_int_equal(fixes_choose(&h, NULL, &c, POLICY_SUGGEST), FIX_BIT(FIX_PRELOAD));
        c.fixes[FIX_PRELOAD] = POLICY_OFF;
        assert_int_equal(fixes_choose(&h, NULL, &c, POLICY_SUGGEST), 0);
}

static void test_table(void **state)
{
        const struct config c = config_default();

        (void) state;
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                const struct fix *fix = fix_get(id);
                const struct fix_type *type = fix_type(id);

                assert_int_equal(fix->id, id);
                assert_true(*type->does && !strchr(type->does, '\n'));
                assert_true(*type->price && !strchr(type->price, '\n'));
                assert_int_equal(fix_id_from_string(type->name), id);
                assert_int_equal(fix_id_from_key(type->key), id);
                assert_true(FIXES_OF_GUEST & FIX_BIT(id) || fix->run);
                assert_true(!fix->run == !fix->state);
                /* What edits a guest, or waits for a restart, is never done unasked. */
                assert_true(type->max_policy < POLICY_AUTO || !(FIXES_OF_GUEST & FIX_BIT(id)));
                assert_true(type->policy <= type->max_policy);
                assert_int_equal(c.fixes[id], type->policy);
        }
        assert_int_equal(c.fixes[FIX_NO_MMAP], POLICY_OFF);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_policy, fixture_setup, fixture_teardown),
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
