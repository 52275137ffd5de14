/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fact.h"

/* clang-format off */
static const char *const fact_value_table[_FACT_VALUE_MAX] = {
        [FACT_UNKNOWN] = "unknown",
        [FACT_NO] = "no",
        [FACT_YES] = "yes",
};
/* clang-format on */
DEFINE_STRING_TABLE(fact_value, enum fact_value);

static const char *const fact_source_table[_FACT_SOURCE_MAX] = {
        [SOURCE_NONE] = "none",
        [SOURCE_SYSFS] = "sysfs",
        [SOURCE_PROC] = "proc",
        [SOURCE_CMDLINE] = "kernel-cmdline",
        [SOURCE_BTF] = "btf",
        [SOURCE_KALLSYMS] = "kallsyms",
        [SOURCE_KCORE] = "kcore",
        [SOURCE_MODULE_FILE] = "module-file",
        [SOURCE_MODULE_INDEX] = "module-index",
        [SOURCE_SOCKET_PROBE] = "socket-probe",
        [SOURCE_ELF] = "elf",
        [SOURCE_XML] = "xml",
        [SOURCE_FILE] = "file",
        [SOURCE_EMULATOR_PROBE] = "emulator-probe",
};
DEFINE_STRING_TABLE(fact_source, enum fact_source);
