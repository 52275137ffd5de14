/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "util/root.h"
#include "util/string-table.h"

/* etc/vfioalignd.conf and its drop-ins. */

/* What may be done about a finding without being asked. */
enum policy {
        POLICY_OFF,
        POLICY_SUGGEST, /* say what would help */
        POLICY_ON,      /* do it */
        _POLICY_MAX,
        _POLICY_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(policy, enum policy);

/* What the hook answers libvirt when the daemon gives no answer in time. */
enum no_answer {
        NO_ANSWER_ALLOW,
        NO_ANSWER_REFUSE,
        _NO_ANSWER_MAX,
        _NO_ANSWER_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(no_answer, enum no_answer);

struct config {
        enum policy module;           /* [Fix] Module= */
        uint64_t hook_deadline_usec;  /* [Guest] HookDeadlineSec= */
        enum no_answer no_answer;     /* [Guest] NoAnswer= */
};

/* Told of each thing wrong: the file, its line (0: the file as a whole), what it is, and whether it was ignored
 * (an unknown key) or makes the configuration unusable. */
typedef void (*config_problem_t)(const char *file, unsigned line, bool fatal, const char *what, void *userdata);

/* The defaults, then etc/vfioalignd.conf, then etc/vfioalignd.conf.d/ (files ending in .conf, by name), below
 * root. A missing file is fine. On a bad value or an unreadable file returns a negative errno, after all
 * problems have been reported, and leaves *ret alone. */
int config_read(struct config *ret, const struct root *root, config_problem_t problem, void *userdata);

/* The compiled-in defaults, which are also the comments in the shipped file. */
struct config config_default(void);
