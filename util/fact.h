/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "string-table.h"

/* A fact has no opinion: what was seen, and how. "Unknown" is a value of its own and never read as "no". */

enum fact_value {
        FACT_UNKNOWN, /* zero, so a fact that nobody has looked at is unknown */
        FACT_NO,
        FACT_YES,
        _FACT_VALUE_MAX,
        _FACT_VALUE_INVALID = -EINVAL,
};

enum fact_source {
        SOURCE_NONE,
        SOURCE_SYSFS,
        SOURCE_PROC,
        SOURCE_CMDLINE,        /* the kernel's command line */
        SOURCE_BTF,            /* type information of the running kernel */
        SOURCE_KALLSYMS,       /* symbol names of the running kernel */
        SOURCE_KCORE,          /* memory of the running kernel, by /proc/kcore */
        SOURCE_MODULE_FILE,    /* symbols that the installed module asks for */
        SOURCE_MODULE_INDEX,   /* modules.dep and the like */
        SOURCE_SOCKET_PROBE,   /* where the kernel puts mappings of a TCP socket */
        SOURCE_ELF,            /* code of the emulator's binary */
        SOURCE_XML,            /* the domain XML */
        SOURCE_EMULATOR_PROBE, /* the emulator's mmap() calls on a device that does not exist */
        SOURCE_FILE,           /* whether a file is there, whose it is, or how old */
        _FACT_SOURCE_MAX,
        _FACT_SOURCE_INVALID = -EINVAL,
};

struct fact {
        enum fact_value value;
        enum fact_source source;
        const char *why; /* static text: why it is unknown, or what a yes or no rests on; or NULL */
};

DECLARE_STRING_TABLE(fact_value, enum fact_value);
DECLARE_STRING_TABLE(fact_source, enum fact_source);

static inline struct fact fact_is(bool b, enum fact_source source)
{
        return (struct fact){ .value = b ? FACT_YES : FACT_NO, .source = source };
}

static inline struct fact fact_unknown(const char *why)
{
        return (struct fact){ .value = FACT_UNKNOWN, .why = why };
}
