/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/module-name.h"

#include "test.h"
#include "util/macro.h"

static void test_equal(void **state)
{
        static const struct {
                const char *s, *name;
                bool equal;
        } cases[] = {
                { "vfio_pci", "vfio_pci", true },
                { "vfio-pci", "vfio_pci", true },
                { "vfio_pci", "vfio-pci", true },
                { "vfio_pc", "vfio_pci", false },
                { "vfio_pcix", "vfio_pci", false },
                { "vfio.pci", "vfio_pci", false },
                { "", "vfio_pci", false },
                { "vfio_pci", "", false },
                { "", "", true },
                { "-", "_", true },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(module_name_equal(cases[i].s, cases[i].name), cases[i].equal);
        assert_true(module_name_equal_n("vfio-align,other", strlen("vfio-align"), "vfio_align"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_equal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
