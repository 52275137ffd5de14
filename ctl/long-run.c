/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "long-run.h"

#include <stdio.h>
#include <unistd.h>

#include "util/macro.h"
#include "util/print.h"

volatile sig_atomic_t long_run_stopped_by;

static void note_signal(int signal)
{
        long_run_stopped_by = signal;
}

sigset_t long_run_catch_signals(void)
{
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
        const struct sigaction action = { .sa_handler = note_signal, .sa_flags = (int) SA_RESETHAND };
        struct sigaction old;
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
                        sigaction(signals[i], &action, NULL);
                sigaddset(&set, signals[i]);
        }
        return set;
}

void long_run_show_progress(const char *text)
{
        if (!isatty(STDERR_FILENO))
                return;
        fputc('\r', stderr);
        print(stderr, "%s", text ?: "");
        fputs("\033[K", stderr);
}
