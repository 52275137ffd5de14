/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies a file that people read and inserts lists where it asks for them. This runs at build time, so the
 * tables in the code stay the only source of their texts. */
#include <ctype.h>
#include <stdio.h>

#include "audit/finding.h"
#include "audit/rank.h"
#include "config/fix-id.h"
#include "report/metrics.h"
#include "util/macro.h"

/* As scdoc takes it. */
static void print_escaped(const char *text)
{
        for (; *text; text++) {
                if (strchr("*_\\#~", *text))
                        putchar('\\');
                putchar(*text);
        }
}

static void print_findings(void)
{
        for (enum finding_id id = 0; id < _FINDING_MAX; id++) {
                const struct finding_type *type = finding_type(id);
                _cleanup_free_ char *remedy = finding_type_remedy(type);

                printf("%s*%s* (%s)\n\t", id > 0 ? "\n\n" : "", finding_to_string(id),
                       finding_severities(id));
                print_escaped(type->text);
                printf(".++\n\t");
                print_escaped(type->explanation);
                printf("++\n\tWhat helps: ");
                print_escaped(remedy ?: type->remedy);
                putchar('.');
        }
}

/* A sentence for scdoc, of a clause. */
static void print_sentence(const char *clause)
{
        putchar(toupper((unsigned char) *clause));
        print_escaped(clause + 1);
        putchar('.');
}

static void print_fix(enum fix_id id)
{
        print_sentence(fix_type(id)->does);
        printf(" Trade-off: ");
        print_escaped(fix_type(id)->price);
        putchar('.');
}

/* For vfioalignd.conf(5). */
static void print_fix_keys(void)
{
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                const struct fix_type *type = fix_type(id);

                printf("%s*%s=*\n\t", id > 0 ? "\n\n" : "", type->key);
                print_sentence(type->does);
                printf(" One of: %s. Default: *%s*.", fix_policies(id), policy_to_string(type->policy));
        }
}

/* For vfioalignd.conf. */
static void print_fix_settings(void)
{
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                const struct fix_type *type = fix_type(id);

                printf("%s# %c%s (%s).\n#%s=%s", id > 0 ? "\n" : "", toupper((unsigned char) *type->does),
                       type->does + 1, fix_policies(id), type->key, policy_to_string(type->policy));
        }
}

static void print_metrics(void)
{
        size_t n;
        const struct metric_family *families = metrics_families(&n);

        for (size_t i = 0; i < n; i++) {
                const struct metric_family *f = &families[i];

                printf("%s*", i > 0 ? "\n" : "");
                print_escaped(f->name);
                printf("* (%s", f->type);
                if (*f->labels)
                        fputs("; ", stdout);
                print_escaped(f->labels);
                printf(")\n\t%s.\n", f->help);
        }
}

static const struct {
        const char *name;
        void (*print)(void);
} lists[] = {
        { "FINDINGS", print_findings },
        { "FIX-KEYS", print_fix_keys },
        { "FIX-SETTINGS", print_fix_settings },
        { "METRICS", print_metrics },
};

/* name: a list, or "FIX:thp", which is one fix. False where there is none of that name. */
static bool print_list(const char *name)
{
        const char *fix = startswith(name, "FIX:");
        enum fix_id id;

        if (fix) {
                id = fix_id_from_string(fix);
                if (id < 0)
                        return false;
                print_fix(id);
                return true;
        }
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (streq(lists[i].name, name)) {
                        lists[i].print();
                        return true;
                }
        return false;
}

/* Copies a line, with the list that it asks for as @NAME@. */
static bool print_line(char *line)
{
        char *name = strchr(line, '@'), *end;

        if (!name) {
                fputs(line, stdout);
                return true;
        }
        name++;
        end = name + strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz:-");
        if (end == name || *end != '@') {
                fputs(line, stdout);
                return true;
        }
        *end = '\0';
        printf("%.*s", (int) (name - 1 - line), line);
        if (!print_list(name)) {
                fprintf(stderr, "There is no list @%s@.\n", name);
                return false;
        }
        fputs(end + 1, stdout);
        return true;
}

int main(void)
{
        char line[4096];

        while (fgets(line, sizeof(line), stdin))
                if (!print_line(line))
                        return 1;
        return ferror(stdin) || ferror(stdout) || fflush(stdout) != 0;
}
