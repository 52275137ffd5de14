/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/finding.h"
#include "audit/guest-cost.h"
#include "audit/verdict.h"
#include "config/config.h"
#include "facts/bind-record.h"
#include "facts/claims.h"
#include "facts/device/device-use.h"
#include "facts/emulator/facts-emulator.h"
#include "facts/guest/facts-guest.h"
#include "facts/kernel/facts-kernel.h"
#include "fix/fix-plan.h"
#include "test.h"
#include "util/macro.h"

/* Every value has a name, every name leads back, and what is out of range has none. */
#define TEST_TABLE(name, type, max) \
        static void test_##name(void **state) \
        { \
                (void) state; \
                for (int i = 0; i < (int) (max); i++) { \
                        assert_non_null(name##_to_string((type) i)); \
                        assert_true(*name##_to_string((type) i)); \
                        assert_int_equal(name##_from_string(name##_to_string((type) i)), i); \
                } \
                assert_null(name##_to_string((type) (max))); \
                assert_null(name##_to_string((type) -EINVAL)); \
                assert_int_equal((int) name##_from_string("no such word"), -EINVAL); \
                assert_int_equal((int) name##_from_string(""), -EINVAL); \
                assert_int_equal((int) name##_from_string(NULL), -EINVAL); \
        }

TEST_TABLE(fact_value, enum fact_value, _FACT_VALUE_MAX)
TEST_TABLE(fact_source, enum fact_source, _FACT_SOURCE_MAX)
TEST_TABLE(emulator_generation, enum emulator_generation, _GENERATION_MAX)
TEST_TABLE(guest_firmware, enum guest_firmware, _GUEST_FIRMWARE_MAX)
TEST_TABLE(hostdev_kind, enum hostdev_kind, _HOSTDEV_KIND_MAX)
TEST_TABLE(bind_state, enum bind_state, _BIND_STATE_MAX)
TEST_TABLE(use_kind, enum use_kind, _USE_KIND_MAX)
TEST_TABLE(claim_tool, enum claim_tool, _CLAIM_TOOL_MAX)
TEST_TABLE(thp_mode, enum thp_mode, _THP_MODE_MAX)
TEST_TABLE(severity, enum severity, _SEVERITY_MAX)
TEST_TABLE(finding, enum finding_id, _FINDING_MAX)
TEST_TABLE(condition, enum condition, _CONDITION_MAX)
TEST_TABLE(dma_route, enum dma_route, _DMA_ROUTE_MAX)
TEST_TABLE(policy, enum policy, _POLICY_MAX)
TEST_TABLE(fix_id, enum fix_id, _FIX_ID_MAX)
TEST_TABLE(fix_state, enum fix_state, _FIX_STATE_MAX)
TEST_TABLE(on_unaligned, enum on_unaligned, _ON_UNALIGNED_MAX)
TEST_TABLE(on_unreachable, enum on_unreachable, _ON_UNREACHABLE_MAX)
TEST_TABLE(bind_policy, enum bind_policy, _BIND_POLICY_MAX)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fact_value),     cmocka_unit_test(test_fact_source),
                cmocka_unit_test(test_use_kind),       cmocka_unit_test(test_claim_tool),
                cmocka_unit_test(test_bind_state),     cmocka_unit_test(test_emulator_generation),
                cmocka_unit_test(test_thp_mode),       cmocka_unit_test(test_severity),
                cmocka_unit_test(test_finding),        cmocka_unit_test(test_condition),
                cmocka_unit_test(test_dma_route),      cmocka_unit_test(test_policy),
                cmocka_unit_test(test_on_unreachable), cmocka_unit_test(test_bind_policy),
                cmocka_unit_test(test_fix_id),         cmocka_unit_test(test_fix_state),
                cmocka_unit_test(test_on_unaligned),   cmocka_unit_test(test_guest_firmware),
                cmocka_unit_test(test_hostdev_kind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
