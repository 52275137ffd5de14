/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind/worker.h"

#include <sys/wait.h>

#include "bind/worker-reply.h"
#include "fake-run.h"
#include "test.h"
#include "util/macro.h"

/* The worker with its children, on the fake kernel. */

#define NIC 0x020000
#define A "0000:01:00.0"
#define B "0000:02:00.0"
#define MISSING "0000:7f:00.0"

/* "1 bound;2 failed;done;" in the order of the groups' numbers */
struct seen {
        char groups[3][32], rest[256];
};

static void note_reply(const struct worker_reply *reply, void *userdata)
{
        struct seen *s = userdata;
        size_t n = strlen(s->rest);

        if (reply->type == WORKER_REPLY_GROUP) {
                int number = json_object_get_int(json_object_object_get(reply->group, "group"));

                if (number < -1 || number > 2 || *s->groups[number < 0 ? 0 : number])
                        fail_msg("a group %d", number);
                snprintf(s->groups[number < 0 ? 0 : number], sizeof(s->groups[0]), "%d %s;", number,
                         bind_outcome_to_string(worker_group_outcome(reply->group)));
                return;
        }
        snprintf(s->rest + n, sizeof(s->rest) - n, "%s%s;", reply->type == WORKER_REPLY_DONE ? "done" : "! ",
                 reply->message ?: "");
}

/* Runs a worker in a process of its own, as its handlers of signals would stay; static text of what it says.
 */
static const char *run_worker(struct fake_kernel *k, const char *order, int expected_status)
{
        static char text[512];
        struct seen s = {};
        struct worker_reader reader = { .on_reply = note_reply, .userdata = &s };
        int out[2], status;
        pid_t pid;

        fflush(NULL);
        assert_int_equal(pipe(out), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                FILE *in = fmemopen((void *) order, strlen(order), "r"), *to = fdopen(out[1], "w");
                struct root root;

                close(out[0]);
                if (!in || !to || root_open(&root, k->dir) < 0)
                        _exit(99);
                _exit(worker_run(&root, in, to));
        }
        close(out[1]);
        while (worker_reader_read(&reader, out[0]) > 0)
                ;
        close(out[0]);
        worker_reader_done(&reader);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), expected_status);
        snprintf(text, sizeof(text), "%s%s%s%s", s.groups[0], s.groups[1], s.groups[2], s.rest);
        return text;
}

static const char *run_order(struct fake_kernel *k, enum bind_operation operation, bool dry_run)
{
        const char *const devices[] = { A, B, A };
        size_t n = operation == BIND_SETTLE ? 0 : ELEMENTSOF(devices);
        _cleanup_free_ char *order = worker_order_format(operation, devices, n, NULL, "operator", dry_run,
                                                         false, USEC_PER_SEC * 30, 0);

        assert_non_null(order);
        return run_worker(k, order, EXIT_SUCCESS);
}

static int setup(void **state)
{
        struct fake_kernel *k = fake_new();

        fake_add(k, A, FAKE_HOST_ID, NIC, 1, NULL);
        fake_add(k, B, FAKE_HOST_ID, NIC, 2, NULL);
        fake_arm(k);
        *state = k;
        return 0;
}

static int teardown(void **state)
{
        fake_delete(*state);
        return 0;
}

/* Each group once, however often it is named. */
static void test_groups(void **state)
{
        struct fake_kernel *k = *state;
        const char *before = fake_state(k);

        assert_string_equal(run_order(k, BIND_BIND, true), "1 planned;2 planned;done;");
        assert_string_equal(fake_state(k), before);
        assert_string_equal(run_order(k, BIND_BIND, false), "1 bound;2 bound;done;");
        assert_string_equal(fake_find(k, A)->driver, FAKE_VFIO);
        assert_string_equal(run_order(k, BIND_BIND, false), "1 unchanged;2 unchanged;done;");
        assert_string_equal(run_order(k, BIND_SETTLE, false), "1 unchanged;2 unchanged;done;");
        assert_string_equal(run_order(k, BIND_UNBIND, false), "1 returned;2 returned;done;");
        assert_string_equal(fake_state(k), before);
        assert_string_equal(*k->violation ? k->violation : "", "");
}

static void test_missing(void **state)
{
        const char *const devices[] = { MISSING };
        _cleanup_free_ char *order = worker_order_format(BIND_BIND, devices, 1, NULL, "operator", false,
                                                         false, USEC_PER_SEC, 0);

        assert_string_equal(run_worker(*state, order, EXIT_SUCCESS), "-1 refused;done;");
}

/* A child that is killed anywhere: another one settles, and the other group does not notice. */
static void test_killed_child(void **state)
{
        struct fake_kernel *k = *state;
        const char *const bdfs[] = { A, B };
        const char *before = fake_state(k), *text;
        unsigned killed = 0;

        for (unsigned at = 1; at <= 24; at++) {
                fake_arm(k);
                fake_fault(k, FAULT_KILL_BEFORE, at, 0);
                text = run_order(k, BIND_BIND, false);
                if (*k->violation)
                        fail_msg("at %u: %s", at, k->violation);
                if (!streq(text, "1 bound;2 bound;done;")) {
                        killed++;
                        if (!streq(text, "1 failed;2 bound;done;") && !streq(text, "1 bound;2 failed;done;"))
                                fail_msg("at %u: %s", at, text);
                }
                /* Nothing is left for somebody else to settle. */
                for (size_t i = 0; i < ELEMENTSOF(bdfs); i++) {
                        const char *record = fake_record_state(k, bdfs[i]);

                        if (!streq(record, "none") && !streq(record, "bound"))
                                fail_msg("at %u: %s, the record of %s says %s", at, text, bdfs[i], record);
                }
                fake_arm(k);
                (void) run_order(k, BIND_UNBIND, false);
                assert_string_equal(fake_state(k), before);
                assert_string_equal(fake_record_state(k, A), "none");
                assert_string_equal(fake_record_state(k, B), "none");
        }
        assert_true(killed > 8);
}

/* A child that hangs is asked to roll back, then killed; the other group is through at once. */
static void test_hung_child(void **state)
{
        const char *const devices[] = { A, B };
        _cleanup_free_ char *order = worker_order_format(BIND_BIND, devices, 2, NULL, "operator", false,
                                                         false, USEC_PER_MSEC * 500, 0);
        struct fake_kernel *k = *state;
        const char *text;

        fake_fault(k, FAULT_HANG, 6, 0);
        text = run_worker(k, order, EXIT_SUCCESS);
        if (!streq(text, "1 failed;2 bound;done;") && !streq(text, "1 bound;2 failed;done;"))
                fail_msg("%s", text);
        assert_true(k->hung > 0);
}

static void test_bad_orders(void **state)
{
        static const char *const cases[][2] = {
                { "x", "it is not a JSON object" },
                { "[]", "it is not a JSON object" },
                { "{\"operation\":\"steal\"}", "it has no valid operation" },
                { "{\"operation\":\"bind\"}", "it lacks an owner" },
                { "{\"operation\":\"bind\",\"owner\":\"o\",\"timeout_usec\":1,\"driver\":\"a/b\"}",
                  "not a name" },
                { "{\"operation\":\"bind\",\"owner\":\"o\",\"timeout_usec\":1}", "not a list of addresses" },
                { "{\"operation\":\"bind\",\"owner\":\"o\",\"timeout_usec\":1,\"devices\":[]}",
                  "it names no device" },
                { "{\"operation\":\"bind\",\"owner\":\"o\",\"timeout_usec\":1,\"devices\":[\"x\"]}",
                  "not a list of addresses" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *text = run_worker(*state, cases[i][0], EXIT_FAILURE);

                if (!startswith(text, "! the order cannot be carried out: ") || !strstr(text, cases[i][1]))
                        fail_msg("%s: %s", cases[i][0], text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
                cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_killed_child, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hung_child, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_orders, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
