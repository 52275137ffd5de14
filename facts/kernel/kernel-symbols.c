/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-symbols.h"

#include <assert.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>

#include "util/file.h"
#include "util/kallsyms.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"

#define NAMES_MAX (GREP_WORDS_MAX - 1) /* and one that every kernel has */

struct kernel_symbols {
        const struct root *root;
        const char *module_name;
        struct btf *kernel; /* read at the first question that is not recorded */
        struct btf *module; /* split BTF on top of `kernel`; NULL if the module is built in or not loaded */
        bool btf_tried;
        char structure[64]; /* the last that was found, because libbpf looks through all types for a name */
        int structure_id;
        const char *const *names;
        struct file_lines kallsyms; /* read at the first question that BTF does not settle */
        bool kallsyms_tried;
        char *named; /* its lines with one of the names */
};

/* A line of kallsyms is "ADDRESS TYPE NAME" and, for a module's symbol, "\t[MODULE]". */
struct line {
        uint64_t address;
        char name[512];  /* KSYM_NAME_LEN */
        char module[64]; /* MODULE_NAME_LEN; empty for the kernel's own */
};

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
        (void) level, (void) format, (void) args;
        return 0;
}

static struct btf *btf_open(const struct root *root, const char *name, struct btf *base)
{
        char path[256], fd_path[64];
        _cleanup_close_ int fd = -EBADF;
        struct btf *btf;

        snprintf(path, sizeof(path), "sys/kernel/btf/%s", name);
        fd = open_regular_at(root->fd, path, NULL);
        if (fd < 0)
                return NULL;
        snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", fd);
        btf = btf__parse_split(fd_path, base);
        return libbpf_get_error(btf) ? NULL : btf;
}

/* A lookup in split BTF covers its base. Returns NULL if there is no BTF. */
static struct btf *get_btf(struct kernel_symbols *s)
{
        if (!s->btf_tried) {
                s->btf_tried = true;
                s->kernel = btf_open(s->root, "vmlinux", NULL);
                if (s->kernel)
                        s->module = btf_open(s->root, s->module_name, s->kernel);
        }
        return s->module ?: s->kernel;
}

void kernel_symbols_refresh(struct kernel_symbols *s)
{
        assert(s);
        if (s->kernel && !s->module)
                s->module = btf_open(s->root, s->module_name, s->kernel);
}

int kernel_symbols_open(const struct root *root, const char *module, const char *const names[],
                        struct kernel_symbols **ret)
{
        struct kernel_symbols *s;

        assert(root);
        assert(module);
        assert(names);
        assert(ret);

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        libbpf_set_print(print_nothing);
        libbpf_set_strict_mode(LIBBPF_STRICT_ALL);

        s->root = root;
        s->kallsyms = (struct file_lines) FILE_LINES_NONE;
        s->module_name = module;
        s->names = names;
        *ret = s;
        return 0;
}

void kernel_symbols_close(struct kernel_symbols *s)
{
        if (!s)
                return;
        btf__free(s->module);
        btf__free(s->kernel);
        file_lines_close(&s->kallsyms);
        free(s->named);
        free(s);
}

/* Takes the first line off *text; false at its end. What is not a line of kallsyms is skipped. */
static bool next_line(const char **text, struct line *ret)
{
        while (**text) {
                const char *end = strchrnul(*text, '\n');
                char line[640];
                int n;

                snprintf(line, sizeof(line), "%.*s", (int) (end - *text > 639 ? 639 : end - *text), *text);
                *text = *end ? end + 1 : end;
                ret->module[0] = '\0';
                n = sscanf(line, "%" SCNx64 " %*c %511s [%63[^]]]", &ret->address, ret->name, ret->module);
                if (n >= 2)
                        return true;
        }
        return false;
}

/* Reading kallsyms makes the kernel write all of it, which is most of what an audit costs, so it is read
 * once. */
static int grep_kallsyms(struct kernel_symbols *s, const char *const words[], char **ret)
{
        if (!s->kallsyms_tried) {
                s->kallsyms_tried = true;
                (void) kallsyms_open(s->root, &s->kallsyms);
        }
        if (!s->kallsyms.text)
                return -ENODATA;
        return file_lines_grep(&s->kallsyms, words, ret);
}

/* Returns NULL if there are no symbols: a container can show an empty file. */
static const char *get_named(struct kernel_symbols *s)
{
        /* Every kernel has _stext, so a symbol that is missing can be told from an empty file. */
        const char *words[NAMES_MAX + 2] = { " _stext\n" };
        char spaced[NAMES_MAX][64];

        if (!s->named) {
                for (size_t i = 0; s->names[i]; i++) {
                        assert(i < NAMES_MAX);
                        snprintf(spaced[i], sizeof(spaced[i]), " %s", s->names[i]);
                        words[i + 1] = spaced[i];
                }
                (void) grep_kallsyms(s, words, &s->named);
        }
        return s->named && *s->named ? s->named : NULL;
}

/* A compiler that changes the arguments of a static function marks that in its name. */
static bool is_named(const struct line *line, const char *name)
{
        const char *rest = startswith(line->name, name);

        return rest && (!*rest || startswith(rest, ".isra.") || startswith(rest, ".constprop."));
}

int kernel_symbols_address(struct kernel_symbols *s, const char *name, uint64_t *ret)
{
        struct line line;
        const char *text;

        assert(s);
        assert(name);
        assert(ret);

        text = get_named(s);
        if (!text)
                return -ENODATA;
        while (next_line(&text, &line)) {
                if (!is_named(&line, name))
                        continue;
                if (line.address == 0)
                        return -EACCES;
                *ret = line.address;
                return 0;
        }
        return -ENOENT;
}

int kernel_symbols_at(struct kernel_symbols *s, uint64_t address, char **ret_name, char **ret_module)
{
        _cleanup_free_ char *text = NULL, *name = NULL, *module = NULL;
        const char *p;
        struct line line;
        char word[32];
        int r;

        assert(s);
        assert(ret_name);
        assert(ret_module);

        snprintf(word, sizeof(word), "%016" PRIx64 " ", address);
        r = grep_kallsyms(s, (const char *const[]){ word, NULL }, &text);
        if (r < 0)
                return -ENODATA;
        for (p = text; next_line(&p, &line);) {
                /* The padding before a function has a symbol, "__pfx_NAME", even if it is empty. */
                if (line.address != address || startswith(line.name, "__pfx_"))
                        continue;
                name = strdup(line.name);
                module = *line.module ? strdup(line.module) : NULL;
                if (!name || (*line.module && !module)) {
                        memory_note_failure();
                        return -ENOMEM;
                }
                *ret_name = TAKE_PTR(name);
                *ret_module = TAKE_PTR(module);
                return 0;
        }
        return -ENOENT;
}

int kernel_symbols_size(struct kernel_symbols *s, uint64_t address, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        char here[32], next[32];
        uint64_t end = UINT64_MAX;
        struct line line;
        int r;

        assert(s);
        assert(ret);

        /* These two are what the addresses of symbols in this page and in the next one start with. */
        snprintf(here, sizeof(here), "%013" PRIx64, address >> 12);
        snprintf(next, sizeof(next), "%013" PRIx64, (address >> 12) + 1);
        r = grep_kallsyms(s, (const char *const[]){ here, next, NULL }, &text);
        if (r < 0)
                return -ENODATA;
        for (const char *p = text; next_line(&p, &line);)
                if (line.address > address && line.address < end)
                        end = line.address;
        if (end - address > KIB(4))
                return -ENOENT;
        *ret = end - address;
        return 0;
}

/* Returns the recorded answer ("yes", "no" or a number), or else the one of `ask`; NULL if there is neither,
 * or no memory. The caller frees it. */
static char *answer_question(struct kernel_symbols *s, const char *question, const char *a, const char *b,
                             char *(*ask)(struct kernel_symbols *s, const char *a, const char *b))
{
        char *answer = root_answer(s->root, question);

        if (answer)
                return answer;
        answer = get_btf(s) ? ask(s, a, b) : NULL;
        if (answer)
                root_note(s->root, question, answer);
        return answer;
}

static char *ask_function(struct kernel_symbols *s, const char *name, const char *unused)
{
        (void) unused;
        return memory_note(
                strdup(btf__find_by_name_kind(get_btf(s), name, BTF_KIND_FUNC) > 0 ? "yes" : "no"));
}

static char *ask_enum(struct kernel_symbols *s, const char *name, const char *unused)
{
        (void) unused;
        return memory_note(
                strdup(btf__find_by_name_kind(get_btf(s), name, BTF_KIND_ENUM) > 0 ? "yes" : "no"));
}

#define ANONYMOUS_MAX 4 /* how deep structures and unions without a name are looked into */

/* Finds the member and its offset, in bits. */
static bool find_member(struct btf *btf, unsigned id, const char *member, unsigned depth, unsigned *ret)
{
        const struct btf_type *type = btf__type_by_id(btf, id);

        if (!type || !btf_is_composite(type))
                return false;
        for (unsigned i = 0; i < btf_vlen(type); i++) {
                const struct btf_member *m = &btf_members(type)[i];
                const char *name = btf__name_by_offset(btf, m->name_off);
                unsigned within = 0;

                if (name && *name ? !streq(name, member)
                                  : depth == 0 || !find_member(btf, m->type, member, depth - 1, &within))
                        continue;
                *ret = btf_member_bit_offset(type, i) + within;
                return true;
        }
        return false;
}

/* Returns its type, or a negative errno. The types of a module come after the kernel's, which keep theirs.
 */
static int find_structure(struct kernel_symbols *s, const char *name)
{
        int id;

        if (streq(s->structure, name))
                return s->structure_id;
        id = btf__find_by_name_kind(get_btf(s), name, BTF_KIND_STRUCT);
        if (id > 0 && strlen(name) < sizeof(s->structure)) {
                strcpy(s->structure, name);
                s->structure_id = id;
        }
        return id;
}

/* The offset in bytes, or "no". */
static char *ask_member(struct kernel_symbols *s, const char *structure, const char *member)
{
        unsigned bits;
        char *offset;
        int id;

        id = find_structure(s, structure);
        if (id < 0 || !find_member(get_btf(s), (unsigned) id, member, ANONYMOUS_MAX, &bits))
                return memory_note(strdup("no"));
        return asprintf(&offset, "%u", bits / 8) < 0 ? memory_note(NULL) : offset;
}

bool kernel_symbols_btf_has_function(struct kernel_symbols *s, const char *name)
{
        _cleanup_free_ char *answer = NULL;
        char question[256];

        snprintf(question, sizeof(question), "btf function %s", name);
        answer = answer_question(s, question, name, NULL, ask_function);
        return answer && streq(answer, "yes");
}

struct fact kernel_symbols_has_function(struct kernel_symbols *s, const char *name)
{
        uint64_t address;
        int r;

        if (kernel_symbols_btf_has_function(s, name))
                return fact_is(true, SOURCE_BTF);
        /* pahole leaves out functions that it finds odd, so only kallsyms can say no. */
        r = kernel_symbols_address(s, name, &address);
        if (r == -ENODATA)
                return fact_unknown("neither BTF nor kallsyms can be read");
        return fact_is(r != -ENOENT, SOURCE_KALLSYMS);
}

static char *answer_member(struct kernel_symbols *s, const char *structure, const char *member)
{
        char question[256];

        snprintf(question, sizeof(question), "btf member %s %s", structure, member);
        return answer_question(s, question, structure, member, ask_member);
}

struct fact kernel_symbols_has_member(struct kernel_symbols *s, const char *structure, const char *member)
{
        _cleanup_free_ char *answer = answer_member(s, structure, member);

        if (!answer)
                return fact_unknown("the kernel exports no BTF");
        return fact_is(!streq(answer, "no"), SOURCE_BTF);
}

int kernel_symbols_offset(struct kernel_symbols *s, const char *structure, const char *member, uint64_t *ret)
{
        _cleanup_free_ char *answer = answer_member(s, structure, member);

        if (!answer)
                return -ENODATA;
        return parse_u64(answer, 10, ret) < 0 ? -ENOENT : 0;
}

struct fact kernel_symbols_has_enum(struct kernel_symbols *s, const char *name)
{
        _cleanup_free_ char *answer = NULL;
        char question[256];

        snprintf(question, sizeof(question), "btf enum %s", name);
        answer = answer_question(s, question, name, NULL, ask_enum);
        if (!answer)
                return fact_unknown("the kernel exports no BTF");
        return fact_is(streq(answer, "yes"), SOURCE_BTF);
}

const char *kernel_symbols_why(int error)
{
        return error == -EACCES ? "the kernel's addresses are shown to root only"
                                : "kallsyms cannot be read";
}
