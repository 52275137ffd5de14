/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/wait.h>

#include "test.h"
#include "transaction-group.h"
#include "util/clock.h"
#include "util/macro.h"

/* There and back, each as it was; a second time nothing is written. */
static void test_round_trip(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_result r;
        const char *before;

        add_group(k);
        before = fake_state(k);
        r = fake_bind(k, B);
        assert_outcome(k, r, BIND_BOUND);
        assert_int_equal(r.writes, k->writes);
        assert_int_equal(r.n_members, 3);
        assert_string_equal(r.members[0].serial, SERIAL);
        assert_driver(k, A, FAKE_VFIO, FAKE_VFIO);
        assert_driver(k, B, FAKE_VFIO, FAKE_VFIO);
        assert_driver(k, C, FAKE_VARIANT, FAKE_VARIANT); /* by modules.alias */
        assert_driver(k, OTHER, FAKE_HOST, "");
        assert_driver(k, "0000:00:01.0", FAKE_PORT, "");
        assert_string_equal(fake_record_state(k, C), "bound");

        fake_arm(k);
        assert_outcome(k, fake_bind(k, C), BIND_UNCHANGED);
        assert_int_equal(k->points, 0); /* neither the kernel's files nor its own */

        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_string_equal(fake_state(k), before);
        assert_string_equal(fake_record_state(k, A), "none");

        fake_arm(k);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND); /* and all over again */
        assert_outcome(k, fake_unbind(k, C), BIND_RETURNED);
        assert_string_equal(fake_state(k), before);
}

/* What the function has had is what it gets, also where the kernel would choose otherwise. */
static void test_old_driver(void **state)
{
        static const struct {
                uint16_t device;
                const char *driver, *override, *control;
        } cases[] = {
                { FAKE_HOST_ID, FAKE_HOST, "", "on" },
                { FAKE_HOST_ID, FAKE_HOST, "", "auto" },
                { FAKE_HOST_ID, FAKE_HOST, FAKE_HOST, "on" },
                { FAKE_HOST_ID, FAKE_SECOND, "", "auto" }, /* bound by name */
                { FAKE_HOST_ID, FAKE_SECOND, "", "on" },
                { FAKE_HOST_ID, FAKE_HOST, FAKE_SECOND, "on" }, /* an override that came later */
                { FAKE_HOST_ID, "", "", "on" },
                { FAKE_HOST_ID, "", "", "auto" },
                { FAKE_HOST_ID, "", "none", "on" },
                { FAKE_HOST_ID, "", FAKE_HOST, "on" },
                { FAKE_HOST_ID, "", FAKE_VFIO, "on" },
                { FAKE_HOST_ID, FAKE_HOST, FAKE_VFIO, "on" }, /* prepared by somebody for the next probe */
                { FAKE_NOBODYS_ID, FAKE_SECOND, FAKE_SECOND, "on" },
                { FAKE_NOBODYS_ID, FAKE_SECOND, "", "on" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct fake_kernel *k = fake_new();
                struct fake_function *f = fake_add(k, A, cases[i].device, NIC, 1, NULL);
                const char *before;

                (void) state;
                fake_place(k, f, cases[i].driver, cases[i].override);
                strcpy(f->control, cases[i].control);
                fake_show(k, f);
                fake_arm(k);
                before = fake_state(k);
                assert_outcome(k, fake_bind(k, A), BIND_BOUND);
                assert_driver(k, A, FAKE_VFIO, FAKE_VFIO);
                assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
                if (!streq(fake_state(k), before))
                        fail_msg("case %zu: %s, and it was %s; written: %s", i, fake_state(k), before,
                                 k->log);
                fake_delete(k);
        }
}

static void test_named_driver(void **state)
{
        struct fake_kernel *k = *state;
        struct bind_order order = { .operation = BIND_BIND, .owner = "operator", .driver = FAKE_VFIO };
        struct fake_result r;

        fake_add(k, A, FAKE_VARIANT_ID, NIC, 1, NULL);
        fake_arm(k);
        assert_outcome(k, fake_run(k, A, &order), BIND_BOUND);
        assert_driver(k, A, FAKE_VFIO, FAKE_VFIO);
        assert_outcome(k, fake_run(k, A, &order), BIND_UNCHANGED);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);

        fake_arm(k);
        order.driver = FAKE_HOST; /* takes no function for guests */
        r = fake_run(k, A, &order);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_DRIVER, A, ""));
        fake_write(k, "sys/bus/pci/drivers/" FAKE_VARIANT, NULL); /* not loaded, nor to be loaded */
        r = fake_bind(k, A);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_DRIVER, A, FAKE_VARIANT));
        assert_int_equal(k->writes, 0);
        assert_string_equal(fake_record_state(k, A), "none");
}

/* Modules are loaded once nothing is against the operation, and only those that it is about. */
static void test_load(void **state)
{
        struct bind_order order = { .operation = BIND_BIND, .owner = "operator", .driver = "evil" };
        struct fake_kernel *k = *state;
        struct fake_function *f = fake_add(k, A, FAKE_VARIANT_ID, NIC, 1, NULL);

        fake_place(k, f, FAKE_HOST, "");
        fake_arm(k);
        assert_outcome(k, fake_run(k, A, &order), BIND_REFUSED);
        assert_string_equal(k->loaded, "");

        /* A VFIO driver, for a function that may not be taken. */
        fake_write(k, "sys/bus/pci/drivers/" FAKE_VARIANT, NULL);
        f->silent = true;
        fake_show(k, f);
        assert_outcome(k, fake_bind(k, A), BIND_REFUSED);
        assert_string_equal(k->loaded, "");
        f->silent = false;
        fake_show(k, f);
        order = (struct bind_order){ .operation = BIND_BIND, .owner = "operator", .dry_run = true };
        assert_outcome(k, fake_run(k, A, &order), BIND_PLANNED);
        assert_string_equal(k->loaded, "");

        assert_outcome(k, fake_bind(k, A), BIND_REFUSED); /* it cannot be loaded */
        assert_string_equal(k->loaded, FAKE_VARIANT ";");
        *k->loaded = '\0';
        k->loadable = true;
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        assert_string_equal(k->loaded, FAKE_VARIANT ";");

        /* Back to what is not made for it; and to what it had. */
        *k->loaded = '\0';
        order = (struct bind_order){ .operation = BIND_UNBIND, .owner = "operator", .driver = "evil" };
        assert_outcome(k, fake_run(k, A, &order), BIND_REFUSED);
        assert_string_equal(k->loaded, "");
        fake_write(k, "sys/bus/pci/drivers/" FAKE_HOST, NULL);
        order.driver = FAKE_HOST;
        k->loadable = false;
        assert_outcome(k, fake_run(k, A, &order), BIND_REFUSED);
        assert_string_equal(k->loaded, FAKE_HOST ";");
        *k->loaded = '\0';
        k->loadable = true;
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_string_equal(k->loaded, FAKE_HOST ";");
        assert_driver(k, A, FAKE_HOST, "");
}

/* What somebody else has bound goes where it is told to, and nowhere by itself. */
static void test_foreign(void **state)
{
        struct bind_order order = { .operation = BIND_UNBIND, .owner = "operator", .driver = FAKE_HOST };
        struct fake_kernel *k = *state;
        struct fake_result r;

        fake_place(k, fake_add(k, A, FAKE_HOST_ID, NIC, 1, NULL), FAKE_VFIO, FAKE_VFIO);
        fake_add(k, B, FAKE_HOST_ID, NIC, 1, NULL);
        fake_arm(k);
        r = fake_unbind(k, A);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_DRIVER, A, ""));
        assert_int_equal(k->writes, 0);

        /* The one that is there already stays; the other goes back to its driver. */
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        assert_driver(k, B, FAKE_VFIO, FAKE_VFIO);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_driver(k, A, FAKE_VFIO, FAKE_VFIO);
        assert_driver(k, B, FAKE_HOST, "");

        assert_outcome(k, fake_run(k, A, &order), BIND_RETURNED);
        assert_driver(k, A, FAKE_HOST, "");
        fake_arm(k);
        assert_outcome(k, fake_run(k, A, &order), BIND_UNCHANGED);
        assert_int_equal(k->points, 0);
}

/* Somebody else has given it another VFIO driver than ours: where it goes back to is still on record. */
static void test_other_vfio_driver(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_function *f = fake_add(k, A, FAKE_VARIANT_ID, NIC, 1, NULL);

        fake_place(k, f, FAKE_HOST, "");
        fake_arm(k);
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        assert_driver(k, A, FAKE_VARIANT, FAKE_VARIANT);

        fake_place(k, f, FAKE_VFIO, FAKE_VFIO);
        fake_arm(k);
        assert_outcome(k, fake_settle(k), BIND_UNCHANGED);
        assert_string_equal(fake_record_state(k, A), "bound");
        assert_outcome(k, fake_bind(k, A), BIND_REFUSED);
        assert_int_equal(k->writes, 0);
        assert_string_equal(fake_record_state(k, A), "bound");

        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_driver(k, A, FAKE_HOST, "");
        assert_string_equal(fake_record_state(k, A), "none");
}

static void test_dry_run(void **state)
{
        struct bind_order order = { .operation = BIND_BIND, .owner = "operator", .dry_run = true };
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        k->read_only = true;
        r = fake_run(k, A, &order);
        assert_outcome(k, r, BIND_PLANNED);
        assert_int_equal(r.n_members, 3);
        assert_string_equal(r.members[0].before.driver, FAKE_HOST);
        assert_string_equal(r.members[0].after.driver, FAKE_VFIO);
        assert_string_equal(r.members[2].after.override, FAKE_VARIANT);
        assert_false(fake_exists(k, BIND_RECORDS "/" A));

        k->read_only = false;
        assert_outcome(k, fake_bind(k, A), BIND_BOUND);
        k->read_only = true;
        order.operation = BIND_UNBIND;
        assert_outcome(k, fake_run(k, B, &order), BIND_PLANNED);
        assert_string_equal(fake_record_state(k, A), "bound");
        order.operation = BIND_BIND;
        assert_outcome(k, fake_run(k, B, &order), BIND_UNCHANGED);
}

/* A dry run says what is then written. */
static void assert_as_planned(struct fake_kernel *k, const struct bind_order *order, unsigned *by_name)
{
        struct bind_order dry = *order;
        struct fake_result plan;

        dry.dry_run = true;
        fake_arm(k);
        k->read_only = true;
        plan = fake_run(k, A, &dry);
        assert_outcome(k, plan, BIND_PLANNED);
        fake_arm(k);
        assert_outcome(k, fake_run(k, A, order), order->operation == BIND_BIND ? BIND_BOUND : BIND_RETURNED);
        if (!fake_plan_holds(k, &plan, order->operation, by_name))
                fail_msg("%s: %s", bind_operation_to_string(order->operation), k->log);
}

static void test_planned_writes(void **state)
{
        static const struct {
                uint16_t device;
                const char *driver, *override; /* where it is */
                const char *to;                /* the driver of the bind; NULL: the best one */
                const char *now_driver,
                        *now_override; /* where others put it while it is bound; NULL: nowhere */
                const char *back;      /* the driver of the unbind; NULL: the one that it had */
                unsigned by_name;
        } cases[] = {
                { FAKE_HOST_ID, FAKE_HOST, "", NULL, NULL, NULL, NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, FAKE_HOST, NULL, NULL, NULL, NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, FAKE_VFIO, NULL, NULL, NULL, NULL, 1 },
                { FAKE_HOST_ID, FAKE_SECOND, "", NULL, NULL, NULL, NULL, 1 },
                { FAKE_HOST_ID, FAKE_SECOND, FAKE_SECOND, NULL, NULL, NULL, NULL, 0 },
                { FAKE_HOST_ID, "", "", NULL, NULL, NULL, NULL, 0 },
                { FAKE_HOST_ID, "", "none", NULL, NULL, NULL, NULL, 0 },
                { FAKE_HOST_ID, "", FAKE_VFIO, NULL, NULL, NULL, NULL, 0 },
                { FAKE_NOBODYS_ID, "", "", NULL, NULL, NULL, NULL, 0 },
                { FAKE_VARIANT_ID, FAKE_HOST, "", NULL, NULL, NULL, NULL, 0 },
                { FAKE_VARIANT_ID, FAKE_HOST, "", FAKE_VFIO, NULL, NULL, NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, "", NULL, FAKE_VFIO, "", NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, "", NULL, FAKE_VARIANT, FAKE_VARIANT, NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, "", NULL, "", "", NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, "", NULL, FAKE_SECOND, "", NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, FAKE_HOST, NULL, FAKE_HOST, "", NULL, 0 },
                { FAKE_HOST_ID, FAKE_HOST, "", NULL, NULL, NULL, FAKE_SECOND, 1 },
                { FAKE_HOST_ID, FAKE_SECOND, FAKE_SECOND, NULL, NULL, NULL, FAKE_HOST, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct bind_order bind = { .operation = BIND_BIND,
                                           .owner = "operator",
                                           .driver = cases[i].to };
                struct bind_order unbind = { .operation = BIND_UNBIND,
                                             .owner = "operator",
                                             .driver = cases[i].back };
                struct fake_kernel *k = fake_new();
                unsigned by_name = 0;

                fake_place(k, fake_add(k, A, cases[i].device, NIC, 1, NULL), cases[i].driver,
                           cases[i].override);
                assert_as_planned(k, &bind, NULL);
                if (cases[i].now_driver)
                        fake_place(k, fake_find(k, A), cases[i].now_driver, cases[i].now_override);
                assert_as_planned(k, &unbind, &by_name);
                if (by_name != cases[i].by_name)
                        fail_msg("case %zu: written %s", i, k->log);
                fake_delete(k);
        }
}

/* Of a whole group, in the order in which it is done. */
static void test_planned_group(void **state)
{
        struct bind_order order = { .operation = BIND_BIND, .owner = "operator" };
        struct fake_kernel *k = *state;
        const char *before;

        add_group(k);
        before = fake_state(k);
        assert_as_planned(k, &order, NULL);
        assert_true(strstr(k->log, A) < strstr(k->log, C));

        fake_unplug(k, fake_find(k, B)); /* it needs nothing, and the others go back */
        order.operation = BIND_UNBIND;
        assert_as_planned(k, &order, NULL);
        assert_true(strstr(k->log, C) < strstr(k->log, A));
        assert_null(strstr(k->log, B));
        assert_string_not_equal(fake_state(k), before);
}

/* The second waits for the first; when that dies, it settles what that left, and goes on. */
static void test_two_at_a_time(void **state)
{
        struct bind_order order = { .operation = BIND_BIND, .owner = "operator" };
        struct fake_result *first = fake_result_new(), *second = fake_result_new();
        struct fake_kernel *k = *state;
        const char *before;
        pid_t a, b;
        char byte;

        add_group(k);
        before = fake_state(k);
        fake_fault(k, FAULT_HANG, 7, 0);
        a = fake_start(k, A, &order, first);
        assert_int_equal(read(k->hung_pipe[0], &byte, 1), 1);
        b = fake_start(k, B, &order, second);
        assert_int_equal(kill(a, SIGKILL), 0);
        fake_wait(a, first);
        fake_wait(b, second);
        assert_int_equal(first->signal, SIGKILL);
        assert_outcome(k, *second, BIND_BOUND);
        assert_driver(k, A, FAKE_VFIO, FAKE_VFIO);
        assert_outcome(k, fake_unbind(k, A), BIND_RETURNED);
        assert_string_equal(fake_state(k), before);
}

static void test_unassignable(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        fake_add(k, "0000:04:00.0", FAKE_HOST_ID, NIC, -1, NULL);
        fake_arm(k);
        for (const char *const *bdf =
                     (const char *const[]){ "0000:00:01.0", "0000:04:00.0", "0000:09:00.0", NULL };
             *bdf; bdf++) {
                r = fake_bind(k, *bdf);
                assert_outcome(k, r, BIND_REFUSED);
                assert_true(fake_result_has(&r, FINDING_BIND_UNASSIGNABLE, *bdf, ""));
        }
        assert_int_equal(k->points, 0);
}

/* As with VMD: B is below A, and would vanish when A loses its driver. */
static void test_child(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        fake_write(k, "sys/bus/pci/devices/" B, NULL);
        fake_link(k, "sys/bus/pci/devices/" B, "../../../devices/pci0000:00/" A "/../" B);
        fake_arm(k);
        for (const char *const *bdf = (const char *const[]){ A, B, NULL }; *bdf; bdf++) {
                r = fake_bind(k, *bdf);
                assert_outcome(k, r, BIND_REFUSED);
                assert_true(fake_result_has(&r, FINDING_BIND_GROUP, A, B " is below it"));
        }
        assert_int_equal(k->points, 0);
}

/* What an exclusive open can settle is no reason to refuse a bind. */
static void test_unknown_use(void **state)
{
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        fake_link(k, "sys/class/block/sda", "../../devices/pci0000:00/" A "/block/sda");
        fake_write(k, "sys/devices/pci0000:00/" A "/block/sda/dev", "8:0\n");
        fake_write(k, "proc/self/mountinfo", "22 1 0:30 / / rw - zfs tank rw\n");
        fake_arm(k);
        r = fake_bind(k, A);
        assert_outcome(k, r, BIND_REFUSED);
        assert_int_equal(r.n_findings, 1);
        /* the open, which fails here because there is no node */
        assert_true(fake_result_has(&r, FINDING_BIND_UNSEEN, A, "/dev/sda cannot be opened"));
}

/* A script has left it without a driver, and its override behind: a driver that is named gets it. */
static void test_driverless(void **state)
{
        struct bind_order order = { .operation = BIND_UNBIND, .owner = "operator", .driver = FAKE_HOST };
        const bdf_t named[] = { B };
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        fake_place(k, fake_find(k, A), "", FAKE_VFIO);
        fake_arm(k);
        assert_outcome(k, fake_unbind(k, A), BIND_UNCHANGED);
        assert_int_equal(k->points, 0);

        fake_refuse(k, FAKE_HOST, A, 2);
        r = fake_run(k, A, &order);
        assert_outcome(k, r, BIND_FAILED);
        assert_true(fake_result_has(&r, FINDING_BIND_FAILED, A, FAKE_HOST " did not take"));
        assert_driver(k, A, "", FAKE_VFIO);
        assert_string_equal(fake_record_state(k, A), "none");

        fake_arm(k);
        assert_as_planned(k, &order, NULL);
        assert_driver(k, A, FAKE_HOST, "");
        assert_driver(k, B, "", ""); /* nobody has named it */
        assert_string_equal(fake_record_state(k, A), "none");
        fake_arm(k);
        assert_outcome(k, fake_run(k, A, &order), BIND_UNCHANGED);
        assert_int_equal(k->points, 0);

        /* What was named together with others of its group counts as well. */
        order.driver = FAKE_SECOND;
        order.named = named;
        order.n_named = ELEMENTSOF(named);
        r = fake_run(k, C, &order);
        assert_outcome(k, r, BIND_RETURNED);
        assert_driver(k, B, FAKE_SECOND, "");
}

/* Another driver of the host has what was named: it stays, and that is not a success. */
static void test_unbind_from_host(void **state)
{
        struct bind_order order = { .operation = BIND_UNBIND, .owner = "operator", .driver = FAKE_SECOND };
        struct fake_kernel *k = *state;
        struct fake_result r;

        add_group(k);
        r = fake_run(k, OTHER, &order);
        assert_outcome(k, r, BIND_REFUSED);
        assert_true(fake_result_has(&r, FINDING_BIND_DRIVER, OTHER, "it is bound to " FAKE_HOST));
        assert_int_equal(k->points, 0);
        order.driver = FAKE_HOST;
        assert_outcome(k, fake_run(k, OTHER, &order), BIND_UNCHANGED);
}
int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
                cmocka_unit_test(test_old_driver),
                cmocka_unit_test_setup_teardown(test_named_driver, setup, teardown),
                cmocka_unit_test_setup_teardown(test_load, setup, teardown),
                cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_vfio_driver, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dry_run, setup, teardown),
                cmocka_unit_test(test_planned_writes),
                cmocka_unit_test_setup_teardown(test_planned_group, setup, teardown),
                cmocka_unit_test_setup_teardown(test_two_at_a_time, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unassignable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_child, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unknown_use, setup, teardown),
                cmocka_unit_test_setup_teardown(test_driverless, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unbind_from_host, setup, teardown),
        };

        alarm(test_slower() * 100); /* where a test waits for somebody who has died */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
