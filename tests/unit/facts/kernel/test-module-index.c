/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/module-index.h"

#include <errno.h>
#include <string.h>

#include "fake-modules.h"
#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define MODULES "lib/modules/" FAKE_RELEASE "/"

static struct module_index *open_index(struct fixture *f)
{
        struct module_index *index = NULL;

        assert_ok(module_index_open(&f->root, FAKE_RELEASE, &index));
        return index;
}

static void assert_path(struct module_index *index, const char *module, const char *expected)
{
        _cleanup_free_ char *path = module_index_path(index, module);

        if (!expected)
                assert_null(path);
        else
                assert_string_equal(path, expected);
}

static void test_open(void **state)
{
        struct fixture *f = *state;
        struct module_index *index = NULL;

        assert_int_equal(module_index_open(&f->root, FAKE_RELEASE, &index), -ENOENT);
        fixture_write(f, MODULES "kernel/x.ko", "");
        assert_int_equal(module_index_open(&f->root, FAKE_RELEASE, &index), -ENODATA);
        fixture_write(f, "modules.dep", "");
        assert_int_equal(module_index_open(&f->root, "../..", &index), -EINVAL);
        assert_int_equal(module_index_open(&f->root, "..", &index), -EINVAL);
        assert_null(index);
}

static void test_names(void **state)
{
        struct fixture *f = *state;
        struct module_index *index;

        fixture_write(f, MODULES "modules.dep",
                      "kernel/drivers/vfio/pci/vfio-pci-core.ko.xz: "
                      "kernel/drivers/vfio/vfio.ko.xz kernel/my/vfio-mine.ko\n"
                      "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/pci/vfio-pci-core.ko.xz\n"
                      "kernel/drivers/vfio/vfio.ko.xz:\n"
                      "kernel/drivers/vfio/notvfio.ko.xz:\n"
                      "updates/dkms/vfio_align.ko: kernel/drivers/vfio/vfio.ko.xz\n"
                      "top.ko:\n");
        index = open_index(f);
        assert_path(index, "vfio", "kernel/drivers/vfio/vfio.ko.xz");
        assert_path(index, "vfio_pci", "kernel/drivers/vfio/pci/vfio-pci.ko.xz");
        assert_path(index, "vfio-pci", "kernel/drivers/vfio/pci/vfio-pci.ko.xz");
        assert_path(index, "vfio_pci_core", "kernel/drivers/vfio/pci/vfio-pci-core.ko.xz");
        assert_path(index, "vfio_align", "updates/dkms/vfio_align.ko");
        assert_path(index, "top", "top.ko");
        assert_path(index, "vfio_mine", NULL); /* a dependency in the list is not an entry of it */
        assert_path(index, "vfio_alig", NULL);
        assert_path(index, "vfio_aligns", NULL);
        assert_path(index, "xtop", NULL);
        assert_int_equal(module_index_has(index, "vfio_align").value, FACT_YES);
        assert_int_equal(module_index_has(index, "vfio_mine").value, FACT_UNKNOWN); /* perhaps built in */
        fixture_write(f, MODULES "modules.builtin", "kernel/drivers/vfio/vfio-built.ko\n");
        assert_int_equal(module_index_has(index, "vfio_mine").value, FACT_NO);
        assert_int_equal(module_index_has(index, "vfio_built").value, FACT_YES);
        assert_path(index, "vfio_built", NULL);
        fixture_write(f, MODULES "modules.dep", ":\n/\n\n/.ko:\n");
        assert_path(index, "vfio", NULL);
        module_index_close(index);
}

static void test_file(void **state)
{
        static const char *const imports[] = { "vmf_insert_pfn_pmd" };
        _cleanup_free_ char *value = NULL, *none = NULL;
        struct fixture *f = *state;
        struct module_index *index;

        fake_module_write(f, "vfio_pci_core", imports, 1, true);
        fake_modules_index(f);
        index = open_index(f);
        assert_int_equal(module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pmd").value, FACT_YES);
        assert_int_equal(module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pud").value, FACT_NO);
        assert_int_equal(module_index_imports(index, "other", "vmf_insert_pfn_pud").value, FACT_UNKNOWN);
        assert_ok(module_index_info(index, "vfio_pci_core", "vermagic", &value));
        assert_string_equal(value, FAKE_RELEASE);
        assert_ok(module_index_info(index, "vfio_pci_core", "no-such-key", &none));
        assert_string_equal(none, "");

        fixture_write(f, MODULES "kernel/vfio_pci_core.ko", "no module");
        assert_int_equal(module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pmd").value,
                         FACT_UNKNOWN);
        fixture_remove(f, MODULES "kernel/vfio_pci_core.ko");
        fixture_link(f, MODULES "kernel/vfio_pci_core.ko", "/dev/zero"); /* there is none below the root */
        assert_int_equal(module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pmd").value,
                         FACT_UNKNOWN);
        module_index_close(index);
}

/* A recorded host has the lines of the index, and no files. */
static void test_recorded(void **state)
{
        _cleanup_free_ char *value = NULL;
        struct fixture *f = *state;
        struct module_index *index;

        fixture_write(f, MODULES "modules.dep", "kernel/vfio_pci_core.ko:\n");
        fixture_write(f, ANSWERS_FILE,
                      "module vfio_pci_core imports vmf_insert_pfn_pmd\tyes\n"
                      "module vfio_pci_core imports vmf_insert_pfn_pud\tno\n"
                      "module vfio_align info signer\tme and you\n");
        index = open_index(f);
        assert_int_equal(module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pmd").value, FACT_YES);
        assert_int_equal(module_index_imports(index, "vfio_pci_core", "vmf_insert_pfn_pud").value, FACT_NO);
        assert_int_equal(module_index_imports(index, "vfio_pci_core", "another").value, FACT_UNKNOWN);
        assert_ok(module_index_info(index, "vfio_align", "signer", &value));
        assert_string_equal(value, "me and you");
        module_index_close(index);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_open),
                FIXTURE_TEST(test_names),
                FIXTURE_TEST(test_file),
                FIXTURE_TEST(test_recorded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
