/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot-entry.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define ENTRY_MAX_SIZE (64U << 10)

static const char *const partitions[] = { "boot/efi", "efi", "boot" };

/* The value of a line "KEY value"; NULL if it is another one. *line is cut behind it. */
static const char *entry_value(char *line, const char *key)
{
        char *s = line + strspn(line, " \t"), *value;
        size_t n;

        if (!startswith(s, key) || !strchr(" \t", s[strlen(key)]) || !s[strlen(key)])
                return NULL;
        value = s + strlen(key);
        value += strspn(value, " \t");
        for (n = strlen(value); n > 0 && strchr(" \t\r", value[n - 1]); n--)
                value[n - 1] = '\0';
        return value;
}

static void parse_entry(struct boot_entry *entry, char *text, char *const releases[], size_t n)
{
        char *save = NULL;

        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *sort_key = entry_value(line, "sort-key"),
                           *kernel = entry_value(line, "version") ?: entry_value(line, "linux"),
                           *release = kernel ? kernel_release_find(kernel, releases, n) : NULL;

                if (sort_key)
                        snprintf(entry->sort_key, sizeof(entry->sort_key), "%s", sort_key);
                if (release && !*entry->release)
                        snprintf(entry->release, sizeof(entry->release), "%s", release);
        }
}

/* Without what counts the boots that are left to it ("+2-1" before the suffix). */
static void copy_id(char id[static 256], const char *name, const char *dot)
{
        const char *plus = memrchr(name, '+', (size_t) (dot - name)), *end = dot;
        size_t n;

        if (plus && isdigit((unsigned char) plus[1])) {
                n = 1 + strspn(plus + 1, "0123456789");
                if (plus[n] == '-')
                        n += 1 + strspn(plus + n + 1, "0123456789");
                if (plus + n == dot)
                        end = plus;
        }
        snprintf(id, 256, "%.*s%s", (int) (end - name), name, dot);
}

static int read_entries(struct boot_entries *e, const struct root *root, const char *partition,
                        const char *directory, const char *suffix, char *const releases[], size_t n)
{
        _cleanup_(names_done) struct names names = {};
        char path[64 + sizeof(e->entries->id)];

        snprintf(path, sizeof(path), "%s/%s", partition, directory);
        if (list_dir_at(root->fd, path, &names) == -ENOMEM)
                return -ENOMEM;
        for (size_t i = 0; i < names.n; i++) {
                const char *name = names.names[i], *release, *dot = strrchr(name, '.');
                _cleanup_free_ char *text = NULL;
                struct boot_entry *entry;

                if (!dot || !streq(dot, suffix) || strlen(name) >= sizeof(entry->id) ||
                    strstr(name, "rescue"))
                        continue;
                if (e->n >= BOOT_ENTRIES_MAX)
                        return -E2BIG;
                entry = array_append(e->entries, e->n);
                if (!entry)
                        return -ENOMEM;
                copy_id(entry->id, name, dot);
                snprintf(path, sizeof(path), "%s/%s/%s", partition, directory, name);
                if (streq(suffix, ".conf") && read_file_at(root->fd, path, ENTRY_MAX_SIZE, &text, NULL) >= 0)
                        parse_entry(entry, text, releases, n);
                release = *entry->release ? NULL : kernel_release_find(name, releases, n);
                if (release)
                        snprintf(entry->release, sizeof(entry->release), "%s", release);
        }
        return 0;
}

/* Those with a sort key come first, then the newest; systemd-boot's order, and with one sort key GRUB's. */
static int compare_entries(const void *a, const void *b)
{
        const struct boot_entry *x = a, *y = b;
        int r;

        if (!*x->sort_key != !*y->sort_key)
                return *x->sort_key ? -1 : 1;
        r = strcmp(x->sort_key, y->sort_key);
        if (r == 0)
                r = -kernel_release_compare(x->release, y->release);
        return r ?: -kernel_release_compare(x->id, y->id);
}

int boot_entries_read(struct boot_entries *e, const struct root *root, char *const releases[], size_t n)
{
        size_t files;

        assert(e);
        assert(root);

        *e = (struct boot_entries){};
        for (size_t i = 0; i < ELEMENTSOF(partitions); i++) {
                int r = read_entries(e, root, partitions[i], "loader/entries", ".conf", releases, n);

                if (r < 0)
                        return r;
        }
        files = e->n;
        for (size_t i = 0; i < ELEMENTSOF(partitions); i++) {
                int r = read_entries(e, root, partitions[i], "EFI/Linux", ".efi", releases, n);

                if (r < 0)
                        return r;
        }
        if (files > 0 && e->n > files)
                return -EOPNOTSUPP;
        if (e->n > 0)
                qsort(e->entries, e->n, sizeof(*e->entries), compare_entries);
        return 0;
}

void boot_entries_done(struct boot_entries *e)
{
        free(e->entries);
        *e = (struct boot_entries){};
}

int boot_entries_default(const struct root *root, char *ret, size_t size)
{
        assert(root);
        assert(ret);

        for (size_t i = 0; i < ELEMENTSOF(partitions); i++) {
                _cleanup_free_ char *text = NULL;
                char path[64], *save = NULL;

                snprintf(path, sizeof(path), "%s/loader/loader.conf", partitions[i]);
                if (read_file_at(root->fd, path, ENTRY_MAX_SIZE, &text, NULL) < 0)
                        continue;
                for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                        const char *value = entry_value(line, "default");

                        if (!value || strlen(value) >= size)
                                continue;
                        snprintf(ret, size, "%s", value);
                        return 0;
                }
        }
        return -ENOENT;
}
