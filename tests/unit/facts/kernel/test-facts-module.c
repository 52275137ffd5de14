/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/kernel/facts-module.h"

#include <string.h>

#include "fake-modules.h"
#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define PARAMETERS "sys/module/vfio_align/parameters/"

static struct module_facts read_facts(struct fixture *f)
{
        struct kernel_facts k = { .release = (char[]){ FAKE_RELEASE } };
        struct module_facts m;

        module_facts_read(&m, &f->root, &k);
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
        assert_int_equal(m.loaded.value, FACT_UNKNOWN); /* sysfs is not seen at all */
        assert_int_equal(m.enabled.value, FACT_UNKNOWN);

        fixture_write(f, "sys/module/vfio/refcnt", "0\n");
        m = read_facts(f);
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
        fixture_write(f, "proc/cmdline",
                      "panic_on_taint=1000 panic_on_taint=20\n"); /* the last one counts */
        assert_allowed(f);
        fixture_write(f, "proc/cmdline", "xpanic_on_taint=1000 no_panic_on_taint=1000\n");
        assert_allowed(f);
}

/* Where the kernel has not what the module needs, it is not loadable, whatever the host allows. */
static void test_kernel_without(void **state)
{
        struct fixture *f = *state;
        struct kernel_facts k = { .release = (char[]){ FAKE_RELEASE } };
        struct module_facts m;

        k.takes_module = fact_is(false, SOURCE_KALLSYMS);
        k.takes_module.why = "no kprobes";
        module_facts_read(&m, &f->root, &k);
        assert_int_equal(m.loadable.value, FACT_NO);
        assert_string_equal(m.loadable.why, "no kprobes");
        k.takes_module = fact_unknown(NULL);
        module_facts_read(&m, &f->root, &k);
        assert_int_equal(m.loadable.value, FACT_YES);
}

static void test_modules_disabled(void **state)
{
        struct fixture *f = *state;

        fixture_write(f, "proc/sys/kernel/modules_disabled", "0\n");
        assert_allowed(f);
        fixture_write(f, "proc/sys/kernel/modules_disabled", "1\n");
        assert_forbidden(f, "modules_disabled");
}

static void test_blacklist(void **state)
{
        static const struct {
                const char *file, *text, *why; /* NULL: allowed */
        } cases[] = {
                { "proc/cmdline", "quiet module_blacklist=nouveau,vfio_align\n", "module_blacklist=" },
                { "proc/cmdline", "module_blacklist=vfio_align,nouveau quiet\n", "module_blacklist=" },
                { "proc/cmdline", "module_blacklist=vfio_aligned,nvfio_align,vfio quiet\n", NULL },
                { "proc/cmdline", "module_blacklist= modprobe.blacklist=,\n", NULL },
                { "proc/cmdline", "modprobe.blacklist=vfio-align\n", "modprobe.blacklist=" },
                { "proc/cmdline", "modprobe.blacklist=e1000e\n", NULL },
                { "proc/cmdline", "xmodule_blacklist=vfio_align\n", NULL },
                { "etc/modprobe.d/ours.conf", "# blacklist vfio_align\nblacklist nouveau\n", NULL },
                { "etc/modprobe.d/ours.conf", "options vfio_align enabled=0\n", NULL },
                { "etc/modprobe.d/ours.conf", "blacklisted vfio_align\n", NULL },
                { "etc/modprobe.d/ours.conf", " blacklist \tvfio-align \n", "\"blacklist vfio_align\"" },
                { "usr/lib/modprobe.d/ours.conf", "blacklist \\\nvfio_align\n", "\"blacklist vfio_align\"" },
                { "etc/modprobe.d/ours.conf", "install vfio_align /bin/false\n", "\"install vfio_align\"" },
                { "etc/modprobe.d/ours.conf", "install vfio_align /usr/bin/true # no\n",
                  "\"install vfio_align\"" },
                { "etc/modprobe.d/ours.conf",
                  "install vfio_align /sbin/modprobe -i vfio_align && logger yes\n", NULL },
                { "etc/modprobe.d/ours.conf", "install nouveau /bin/false\n", NULL },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write(f, cases[i].file, cases[i].text);
                if (cases[i].why)
                        assert_forbidden(f, cases[i].why);
                else
                        assert_allowed(f);
                fixture_remove(f, cases[i].file);
        }
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

/* The key of a signed module: fake-modules.c signs with "key!". */
static void test_key(void **state)
{
#define KEY "08a11611 I------     1 perm 1f030000     0     0 asymmetri "
        struct fixture *f = *state;
        struct module_facts m;

        fake_module_write(f, "vfio_align", NULL, 0, false);
        fake_modules_index(f);
        m = read_facts(f);
        assert_int_equal(m.is_signed.value, FACT_NO);
        assert_int_equal(m.key_enrolled.value, FACT_UNKNOWN);
        assert_string_equal(m.signer, "");

        fake_module_write(f, "vfio_align", NULL, 0, true);
        fixture_write(f, "sys/module/module/parameters/sig_enforce", "Y\n");
        m = read_facts(f);
        assert_int_equal(m.is_signed.value, FACT_YES);
        assert_string_equal(m.signer, "me!!");
        assert_string_equal(m.sig_key, "6B:65:79:21");
        assert_int_equal(m.key_enrolled.value, FACT_UNKNOWN);
        assert_int_equal(m.signature_enforced.value, FACT_YES);
        assert_allowed(f);

        fixture_write(f, "proc/keys", KEY "another: 6b657922: X509.rsa 6b657922 []\n");
        assert_int_equal(read_facts(f).key_enrolled.value, FACT_NO);
        assert_forbidden(f, "key");
        fixture_write(f, "sys/module/module/parameters/sig_enforce", "N\n");
        fixture_write(f, "sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
        assert_int_equal(read_facts(f).signature_enforced.value, FACT_NO);
        assert_allowed(f);

        fixture_write(f, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        fixture_write(f, "proc/keys",
                      KEY "another: 6b657922: X509.rsa 6b657922 []\n" KEY
                          "me!!: 6b657921: X509.rsa 6b657921 []\n");
        assert_int_equal(read_facts(f).key_enrolled.value, FACT_YES);
        assert_allowed(f);
}

static void test_secure_boot(void **state)
{
#define SECURE_BOOT "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
        struct fixture *f = *state;

        assert_int_equal(read_facts(f).secure_boot.value, FACT_UNKNOWN);
        fixture_write(f, "sys/firmware/acpi/pm_profile", "0\n");
        assert_int_equal(read_facts(f).secure_boot.value, FACT_NO); /* a BIOS */
        fixture_write(f, "sys/firmware/efi/systab", "");
        assert_int_equal(read_facts(f).secure_boot.value, FACT_UNKNOWN);
        fixture_write_bytes(f, SECURE_BOOT, "\6\0\0\0\1", 5);
        assert_int_equal(read_facts(f).secure_boot.value, FACT_YES);
        fixture_write_bytes(f, SECURE_BOOT, "\6\0\0\0\0", 5);
        assert_int_equal(read_facts(f).secure_boot.value, FACT_NO);
        fixture_write_bytes(f, SECURE_BOOT, "\1", 1);
        assert_int_equal(read_facts(f).secure_boot.value, FACT_UNKNOWN);
}

/* A loaded module is not necessarily alive: the kernel's slot has to show it. */
static void test_alive(void **state)
{
        static const struct {
                struct fact hook;
                const char *module;
                enum fact_value alive;
        } cases[] = {
                { { .value = FACT_UNKNOWN, .why = "seen by root only" }, NULL, FACT_UNKNOWN },
                { { .value = FACT_NO, .source = SOURCE_KCORE }, NULL, FACT_NO },
                { { .value = FACT_YES, .source = SOURCE_KCORE }, NULL, FACT_NO },
                { { .value = FACT_YES, .source = SOURCE_KCORE }, "other", FACT_NO },
                { { .value = FACT_YES, .source = SOURCE_KCORE }, "vfio_align", FACT_YES },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct kernel_facts k = { .hook = cases[i].hook, .hook_module = (char *) cases[i].module };
                struct module_facts m;

                fixture_write(f, PARAMETERS "enabled", "Y\n");
                module_facts_read(&m, &f->root, &k);
                assert_int_equal(m.alive.value, cases[i].alive);
                fixture_remove(f, PARAMETERS "enabled"); /* on its way in or out */
                module_facts_read(&m, &f->root, &k);
                assert_int_equal(m.loaded.value, FACT_UNKNOWN);
                fixture_remove(f, "sys/module/vfio_align");
                module_facts_read(&m, &f->root, &k);
                assert_int_equal(m.alive.value, FACT_NO); /* not loaded at all */
        }
}

/* Whether such a kernel aligns by itself is seen only when vfio is loaded: until then the daemon does not
 * load the module, which would taint the kernel and refuse. */
static void test_order_unseen(void **state)
{
        const struct kernel_facts k = { .mapping_order.value = FACT_UNKNOWN, .hook_place.order_offset = 8 };
        struct fixture *f = *state;
        struct module_facts m;

        module_facts_read(&m, &f->root, &k);
        assert_int_equal(m.loadable.value, FACT_UNKNOWN);
        assert_non_null(strstr(m.loadable.why, "get_mapping_order"));
}

/* The module would refuse to load, so it is not offered, whether it is installed or not. */
static void test_slot_taken(void **state)
{
        static const struct {
                enum fact_value hook, huge_pud, mapping_order;
                const char *function, *module;
                const char *why; /* NULL: loadable */
        } cases[] = {
                { .hook = FACT_NO },
                { .hook = FACT_UNKNOWN },
                { .hook = FACT_YES, .function = "vfio_align_get_unmapped_area", .module = "vfio_align" },
                { .hook = FACT_YES, .function = "thp_get_unmapped_area", .huge_pud = FACT_YES },
                { .hook = FACT_YES, .function = "thp_get_unmapped_area", .huge_pud = FACT_UNKNOWN },
                { .hook = FACT_YES,
                  .function = "thp_get_unmapped_area",
                  .huge_pud = FACT_NO,
                  .why = "by itself" },
                { .hook = FACT_YES,
                  .function = "thp_get_unmapped_area",
                  .module = "other",
                  .why = "another function" },
                { .hook = FACT_YES, .function = "another_get_unmapped_area", .why = "another function" },
                { .hook = FACT_YES, .why = "another function" },
                { .hook = FACT_NO, .mapping_order = FACT_YES, .why = "get_mapping_order" },
        };
        struct fixture *f = *state;
        struct module_facts m;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct kernel_facts k = { .hook.value = cases[i].hook,
                                                .huge_pud.value = cases[i].huge_pud,
                                                .mapping_order.value = cases[i].mapping_order,
                                                .hook_function = (char *) cases[i].function,
                                                .hook_module = (char *) cases[i].module };

                module_facts_read(&m, &f->root, &k);
                assert_int_equal(m.loadable.value, cases[i].why ? FACT_NO : FACT_YES);
                if (cases[i].why)
                        assert_non_null(strstr(m.loadable.why, cases[i].why));
        }
}

/* If the kernel's memory cannot be read, the module's own word counts. */
static void test_alive_by_slot(void **state)
{
        static const struct {
                const char *slot;
                enum fact_value alive;
        } cases[] = { { "ours\n", FACT_YES },
                      { "empty\n", FACT_NO },
                      { "foreign\n", FACT_NO },
                      { "kernel\n", FACT_NO } };
        struct kernel_facts k = { .hook = { .value = FACT_UNKNOWN, .why = "seen by root only" } };
        struct fixture *f = *state;
        struct module_facts m;

        fixture_write(f, PARAMETERS "enabled", "Y\n");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write(f, PARAMETERS "slot", cases[i].slot);
                module_facts_read(&m, &f->root, &k);
                assert_int_equal(m.alive.value, cases[i].alive);
                assert_int_equal(m.alive.source, SOURCE_SYSFS);
        }

        fixture_write(f, PARAMETERS "slot", "ours\n");
        k.hook = fact_is(false, SOURCE_KCORE); /* what was seen counts for more */
        module_facts_read(&m, &f->root, &k);
        assert_int_equal(m.alive.value, FACT_NO);
        assert_int_equal(m.alive.source, SOURCE_KCORE);

        k.hook = fact_unknown("seen by root only");
        fixture_remove(f, PARAMETERS "enabled"); /* on its way out */
        module_facts_read(&m, &f->root, &k);
        assert_int_equal(m.alive.value, FACT_UNKNOWN);
}

static void test_built_for(void **state)
{
        struct fixture *f = *state;
        struct module_facts m;

        fake_module_write(f, "vfio_align", NULL, 0, false);
        fake_modules_index(f);
        m = read_facts(f);
        assert_int_equal(m.built_for_kernel.value, FACT_YES);
        assert_string_equal(m.other_release, "");

        fixture_write(f, ANSWERS_FILE, "module vfio_align info vermagic\t6.12.1-other SMP mod_unload\n");
        root_close(&f->root);
        assert_ok(root_open(&f->root, f->dir)); /* answers are read once */
        assert_int_equal(read_facts(f).built_for_kernel.value, FACT_NO);
}

static void test_other_release(void **state)
{
        struct fixture *f = *state;
        struct module_facts m;

        fake_module_write(f, "other", NULL, 0, false);
        fake_modules_index(f);
        assert_string_equal(read_facts(f).other_release, "");
        fixture_write(f, "lib/modules/6.9.0/modules.dep",
                      "updates/dkms/vfio_align.ko: kernel/drivers/vfio/vfio.ko\n");
        fixture_write(f, "lib/modules/6.10.0/modules.dep", "updates/dkms/vfio-align.ko.xz:\n");
        fixture_write(f, "lib/modules/7.0.0/modules.dep", "kernel/drivers/vfio/vfio.ko:\n");
        m = read_facts(f);
        assert_int_equal(m.installed.value, FACT_NO);
        assert_string_equal(m.other_release, "6.10.0");
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
                cmocka_unit_test_setup_teardown(test_kernel_without, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_modules_disabled, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_blacklist, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_signature, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_key, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_secure_boot, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_alive, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_alive_by_slot, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_order_unseen, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_slot_taken, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_built_for, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_other_release, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_not_installed, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
