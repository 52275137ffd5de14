/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "redact-proxmox.h"

#include <assert.h>
#include <errno.h>

#include "facts/guest/proxmox.h"
#include "redact-xml.h"
#include "util/macro.h"

#define REDACTED "redacted"
#define BLANK " \t\r"

/* What is kept of a line: all of its value, or some of its properties. */
static const struct kept_key {
        const char *key;
        const char *default_property, *properties[3];
} kept_keys[] = {
        { "name" },
        { "arch" },
        { "onboot" },
        { "template" },
        { "bios" },
        { "memory", "current", { "current" } },
        { "machine", "type", { "type" } },
        { "cpu", "cputype", { "cputype", "phys-bits" } },
        { "smbios1", NULL, { "uuid" } },
        { "hostpci", "host", { "host", "mapping", "mdev" } }, /* with a number */
};

static const struct kept_key *find_key(const char *key)
{
        for (size_t i = 0; i < ELEMENTSOF(kept_keys); i++) {
                const char *rest = startswith(key, kept_keys[i].key);

                if (rest &&
                    (!*rest || (streq(kept_keys[i].key, "hostpci") && !rest[strspn(rest, "0123456789")])))
                        return &kept_keys[i];
        }
        return NULL;
}

/* Blanks at the end of a line are no part of its value, so none is left at the end of a property, and one
 * that has any makes no sense anyway. */
static void print_property(const char *name, const char *value, const char *between, FILE *out)
{
        fprintf(out, "%s%s=%s", between, name, strpbrk(value, BLANK) ? REDACTED : value);
}

static void redact_line(const struct kept_key *kept, const char *key, const char *value, FILE *out)
{
        const char *between = " ";
        char text[PROXMOX_VALUE_SIZE];

        fprintf(out, "%s:", key);
        if (!kept->properties[0])
                fprintf(out, " %s", value);
        for (size_t i = 0; i < ELEMENTSOF(kept->properties) && kept->properties[i]; i++) {
                if (!proxmox_property(value, kept->properties[i], kept->default_property, text,
                                      sizeof(text)))
                        continue;
                print_property(kept->properties[i], text, between, out);
                between = ",";
        }
        /* It still takes the place of a line of that key before it. */
        if (kept->properties[0] && *between == ' ')
                fputs(" other=" REDACTED, out);
        fputc('\n', out);
}

/* As a word that proxmox_args_split() takes for one. */
static void print_word(const char *word, FILE *out)
{
        fputs(" '", out);
        for (; *word; word++)
                if (*word == '\'')
                        fputs("'\\''", out);
                else
                        fputc(*word, out);
        fputc('\'', out);
}

/* A word that is not kept stays in its place without its text: it divides an option from a value. */
static int redact_args(const char *value, FILE *out)
{
        _cleanup_(words_done) struct words args = {};
        int r;

        r = proxmox_args_split(value, &args);
        if (r < 0)
                return r;
        fputs("args:", out);
        if (args.n == 0) /* a quote is not closed */
                print_word(REDACTED, out);
        for (size_t i = 0; i < args.n; i++) {
                const char *before = i > 0 ? args.words[i - 1] : "";
                _cleanup_free_ char *kept = NULL;

                r = redact_option(before + strspn(before, "-"), args.words[i], &kept);
                if (r < 0)
                        return r;
                if (r > 0)
                        print_word(kept, out);
                else
                        print_word(option_is_kept(args.words[i]) ? args.words[i] : REDACTED, out);
        }
        fputc('\n', out);
        return 0;
}

/* Which of the guest's own settings go at its next start: a list of keys. */
static void redact_delete(const char *list, FILE *out)
{
        const char *before = "delete: ";
        char key[16];

        while (proxmox_delete_next(&list, key, sizeof(key)))
                if (streq(key, "args") || find_key(key)) {
                        fprintf(out, "%s%s", before, key);
                        before = ",";
                }
        if (*before == ',')
                fputc('\n', out);
}

int redact_proxmox(char *data, FILE *out)
{
        bool counts = true, pending = false;
        char *save = NULL;

        assert(data);
        assert(out);

        for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const struct kept_key *kept;
                const char *key, *value;
                int r;

                if (*line == '[') {
                        counts = pending = proxmox_section_is_pending(line);
                        if (pending)
                                fputs("[PENDING]\n", out);
                        continue;
                }
                if (!counts || !proxmox_line_split(line, &key, &value))
                        continue;
                if (pending && streq(key, "delete")) {
                        redact_delete(value, out);
                        continue;
                }
                if (streq(key, "args")) {
                        r = redact_args(value, out);
                        if (r < 0)
                                return r;
                        continue;
                }
                kept = find_key(key);
                if (kept)
                        redact_line(kept, key, value, out);
        }
        return 0;
}

static void redact_mapping(const char *line, FILE *out)
{
        const char *value = startswith(line, "map");
        char path[PROXMOX_VALUE_SIZE], node[PROXMOX_VALUE_SIZE];

        if (!value || !strchr(BLANK, *value))
                return;
        value += strspn(value, BLANK);
        if (!proxmox_property(value, "path", NULL, path, sizeof(path)))
                return;
        fputs("\tmap ", out);
        print_property("path", path, "", out);
        if (proxmox_property(value, "node", NULL, node, sizeof(node)))
                print_property("node", node, ",", out);
        fputc('\n', out);
}

int redact_proxmox_mappings(char *data, FILE *out)
{
        char *save = NULL;

        assert(data);
        assert(out);

        for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *name = proxmox_mapping_name(line);

                if (strchr(BLANK, *line))
                        redact_mapping(line + strspn(line, BLANK), out);
                else if (*line != '#')
                        fprintf(out, "pci: %s\n", name ?: REDACTED " " REDACTED);
        }
        return 0;
}
