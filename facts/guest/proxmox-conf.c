/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proxmox-conf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define MAPPINGS_MAX 4096
#define BLANK " \t\r"

static void trim_end(char *s)
{
        size_t n = strlen(s);

        while (n > 0 && strchr(BLANK, s[n - 1]))
                s[--n] = '\0';
}

bool proxmox_line_split(char *line, const char **ret_key, const char **ret_value)
{
        size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        char *value = line + n + 1;

        if (n == 0 || line[n] != ':')
                return false;
        line[n] = '\0';
        value += strspn(value, BLANK);
        trim_end(value);
        if (!*value)
                return false;
        *ret_key = line;
        *ret_value = value;
        return true;
}

bool proxmox_property(const char *value, const char *key, const char *default_key, char *ret, size_t size)
{
        size_t first = strcspn(value, ",");

        if (default_key && streq(key, default_key) && !memchr(value, '=', first)) {
                if (first == 0 || first >= size)
                        return false;
                snprintf(ret, size, "%.*s", (int) first, value);
                return true;
        }
        for (const char *p = value; p; p = strchr(p, ',')) {
                const char *v;
                size_t n;

                p += *p == ',';
                v = startswith(p, key);
                if (!v || *v != '=')
                        continue;
                n = strcspn(++v, ",");
                if (n == 0 || n >= size)
                        return false;
                snprintf(ret, size, "%.*s", (int) n, v);
                return true;
        }
        return false;
}

bool proxmox_section_is_pending(const char *line)
{
        static const char section[] = "[PENDING]";

        assert(line);

        return strncasecmp(line, section, strlen(section)) == 0 &&
               !line[strlen(section) + strspn(line + strlen(section), BLANK)];
}

bool proxmox_delete_next(const char **list, char *key, size_t size)
{
        static const char between[] = ",; \t";
        const char *s;
        size_t n;

        assert(list);
        assert(key);

        s = *list + strspn(*list, between);
        s += *s == '!'; /* to be deleted by force */
        n = strcspn(s, between);
        *list = s + n;
        snprintf(key, size, "%.*s", n < size ? (int) n : 0, s);
        return n > 0;
}

static int add_mapping(struct proxmox_mappings *m, const char *name, const char *path)
{
        struct proxmox_mapping *slot;

        if (m->n == MAPPINGS_MAX)
                return 0;
        slot = array_append(m->mappings, m->n);
        if (!slot)
                return -ENOMEM;
        slot->name = strdup(name);
        slot->path = strdup(path);
        return slot->name && slot->path ? 0 : -ENOMEM;
}

/* "map id=10de:2330,iommugroup=27,node=pve1,path=0000:41:00.0" below a line with the name */
static int parse_mapping_line(struct proxmox_mappings *m, const char *name, const char *line,
                              const char *node)
{
        const char *value = startswith(line, "map");
        char path[PROXMOX_VALUE_SIZE], of[PROXMOX_VALUE_SIZE];

        if (!value || !strchr(BLANK, *value))
                return 0;
        value += strspn(value, BLANK);
        if (!proxmox_property(value, "path", NULL, path, sizeof(path)))
                return 0;
        if (node && proxmox_property(value, "node", NULL, of, sizeof(of)) && !streq(of, node))
                return 0;
        return add_mapping(m, name, path);
}

const char *proxmox_mapping_name(char *line)
{
        const char *name;

        assert(line);

        trim_end(line);
        name = startswith(line, "pci:") ?: line;
        name += strspn(name, BLANK);
        return *name && !strpbrk(name, BLANK) ? name : NULL;
}

int proxmox_mappings_parse(struct proxmox_mappings *m, const char *text, const char *node)
{
        _cleanup_free_ char *copy = NULL;
        const char *name = NULL;
        char *save = NULL;

        assert(m);
        assert(text);

        *m = (struct proxmox_mappings){};
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                int r;

                if (*line == '#')
                        continue;
                if (!strchr(BLANK, *line)) {
                        name = proxmox_mapping_name(line);
                        continue;
                }
                trim_end(line);
                r = name ? parse_mapping_line(m, name, line + strspn(line, BLANK), node) : 0;
                if (r < 0) {
                        proxmox_mappings_done(m);
                        return r;
                }
        }
        return 0;
}

void proxmox_mappings_done(struct proxmox_mappings *m)
{
        for (size_t i = 0; i < m->n; i++) {
                free(m->mappings[i].name);
                free(m->mappings[i].path);
        }
        free(m->mappings);
        *m = (struct proxmox_mappings){};
}

int proxmox_mappings_read(struct proxmox_mappings *m, const struct proxmox_files *files)
{
        const struct proxmox_file *mappings, *node;

        assert(m);
        assert(files);

        *m = (struct proxmox_mappings){};
        mappings = proxmox_files_find(files, PROXMOX_MAPPINGS_FILE);
        node = proxmox_files_find(files, PROXMOX_NODE_LINK);
        if (!mappings || mappings->error == -ENOENT || mappings->error == -ENOTDIR)
                return 0;
        if (mappings->error < 0)
                return mappings->error;
        return proxmox_mappings_parse(m, mappings->text, node && node->error == 0 ? node->text : NULL);
}
