/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a transaction in which something fails, vanishes, or is damaged. */
#include <signal.h>
#include <sys/wait.h>

#include "test.h"
#include "transaction-group.h"
#include "util/clock.h"
#include "util/macro.h"

/* What a killed bind left is settled, and its record cannot be written: whoever comes next is refused, and
 * does not settle it for ever. Nothing is lost. */
static void test_settle_not_committed(void **state)
{
        struct bind_order order = { .operation = BIND_UNBIND, .owner = "operator" };
        struct fake_kernel *k = *state;
        struct fake_result r = {};
        const char *before, *bound;

        add_group(k);
        before = fake_state(k);
        /* Killed after its last write, the eighth, and before its commit. */
        for (unsigned at = 1; !streq(fake_record_state(k, A), "binding") || r.writes != 8; at++) {
                fake_arm(k);
                (void) fake_settle(k);
                fake_arm(k);
                fake_fault(k, FAULT_KILL_AFTER, at, 0);
                r = fake_bind(k, A);
                assert_int_equal(r.signal, SIGKILL);
                r.writes = k->writes;
        }
        bound = fake_state(k);
        for (size_t i = 0; i < 2; i++) {
                fake_arm(k);
                fake_fault(k, FAULT_ERRNO, 1, ENOSPC);
                k->faults[0].on = true;
                order.operation = i ? BIND_UNBIND : BIND_BIND;
                r = fake_run(k, A, &order);
                assert_outcome(k, r, BIND_REFUSED);
                assert_true(fake_result_has(&r, FINDING_BIND_FAILED, A, "cannot be written"));
                assert_int_equal(k->writes, 0);
                assert_string_equal(fake_state(k), bound);
        }
        fake_arm(k);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_string_equal(fake_state(k), before);
}

/* At whatever write of the bind it fails: all is as it was, in reverse, and the next one goes through. */
static void test_each_failure_of_bind(void **state)
{
        static const enum fake_fault_kind kinds[] = { FAULT_ERRNO, FAULT_ERRNO_AFTER, FAULT_LIE,
                                                      FAULT_KILL_BEFORE, FAULT_KILL_AFTER };
        unsigned n, failed = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                n = 1;
                for (unsigned at = 1; at <= n; at++) {
                        struct fake_kernel *k = fake_new();
                        const char *before, *now, *record;
                        struct fake_result r;

                        add_group(k);
                        before = fake_state(k);
                        fake_fault(k, kinds[i], at, EIO);
                        r = fake_bind(k, A);
                        n = at == 1 ? 40 : n;
                        if (k->points < at) {
                                n = 0; /* it was not reached */
                                fake_delete(k);
                                continue;
                        }
                        if (*k->violation)
                                fail_msg("fault %u at %u: %s", kinds[i], at, k->violation);
                        fake_arm(k);
                        if (r.signal == SIGKILL ||
                            streq(fake_record_state(k, A), "binding")) /* its commit may be late */
                                (void) fake_settle(k);
                        now = fake_state(k);
                        record = fake_record_state(k, A);
                        if (streq(now, before) != streq(record, "none") ||
                            (!streq(record, "none") && !streq(record, "bound")))
                                fail_msg("fault %u at %u: %s, record %s: %s; written: %s", kinds[i], at,
                                         fake_result_text(&r), record, now, k->log);
                        failed += r.outcome == BIND_FAILED;
                        if (streq(record, "none"))
                                assert_outcome(k, fake_bind(k, A), BIND_BOUND);
                        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
                        assert_string_equal(fake_state(k), before);
                        fake_delete(k);
                }
        }
        assert_true(failed > 10);
}

/* The order of the way back: the last that went is the first to return. */
static void test_reverse(void **state)
{
        struct fake_kernel *k = *state;
        const char *a, *b, *c, *before;
        struct fake_result r;

        add_group(k);
        before = fake_state(k);
        fake_refuse(k, FAKE_VARIANT, C, 1);
        r = fake_bind(k, A);
        assert_outcome(k, r, BIND_FAILED);
        assert_true(fake_result_has(&r, FINDING_BIND_FAILED, C, FAKE_VARIANT));
        assert_string_equal(fake_state(k), before);
        assert_string_equal(fake_record_state(k, A), "none");
        c = strstr(k->log, "drivers_probe=" C); /* refused; then all back */
        assert_non_null(c);
        c = strstr(c + 1, C);
        b = c ? strstr(c, "drivers/" FAKE_VFIO "/unbind=" B) : NULL;
        a = b ? strstr(b, "drivers/" FAKE_VFIO "/unbind=" A) : NULL;
        if (!a)
                fail_msg("%s", k->log);
}

/* A driver of the host that does not come back keeps the function in VFIO's hands, where somebody may try
 * again. */
static void test_no_return(void **state)
{
        struct fake_kernel *k = *state;
        const char *before, *bound;
        struct fake_result r;

        add_group(k);
        before = fake_state(k);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        bound = fake_state(k);
        fake_arm(k);
        fake_refuse(k, FAKE_HOST, A, UINT32_MAX);
        r = fake_unbind(k, A);
        assert_outcome(k, r, BIND_FAILED);
        assert_true(fake_result_has(&r, FINDING_BIND_FAILED, A, FAKE_HOST));
        assert_string_equal(fake_state(k), bound);
        assert_string_equal(fake_record_state(k, A), "bound");
        fake_arm(k);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_string_equal(fake_state(k), before);
}

static void test_quarantine(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_result r;
        const char *before;

        add_group(k);
        before = fake_state(k);
        fake_refuse(k, FAKE_HOST, A, UINT32_MAX);
        fake_fault(k, FAULT_ERRNO, 9, EIO);
        r = fake_bind(k, A);
        assert_outcome(k, r, BIND_QUARANTINED);
        assert_true(fake_result_has(&r, FINDING_BIND_QUARANTINED, A, FAKE_HOST));
        assert_string_equal(fake_record_state(k, A), "quarantined");
        assert_driver(k, C, FAKE_SECOND, FAKE_SECOND); /* what can go back has gone */

        fake_arm(k);
        assert_outcome(k, fake_settle(k), BIND_UNCHANGED); /* nobody goes at it by himself */
        r = fake_bind(k, A);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_QUARANTINED, A, FAKE_HOST));
        assert_int_equal(k->writes, 0);

        fake_arm(k);
        fake_fault(k, FAULT_ERRNO_AFTER, 1,
                   EIO); /* the record of the way back is there, and could not be synced */
        assert_outcome(k, fake_unbind(k, A), BIND_REFUSED);
        assert_string_equal(fake_record_state(k, A), "quarantined");
        fake_arm(k);
        assert_outcome(k, fake_settle(k), BIND_UNCHANGED);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_string_equal(fake_state(k), before);
        assert_string_equal(fake_record_state(k, A), "none");
}

/* The kernel says ENODEV also of a function that is there, where another tool was quicker: that is no reason
 * to forget it. */
static void test_not_gone(void **state)
{
        static const enum fake_fault_kind kinds[] = { FAULT_ERRNO, FAULT_ERRNO_AFTER };
        unsigned reached = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                for (unsigned at = 1; at <= 20; at++) {
                        struct fake_kernel *k = fake_new();
                        const char *before;

                        add_group(k);
                        before = fake_state(k);
                        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
                        fake_arm(k);
                        fake_fault(k, kinds[i], at, ENODEV);
                        if (fake_unbind(k, A).outcome == BIND_RETURNED && !streq(fake_state(k), before))
                                fail_msg("at %u: not home, and said to be: %s; written: %s", at,
                                         fake_state(k), k->log);
                        reached += k->points >= at;
                        fake_arm(k);
                        if (!streq(fake_state(k), before)) {
                                (void) fake_settle(k);
                                assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
                                assert_string_equal(fake_state(k), before);
                        }
                        fake_delete(k);
                }
        assert_true(reached > 10);
}

/* A function that goes at any write takes nobody along. */
static void test_vanishing(void **state)
{
        bool unbind = false;

        (void) state;
        for (unsigned at = 1;; at++) {
                struct fake_kernel *k = fake_new();
                const char *before, *now;
                struct fake_result r;
                unsigned points;

                add_group(k);
                before = fake_state(k);
                if (unbind)
                        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
                fake_arm(k);
                fake_fault(k, FAULT_VANISH, at, 0);
                r = unbind ? fake_unbind(k, A) : fake_bind(k, A);
                points = k->points;
                if (*k->violation)
                        fail_msg("at %u: %s", at, k->violation);
                now = fake_state(k);
                for (size_t i = 0; i < k->n_functions && strlen(now) < strlen(before); i++) {
                        struct fake_function *f = &k->functions[i];

                        if (!f->present)
                                continue;
                        if (f->group == 1 && !streq(f->bdf, "0000:00:01.0") &&
                            fake_driver_is_vfio(f->driver))
                                fail_msg("at %u: %s has not gone back: %s; written: %s", at, f->bdf,
                                         fake_result_text(&r), k->log);
                }
                if (strlen(now) < strlen(before) &&
                    (r.outcome != (unbind ? BIND_RETURNED : BIND_FAILED) || r.signal || r.status ||
                     !streq(fake_record_state(k, B), "none")))
                        fail_msg("at %u: %s, record %s", at, fake_result_text(&r), fake_record_state(k, B));
                for (size_t i = 0; i < k->n_functions; i++)
                        if (!k->functions[i].present) {
                                fake_plug(k, &k->functions[i]);
                                assert_outcome(k, fake_bind(k, A), BIND_BOUND);
                                assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
                        }
                fake_delete(k);
                if (points >= at)
                        continue;
                if (unbind)
                        break;
                unbind = true;
                at = 0;
        }
}

/* All gone; one gone and another one at its address. */
static void test_gone(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_function *f;
        struct fake_result r;
        const char *now;

        add_group(k);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        f = fake_find(k, A);
        fake_unplug(k, f);
        f->device = FAKE_NOBODYS_ID;
        fake_plug(k, f);
        now = fake_state(k);
        fake_arm(k);
        assert_outcome(k, fake_unbind(k, B), BIND_RETURNED);
        assert_null(strstr(k->log, A)); /* another one, which has nothing to go back to */
        assert_driver(k, C, FAKE_SECOND, FAKE_SECOND);
        assert_string_not_equal(fake_state(k), now);

        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        for (size_t i = 0; i < k->n_functions; i++)
                fake_unplug(k, &k->functions[i]);
        fake_arm(k);
        assert_outcome(k, fake_settle(k), BIND_GONE);
        assert_string_equal(fake_record_state(k, A), "none");
        r = fake_bind(k, A);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_UNASSIGNABLE, A, ""));
        assert_int_equal(k->writes, 0);
}

/* The same kind, told apart by its serial number. */
static void test_other_serial(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_function *f;

        add_group(k);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        f = fake_find(k, A);
        fake_unplug(k, f);
        strcpy(f->serial, "00-02-c9-03-00-0a-5f-d7");
        fake_plug(k, f);
        fake_place(k, f, FAKE_VFIO, FAKE_VFIO); /* somebody else has bound this one */
        fake_arm(k);
        assert_outcome(k, fake_unbind(k, B), BIND_RETURNED);
        assert_driver(k, A, FAKE_VFIO, FAKE_VFIO);
}

/* To name a function that has left is no way past a use of those that are there. */
static void test_named_gone(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        fake_unplug(k, fake_find(k, A));
        fake_find(k, B)->used = true;
        fake_link(k, "sys/dev/char/244:1", "../../devices/virtual/vfio/1");
        fake_write(k, "proc/200/comm", "qemu\n");
        fake_write(k, "vfioalign/answers", "open-device-nodes\tall 200:c:244:1\n");
        fake_arm(k);
        r = fake_unbind(k, A);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_IN_USE, B, "qemu"));
        assert_int_equal(k->writes, 0);
}

/* A function that comes into a group that is bound: nobody says that all is well, and no second record
 * splits the group. */
static void test_late_member(void **state)
{
        struct fake_kernel *k = *state;
        const char *late[] = { "0000:00:02.0", "0000:03:00.0" }; /* before the first, and behind the last */

        add_group(k);
        for (size_t i = 0; i < ELEMENTSOF(late); i++) {
                const char *before = fake_state(k), *names[] = { A, late[i] };
                struct fake_function *f;
                struct fake_result r;

                assert_outcome(k, fake_bind(k, A), BIND_BOUND);
                f = fake_add(k, late[i], FAKE_HOST_ID, NIC, 1, NULL);
                fake_arm(k);
                for (size_t n = 0; n < ELEMENTSOF(names); n++) {
                        r = fake_bind(k, names[n]);
                        assert_outcome(k, r, BIND_REFUSED);
                        assert_true(fake_result_has(&r, FINDING_BIND_BUSY, late[i], ""));
                }
                assert_int_equal(k->points, 0);
                assert_outcome(k, fake_unbind(k, late[i]), BIND_RETURNED);
                assert_null(strstr(k->log, late[i]));
                assert_string_equal(fake_record_state(k, A), "none");
                assert_outcome(k, fake_bind(k, late[i]), BIND_BOUND);
                assert_driver(k, late[i], FAKE_VFIO, FAKE_VFIO);
                assert_driver(k, A, FAKE_VFIO, FAKE_VFIO);
                assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
                assert_driver(k, late[i], FAKE_HOST, "");
                fake_unplug(k, f);
                assert_string_equal(fake_state(k), before);
        }
}

/* No binding outlives its boot, whatever lies in /run. */
static void test_reboot(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_function *f;
        const char *before;

        add_group(k);
        fake_fault(k, FAULT_KILL_AFTER, 8, 0);
        assert_int_equal(fake_bind(k, A).signal, SIGKILL);
        fake_reboot(k, true);
        fake_arm(k);
        f = fake_find(k, A);
        fake_place(k, f, FAKE_SECOND, FAKE_SECOND); /* in this boot it has another driver */
        before = fake_state(k);
        (void) fake_settle(k);
        assert_int_equal(k->writes, 0);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_string_equal(fake_state(k), before);
}

static void test_unreachable(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        fake_find(k, B)->silent = true;
        fake_show(k, fake_find(k, B));
        r = fake_bind(k, A);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_UNREACHABLE, B, ""));
        assert_int_equal(k->points, 0);
}

/* Past its deadline nothing more is written there; what was goes back. */
static void test_deadline(void **state)
{
        struct bind_order order = { .operation = BIND_BIND, .owner = "operator", .deadline_usec = 1 };
        struct fake_kernel *k = *state;
        struct fake_result r;
        const char *before;

        add_group(k);
        before = fake_state(k);
        r = fake_run(k, A, &order);
        assert_outcome(k, r, BIND_FAILED);
        assert_int_equal(k->writes, 0);
        assert_string_equal(fake_state(k), before);
        assert_string_equal(fake_record_state(k, A), "none");
}

/* Where the record cannot be written nothing else is. */
static void test_no_record(void **state)
{
        struct fake_kernel *k = *state;
        const char *before;

        add_group(k);
        before = fake_state(k);
        fake_fault(k, FAULT_ERRNO, 1, ENOSPC);
        k->faults[0].on = true;
        assert_outcome(k, fake_bind(k, A), BIND_REFUSED);
        assert_int_equal(k->writes, 0);
        assert_string_equal(fake_state(k), before);

        fake_arm(k);
        fake_fault(k, FAULT_ERRNO_AFTER, 1, EIO); /* it is there, and could not be synced */
        assert_outcome(k, fake_bind(k, A), BIND_REFUSED);
        assert_int_equal(k->writes, 0);
        fake_arm(k);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        fake_arm(k);
        before = fake_state(k);
        fake_fault(k, FAULT_ERRNO_AFTER, 1, EIO);
        assert_outcome(k, fake_unbind(k, A), BIND_REFUSED);
        fake_arm(k);
        (void) fake_settle(k);
        assert_string_equal(fake_state(k), before); /* what was refused is not done later */
        assert_string_equal(fake_record_state(k, A), "bound");
}

static bool is_damaged(struct fake_kernel *k, const char *bdf)
{
        struct bind_record record = {};
        struct root root;
        int r;

        assert_ok(root_open(&root, k->dir));
        r = bind_record_read(&record, &root, bdf);
        root_close(&root);
        bind_record_done(&record);
        return r == -EBADMSG;
}

/* Where a record is damaged, its group stays where it is until somebody says where it has to go. */
static void test_damaged(void **state)
{
        struct bind_order order = { .operation = BIND_UNBIND, .owner = "operator", .driver = FAKE_HOST };
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        assert_outcome(k, fake_bind(k, OTHER), BIND_BOUND);
        fake_write(k, BIND_RECORDS "/" OTHER, "{\"boot_id\": ");
        fake_arm(k);
        r = fake_bind(k, OTHER);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_QUARANTINED, OTHER,
                                    "/" BIND_RECORDS "/" OTHER " is damaged"));
        r = fake_unbind(k, OTHER);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_QUARANTINED, OTHER, "is damaged"));
        (void) fake_settle(k);
        assert_outcome(k, fake_run(k, OTHER, &(struct bind_order){ .operation = BIND_SETTLE }),
                       BIND_REFUSED);
        assert_int_equal(k->writes, 0);
        assert_driver(k, OTHER, FAKE_VFIO, FAKE_VFIO);
        assert_true(is_damaged(k, OTHER));

        /* Other groups do not notice. */
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);

        order.dry_run = true;
        k->read_only = true;
        assert_outcome(k, fake_run(k, OTHER, &order), BIND_PLANNED);
        k->read_only = false;
        order.dry_run = false;
        fake_arm(k);
        fake_fault(k, FAULT_ERRNO, 1, ENOSPC);
        assert_outcome(k, fake_run(k, OTHER, &order), BIND_REFUSED);
        assert_int_equal(k->writes, 0);
        assert_true(is_damaged(k, OTHER));

        fake_arm(k);
        assert_outcome(k, fake_run(k, OTHER, &order), BIND_RETURNED);
        assert_driver(k, OTHER, FAKE_HOST, "");
        assert_false(is_damaged(k, OTHER));
        assert_string_equal(fake_record_state(k, OTHER), "none");
        assert_outcome(k, fake_bind(k, OTHER), BIND_BOUND);
        assert_outcome(k, fake_unbind(k, OTHER), BIND_RETURNED);

        /* It is where it has to be already. */
        fake_write(k, BIND_RECORDS "/" OTHER, "");
        fake_arm(k);
        assert_outcome(k, fake_bind(k, OTHER), BIND_REFUSED);
        assert_outcome(k, fake_run(k, OTHER, &order), BIND_UNCHANGED);
        assert_int_equal(k->writes, 0);
        assert_false(is_damaged(k, OTHER));
        assert_outcome(k, fake_bind(k, OTHER), BIND_BOUND);
}

/* A record has the name of its first function, and functions come and go. */
static void test_damaged_of_another(void **state)
{
        struct bind_order order = { .operation = BIND_UNBIND, .owner = "operator", .driver = FAKE_HOST };
        struct fake_kernel *k = *state;

        add_group(k);
        fake_write(k, BIND_RECORDS "/" B, "x");
        for (const char *const *bdf = (const char *const[]){ A, B, C, NULL }; *bdf; bdf++) {
                struct fake_result r = fake_bind(k, *bdf);

                assert_outcome(k, r, BIND_REFUSED);
                assert_true(fake_result_has(&r, FINDING_BIND_QUARANTINED, B,
                                            "/" BIND_RECORDS "/" B " is damaged"));
                assert_outcome(k, fake_unbind(k, *bdf), BIND_REFUSED);
                assert_outcome(k, fake_run(k, *bdf, &order), BIND_REFUSED);
        }
        assert_int_equal(k->writes, 0);
        assert_true(is_damaged(k, B));
        assert_outcome(k, fake_bind(k, OTHER), BIND_BOUND);
}

/* Killed at any point of the way out, it ends with VFIO or with the driver that was named, and never in
 * between. */
static void test_damaged_killed(void **state)
{
        static const enum fake_fault_kind kinds[] = { FAULT_KILL_BEFORE, FAULT_KILL_AFTER };
        struct bind_order order = { .operation = BIND_UNBIND, .owner = "operator", .driver = FAKE_HOST };
        unsigned killed = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                for (unsigned at = 1, n = 1; at <= n; at++) {
                        struct fake_kernel *k = fake_new();
                        struct fake_result r;

                        add_group(k);
                        assert_outcome(k, fake_bind(k, OTHER), BIND_BOUND);
                        fake_write(k, BIND_RECORDS "/" OTHER, "x");
                        fake_arm(k);
                        fake_fault(k, kinds[i], at, 0);
                        r = fake_run(k, OTHER, &order);
                        if (r.signal == SIGKILL) {
                                killed++;
                                n = at + 1;
                        }
                        fake_arm(k);
                        (void) fake_settle(k);
                        if (is_damaged(k, OTHER) || streq(fake_record_state(k, OTHER), "bound"))
                                assert_driver(k, OTHER, FAKE_VFIO, FAKE_VFIO);
                        else
                                assert_driver(k, OTHER, FAKE_HOST, "");
                        if (*k->violation)
                                fail_msg("point %u: %s", at, k->violation);
                        fake_delete(k);
                }
        assert_true(killed >= 8);
}
int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_settle_not_committed, setup, teardown),
                cmocka_unit_test(test_each_failure_of_bind),
                cmocka_unit_test_setup_teardown(test_reverse, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_return, setup, teardown),
                cmocka_unit_test_setup_teardown(test_quarantine, setup, teardown),
                cmocka_unit_test(test_not_gone),
                cmocka_unit_test(test_vanishing),
                cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_serial, setup, teardown),
                cmocka_unit_test_setup_teardown(test_named_gone, setup, teardown),
                cmocka_unit_test_setup_teardown(test_late_member, setup, teardown),
                cmocka_unit_test_setup_teardown(test_reboot, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unreachable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_record, setup, teardown),
                cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
                cmocka_unit_test_setup_teardown(test_damaged_of_another, setup, teardown),
                cmocka_unit_test(test_damaged_killed),
        };

        alarm(test_slower() * 100); /* where a test waits for somebody who has died */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
