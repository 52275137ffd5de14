/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guarded-file.h"

#include <assert.h>
#include <errno.h>

#include "array.h"
#include "clock.h"
#include "file-observer.h"
#include "file.h"
#include "guarded-read.h"
#include "macro.h"
#include "memory.h"

/* How long is waited for an answer. The more have been late, the shorter is waited for others, down to what
 * a file of this host takes on a loaded machine. */
#define WAIT_USEC (2 * USEC_PER_SEC)
#define WAIT_LEAST_USEC (250 * USEC_PER_MSEC)
#define AGAIN_USEC (30 * USEC_PER_SEC)
#define LATE_MAX 64

struct guarded_files {
        struct guarded_reader *reader;
        struct late_place {
                char *place;
                uint64_t until; /* CLOCK_MONOTONIC */
        } * late;
        size_t n_late;
};

struct guarded_files *guarded_files_new(void)
{
        struct guarded_files *files = calloc(1, sizeof(*files));

        if (!files)
                return NULL;
        files->reader = guarded_reader_new();
        return files->reader ? files : guarded_files_free(files);
}

struct guarded_files *guarded_files_free(struct guarded_files *files)
{
        if (!files)
                return NULL;
        for (size_t i = 0; i < files->n_late; i++)
                free(files->late[i].place);
        free(files->late);
        guarded_reader_free(files->reader);
        free(files);
        return NULL;
}

static void forget_late(struct guarded_files *files)
{
        uint64_t now = clock_usec(CLOCK_MONOTONIC);
        size_t n = 0;

        for (size_t i = 0; i < files->n_late; i++)
                if (files->late[i].until > now)
                        files->late[n++] = files->late[i];
                else
                        free(files->late[i].place);
        files->n_late = n;
}

bool guarded_files_are_late(const struct root *root)
{
        assert(root);

        forget_late(root->files);
        return root->files->n_late > 0;
}

static bool is_late(const struct guarded_files *files, const char *place)
{
        for (size_t i = 0; i < files->n_late; i++)
                if (streq(files->late[i].place, place))
                        return true;
        return false;
}

static void note_late(struct guarded_files *files, const char *place)
{
        struct late_place late = { strdup(place), clock_usec(CLOCK_MONOTONIC) + AGAIN_USEC }, *slot;

        slot = late.place && files->n_late < LATE_MAX ? array_append(files->late, files->n_late) : NULL;
        if (slot)
                *slot = late;
        else
                free(late.place); /* it is only waited for again */
}

static uint64_t grant_time(const struct guarded_files *files)
{
        uint64_t usec = files->n_late < 16 ? WAIT_USEC >> files->n_late : 0;

        return usec > WAIT_LEAST_USEC ? usec : WAIT_LEAST_USEC;
}

struct call {
        const struct root *root;
        guarded_file_function_t f;
        const void *userdata;
};

/* From the child come this, what f has written, and what it has read, each as a struct report with its path
 * and its data behind it. */
struct answer {
        int result;
        size_t size;
};

struct report {
        enum file_kind kind;
        size_t path_size, data_size; /* path_size: with its NUL */
};

static void write_report(enum file_kind kind, const char *path, const char *data, size_t size,
                         void *userdata)
{
        struct report report = { kind, strlen(path) + 1, data ? size : 0 };
        FILE *out = userdata;

        fwrite(&report, sizeof(report), 1, out);
        fwrite(path, report.path_size, 1, out);
        fwrite(data ?: "", report.data_size, 1, out);
}

/* In the child, which ends after it. */
static void run_call(int dirfd, void *userdata, int out)
{
        const struct call *call = userdata;
        unsigned long failures = memory_failures();
        struct root root = *call->root;
        char *text = NULL, *reports = NULL;
        size_t size = 0, reports_size = 0;
        FILE *text_stream = open_memstream(&text, &size),
             *report_stream = open_memstream(&reports, &reports_size), *f = fdopen(out, "w");
        struct answer answer = {};

        if (!text_stream || !report_stream || !f)
                return;
        root.fd = dirfd;
        if (file_is_observed())
                file_observe(write_report, report_stream);
        answer.result = memory_check(failures, call->f(&root, call->userdata, text_stream));
        if (memory_stream_close(text_stream, &text) < 0 ||
            memory_stream_close(report_stream, &reports) < 0) {
                answer.result = -ENOMEM;
                size = reports_size = 0;
        }
        answer.size = size;
        fwrite(&answer, sizeof(answer), 1, f);
        fwrite(text, size, 1, f);
        fwrite(reports, reports_size, 1, f);
        (void) fflush(f);
}

static int replay_reports(const char *bytes, size_t size)
{
        while (size > 0) {
                struct report report;

                if (size < sizeof(report))
                        return -ECONNRESET;
                memcpy(&report, bytes, sizeof(report));
                bytes += sizeof(report);
                size -= sizeof(report);
                if (report.path_size == 0 || report.path_size > size ||
                    report.data_size > size - report.path_size || bytes[report.path_size - 1] != '\0')
                        return -ECONNRESET;
                file_report(report.kind, bytes, bytes + report.path_size, report.data_size);
                bytes += report.path_size + report.data_size;
                size -= report.path_size + report.data_size;
        }
        return 0;
}

/* bytes: the child's; cut to what f has written. */
static int take_answer(char *bytes, size_t size, size_t *ret_size)
{
        struct answer answer;
        int r;

        if (size < sizeof(answer))
                return -ECONNRESET;
        memcpy(&answer, bytes, sizeof(answer));
        size -= sizeof(answer);
        if (answer.size > size)
                return -ECONNRESET;
        r = replay_reports(bytes + sizeof(answer) + answer.size, size - answer.size);
        if (r < 0)
                return r;
        memmove(bytes, bytes + sizeof(answer), answer.size);
        bytes[answer.size] = '\0';
        *ret_size = answer.size;
        return answer.result;
}

static int run_here(const struct root *root, guarded_file_function_t f, const void *userdata, char **ret,
                    size_t *ret_size)
{
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r, q;

        if (!out)
                return -ENOMEM;
        r = f(root, userdata, out);
        q = memory_stream_close(out, &text);
        if (r < 0 || q < 0) {
                free(text);
                return r < 0 ? r : q;
        }
        *ret = text;
        *ret_size = size;
        return 0;
}

/* A record cannot show what did not answer, so that is an answer in it. */
#define QUESTION_LATE "late-file "

static int run_recorded(const struct root *root, const char *place, guarded_file_function_t f,
                        const void *userdata, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *question = NULL, *answer = NULL;

        if (asprintf(&question, QUESTION_LATE "%s", place) < 0) {
                question = NULL;
                return -ENOMEM;
        }
        answer = root_answer(root, question);
        return answer ? -ETIMEDOUT : run_here(root, f, userdata, ret, ret_size);
}

static int report_late(const struct root *root, const char *place)
{
        _cleanup_free_ char *question = NULL;

        if (!file_is_observed() || strpbrk(place, "\t\n"))
                return -ETIMEDOUT;
        if (asprintf(&question, QUESTION_LATE "%s", place) < 0) {
                question = NULL;
                return -ENOMEM;
        }
        root_note(root, question, "yes");
        return -ETIMEDOUT;
}

int guarded_file_run(const struct root *root, const char *place, guarded_file_function_t f,
                     const void *userdata, char **ret, size_t *ret_size)
{
        struct call call = { root, f, userdata };
        _cleanup_free_ char *bytes = NULL;
        struct guarded_files *files;
        size_t size;
        int r;

        assert(root);
        assert(place);
        assert(f);
        assert(ret);
        assert(ret_size);

        if (!root->live)
                return run_recorded(root, place, f, userdata, ret, ret_size);
        files = root->files;
        forget_late(files);
        if (is_late(files, place))
                return report_late(root, place);
        r = guarded_run(files->reader, grant_time(files), root->fd, run_call, &call, FILE_MAX_SIZE, &bytes,
                        &size);
        if (r == -ETIMEDOUT) {
                note_late(files, place);
                return report_late(root, place);
        }
        if (r < 0)
                return r;
        r = take_answer(bytes, size, &size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bytes);
        *ret_size = size;
        return 0;
}

static int write_status(const struct root *root, const void *userdata, FILE *out)
{
        struct stat st;
        int r;

        r = stat_at(root->fd, userdata, &st);
        if (r < 0)
                return r;
        fwrite(&st, sizeof(st), 1, out);
        return 0;
}

int guarded_file_stat(const struct root *root, const char *path, struct stat *ret)
{
        _cleanup_free_ char *bytes = NULL;
        size_t size;
        int r;

        assert(path);
        assert(ret);

        r = guarded_file_run(root, path, write_status, path, &bytes, &size);
        if (r < 0)
                return r;
        if (size != sizeof(*ret))
                return -ECONNRESET;
        memcpy(ret, bytes, sizeof(*ret));
        return 0;
}
