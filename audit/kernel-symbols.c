/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-symbols.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include "util/file.h"
#include "util/macro.h"

struct kernel_symbols {
        const struct root *root;
        struct btf *kernel;
        struct btf *module; /* split BTF on top of `kernel`; NULL where the module is built in or not loaded */
        char *kallsyms;     /* read at the first question that BTF does not settle */
        bool kallsyms_tried;
};

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
        (void) level, (void) format, (void) args;
        return 0;
}

static struct btf *btf_open(const struct root *root, const char *name, struct btf *base)
{
        _cleanup_free_ char *path = NULL;
        struct btf *btf;

        if (asprintf(&path, "%s/sys/kernel/btf/%s", root->path, name) < 0)
                return NULL;
        btf = btf__parse_split(path, base);
        return libbpf_get_error(btf) ? NULL : btf;
}

int kernel_symbols_open(const struct root *root, const char *module, struct kernel_symbols **ret)
{
        struct kernel_symbols *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        libbpf_set_print(silent);
        libbpf_set_strict_mode(LIBBPF_STRICT_ALL);

        s->root = root;
        s->kernel = btf_open(root, "vmlinux", NULL);
        if (s->kernel)
                s->module = btf_open(root, module, s->kernel);
        *ret = s;
        return 0;
}

void kernel_symbols_close(struct kernel_symbols *s)
{
        if (!s)
                return;
        btf__free(s->module);
        btf__free(s->kernel);
        free(s->kallsyms);
        free(s);
}

/* A line of kallsyms is "ADDRESS TYPE NAME" and, for a module's symbol, "\t[MODULE]". */
static struct fact kallsyms_has(struct kernel_symbols *s, const char *name)
{
        size_t n = strlen(name);

        if (!s->kallsyms_tried) {
                s->kallsyms_tried = true;
                (void) read_file_at(s->root->fd, "proc/kallsyms", FILE_MAX_SIZE, &s->kallsyms, NULL);
        }
        if (!s->kallsyms || !*s->kallsyms)
                return fact_unknown("neither BTF nor kallsyms can be read");

        for (const char *p = s->kallsyms; (p = strstr(p, name)); p += n)
                if (p > s->kallsyms && p[-1] == ' ' && strchr("\t\n", p[n]))
                        return fact_is(true, SOURCE_KALLSYMS);
        return fact_is(false, SOURCE_KALLSYMS);
}

struct fact kernel_symbols_has_function(struct kernel_symbols *s, const char *name)
{
        /* A lookup in split BTF covers its base. */
        struct btf *btf = s->module ?: s->kernel;

        if (btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0)
                return fact_is(true, SOURCE_BTF);
        /* pahole leaves out functions it finds odd, so that only kallsyms can say no. */
        return kallsyms_has(s, name);
}

struct fact kernel_symbols_has_member(struct kernel_symbols *s, const char *structure, const char *member)
{
        const struct btf_type *type;
        const struct btf_member *m;
        int id;

        if (!s->kernel)
                return fact_unknown("the kernel exports no BTF");
        id = btf__find_by_name_kind(s->kernel, structure, BTF_KIND_STRUCT);
        if (id < 0)
                return fact_is(false, SOURCE_BTF);

        type = btf__type_by_id(s->kernel, (unsigned) id);
        m = btf_members(type);
        for (unsigned i = 0; i < btf_vlen(type); i++)
                if (streq(btf__name_by_offset(s->kernel, m[i].name_off), member))
                        return fact_is(true, SOURCE_BTF);
        return fact_is(false, SOURCE_BTF);
}

struct fact kernel_symbols_has_enum(struct kernel_symbols *s, const char *name)
{
        if (!s->kernel)
                return fact_unknown("the kernel exports no BTF");
        return fact_is(btf__find_by_name_kind(s->kernel, name, BTF_KIND_ENUM) > 0, SOURCE_BTF);
}
