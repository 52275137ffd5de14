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
#define DROP_IN "etc/vfioalignd.conf.d/"

/* What was wrong, one line each: "FILE:LINE: error|warning: TEXT". */
static char problems[4096];

static void on_problem(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        size_t n = strlen(problems);

        assert_ptr_equal(userdata, problems);
        snprintf(problems + n, sizeof(problems) - n, "%s:%u: %s: %s\n", file, line, fatal ? "error" : "warning", what);
}

static int read_config(struct fixture *f, struct config *c)
{
        *problems = '\0';
        return config_read(c, &f->root, on_problem, problems);
}

static void assert_config(const struct config *c, enum policy module, uint64_t deadline_usec, enum no_answer no_answer)
{
        assert_int_equal(c->module, module);
        assert_int_equal(c->hook_deadline_usec, deadline_usec);
        assert_int_equal(c->no_answer, no_answer);
}

static void assert_default(const struct config *c)
{
        const struct config d = config_default();

        assert_config(c, d.module, d.hook_deadline_usec, d.no_answer);
}

static void test_missing(void **state)
{
        struct config c;

        assert_ok(read_config(*state, &c));
        assert_string_equal(problems, "");
        assert_default(&c);
}

static void test_values(void **state)
{
        struct fixture *f = *state;
        struct config c;

        fixture_write(f, MAIN,
                      "# a comment\n; another\n\n[Fix]\nModule=suggest\n\n[Guest]\r\n"
                      "  HookDeadlineSec = 0.5 ; inline\nNoAnswer: refuse");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");
        assert_config(&c, POLICY_SUGGEST, 500000, NO_ANSWER_REFUSE);
}

static void test_unknown_key(void **state)
{
        struct fixture *f = *state;
        struct config c;

        fixture_write(f, MAIN, "Module=off\n[Fix]\nModul=off\nmodule=off\n\n[Gust]\nNoAnswer=refuse\n[Guest]\nNoAnswer=refuse\n");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, MAIN ":1: warning: unknown key 'Module' in section [], ignoring\n"
                                      MAIN ":3: warning: unknown key 'Modul' in section [Fix], ignoring\n"
                                      MAIN ":4: warning: unknown key 'module' in section [Fix], ignoring\n"
                                      MAIN ":7: warning: unknown key 'NoAnswer' in section [Gust], ignoring\n");
        assert_config(&c, POLICY_ON, 5 * USEC_PER_SEC, NO_ANSWER_REFUSE);
}

static void test_bad_value(void **state)
{
        static const struct {
                const char *text, *problem;
        } cases[] = {
                {"[Fix]\nModule=yes\n", MAIN ":2: error: Module=yes: wanted on, suggest or off\n"},
                {"[Fix]\nModule=\n", ":2: error: Module=: wanted on, suggest or off\n"},
                {"[Guest]\nHookDeadlineSec=0\n", ":2: error: HookDeadlineSec=0: wanted seconds from 0.1 to 60\n"},
                {"[Guest]\nHookDeadlineSec=61\n", ":2: error: HookDeadlineSec=61: wanted seconds from 0.1 to 60\n"},
                {"[Guest]\nHookDeadlineSec=5s\n", ":2: error: HookDeadlineSec=5s: wanted seconds from 0.1 to 60\n"},
                {"[Guest]\nHookDeadlineSec=nan\n", ":2: error: HookDeadlineSec=nan: wanted seconds from 0.1 to 60\n"},
                {"[Guest]\nHookDeadlineSec=1e9999\n", ":2: error: HookDeadlineSec=1e9999: wanted seconds from 0.1 to 60\n"},
                {"[Guest]\nNoAnswer=deny\n", ":2: error: NoAnswer=deny: wanted allow or refuse\n"},
                {"[Fix]\nModule=on\nnonsense\n", ":3: error: neither a [section] nor a key=value\n"},
                {"[Fix\nModule=on\n", ":1: error: neither a [section] nor a key=value\n"},
                {"[Fix]\nModule=bad\n[Guest]\nNoAnswer=bad\n",
                 ":2: error: Module=bad: wanted on, suggest or off\n" MAIN ":4: error: NoAnswer=bad: wanted allow or refuse\n"},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct config c = {POLICY_OFF, 7, NO_ANSWER_REFUSE};

                fixture_write(f, MAIN, cases[i].text);
                assert_int_equal(read_config(f, &c), -EINVAL);
                assert_config(&c, POLICY_OFF, 7, NO_ANSWER_REFUSE); /* what was in force stays */
                if (!strstr(problems, cases[i].problem))
                        fail_msg("%s", problems);
        }
}

static void test_drop_ins(void **state)
{
        struct fixture *f = *state;
        struct config c = {POLICY_OFF, 7, NO_ANSWER_REFUSE};

        fixture_write(f, MAIN, "[Fix]\nModule=off\n[Guest]\nHookDeadlineSec=1\nNoAnswer=refuse\n");
        fixture_write(f, DROP_IN "20-b.conf", "[Guest]\nHookDeadlineSec=3\n");
        fixture_write(f, DROP_IN "10-a.conf", "[Guest]\nHookDeadlineSec=2\n[Fix]\nModule=suggest\n");
        fixture_write(f, DROP_IN ".hidden.conf", "[Guest]\nHookDeadlineSec=9\n");
        fixture_write(f, DROP_IN "30-c.conf.bak", "[Guest]\nHookDeadlineSec=9\n");
        fixture_write(f, DROP_IN ".conf", "[Guest]\nHookDeadlineSec=9\n");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");
        assert_config(&c, POLICY_SUGGEST, 3 * USEC_PER_SEC, NO_ANSWER_REFUSE);

        /* A section does not leak from one file into the next. */
        fixture_write(f, DROP_IN "15-x.conf", "HookDeadlineSec=9\n");
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, DROP_IN "15-x.conf:1: warning: unknown key 'HookDeadlineSec' in section [], ignoring\n");

        fixture_write(f, DROP_IN "15-x.conf", "\n[Guest]\nHookDeadlineSec=9 hours\n");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(problems, DROP_IN "15-x.conf:3: error: HookDeadlineSec=9 hours: wanted seconds from 0.1 to 60\n");

        fixture_remove(f, DROP_IN "15-x.conf");
        fixture_write(f, DROP_IN "15-x.conf/directory", "");
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_non_null(strstr(problems, DROP_IN "15-x.conf:0: error: cannot be read: "));
}

/* By name, however the file system lists them: with the last one gone, the one before it counts. */
static void test_drop_in_order(void **state)
{
        static const unsigned written[] = {4, 2, 6, 1, 5, 3};
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
                assert_int_equal(read_config(f, &c), extra ? -EINVAL : 0);
                assert_string_equal(problems,
                                    extra ? MAIN ":2: error: line is longer than 198 bytes\n"
                                            MAIN ":4: warning: unknown key 'Modul' in section [Fix], ignoring\n"
                                          : MAIN ":4: warning: unknown key 'Modul' in section [Fix], ignoring\n");
        }

        fixture_write_bytes(f, MAIN, "[Fix]\nMod\0ule=off\n", 18);
        assert_int_equal(read_config(f, &c), -EINVAL);
        assert_string_equal(problems, MAIN ":0: error: has a NUL byte: not a text file\n");

        fixture_write(f, MAIN, "\xef\xbb\xbf[Fix]\nModule=off\n"); /* a byte order mark */
        assert_ok(read_config(f, &c));
        assert_int_equal(c.module, POLICY_OFF);

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
        struct config c = {POLICY_OFF, 7, NO_ANSWER_REFUSE};
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
        assert_int_equal(keys, 3); /* those of struct config */

        fixture_write(f, MAIN, text);
        assert_ok(read_config(f, &c));
        assert_string_equal(problems, "");
        assert_default(&c);
}

int main(void)
{
#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_missing),  FIXTURE_TEST(test_values),   FIXTURE_TEST(test_unknown_key), FIXTURE_TEST(test_bad_value),
                FIXTURE_TEST(test_drop_ins), FIXTURE_TEST(test_drop_in_order),
                FIXTURE_TEST(test_odd_bytes), FIXTURE_TEST(test_shipped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
