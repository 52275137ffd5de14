/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind/worker-reply.h"

#include <fcntl.h>

#include "test.h"

#define GROUP \
        "{\"type\":\"group\",\"group\":12,\"outcome\":\"bound\"," \
        "\"devices\":[{\"address\":\"0000:01:00.0\"}],\"findings\":[{\"id\":\"bind-claimed\"}]}"
#define DONE "{\"type\":\"done\"}"
#define JUNK "!unexpected output;"

/* What the reader reported: "G" for a group, "E" and "!" with the message for an error and a bad line, "D".
 */
struct seen {
        char text[512];
        json_object *group; /* the last one */
};

static void note_reply(const struct worker_reply *reply, void *userdata)
{
        static const char types[_WORKER_REPLY_MAX] = { 'G', 'E', 'D', '!' };
        struct seen *s = userdata;
        size_t n = strlen(s->text);

        snprintf(s->text + n, sizeof(s->text) - n, "%c%s;", types[reply->type], reply->message ?: "");
        assert_int_equal(reply->type == WORKER_REPLY_GROUP, reply->group != NULL);
        if (reply->group) {
                json_object_put(s->group);
                s->group = json_object_get(reply->group);
        }
}

static void seen_done(struct seen *s)
{
        json_object_put(s->group);
        *s = (struct seen){};
}

/* What each output says. Both programs that run a worker read it so. */
static const struct {
        const char *output, *seen;
} cases[] = {
        { "", "" },
        { GROUP "\n" DONE "\n", "G;D;" },
        { GROUP "\n" GROUP "\n" DONE "\n", "G;G;D;" },
        { "  " GROUP "\n", "G;" },
        { "{\"more\":{\"a\":[1]}, \"type\":\"done\"}\n", "D;" },
        { "{\"type\":\"error\",\"message\":\"no memory\"}\n" DONE "\n", "Eno memory;D;" },
        { "{\"type\":\"error\"}\n", "Eno reason was given;" },
        { "{\"type\":\"error\",\"message\":7}\n", "Eno reason was given;" },

        /* Truncated: a line without its end is not a line. */
        { GROUP, "" },
        { DONE, "" },
        { GROUP "\n{\"type\":\"gr", "G;" },
        { "{\"type\":\"grou\n" DONE "\n", JUNK "D;" },

        /* Nothing counts after the last line. */
        { DONE "\n" GROUP "\njunk\n" DONE "\n", "D;" },

        /* A bad line costs that line alone. */
        { "junk\n" GROUP "\n" DONE "\n", JUNK "G;D;" },
        { GROUP "\n\n" GROUP "\n", "G;" JUNK "G;" },
        { "null\n", JUNK },
        { "[]\n", JUNK },
        { "7\n", JUNK },
        { "\"group\"\n", JUNK },
        { "{}\n", JUNK },
        { "\xff\xfe\n", JUNK },
        { "{\n", JUNK },
        { DONE " x\n", JUNK },
        { DONE DONE "\n", JUNK },
        { "{\"type\":3}\n", JUNK },
        { "{\"type\":null}\n", JUNK },
        { "{\"type\":\"other\"}\n", JUNK },
        { "{\"type\":\"Done\"}\n", JUNK },
        { "{\"type\":\"done\",\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}\n", JUNK },
};

/* Groups with one member that is not valid. */
static const struct {
        const char *group, *outcome, *devices, *findings;
} bad_groups[] = {
        { "\"12\"", "\"bound\"", "[]", "[]" },
        { "12.5", "\"bound\"", "[]", "[]" },
        { "null", "\"bound\"", "[]", "[]" },
        { "12", "\"transcended\"", "[]", "[]" },
        { "12", "\"\"", "[]", "[]" },
        { "12", "1", "[]", "[]" },
        { "12", "null", "[]", "[]" },
        { "12", "\"bound\"", "{}", "[]" },
        { "12", "\"bound\"", "null", "[]" },
        { "12", "\"bound\"", "[1]", "[]" },
        { "12", "\"bound\"", "[null]", "[]" },
        { "12", "\"bound\"", "[{}]", "[]" },
        { "12", "\"bound\"", "[{\"address\":7}]", "[]" },
        { "12", "\"bound\"", "[{\"address\":\"0000:01:00.0\"},{}]", "[]" },
        { "12", "\"bound\"", "[]", "{}" },
        { "12", "\"bound\"", "[]", "null" },
        { "12", "\"bound\"", "[]", "[\"x\"]" },
        { "12", "\"bound\"", "[]", "[{\"id\":null}]" },
};

/* Reads the bytes in pieces of that size. */
static void read_pieces(struct seen *s, const char *bytes, size_t size, size_t piece)
{
        struct worker_reader reader = { .on_reply = note_reply, .userdata = s };

        for (size_t n; size > 0; bytes += n, size -= n) {
                n = size < piece ? size : piece;
                worker_reader_take(&reader, bytes, n);
        }
        worker_reader_done(&reader);
}

static void test_lines(void **state)
{
        static const size_t pieces[] = { 1, 2, 7, 100000 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t k = 0; k < ELEMENTSOF(pieces); k++) {
                        struct seen s = {};

                        read_pieces(&s, cases[i].output, strlen(cases[i].output), pieces[k]);
                        if (!streq(s.text, cases[i].seen))
                                fail_msg("\"%s\", %zu bytes each: %s, expected %s", cases[i].output,
                                         pieces[k], s.text, cases[i].seen);
                        seen_done(&s);
                }
}

static void test_nul(void **state)
{
        static const char bytes[] = DONE "\0\n" GROUP "\n";
        struct seen s = {};

        (void) state;
        read_pieces(&s, bytes, sizeof(bytes) - 1, sizeof(bytes));
        assert_string_equal(s.text, JUNK "G;");
        seen_done(&s);
}

static void test_groups(void **state)
{
        struct seen s = {};
        char line[512];

        (void) state;
        assert_false(worker_group_is_valid(NULL));
        for (size_t i = 0; i < ELEMENTSOF(bad_groups); i++) {
                snprintf(line, sizeof(line),
                         "{\"type\":\"group\",\"group\":%s,\"outcome\":%s,\"devices\":%s,\"findings\":%s}\n",
                         bad_groups[i].group, bad_groups[i].outcome, bad_groups[i].devices,
                         bad_groups[i].findings);
                read_pieces(&s, line, strlen(line), sizeof(line));
                if (!streq(s.text, JUNK))
                        fail_msg("%s: %s", line, s.text);
                seen_done(&s);
        }
        for (enum bind_outcome o = 0; o < _BIND_OUTCOME_MAX; o++) {
                snprintf(line, sizeof(line),
                         "{\"type\":\"group\",\"group\":-1,\"outcome\":\"%s\","
                         "\"devices\":[],\"findings\":[]}\n",
                         bind_outcome_to_string(o));
                read_pieces(&s, line, strlen(line), sizeof(line));
                assert_string_equal(s.text, "G;");
                assert_int_equal(worker_group_outcome(s.group), o);
                seen_done(&s);
        }
}

/* size bytes of "x", and then what follows. */
static void read_long(struct seen *s, size_t size, const char *rest)
{
        _cleanup_free_ char *text = malloc(size + strlen(rest) + 1);

        assert_non_null(text);
        memset(text, 'x', size);
        strcpy(text + size, rest);
        read_pieces(s, text, size + strlen(rest), 65536);
}

static void test_long_line(void **state)
{
        struct seen s = {};

        (void) state;
        read_long(&s, WORKER_LINE_MAX, "\n" GROUP "\n" DONE "\n");
        assert_string_equal(s.text, JUNK "G;D;");
        seen_done(&s);

        /* It is reported before its end, and once. */
        read_long(&s, WORKER_LINE_MAX + 1, "");
        assert_string_equal(s.text, "!a line of more than 8 MiB;");
        seen_done(&s);
        read_long(&s, WORKER_LINE_MAX + (1 << 20), "\n" GROUP "\n" DONE "\n");
        assert_string_equal(s.text, "!a line of more than 8 MiB;G;D;");
        seen_done(&s);

        /* A long line that is good is good. */
        {
                _cleanup_free_ char *text = malloc(WORKER_LINE_MAX + 3);
                size_t head = strlen(GROUP) - 1;

                assert_non_null(text);
                memset(text, ' ', WORKER_LINE_MAX);
                memcpy(text, GROUP, head);
                strcpy(text + WORKER_LINE_MAX - 1, "}\n");
                read_pieces(&s, text, WORKER_LINE_MAX + 1, 65536);
                assert_string_equal(s.text, "G;");
                seen_done(&s);
        }
}

static void test_much_output(void **state)
{
        struct seen s = {};
        struct worker_reader reader = { .on_reply = note_reply, .userdata = &s };
        char line[(64 << 10) + 1];

        (void) state;
        snprintf(line, sizeof(line), "%-*s\n", (int) sizeof(line) - 2, GROUP);
        for (size_t i = 0; i < WORKER_OUTPUT_MAX / (sizeof(line) - 1); i++) {
                worker_reader_take(&reader, line, sizeof(line) - 1);
                assert_string_equal(s.text, "G;");
                *s.text = '\0';
        }
        worker_reader_take(&reader, line, sizeof(line) - 1);
        assert_string_equal(s.text, "!more than 16 MiB of output;");
        worker_reader_take(&reader, DONE "\n", strlen(DONE) + 1);
        assert_string_equal(s.text, "!more than 16 MiB of output;");
        assert_false(reader.done);
        worker_reader_done(&reader);
        seen_done(&s);
}

static void test_read(void **state)
{
        struct seen s = {};
        struct worker_reader reader = { .on_reply = note_reply, .userdata = &s };
        int fds[2];

        (void) state;
        assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        assert_int_equal(worker_reader_read(&reader, fds[0]), -EAGAIN);
        assert_int_equal(write(fds[1], DONE "\n", strlen(DONE) + 1), (ssize_t) strlen(DONE) + 1);
        assert_int_equal(worker_reader_read(&reader, fds[0]), (int) strlen(DONE) + 1);
        assert_true(reader.done);
        close(fds[1]);
        assert_int_equal(worker_reader_read(&reader, fds[0]), 0);
        assert_string_equal(s.text, "D;");
        close(fds[0]);
        worker_reader_done(&reader);
}

static void test_outcomes(void **state)
{
        (void) state;
        for (enum bind_outcome o = 0; o < _BIND_OUTCOME_MAX; o++) {
                assert_int_equal(bind_outcome_from_string(bind_outcome_to_string(o)), o);
                assert_int_equal(strncmp(bind_outcome_text(o), bind_outcome_to_string(o),
                                         strlen(bind_outcome_to_string(o))),
                                 0);
                /* Those that are good come first. */
                assert_int_equal(bind_outcome_is_good(o), o < BIND_REFUSED);
        }
        assert_null(bind_outcome_to_string(_BIND_OUTCOME_MAX));
        assert_null(bind_outcome_to_string(_BIND_OUTCOME_INVALID));
        assert_int_equal(bind_outcome_from_string("fine"), _BIND_OUTCOME_INVALID);
        assert_int_equal(bind_outcome_from_string(NULL), _BIND_OUTCOME_INVALID);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),       cmocka_unit_test(test_nul),
                cmocka_unit_test(test_groups),      cmocka_unit_test(test_long_line),
                cmocka_unit_test(test_much_output), cmocka_unit_test(test_read),
                cmocka_unit_test(test_outcomes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
