/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

#define MAIN "etc/vfioalignd.conf"
#define SECTIONS "[Fix], [Guest], [Bind], [Export], [Guest NAME] or [Device NAME]"
#define DROP_IN "etc/vfioalignd.conf.d/"

/* What was wrong, one line each: "FILE:LINE: error|warning: TEXT". */
static char problems[4096];

static void on_problem(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        size_t n = strlen(problems);

        assert_ptr_equal(userdata, problems);
        snprintf(problems + n, sizeof(problems) - n, "%s:%u: %s: %s\n", file, line,
                 fatal ? "error" : "warning", what);
}

static int read_config(struct fixture *f, struct config *c)
{
        *problems = '\0';
        return config_read(c, &f->root, on_problem, problems);
}

/* Reads what has to be without a problem. */
static struct config read_good(struct fixture *f)
{
        struct config c;

        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");
        return c;
}

static void assert_config(const struct config *c, enum policy module, uint64_t deadline_usec,
                          enum on_unreachable on_unreachable)
{
        assert_int_equal(c->fixes[FIX_MODULE], module);
        assert_int_equal(c->hook_deadline_usec, deadline_usec);
        assert_int_equal(c->on_unreachable, on_unreachable);
}

static void assert_default(const struct config *c)
{
        const struct config d = config_default();

        assert_config(c, d.fixes[FIX_MODULE], d.hook_deadline_usec, d.on_unreachable);
        assert_int_equal(c->bind_deadline_usec, d.bind_deadline_usec);
        assert_int_equal(c->bind_deadline_usec, 30 * USEC_PER_SEC);
        assert_int_equal(c->n_devices, 0);
        assert_int_equal(c->n_guests, 0);
        assert_memory_equal(c->fixes, d.fixes, sizeof(d.fixes));
        assert_memory_equal(&c->guest, &d.guest, sizeof(d.guest));
        assert_int_equal(c->guest.on_unaligned, ON_UNALIGNED_WARN); /* a start is not stopped by default */
}

static void test_missing(void **state)
{
        struct config c;

        assert_ok(read_config(*state, &c));
        assert_string_equal(problems, "");
        assert_default(&c);
}

/* What nobody has configured on any host: not to be changed by the way. */
static void test_default(void **state)
{
        static const enum policy fixes[_FIX_ID_MAX] = {
                [FIX_MODULE] = POLICY_AUTO, [FIX_EMULATOR] = POLICY_SUGGEST, [FIX_PRELOAD] = POLICY_SUGGEST,
                [FIX_THP] = POLICY_SUGGEST, [FIX_IOMMUFD] = POLICY_SUGGEST,  [FIX_NO_MMAP] = POLICY_OFF,
        };
        const struct config c = config_default();

        (void) state;
        assert_memory_equal(c.fixes, fixes, sizeof(fixes));
        assert_int_equal(c.guest.on_unaligned, ON_UNALIGNED_WARN);
        assert_int_equal(c.guest.min_bar_size, MIB(64));
        assert_int_equal(c.hook_deadline_usec, 5 * USEC_PER_SEC);
        assert_int_equal(c.on_unreachable, ON_UNREACHABLE_ALLOW);
        assert_int_equal(c.measure, MEASURE_AUTO);
        assert_int_equal(c.bind_deadline_usec, 30 * USEC_PER_SEC);
}

static void test_values(void **state)
{
        struct fixture *f = *state;
        struct config c;

        fixture_write(f, MAIN,
                      "# a comment\n; another\n\n[Fix]\nModule=suggest\n\n[Guest]\r\n"
                      "  HookDeadlineSec = 0.5 ; inline\nOnUnreachable: refuse\n[Bind]\nDeadlineSec=1.5");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");
        assert_config(&c, POLICY_SUGGEST, 500000, ON_UNREACHABLE_REFUSE);
        assert_int_equal(c.bind_deadline_usec, 1500000);
        assert_int_equal(c.export_guests, EXPORT_GUESTS_NAME);
        assert_int_equal(c.audit_interval_usec, 3600 * USEC_PER_SEC);

        fixture_write(f, MAIN,
                      "[Fix]\nEmulator=off\nPreload=off\nThp=auto\nIommufd=off\nNoMmap=suggest\n"
                      "[Guest]\nOnUnaligned=refuse\nMinBarSize=2G\nMeasure=off\n"
                      "[Export]\nGuests=none\nAuditIntervalSec=86400\n");
        c = read_good(f);
        assert_int_equal(c.export_guests, EXPORT_GUESTS_NONE);
        assert_int_equal(c.audit_interval_usec, 86400 * USEC_PER_SEC);
        assert_int_equal(c.measure, MEASURE_OFF);
        assert_int_equal(c.fixes[FIX_EMULATOR], POLICY_OFF);
        assert_int_equal(c.fixes[FIX_PRELOAD], POLICY_OFF);
        assert_int_equal(c.fixes[FIX_THP], POLICY_AUTO);
        assert_int_equal(c.fixes[FIX_IOMMUFD], POLICY_OFF);
        assert_int_equal(c.fixes[FIX_NO_MMAP], POLICY_SUGGEST);
        assert_int_equal(c.guest.on_unaligned, ON_UNALIGNED_REFUSE);
        assert_int_equal(c.guest.min_bar_size, GIB(2));

        /* White space before a key makes it no part of the value above. */
        fixture_write(f, MAIN,
                      "[Fix]\nModule=suggest\n \t[Guest]\n\tHookDeadlineSec=2\n  "
                      "OnUnreachable=refuse\n  # a comment\n");
        c = read_good(f);
        assert_config(&c, POLICY_SUGGEST, 2 * USEC_PER_SEC, ON_UNREACHABLE_REFUSE);
}

static void test_unknown_key(void **state)
{
        struct fixture *f = *state;
        struct config c = { .hook_deadline_usec = 7 };

        fixture_write(f, MAIN,
                      "Module=off\n[Fix]\nModul=off\nmodule=off\n\n[Gust]\nOnUnreachable=refuse\nx=y\n"
                      "[Guest]\nOnUnreachable=refuse\nDeadlineSec=3\n[Fixx]\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(
                problems, MAIN
                ":1: error: 'Module' is in no section; expected a line like [Fix] before it\n" MAIN
                ":3: error: unknown key 'Modul' in section [Fix]; did you mean 'Module'?\n" MAIN
                ":4: error: unknown key 'module' in section [Fix]; did you mean 'Module'?\n" MAIN
                ":6: error: unknown section [Gust]; did you mean 'Guest'?\n" MAIN
                ":11: error: unknown key 'DeadlineSec' in section [Guest]; did you mean "
                "'HookDeadlineSec'?\n" MAIN ":12: error: unknown section [Fixx]; did you mean 'Fix'?\n");
        assert_int_equal(c.hook_deadline_usec, 7);
}

static void on_setting(const struct config_setting *s, void *userdata)
{
        char *text = userdata;
        size_t n = strlen(text);

        if (s->file)
                snprintf(text + n, 4096 - n, "%s:%u: [%s] %s=%s\n", s->file, s->line, s->section, s->key,
                         s->value);
}

/* Each value with its place, also the one that another takes the place of. */
static void test_settings(void **state)
{
        struct fixture *f = *state;
        char text[4096] = "";
        const struct config_reader reader = { .setting = on_setting, .userdata = text },
                                   partly = { .partly = true },
                                   one = { .file = DROP_IN "10-a.conf",
                                           .setting = on_setting,
                                           .userdata = text },
                                   none = { .file = DROP_IN "none.conf" };
        struct config c;

        fixture_write(f, MAIN, "[Fix]\nModule=off\n[Device a b]\n");
        assert_int_equal(config_read_by(&c, &f->root, &reader), -EINVAL);
        assert_int_equal(config_read_by(&c, &f->root, &partly), -EINVAL);
        assert_int_equal(c.fixes[FIX_MODULE], POLICY_OFF);
        config_done(&c);
        *text = '\0';
        fixture_write(f, MAIN,
                      "\n[Fix]\nModule=off\n[Guest vm*]\nMinBarSize=1G\n[Device a]\nID=10de:*\nBind=boot\n");
        fixture_write(f, DROP_IN "10-a.conf", "[Bind]\n DeadlineSec = 7 ; seconds\n[Fix]\nModule=auto\n");
        assert_ok(config_read_by(&c, &f->root, &reader));
        assert_string_equal(text, MAIN ":3: [Fix] Module=off\n" MAIN ":5: [Guest vm*] MinBarSize=1G\n" MAIN
                                       ":7: [Device a] ID=10de:*\n" MAIN ":8: [Device a] Bind=boot\n" DROP_IN
                                       "10-a.conf:2: [Bind] DeadlineSec=7\n" DROP_IN
                                       "10-a.conf:4: [Fix] Module=auto\n");
        config_done(&c);
        *text = '\0';
        assert_ok(config_read_by(&c, &f->root, &one));
        assert_string_equal(text, DROP_IN "10-a.conf:2: [Bind] DeadlineSec=7\n" DROP_IN
                                          "10-a.conf:4: [Fix] Module=auto\n");
        assert_int_equal(c.n_devices, 0);
        config_done(&c);
        assert_int_equal(config_read_by(&c, &f->root, &none), -EINVAL);
}

static void test_bad_value(void **state)
{
        static const struct {
                const char *text, *problem;
        } cases[] = {
                { "[Fix]\nModule=yes\n", MAIN ":2: error: Module=yes: expected auto, suggest or off\n" },
                { "[Fix]\nModule=\n", ":2: error: Module=: expected auto, suggest or off\n" },
                { "[Guest]\nHookDeadlineSec=0\n",
                  ":2: error: HookDeadlineSec=0: expected seconds from 0.1 to 60\n" },
                { "[Guest]\nHookDeadlineSec=61\n",
                  ":2: error: HookDeadlineSec=61: expected seconds from 0.1 to 60\n" },
                { "[Guest]\nHookDeadlineSec=5s\n",
                  ":2: error: HookDeadlineSec=5s: expected seconds from 0.1 to 60\n" },
                { "[Guest]\nHookDeadlineSec=nan\n",
                  ":2: error: HookDeadlineSec=nan: expected seconds from 0.1 to 60\n" },
                { "[Guest]\nHookDeadlineSec=1e9999\n",
                  ":2: error: HookDeadlineSec=1e9999: expected seconds from 0.1 to 60\n" },
                { "[Bind]\nDeadlineSec=0.9\n",
                  ":2: error: DeadlineSec=0.9: expected seconds from 1 to 600\n" },
                { "[Bind]\nDeadlineSec=601\n",
                  ":2: error: DeadlineSec=601: expected seconds from 1 to 600\n" },
                { "[Export]\nAuditIntervalSec=0.5\n",
                  ":2: error: AuditIntervalSec=0.5: expected seconds from 1 to 86400\n" },
                { "[Export]\nGuests=all\n", ":2: error: Guests=all: expected name, uuid or none\n" },
                { "[Guest]\nOnUnreachable=deny\n",
                  ":2: error: OnUnreachable=deny: expected allow or refuse\n" },
                { "[Guest]\nMeasure=on\n", ":2: error: Measure=on: expected auto or off\n" },
                { "[Fix]\nPreload=auto\n", ":2: error: Preload=auto: expected suggest or off\n" },
                { "[Fix]\nNoMmap=auto\n", ":2: error: NoMmap=auto: expected suggest or off\n" },
                { "[Guest]\nOnUnaligned=deny\n",
                  ":2: error: OnUnaligned=deny: expected allow, warn or refuse\n" },
                { "[Guest]\nMinBarSize=1X\n",
                  ":2: error: MinBarSize=1X: expected a size in bytes, or with the suffix K, M, G or T\n" },
                { "[Guest]\nMinBarSize=1GB\n", ":2: error: MinBarSize=1GB: expected a size" },
                { "[Guest]\nMinBarSize=-1\n", ":2: error: MinBarSize=-1: expected a size" },
                { "[Guest]\nMinBarSize=\n", ":2: error: MinBarSize=: expected a size" },
                { "[Guest]\nMinBarSize=18446744073709551616\n",
                  ":2: error: MinBarSize=18446744073709551616: expected a size" },
                { "[Guest]\nMinBarSize=16777216T\n", ":2: error: MinBarSize=16777216T: expected a size" },
                { "\n[Guest a]\n[Guest]\n",
                  ":2: error: [Guest a] sets nothing; expected OnUnaligned= or MinBarSize=\n" },
                { "[Guest a]\nMinBarSize=1\n[Guest b]\nMinBarSize=1\n[Guest a]\nMinBarSize=2\n",
                  ":5: error: [Guest a] is already in line 1\n" },
                { "[Guest a]\nMinBarSize=1\nMinBarSize=2\n",
                  ":3: error: MinBarSize= is set twice in section [Guest a]\n" },
                { "[Guest prod-[ab]\nMinBarSize=1\n",
                  ":1: error: [Guest prod-[ab]: the pattern has a '[' without its ']'; expected '\\[' for "
                  "the bracket itself\n" },
                { "[Guest [[:digit]]\nMinBarSize=1\n",
                  ":1: error: [Guest [[:digit]]: the pattern has a '['" },
                { "\n[Guest [[:number:]]]\nMinBarSize=1\n",
                  ":2: error: [Guest [[:number:]]]: the pattern has an unknown class of characters\n" },
                { "[Guest [9-0]]\nMinBarSize=1\n",
                  ":1: error: [Guest [9-0]]: the pattern has a range that is the wrong way round\n" },
                { "[Guest a\\]\nMinBarSize=1\n",
                  ":1: error: [Guest a\\]: the pattern ends with a backslash; expected two" },
                { "[Device a[b]]\nAddress=0:0.0\n", ":1: error: [Device a[b]]: expected a name" },
                { "[Guest a]\nOnUnaligned=1\n",
                  ":2: error: OnUnaligned=1: expected allow, warn or refuse\n" },
                { "[Fix]\nModule=auto\nnonsense\n", ":3: error: neither a [section] nor a key=value\n" },
                { "[Fix\nModule=auto\n", ":1: error: neither a [section] nor a key=value\n" },
                { "[Fix]\nModule=bad\n[Guest]\nOnUnreachable=bad\n",
                  ":2: error: Module=bad: expected auto, suggest or off\n" MAIN
                  ":4: error: OnUnreachable=bad: expected allow or refuse\n" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct config c = { .fixes[FIX_MODULE] = POLICY_OFF,
                                    .hook_deadline_usec = 7,
                                    .on_unreachable = ON_UNREACHABLE_REFUSE };

                fixture_write(f, MAIN, cases[i].text);
                assert_int_equal(read_config(f, &c), -EINVAL);
                assert_config(&c, POLICY_OFF, 7, ON_UNREACHABLE_REFUSE); /* what was in force stays */
                if (!strstr(problems, cases[i].problem))
                        fail_msg("%s", problems);
        }
}

static void test_drop_ins(void **state)
{
        struct fixture *f = *state;
        struct config c = { .fixes[FIX_MODULE] = POLICY_OFF,
                            .hook_deadline_usec = 7,
                            .on_unreachable = ON_UNREACHABLE_REFUSE };

        fixture_write(f, MAIN, "[Fix]\nModule=off\n[Guest]\nHookDeadlineSec=1\nOnUnreachable=refuse\n");
        fixture_write(f, DROP_IN "20-b.conf", "[Guest]\nHookDeadlineSec=3\n");
        fixture_write(f, DROP_IN "10-a.conf", "[Guest]\nHookDeadlineSec=2\n[Fix]\nModule=suggest\n");
        fixture_write(f, DROP_IN ".hidden.conf", "[Guest]\nHookDeadlineSec=9\n");
        fixture_write(f, DROP_IN "30-c.conf.bak", "[Guest]\nHookDeadlineSec=9\n");
        fixture_write(f, DROP_IN ".conf", "[Guest]\nHookDeadlineSec=9\n");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");
        assert_config(&c, POLICY_SUGGEST, 3 * USEC_PER_SEC, ON_UNREACHABLE_REFUSE);

        /* A section does not leak from one file into the next. */
        fixture_write(f, DROP_IN "15-x.conf", "HookDeadlineSec=9\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(problems,
                            DROP_IN "15-x.conf:1: error: 'HookDeadlineSec' is in no section; expected a "
                                    "line like [Fix] before it\n");

        fixture_write(f, DROP_IN "15-x.conf", "\n[Guest]\nHookDeadlineSec=9 hours\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(
                problems,
                DROP_IN "15-x.conf:3: error: HookDeadlineSec=9 hours: expected seconds from 0.1 to 60\n");

        fixture_remove(f, DROP_IN "15-x.conf");
        fixture_write(f, DROP_IN "15-x.conf/directory", "");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_non_null(strstr(problems, DROP_IN "15-x.conf:0: error: cannot be read: "));
}

/* Nobody knows what is in a directory that cannot be read, so it is not as if it were empty. */
static void test_drop_in_directory(void **state)
{
        struct fixture *f = *state;
        struct config c = { .hook_deadline_usec = 7 };

        fixture_write(f, MAIN, "[Guest]\nHookDeadlineSec=1\n");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");

        fixture_link(f, "etc/vfioalignd.conf.d", "vfioalignd.conf.d"); /* one that even root cannot read */
        c.hook_deadline_usec = 7;
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_non_null(strstr(problems, "etc/vfioalignd.conf.d:0: error: cannot be read: "));
        assert_int_equal(c.hook_deadline_usec, 7);

        fixture_remove(f, "etc/vfioalignd.conf.d");
        fixture_write(f, "etc/vfioalignd.conf.d", "[Guest]\nHookDeadlineSec=9\n");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "etc/vfioalignd.conf.d:0: warning: is not a directory, ignoring\n");
        assert_int_equal(c.hook_deadline_usec, USEC_PER_SEC);
}

/* By name, however the file system lists them: with the last one gone, the one before it counts. */
static void test_drop_in_order(void **state)
{
        static const unsigned written[] = { 4, 2, 6, 1, 5, 3 };
        struct fixture *f = *state;
        char path[64], text[64];
        struct config c;

        for (size_t i = 0; i < ELEMENTSOF(written); i++) {
                snprintf(path, sizeof(path), DROP_IN "%u.conf", written[i]);
                snprintf(text, sizeof(text), "[Guest]\nHookDeadlineSec=%u\n", written[i]);
                fixture_write(f, path, text);
        }
        for (unsigned last = 6; last >= 1; last--) {
                assert_ok(read_config(f, &c));
                assert_int_equal(c.hook_deadline_usec, last * USEC_PER_SEC);
                snprintf(path, sizeof(path), DROP_IN "%u.conf", last);
                fixture_remove(f, path);
        }
}

static void test_device_values(void **state)
{
        struct fixture *f = *state;
        const struct device_section *d;
        struct config c;

        fixture_write(f, MAIN,
                      "[Device all-of_it.0:1]\nAddress=41:0.0\nID=10DE:2330 ; a GPU\nClass=030200\n"
                      "Driver=nouveau\nBind=boot\n"
                      "VfioDriver=nvgrace_gpu_vfio_pci\n"
                      "\n[Device  some]\nBind=guest\nID=15b3:*\nVfioDriver=auto\n"
                      "[Device a-name-that-is-longer-than-what-inih-would-hand-to-its-handler-1]\n"
                      "Class=02\nBind=never\n"
                      "[Device a-name-that-is-longer-than-what-inih-would-hand-to-its-handler-2]\n"
                      "Class=0C03\nBind=never\n");
        c = read_good(f);
        assert_int_equal(c.n_devices, 4);

        d = &c.devices[0];
        assert_string_equal(d->name, "all-of_it.0:1");
        assert_string_equal(d->file, MAIN);
        assert_int_equal(d->line, 1);
        assert_string_equal(d->address, "0000:41:00.0");
        assert_int_equal(d->vendor, 0x10de);
        assert_int_equal(d->device, 0x2330);
        assert_int_equal(d->class, 0x030200);
        assert_int_equal(d->class_mask, 0xffffff);
        assert_string_equal(d->driver, "nouveau");
        assert_int_equal(d->bind, BIND_BOOT);
        assert_string_equal(d->vfio_driver, "nvgrace_gpu_vfio_pci");

        d = &c.devices[1];
        assert_string_equal(d->name, "some");
        assert_int_equal(d->line, 9);
        assert_string_equal(d->address, "");
        assert_int_equal(d->vendor, 0x15b3);
        assert_int_equal(d->device, UINT32_MAX);
        assert_int_equal(d->class_mask, 0);
        assert_null(d->driver);
        assert_int_equal(d->bind, BIND_GUEST);
        assert_null(d->vfio_driver);

        assert_int_equal(c.devices[2].class, 0x020000);
        assert_int_equal(c.devices[2].class_mask, 0xff0000);
        assert_int_equal(c.devices[2].vendor, UINT32_MAX);
        assert_int_equal(c.devices[2].bind, BIND_NEVER);
        assert_int_equal(c.devices[3].class, 0x0c0300);
        assert_int_equal(c.devices[3].class_mask, 0xffff00);
        config_done(&c);
        assert_int_equal(c.n_devices, 0);
        config_done(&c);
}

static void test_device_bad(void **state)
{
#define SLASH "a driver name of at most 63 letters, digits and signs, without '/'\n"
#define LONG "0123456789012345678901234567890123456789012345678901234567890123"
        static const struct {
                const char *text, *problem; /* of which the first must be it */
        } cases[] = {
                { "[Device]\nID=10de:*\nBind=boot\n",
                  ":1: error: [Device]: expected a name, of letters, digits, '.', '_', ':' and '-'\n" },
                { "[Device ]\nID=10de:*\nBind=boot\n", ":1: error: [Device ]: expected a name, " },
                { "[Device a b]\nID=10de:*\nBind=boot\n", ":1: error: [Device a b]: expected a name, " },
                { "[Device a/b]\nID=10de:*\nBind=boot\n", ":1: error: [Device a/b]: expected a name, " },
                { "[Device a\x1b]\nID=10de:*\nBind=boot\n", ":1: error: [Device a\x1b]: expected a name, " },
                { "\n[Device a]\n",
                  ":2: error: [Device a] names no device; expected Address=, ID=, Class= or Driver=\n" },
                { "[Device a]\n[Fix]\nModule=auto\n", ":1: error: [Device a] names no device; " },
                { "[Device a]\nBind=boot\nVfioDriver=auto\n[Fix]\n",
                  ":1: error: [Device a] names no device; " },
                { "\n\n[Device a]\nID=10de:*\n\n\n",
                  ":3: error: [Device a] does not say what to do; expected Bind=\n" },
                { "[Device a]\nID=10de:*\nVfioDriver=auto\n",
                  ":1: error: [Device a] does not say what to do; expected Bind=\n" },
                { "[Device a]\nID=10de:*\nBind=boot\n[Device b]\nClass=03\nBind=boot\n[Device "
                  "a]\nID=10de:*\nBind=boot\n",
                  ":7: error: [Device a] is already in line 1\n" },
                { "[Device a]\nID=10de:*\nBind=boot\nID=10de:*\n",
                  ":4: error: ID= is set twice in section [Device a]\n" },
                { "[Device a]\nID=10de:*\nBind=boot\nBind=boot\n",
                  ":4: error: Bind= is set twice in section [Device a]\n" },
                { "[Device a]\nAddress=41:00\nBind=boot\n",
                  ":2: error: Address=41:00: expected a PCI address, like 0000:41:00.0\n" },
                { "[Device a]\nAddress=*\nBind=boot\n", ":2: error: Address=*: expected a PCI address, " },
                { "[Device a]\nAddress=\nBind=boot\n", ":2: error: Address=: expected a PCI address, " },
                { "[Device a]\nAddress=0000:41:00.0 0000:42:00.0\nBind=boot\n",
                  ":2: error: Address=0000:41:00.0 0000:42:00.0: expected" },
                { "[Device a]\nID=10de\nBind=boot\n",
                  ":2: error: ID=10de: expected vendor and device in four hex digits each, like "
                  "10de:2330, or 10de:*\n" },
                { "[Device a]\nID=*:*\nBind=boot\n", ":2: error: ID=*:*: expected vendor" },
                { "[Device a]\nID=10de:\nBind=boot\n", ":2: error: ID=10de:: expected vendor" },
                { "[Device a]\nID=10de:233\nBind=boot\n", ":2: error: ID=10de:233: expected vendor" },
                { "[Device a]\nID=10de:23300\nBind=boot\n", ":2: error: ID=10de:23300: expected vendor" },
                { "[Device a]\nID=10de:233g\nBind=boot\n", ":2: error: ID=10de:233g: expected vendor" },
                { "[Device a]\nID=0x10de:0x2330\nBind=boot\n",
                  ":2: error: ID=0x10de:0x2330: expected vendor" },
                { "[Device a]\nID=10de:*x\nBind=boot\n", ":2: error: ID=10de:*x: expected vendor" },
                { "[Device a]\nID=-0de:2330\nBind=boot\n", ":2: error: ID=-0de:2330: expected vendor" },
                { "[Device a]\nClass=0x0302\nBind=boot\n",
                  ":2: error: Class=0x0302: expected 2, 4 or 6 hex digits, like 0302\n" },
                { "[Device a]\nClass=030\nBind=boot\n", ":2: error: Class=030: expected 2, 4 or 6" },
                { "[Device a]\nClass=\nBind=boot\n", ":2: error: Class=: expected 2, 4 or 6" },
                { "[Device a]\nClass=03020000\nBind=boot\n",
                  ":2: error: Class=03020000: expected 2, 4 or 6" },
                { "[Device a]\nClass=zz\nBind=boot\n", ":2: error: Class=zz: expected 2, 4 or 6" },
                { "[Device a]\nDriver=a/b\nBind=boot\n", ":2: error: Driver=a/b: expected " SLASH },
                { "[Device a]\nDriver=..\nBind=boot\n", ":2: error: Driver=..: expected " SLASH },
                { "[Device a]\nDriver=\nBind=boot\n", ":2: error: Driver=: expected " SLASH },
                { "[Device a]\nDriver=nvme # mine\nBind=boot\n",
                  ":2: error: Driver=nvme # mine: expected " SLASH },
                { "[Device a]\nDriver=" LONG "\nBind=boot\n",
                  ":2: error: Driver=" LONG ": expected " SLASH },
                { "[Device a]\nID=10de:*\nBind=always\n",
                  ":3: error: Bind=always: expected boot, guest or never\n" },
                { "[Device a]\nID=10de:*\nBind=\n", ":3: error: Bind=: expected boot, guest or never\n" },
                { "[Device a]\nID=10de:*\nBind=boot\nVfioDriver=\n",
                  ":4: error: VfioDriver=: expected auto, or " SLASH },
                { "[Device a]\nID=10de:*\nBind=boot\nVfioDriver=../vfio\n",
                  ":4: error: VfioDriver=../vfio: expected auto, or " SLASH },
        };
        struct fixture *f = *state;
        struct config c;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                c = (struct config){ .fixes[FIX_MODULE] = POLICY_OFF,
                                     .hook_deadline_usec = 7,
                                     .on_unreachable = ON_UNREACHABLE_REFUSE };
                fixture_write(f, MAIN, cases[i].text);
                assert_int_equal(read_config(f, &c), -EINVAL);
                assert_config(&c, POLICY_OFF, 7, ON_UNREACHABLE_REFUSE);
                assert_null(c.devices);
                if (!startswith(problems, MAIN) || !startswith(problems + strlen(MAIN), cases[i].problem))
                        fail_msg("%s%s", cases[i].text, problems);
        }

        /* One byte less, and it is the longest. */
        fixture_write(f, MAIN,
                      "[Device a]\nBind=boot\n"
                      "Driver=012345678901234567890123456789012345678901234567890123456789012\n");
        c = read_good(f);
        assert_int_equal(strlen(c.devices[0].driver), 63);
        config_done(&c);
}

static void test_device_unknown_key(void **state)
{
        struct fixture *f = *state;
        struct config c;

        fixture_write(f, MAIN,
                      "[Device a]\nId=10de:*\nID=10de:*\nBind=boot\nModule=off\n[Device b]\n"
                      "adress=41:0.0\nBind=boot\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(
                problems,
                MAIN ":2: error: unknown key 'Id' in section [Device a]; did you mean 'ID'?\n" MAIN
                     ":5: error: unknown key 'Module' in section [Device a]\n" MAIN
                     ":7: error: unknown key 'adress' in section [Device b]; did you mean 'Address'?\n" MAIN
                     ":6: error: [Device b] names no device; expected Address=, ID=, Class= or Driver=\n");

        fixture_write(f, MAIN, "[Devices a]\nID=10de:*\n[device a]\nBind=boot\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(problems,
                            MAIN ":1: error: unknown section [Devices a]; expected " SECTIONS "\n" MAIN
                                 ":3: error: unknown section [device a]; expected " SECTIONS "\n");
}

static const char *find(const struct config *c, const char *address, uint16_t vendor, uint16_t device,
                        uint32_t class, const char *driver)
{
        const struct device_section *d = config_find_device(c, address, vendor, device, class, driver);

        return d ? d->name : "none";
}

static void test_device_find(void **state)
{
        struct fixture *f = *state;
        const struct device_section *d;
        struct config c;

        c = read_good(f);
        assert_string_equal(find(&c, "0000:41:00.0", 0x10de, 0x2330, 0x030200, "nouveau"), "none");

        fixture_write(f, MAIN,
                      "[Device display]\nClass=03\nBind=guest\n"
                      "[Device gpu]\nID=10de:2330\nBind=boot\n"
                      "[Device slot]\nAddress=0000:41:00.0\nBind=never\n"
                      "[Device disk]\nDriver=nvme\nClass=0108\nBind=boot\n"
                      "[Device any-of-them]\nID=15b3:*\nBind=boot\n");
        c = read_good(f);
        assert_string_equal(find(&c, "0000:41:00.0", 0x10de, 0x2330, 0x030200, NULL), "slot");
        assert_string_equal(find(&c, "0000:41:00.1", 0x10de, 0x2330, 0x030200, NULL), "gpu");
        assert_string_equal(find(&c, "0000:41:00.1", 0x10de, 0x2331, 0x030200, NULL), "display");
        assert_string_equal(find(&c, "0000:41:00.1", 0x1002, 0x2330, 0x030000, "amdgpu"), "display");
        assert_string_equal(find(&c, "0000:41:00.1", 0x10de, 0x2331, 0x120000, NULL), "none");
        assert_string_equal(find(&c, "0000:01:00.0", 0x144d, 0xa808, 0x010802, "nvme"), "disk");
        assert_string_equal(find(&c, "0000:01:00.0", 0x144d, 0xa808, 0x010802, "vfio-pci"), "none");
        assert_string_equal(find(&c, "0000:01:00.0", 0x144d, 0xa808, 0x010802, NULL), "none");
        assert_string_equal(find(&c, "0000:01:00.0", 0x144d, 0xa808, 0x010700, "nvme"), "none");
        assert_string_equal(find(&c, "0000:02:00.0", 0x15b3, 0xffff, 0x020000, NULL), "any-of-them");

        /* The last one counts, and the same name in another file is one of its own. */
        fixture_write(f, DROP_IN "10.conf", "[Device gpu]\nAddress=0000:41:00.1\nBind=never\n");
        config_done(&c);
        c = read_good(f);
        assert_int_equal(c.n_devices, 6);
        d = config_find_device(&c, "0000:41:00.1", 0x10de, 0x2330, 0x030200, NULL);
        assert_string_equal(d->file, DROP_IN "10.conf");
        assert_int_equal(d->bind, BIND_NEVER);
        d = config_find_device(&c, "0000:41:00.2", 0x10de, 0x2330, 0x030200, NULL);
        assert_string_equal(d->file, MAIN);
        config_done(&c);

        /* One with an error takes all of them along. */
        fixture_write(f, DROP_IN "20.conf", "[Device x]\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(
                problems, DROP_IN
                "20.conf:1: error: [Device x] names no device; expected Address=, ID=, Class= or Driver=\n");
}

static void assert_policy(const struct config *c, const char *guest, enum on_unaligned on_unaligned,
                          uint64_t min_bar_size)
{
        struct guest_policy p = config_guest_policy(c, guest);

        assert_int_equal(p.on_unaligned, on_unaligned);
        assert_int_equal(p.min_bar_size, min_bar_size);
}

/* Of each key the last section that matches and has it; the name is a pattern. */
static void test_guest_sections(void **state)
{
        struct fixture *f = *state;
        struct config c;

        fixture_write(f, MAIN,
                      "[Guest]\nOnUnaligned=allow\nMinBarSize=1G\n[Guest gpu-*]\nOnUnaligned=refuse\n"
                      "[Guest gpu-7]\nMinBarSize=256M\n[Guest a guest, with blanks]\nMinBarSize=4096\n");
        c = read_good(f);
        assert_int_equal(c.n_guests, 3);
        assert_policy(&c, "other", ON_UNALIGNED_ALLOW, GIB(1));
        assert_policy(&c, "gpu-1", ON_UNALIGNED_REFUSE, GIB(1));
        assert_policy(&c, "gpu-7", ON_UNALIGNED_REFUSE, MIB(256));
        assert_policy(&c, "GPU-7", ON_UNALIGNED_ALLOW, GIB(1));
        assert_policy(&c, "a guest, with blanks", ON_UNALIGNED_ALLOW, KIB(4));
        config_done(&c);

        /* A name with brackets: a pattern, or as it is; what is behind the section's own end is ignored. */
        fixture_write(
                f, MAIN,
                "[Guest prod-[ab]]\nOnUnaligned=refuse\n[Guest [TPL] win11] ; of [b]\nMinBarSize=4096\n"
                "[Guest x\\[1\\]] # [1]\nMinBarSize=8192\n[Guest y\\z]\nMinBarSize=16384\n"
                "[Guest v[!]a-c[:digit:]]]\nMinBarSize=32768\n[Guest old] trailing\nMinBarSize=65536\n");
        c = read_good(f);
        assert_int_equal(c.n_guests, 6);
        assert_policy(&c, "prod-a", ON_UNALIGNED_REFUSE, MIB(64));
        assert_policy(&c, "prod-b", ON_UNALIGNED_REFUSE, MIB(64));
        assert_policy(&c, "prod-[ab]", ON_UNALIGNED_REFUSE, MIB(64));
        assert_policy(&c, "prod-c", ON_UNALIGNED_WARN, MIB(64));
        assert_policy(&c, "prod-[ab", ON_UNALIGNED_WARN, MIB(64));
        assert_policy(&c, "[TPL] win11", ON_UNALIGNED_WARN, KIB(4));
        assert_policy(&c, "x[1]", ON_UNALIGNED_WARN, KIB(8));
        assert_policy(&c, "y\\z", ON_UNALIGNED_WARN, KIB(16));
        assert_policy(&c, "vd", ON_UNALIGNED_WARN, KIB(32));
        assert_policy(&c, "vb", ON_UNALIGNED_WARN, MIB(64));
        assert_policy(&c, "v7", ON_UNALIGNED_WARN, MIB(64));
        assert_policy(&c, "old", ON_UNALIGNED_WARN, KIB(64));
        config_done(&c);
        fixture_write(f, MAIN,
                      "[Guest]\nOnUnaligned=allow\nMinBarSize=1G\n[Guest gpu-*]\nOnUnaligned=refuse\n"
                      "[Guest gpu-7]\nMinBarSize=256M\n");

        /* A drop-in goes before; the same name in another file is a section of its own. */
        fixture_write(f, DROP_IN "a.conf", "[Guest gpu-7]\nOnUnaligned=warn\nHookDeadlineSec=1\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(problems, DROP_IN
                            "a.conf:3: error: unknown key 'HookDeadlineSec' in section [Guest gpu-7]\n");
        fixture_write(f, DROP_IN "a.conf", "[Guest gpu-7]\nOnUnaligned=warn\n");
        c = read_good(f);
        assert_policy(&c, "gpu-7", ON_UNALIGNED_WARN, MIB(256));
        config_done(&c);
}

/* Whatever is in the file, it is read to its end or turned away, and what is taken is whole. */
static void test_junk(void **state)
{
        static const char *const parts[] = {
                "[Device a]",
                "[Device b]",
                "[Device ",
                "]",
                "[",
                "\n",
                "\n",
                "\n",
                "\r\n",
                " ",
                "\t",
                "ID=10de:*",
                "ID=10de:2330",
                "Address=41:0.0",
                "Class=03",
                "Driver=nvme",
                "Bind=boot",
                "Bind=guest",
                "Bind=",
                "VfioDriver=auto",
                "=",
                ":",
                ";",
                " ;",
                "#",
                "\xef\xbb\xbf",
                "\xff",
                "\x1b",
                "[Fix]",
                "Module=auto",
                "[Bind]",
                "DeadlineSec=2",
                "[Guest]",
                "[Guest ",
                "[Guest a]",
                "[Guest [",
                "a-[:digit:]",
                "\\",
                "OnUnaligned=warn",
                "MinBarSize=1G",
                LONG,
                LONG,
        };
        unsigned seed = 4711, accepted = 0, with_devices = 0;
        struct fixture *f = *state;

        for (int round = 0; round < 1500; round++) {
                char text[4096] = "";
                size_t n = 0;
                struct config c;
                int k = rand_r(&seed) % 24;

                while (k-- > 0)
                        n += (size_t) sprintf(text + n, "%s",
                                              parts[(size_t) rand_r(&seed) % ELEMENTSOF(parts)]);
                if (round % 2 == 0)
                        sprintf(text + n, "\n[Device z]\nID=10de:*\nBind=boot\n");
                fixture_write(f, MAIN, text);
                if (read_config(f, &c) < 0) {
                        assert_non_null(strstr(problems, ": error: "));
                        continue;
                }
                assert_null(strstr(problems, ": error: "));
                accepted++;
                with_devices += c.n_devices > 0;
                for (size_t i = 0; i < c.n_devices; i++) {
                        const struct device_section *d = &c.devices[i];

                        assert_true(*d->name && d->line > 0 && d->bind >= 0 && d->bind < _BIND_POLICY_MAX);
                        assert_true(*d->address || d->vendor != UINT32_MAX || d->class_mask || d->driver);
                }
                config_done(&c);
        }
        /* Not all of it is turned away at the door. */
        assert_true(accepted > 50 && with_devices > 25);
}

static void test_odd_bytes(void **state)
{
        struct fixture *f = *state;
        struct config c;
        char text[1024];

        /* The longest line that inih takes, and one byte more, with what follows still numbered right */
        for (int extra = 0; extra < 2; extra++) {
                int n = snprintf(text, sizeof(text), "[Fix]\n#%0*d\nModule=off\nModul=1\n", 197 + extra, 0);

                assert_int_equal(n, 6 + 1 + 197 + extra + 1 + 11 + 8);
                fixture_write(f, MAIN, text);
                assert_int_equal(read_config(f, &c), -EINVAL);
                assert_string_equal(
                        problems,
                        extra ? MAIN
                                ":2: error: line is longer than 198 bytes\n" MAIN
                                ":4: error: unknown key 'Modul' in section [Fix]; did you mean 'Module'?\n"
                              : MAIN
                                ":4: error: unknown key 'Modul' in section [Fix]; did you mean 'Module'?\n");
        }

        fixture_write_bytes(f, MAIN, "[Fix]\nMod\0ule=off\n", 18);
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(problems, MAIN ":0: error: contains a NUL byte, so it is not a text file\n");

        fixture_write(f, MAIN, "\xef\xbb\xbf[Fix]\nModule=off\n"); /* a byte order mark */
        assert_ok(read_config(f, &c));
        assert_int_equal(c.fixes[FIX_MODULE], POLICY_OFF);

        fixture_write(f, MAIN, "");
        assert_ok(read_config(f, &c));
        assert_default(&c);
}

/* The shipped file says what the defaults are: with its comments taken off it is accepted whole, and changes
 * nothing. */
static void test_shipped(void **state)
{
        _cleanup_free_ char *shipped = NULL, *text = NULL;
        struct fixture *f = *state;
        struct config c = { .fixes[FIX_MODULE] = POLICY_OFF,
                            .hook_deadline_usec = 7,
                            .on_unreachable = ON_UNREACHABLE_REFUSE };
        unsigned keys = 0;
        char *out, *save = NULL;
        size_t size;

        assert_ok(read_file_at(AT_FDCWD, SHIPPED_CONFIG, 1 << 20, &shipped, &size));
        out = text = calloc(1, size + 1);
        assert_non_null(text);
        for (char *line = strtok_r(shipped, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *equals = strchr(line, '=');

                if (line[0] == '#' && line[1] != ' ' && equals) {
                        line++;
                        keys++;
                }
                out += sprintf(out, "%s\n", line);
        }
        assert_int_equal(keys, _FIX_ID_MAX + 8); /* those of fix-id.c and of config.c */

        fixture_write(f, MAIN, text);
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");
        assert_default(&c);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_missing),
                cmocka_unit_test(test_default),
                FIXTURE_TEST(test_values),
                FIXTURE_TEST(test_unknown_key),
                FIXTURE_TEST(test_settings),
                FIXTURE_TEST(test_bad_value),
                FIXTURE_TEST(test_drop_ins),
                FIXTURE_TEST(test_drop_in_order),
                FIXTURE_TEST(test_drop_in_directory),
                FIXTURE_TEST(test_device_values),
                FIXTURE_TEST(test_device_bad),
                FIXTURE_TEST(test_device_unknown_key),
                FIXTURE_TEST(test_device_find),
                FIXTURE_TEST(test_guest_sections),
                FIXTURE_TEST(test_junk),
                FIXTURE_TEST(test_odd_bytes),
                FIXTURE_TEST(test_shipped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
