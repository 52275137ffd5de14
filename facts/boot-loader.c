/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot-loader.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>

#include "boot-entry.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"

#define EFI_VARIABLE_MAX 1024
/* Of systemd-boot (https://systemd.io/BOOT_LOADER_INTERFACE). GRUB sets some of them as well, but not
 * LoaderEntrySelected. To open one for its existence does not call the firmware, which may stop all CPUs. */
#define EFI_VARIABLE(name) "sys/firmware/efi/efivars/" name "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define SETTINGS_MAX 64

/* What an image is called, before its release. */
static const char image_prefix[] = "vmlinuz-";

static int compare_releases(const void *a, const void *b)
{
        return -kernel_release_compare(*(char *const *) a, *(char *const *) b);
}

static int add_release(struct names *k, const char *release)
{
        char **slot;

        const char *dot = strrchr(release, '.');

        if (!kernel_release_is_valid(release) || strstr(release, "rescue") || (dot && streq(dot, ".old")))
                return 0;
        for (size_t i = 0; i < k->n; i++)
                if (streq(k->names[i], release))
                        return 0;
        slot = array_append(k->names, k->n);
        return slot && (*slot = memory_note(strdup(release))) ? 0 : -ENOMEM;
}

/* What is installed: an image in /boot, or beside the modules, where kernel-install(8) copies it from. */
static int read_releases(struct names *k, const struct root *root)
{
        _cleanup_(names_done) struct names images = {}, modules = {};

        if (list_dir_at(root->fd, "boot", &images) == -ENOMEM ||
            list_dir_at(root->fd, "lib/modules", &modules) == -ENOMEM)
                return -ENOMEM;
        for (size_t i = 0; i < images.n; i++) {
                const char *release = startswith(images.names[i], image_prefix);

                if (release && add_release(k, release) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < modules.n; i++) {
                char path[sizeof("lib/modules//vmlinuz") + KERNEL_RELEASE_SIZE];

                if (!kernel_release_is_valid(modules.names[i]))
                        continue;
                snprintf(path, sizeof(path), "lib/modules/%s/vmlinuz", modules.names[i]);
                if (exists_at(root->fd, path) && add_release(k, modules.names[i]) < 0)
                        return -ENOMEM;
        }
        if (k->n > 0)
                qsort(k->names, k->n, sizeof(*k->names), compare_releases);
        return 0;
}

static void set_release(struct next_boot *b, const char *release, const char *why)
{
        snprintf(b->release, sizeof(b->release), "%s", release);
        b->known = fact_is(true, SOURCE_FILE);
        b->known.why = why;
}

/* proxmox-boot-tool(8) "kernel pin", with and without --next-boot. Returns whether that decides. */
static bool read_proxmox(struct next_boot *b, const struct root *root, const struct names *k)
{
        static const struct {
                const char *path, *why;
        } pins[] = {
                { "etc/kernel/next-boot-pin", "/etc/kernel/next-boot-pin" },
                { "etc/kernel/proxmox-boot-pin", "/etc/kernel/proxmox-boot-pin" },
        };

        for (size_t i = 0; i < ELEMENTSOF(pins); i++) {
                _cleanup_free_ char *pin = NULL;
                const char *release;

                if (read_line_at(root->fd, pins[i].path, &pin) < 0 || !*pin)
                        continue;
                release = kernel_release_find(pin, k->names, k->n);
                if (release)
                        set_release(b, release, pins[i].why);
                else
                        b->known = fact_unknown("the kernel that Proxmox has pinned is not installed");
                return true;
        }
        if (!exists_at(root->fd, "etc/kernel/proxmox-boot-uuids"))
                return false;
        set_release(b, k->names[0], "proxmox-boot-tool: the newest one");
        return true;
}

/* The variable's text: four bytes of attributes, then UTF-16. What is not ASCII becomes "?". Returns false
 * if it is not there. */
static bool read_efi_text(const struct root *root, const char *path, char text[static EFI_VARIABLE_MAX / 2])
{
        _cleanup_free_ char *bytes = NULL;
        size_t size, n = 0;

        if (read_file_at(root->fd, path, EFI_VARIABLE_MAX, &bytes, &size) < 0 || size < 6)
                return false;
        for (size_t i = 4; i + 1 < size && n + 1 < EFI_VARIABLE_MAX / 2; i += 2) {
                unsigned c = (unsigned char) bytes[i] | (unsigned) (unsigned char) bytes[i + 1] << 8;

                if (c == 0)
                        break;
                text[n++] = (char) (c >= ' ' && c < 127 ? c : '?');
        }
        text[n] = '\0';
        return true;
}

static const struct boot_entry *find_entry(const struct boot_entries *e, const char *pattern)
{
        for (size_t i = 0; i < e->n; i++)
                if (fnmatch(pattern, e->entries[i].id, FNM_CASEFOLD) == 0)
                        return &e->entries[i];
        return NULL;
}

static void set_entry(struct next_boot *b, const struct boot_entry *entry, const char *why)
{
        if (*entry->release)
                set_release(b, entry->release, why);
        else
                b->known = fact_unknown("the entry that boots next does not name an installed kernel");
}

/* loader.conf(5), "default": a pattern for an entry's name, or what systemd-boot keeps itself. */
static void read_default_entry(struct next_boot *b, const struct root *root, const struct boot_entries *e)
{
        char text[EFI_VARIABLE_MAX / 2], pattern[256];
        const struct boot_entry *entry = NULL;
        const char *why = "systemd-boot: loader.conf";

        if (boot_entries_default(root, pattern, sizeof(pattern)) >= 0) {
                if (streq(pattern, "@saved"))
                        entry = read_efi_text(root, EFI_VARIABLE("LoaderEntryLastBooted"), text)
                                        ? find_entry(e, text)
                                        : NULL;
                else
                        entry = find_entry(e, pattern);
        }
        if (!entry) {
                entry = &e->entries[0];
                why = "systemd-boot: the first entry";
        }
        set_entry(b, entry, why);
}

static void read_systemd_boot(struct next_boot *b, const struct root *root, const struct names *k)
{
        static const struct {
                const char *path, *why;
        } chosen[] = {
                { EFI_VARIABLE("LoaderEntryOneShot"), "systemd-boot: bootctl set-oneshot" },
                { EFI_VARIABLE("LoaderEntryDefault"), "systemd-boot: bootctl set-default" },
        };
        _cleanup_(boot_entries_done) struct boot_entries e = {};
        int r = boot_entries_read(&e, root, k->names, k->n);

        if (r < 0 || e.n == 0) {
                b->known = fact_unknown("the entries of systemd-boot cannot be read");
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(chosen); i++) {
                const struct boot_entry *entry;
                char text[EFI_VARIABLE_MAX / 2];

                if (!read_efi_text(root, chosen[i].path, text))
                        continue;
                entry = find_entry(&e, text);
                if (entry) {
                        set_entry(b, entry, chosen[i].why);
                        return;
                }
        }
        read_default_entry(b, root, &e);
}

/* What GRUB's files set, of what decides. */
struct grub {
        char *next, *saved; /* of its environment */
        char *choice;       /* GRUB_DEFAULT */
        char *top;          /* GRUB_TOP_LEVEL */
        bool ordered;       /* GRUB_FLAVOUR_ORDER or the like: the newest need not be the first */
        bool by_entries;    /* GRUB_ENABLE_BLSCFG */
};

static void grub_done(struct grub *g)
{
        free(g->next);
        free(g->saved);
        free(g->choice);
        free(g->top);
}

/* The value of "KEY=value", with or without quotes, where the line sets that; or NULL. A shell reads it, so
 * what it would expand is not understood. *line is changed. */
static const char *assigned_value(char *line, const char *key)
{
        char *s = line + strspn(line, " \t"), *end;

        if (startswith(s, "export "))
                s += strlen("export ");
        if (!startswith(s, key) || s[strlen(key)] != '=')
                return NULL;
        s += strlen(key) + 1;
        if (*s == '"' || *s == '\'') {
                end = strchr(s + 1, *s);
                s++;
        } else {
                end = s + strcspn(s, " \t#;");
        }
        if (end)
                *end = '\0';
        return s;
}

static void replace_text(char **slot, const char *value)
{
        free(*slot);
        *slot = memory_note(strdup(value));
}

static void read_grub_line(struct grub *g, char *line)
{
        const char *value;

        if ((value = assigned_value(line, "GRUB_DEFAULT")))
                replace_text(&g->choice, value);
        else if ((value = assigned_value(line, "GRUB_TOP_LEVEL")))
                replace_text(&g->top, value);
        else if ((value = assigned_value(line, "GRUB_FLAVOUR_ORDER")))
                g->ordered = *value != '\0';
        else if ((value = assigned_value(line, "GRUB_ENABLE_BLSCFG")))
                g->by_entries = streq(value, "true");
        else if ((value = assigned_value(line, "next_entry")))
                replace_text(&g->next, value);
        else if ((value = assigned_value(line, "saved_entry")))
                replace_text(&g->saved, value);
}

/* Only the lines with these words are read, and so recorded: others have the parameters of kernels. */
static void read_grub_file(struct grub *g, const struct root *root, const char *path,
                           const char *const words[])
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (grep_file_at(root->fd, path, words, &text) < 0)
                return;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                read_grub_line(g, line);
}

static void read_grub_files(struct grub *g, const struct root *root, const char *environment)
{
        static const char *const keys[] = { "GRUB_DEFAULT=", "GRUB_TOP_LEVEL=", "GRUB_FLAVOUR_ORDER=",
                                            "GRUB_ENABLE_BLSCFG=", NULL };
        static const char *const variables[] = { "next_entry=", "saved_entry=", NULL };
        _cleanup_(names_done) struct names names = {};

        read_grub_file(g, root, environment, variables);
        read_grub_file(g, root, "etc/default/grub", keys);
        (void) list_dir_at(root->fd, "etc/default/grub.d", &names);
        for (size_t i = 0; i < names.n && i < SETTINGS_MAX; i++) {
                const char *dot = strrchr(names.names[i], '.');
                _cleanup_free_ char *path = NULL;

                if (!dot || !streq(dot, ".cfg"))
                        continue;
                if (asprintf(&path, "etc/default/grub.d/%s", names.names[i]) < 0) {
                        memory_note_failure();
                        return;
                }
                read_grub_file(g, root, path, keys);
        }
}

/* The title of the first entry of GRUB's menu, or its id. */
static bool is_first_entry(const char *choice)
{
        size_t n = strlen(choice), suffix = strlen(" GNU/Linux");

        return streq(choice, "0") || startswith(choice, "gnulinux-simple-") || streq(choice, "Ubuntu") ||
               (n > suffix && !strchr(choice, '>') && streq(choice + n - suffix, " GNU/Linux"));
}

static void choose_from_menu(struct next_boot *b, const struct grub *g, const struct names *k,
                             const char *choice, const char *why)
{
        const char *named = kernel_release_find(choice, k->names, k->n);

        if (named) {
                set_release(b, named, why);
                return;
        }
        if (!is_first_entry(choice)) {
                b->known = fact_unknown("GRUB's choice names no kernel that is installed");
                return;
        }
        if (g->top && *g->top) {
                named = kernel_release_find(g->top, k->names, k->n);
                if (named)
                        set_release(b, named, "GRUB_TOP_LEVEL");
                else
                        b->known = fact_unknown("GRUB_TOP_LEVEL names no kernel that is installed");
                return;
        }
        if (g->ordered) {
                b->known = fact_unknown("GRUB_FLAVOUR_ORDER decides");
                return;
        }
        set_release(b, k->names[0], "GRUB: the newest one");
}

/* An entry of Fedora's GRUB is chosen by its name, its title or its number. */
static void choose_from_entries(struct next_boot *b, const struct root *root, const struct names *k,
                                const char *choice, const char *why)
{
        _cleanup_(boot_entries_done) struct boot_entries e = {};
        const char *named = kernel_release_find(choice, k->names, k->n);
        uint64_t n;

        if (named) {
                set_release(b, named, why);
                return;
        }
        if (boot_entries_read(&e, root, k->names, k->n) < 0 || e.n == 0 || parse_u64(choice, 10, &n) < 0 ||
            n >= e.n)
                b->known = fact_unknown("GRUB's choice names no kernel that is installed");
        else
                set_entry(b, &e.entries[n], why);
}

static void read_grub(struct next_boot *b, const struct root *root, const struct names *k,
                      const char *environment)
{
        _cleanup_(grub_done) struct grub g = {};
        const char *choice, *why = "GRUB_DEFAULT";

        read_grub_files(&g, root, environment);
        choice = g.choice && *g.choice ? g.choice : "0";
        if (streq(choice, "saved")) {
                choice = g.saved && *g.saved ? g.saved : "0";
                why = "GRUB's saved_entry";
        }
        if (g.next && *g.next) {
                choice = g.next;
                why = "GRUB's next_entry";
        }
        if (g.by_entries)
                choose_from_entries(b, root, k, choice, why);
        else
                choose_from_menu(b, &g, k, choice, why);
}

static const char *find_grub_environment(const struct root *root)
{
        static const char *const loaders[][2] = {
                { "boot/grub/grub.cfg", "boot/grub/grubenv" },
                { "boot/grub2/grub.cfg", "boot/grub2/grubenv" },
        };

        for (size_t i = 0; i < ELEMENTSOF(loaders); i++)
                if (exists_at(root->fd, loaders[i][0]) || exists_at(root->fd, loaders[i][1]))
                        return loaders[i][1];
        return NULL;
}

void next_boot_read(struct next_boot *b, const struct root *root)
{
        _cleanup_(names_done) struct names k = {};
        const char *environment;

        assert(b);
        assert(root);

        *b = (struct next_boot){ .known = fact_unknown("no kernel is seen in /boot") };
        if (read_releases(&k, root) < 0 || k.n == 0)
                return;
        snprintf(b->release, sizeof(b->release), "%s", k.names[0]);
        if (read_proxmox(b, root, &k))
                return;
        if (exists_at(root->fd, EFI_VARIABLE("LoaderEntrySelected"))) {
                read_systemd_boot(b, root, &k);
                return;
        }
        environment = find_grub_environment(root);
        if (environment)
                read_grub(b, root, &k, environment);
        else
                b->known = fact_unknown("which boot loader this host has is not known");
}
