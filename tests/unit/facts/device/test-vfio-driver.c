/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/device/vfio-driver.h"

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define MLX5_VF "pci:v000015B3d0000101Esv000015B3sd00000016bc02sc00i00"
#define NVME "pci:v0000144Dd0000A80Asv0000144Dsd0000A801bc01sc08i02"

static void test_best(void **state)
{
        static const struct {
                const char *aliases, *modalias, *driver;
        } cases[] = {
                { "", MLX5_VF, "vfio-pci" },
                { "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n", MLX5_VF, "vfio-pci" },
                { "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
                  "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n",
                  MLX5_VF, "mlx5_vfio_pci" },
                { "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"
                  "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n",
                  MLX5_VF, "mlx5_vfio_pci" },
                { "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n", NVME, "vfio-pci" },
                /* the first of two that are as close */
                { "alias vfio_pci:v*d*sv*sd*bc01sc08i02 any_nvme\n"
                  "alias vfio_pci:v0000144Dd*sv*sd*bc01sc08i* samsung\n"
                  "alias vfio_pci:v0000144Dd0000A80Asv*sd*bc*sc*i02 other\n",
                  NVME, "any_nvme" },
                /* fewer wildcards, wherever they are */
                { "alias vfio_pci:v*d*sv*sd*bc01sc08i02 any_nvme\n"
                  "alias vfio_pci:v0000144Dd0000A80Asv*sd*bc01sc08i* closer\n",
                  NVME, "closer" },
                { "alias pci:v0000144Dd0000A80Asv*sd*bc*sc*i* nvme\n", NVME,
                  "vfio-pci" }, /* no VFIO driver */
                { "alias vfio_pci:v0000144Dd0000A80A nvme\n"
                  "alias vfio_pci:\n"
                  "alias vfio_pci:v*d*sv*sd*bc*sc*i*\n",
                  NVME, "vfio-pci" },
                { "alias vfio_pci:v0000144DDd*sv*sd*bc*sc*i* long\n", NVME, "vfio-pci" },
                { "alias vfio_pci:v*d*sv*sd*bc*sc*i* some_driver\n", "pci:junk", "vfio-pci" },
                { "alias vfio_pci:v*d*sv*sd*bc*sc*i* some_driver\n", "usb:v1234", "vfio-pci" },
        };
        struct fixture *f = *state;
        struct vfio_drivers *v;
        struct fact read;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write(f, "lib/modules/6.12.0/modules.alias", cases[i].aliases);
                assert_ok(vfio_drivers_read(&f->root, "6.12.0", &v, &read));
                assert_int_equal(read.value, FACT_YES);
                if (!streq(vfio_drivers_best(v, cases[i].modalias), cases[i].driver))
                        fail_msg("case %zu: %s", i, vfio_drivers_best(v, cases[i].modalias));
                vfio_drivers_free(v);
        }
}

static void test_has(void **state)
{
        struct fixture *f = *state;
        struct vfio_drivers *v;
        struct fact read;

        fixture_write(f, "lib/modules/6.12.0/modules.alias",
                      "alias vfio_pci:v000019E5d0000A256sv*sd*bc*sc*i* hisi_acc_vfio_pci\n");
        assert_ok(vfio_drivers_read(&f->root, "6.12.0", &v, &read));
        assert_true(vfio_drivers_has(v, "vfio-pci"));
        assert_true(
                vfio_drivers_has(v, "hisi-acc-vfio-pci")); /* a driver may be spelled unlike its module */
        assert_true(vfio_drivers_has(v, "hisi_acc_vfio_pci"));
        assert_false(vfio_drivers_has(v, "hisi_acc_vfio"));
        assert_false(vfio_drivers_has(v, "hisi_acc_vfio_pci2"));
        assert_false(vfio_drivers_has(v, "nvme"));
        vfio_drivers_free(v);
}

static void test_missing(void **state)
{
        struct fixture *f = *state;
        struct vfio_drivers *v;
        struct fact read;

        assert_ok(vfio_drivers_read(&f->root, NULL, &v, &read));
        assert_int_equal(read.value, FACT_UNKNOWN);
        assert_non_null(read.why);
        assert_string_equal(vfio_drivers_best(v, NVME), "vfio-pci");
        assert_true(vfio_drivers_has(v, "vfio-pci"));
        vfio_drivers_free(v);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_best, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_has, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_missing, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
