/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#include "ctl.h"
#include "long-run.h"
#include "util/clock.h"
#include "util/format.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/print.h"
#include "util/terminal.h"

#define ROWS_DEFAULT 24

static size_t count_rows(void)
{
        struct winsize size = {};

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
                return ROWS_DEFAULT;
        return size.ws_row;
}

/* The beginning of the text that has so many lines. */
static size_t measure_lines(const char *text, size_t lines)
{
        const char *p = text;

        while (lines-- > 0 && *p) {
                p += strcspn(p, "\n");
                p += *p == '\n';
        }
        return (size_t) (p - text);
}

/* What print() and the tables have escaped already. */
static void put_text(const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                fputc(text[i], stdout);
}

/* Draws the text over what was there: each line is cleared behind its end, and cut at the edge of the
 * terminal (DECAWM). */
static void draw_screen(const char *text, uint32_t seconds)
{
        size_t rows = count_rows(), n = measure_lines(text, rows > 3 ? rows - 3 : 1);
        const char *end = text + n;
        format_t now;

        fputs("\033[H\033[?7l", stdout);
        print(stdout, "Every %u s, %s; Ctrl-C ends it%s", seconds,
              format_time(clock_usec(CLOCK_REALTIME), now), *end ? "; there is more than fits" : "");
        fputs("\033[K\n\033[K\n", stdout);
        while (text < end) {
                size_t k = strcspn(text, "\n");

                put_text(text, k);
                fputs("\033[K\n", stdout);
                text += k + 1;
        }
        fputs("\033[?7h\033[J", stdout);
}

/* Calls look() with what it prints in a buffer; what is drawn over is also what it has to complain of. */
static int look_once(int (*look)(void *userdata), void *userdata, bool draw, char **ret_text)
{
        FILE *out = stdout, *error = stderr, *buffer;
        size_t size;
        int code;

        *ret_text = NULL;
        buffer = open_memstream(ret_text, &size);
        if (!buffer)
                return log_error(-errno, "Failed to look: %m"), CTL_FAILED;
        stdout = buffer;
        if (draw)
                stderr = buffer;
        code = look(userdata);
        stdout = out;
        stderr = error;
        if (memory_stream_close(buffer, ret_text) < 0)
                return log_error(-ENOMEM, "Failed to look: %m"), CTL_FAILED;
        return code;
}

/* Waits, and returns at once where a signal came already or comes. */
static void wait_for_next(uint32_t seconds, const sigset_t *signals)
{
        const struct timespec time = { .tv_sec = seconds };
        sigset_t before;

        sigprocmask(SIG_BLOCK, signals, &before);
        if (!long_run_stopped_by)
                (void) ppoll(NULL, 0, &time, &before);
        sigprocmask(SIG_SETMASK, &before, NULL);
}

int watch_run(uint32_t seconds, bool json, int (*look)(void *userdata), void *userdata)
{
        bool draw = terminal_is_able() && !json;
        sigset_t signals = long_run_catch_signals();
        int code = CTL_OK;

        if (draw)
                fputs("\033[H\033[2J", stdout);
        while (!long_run_stopped_by) {
                _cleanup_free_ char *text = NULL;

                code = look_once(look, userdata, draw, &text);
                if (draw)
                        draw_screen(text ?: "", seconds);
                else
                        put_text(text ?: "", strlen(text ?: ""));
                if (!draw && !json)
                        fputc('\n', stdout);
                if (fflush(stdout) != 0) {
                        log_error(-errno, "Failed to print the report: %m");
                        return CTL_FAILED;
                }
                wait_for_next(seconds, &signals);
        }
        if (long_run_stopped_by != SIGINT)
                raise(long_run_stopped_by); /* its handler is gone: the shell learns why this ended */
        return code;
}
