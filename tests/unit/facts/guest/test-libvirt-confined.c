/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts/guest/libvirt-confined.h"

#include <string.h>

#include "fixture.h"
#include "test.h"
#include "util/macro.h"

#define BOOLEAN "sys/fs/selinux/booleans/virt_hooks_unconfined"
#define LABEL "proc/77/attr/current"

static void write_daemon(struct fixture *f, const char *name)
{
        char path[64];

        snprintf(path, sizeof(path), "run/%s.pid", name);
        fixture_write(f, path, "77");
        fixture_write(f, "proc/77/comm", name);
        fixture_write(f, "proc/1/comm", "systemd");
}

static void assert_allowed(struct fixture *f, enum fact_value value, enum hook_obstacle obstacle,
                           const char *why)
{
        struct libvirt_facts l;

        assert_ok(libvirt_facts_read(&l, &f->root));
        if (l.hook_allowed.value != value || l.hook_obstacle != obstacle ||
            (why && !strstr(l.hook_allowed.why, why)))
                fail_msg("%s %d: %s", fact_value_to_string(l.hook_allowed.value), (int) l.hook_obstacle,
                         l.hook_allowed.why ?: "");
        libvirt_facts_done(&l);
}
#define ALLOWED(f, value, why) assert_allowed(f, value, HOOK_OBSTACLE_NONE, why)

static void test_selinux(void **state)
{
        struct fixture *f = *state;

        write_daemon(f, "virtqemud");
        ALLOWED(f, FACT_UNKNOWN, "what confines");
        fixture_write(f, "sys/fs/selinux/enforce", "0");
        fixture_write(f, BOOLEAN, "0 0");
        fixture_write(f, LABEL, "system_u:system_r:virtqemud_t:s0");
        ALLOWED(f, FACT_YES, NULL);
        fixture_write(f, "sys/fs/selinux/enforce", "1");
        assert_allowed(f, FACT_NO, HOOK_OBSTACLE_SELINUX, "virt_hooks_unconfined is off");
        /* It is on, which does not say that the policy lets this daemon run hooks by it. */
        fixture_write(f, BOOLEAN, "1 1");
        ALLOWED(f, FACT_UNKNOWN, "not every policy");
        fixture_remove(f, BOOLEAN);
        ALLOWED(f, FACT_UNKNOWN, "policy");
        /* The daemon of RHEL 9, and libvirtd. */
        fixture_write(f, BOOLEAN, "0 0");
        fixture_write(f, LABEL, "system_u:system_r:virtd_t:s0-s0:c0.c1023");
        ALLOWED(f, FACT_YES, NULL);
        fixture_remove(f, LABEL);
        ALLOWED(f, FACT_UNKNOWN, "domain");
}

/* systemd starts the daemon when somebody asks it, and it ends soon: what it will be is known all the same.
 */
static void test_not_running(void **state)
{
        struct fixture *f = *state;

        fixture_write(f, "proc/1/comm", "systemd");
        ALLOWED(f, FACT_UNKNOWN, "does not run");
        fixture_write(f, "sys/fs/selinux/enforce", "1");
        fixture_write(f, BOOLEAN, "0 0");
        ALLOWED(f, FACT_UNKNOWN, "domain");
        fixture_write(f, "etc/systemd/system/sockets.target.wants/virtqemud.socket", "");
        assert_allowed(f, FACT_NO, HOOK_OBSTACLE_SELINUX, "is off");
}

static void test_profile(void **state)
{
        struct fixture *f = *state;

        write_daemon(f, "libvirtd");
        fixture_write(f, LABEL, "libvirtd (complain)");
        ALLOWED(f, FACT_YES, NULL);
        fixture_write(f, LABEL, "unconfined");
        ALLOWED(f, FACT_YES, NULL);
        fixture_write(f, LABEL, "libvirtd (enforce)");
        ALLOWED(f, FACT_UNKNOWN, "AppArmor");
        fixture_write(f, "etc/apparmor.d/usr.sbin.virtqemud",
                      "  /etc/libvirt/hooks/** rmix,\n"); /* another's */
        ALLOWED(f, FACT_UNKNOWN, "AppArmor");
        fixture_write(f, "etc/apparmor.d/usr.sbin.libvirtd", "  / r,\n  /etc/libvirt/hooks/** rmix,\n");
        ALLOWED(f, FACT_YES, NULL);
        fixture_write(f, "etc/apparmor.d/local/usr.sbin.libvirtd", "audit deny /etc/libvirt/hooks/** x,\n");
        assert_allowed(f, FACT_NO, HOOK_OBSTACLE_APPARMOR, "denies");
}

static void test_rules(void **state)
{
        static const struct {
                const char *text;
                enum fact_value value;
        } cases[] = {
                { "", FACT_UNKNOWN },
                { "/etc/libvirt/hooks/** rmix,", FACT_YES },
                { "\t/etc/libvirt/hooks/qemu.d/* Pux,", FACT_YES },
                { "owner /etc/libvirt/hooks/{qemu,lxc}{,.d/**} rix,", FACT_YES },
                { "# /etc/libvirt/hooks/** rmix,", FACT_UNKNOWN },
                { "/etc/libvirt/hooks/** r,", FACT_UNKNOWN },
                { "/etc/libvirt/hooks/network rmix,", FACT_UNKNOWN },
                { "/etc/libvirt/hooks/**", FACT_UNKNOWN },
                { "deny", FACT_UNKNOWN },
                { "deny /etc/libvirt/hooks/** w,\n/etc/libvirt/hooks/** rmix,", FACT_YES },
                { "/etc/libvirt/hooks/** rmix,\ndeny /etc/libvirt/hooks/** x,", FACT_NO },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256];

                snprintf(text, sizeof(text), "%s", cases[i].text);
                if (apparmor_allows_hook(text) != cases[i].value)
                        fail_msg("%s", cases[i].text);
        }
}

static void test_container(void **state)
{
        struct fixture *f = *state;

        write_daemon(f, "libvirtd");
        fixture_write(f, LABEL, "unconfined");
        fixture_write(f, "proc/1/mountinfo", "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
        fixture_write(f, "proc/77/mountinfo",
                      "129 100 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                      "130 129 0:44 / /etc/libvirt rw - tmpfs tmpfs rw\n"); /* a namespace is no container */
        ALLOWED(f, FACT_YES, NULL);
        fixture_write(f, "proc/77/mountinfo", "129 100 0:53 / / rw,relatime - overlay overlay rw\n");
        assert_allowed(f, FACT_NO, HOOK_OBSTACLE_CONTAINER, "container");
        fixture_write(f, "proc/77/mountinfo",
                      "129 100 0:53 / / rw,relatime - overlay overlay rw\n"
                      "140 129 8:1 /etc/libvirt/hooks /etc/libvirt/hooks rw - ext4 /dev/sda1 rw\n");
        ALLOWED(f, FACT_UNKNOWN, "mounted");
        /* A container that shows a directory of the host's file system as its root. */
        fixture_write(f, "proc/77/mountinfo", "129 100 8:1 /var/lib/machines/a / rw - ext4 /dev/sda1 rw\n");
        assert_allowed(f, FACT_NO, HOOK_OBSTACLE_CONTAINER, "container");
        fixture_write(f, "proc/77/mountinfo", "junk\n");
        ALLOWED(f, FACT_YES, NULL);
        /* A record has no mounts of containers, but the answer. */
        fixture_write(f, "vfioalign/answers", "libvirt-daemon-root\tother\n");
        root_close(&f->root);
        assert_ok(root_open(&f->root, f->dir));
        assert_allowed(f, FACT_NO, HOOK_OBSTACLE_CONTAINER, "container");
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_selinux), FIXTURE_TEST(test_not_running), FIXTURE_TEST(test_profile),
                FIXTURE_TEST(test_rules),   FIXTURE_TEST(test_container),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
