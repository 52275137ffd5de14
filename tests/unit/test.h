/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

/* How much slower all is than usual: under sanitizers it is, and what a test allows may be so much longer.
 */
static inline unsigned test_slower(void)
{
        const char *text = getenv("TESTS_SLOWER");

        return text ? (unsigned) strtoul(text, NULL, 10) : 1;
}

#define assert_ok(expression) \
        do { \
                int _r = (expression); \
\
                if (_r < 0) \
                        fail_msg("%s: %s", #expression, strerror(-_r)); \
        } while (0)
