/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proxmox.h"

#include <assert.h>
#include <ctype.h>

#include "guest-option.h"
#include "qemu-argument.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"

#define HOSTPCI_MAX 16
#define MEMORY_DEFAULT_MIB 512

/* What a configuration says, before it is known which of its lines count: the last one of each key. */
struct conf {
        const char *name, *memory, *bios, *machine, *cpu, *arch, *args, *smbios, *onboot, *template;
        const char *hostpci[HOSTPCI_MAX];
};

static bool is_yes(const char *value)
{
        return value &&
               (streq(value, "1") || streq(value, "on") || streq(value, "yes") || streq(value, "true"));
}

/* One word from *text on, without its quotes, into `buffer`, which has room for all of the text. False where
 * a quote is not closed. */
static bool take_word(const char **text, char *buffer, size_t *ret_n)
{
        const char *s = *text;
        char quote = '\0';
        size_t n = 0;

        for (; *s && (quote || !isspace((unsigned char) *s)); s++) {
                if (quote ? *s == quote : *s == '"' || *s == '\'') {
                        quote = quote ? '\0' : *s;
                        continue;
                }
                if (*s == '\\' && quote != '\'' && s[1])
                        s++;
                buffer[n++] = *s;
        }
        *text = s;
        *ret_n = n;
        return !quote;
}

int proxmox_args_split(const char *text, struct words *ret)
{
        _cleanup_(words_done) struct words w = {};
        _cleanup_free_ char *buffer = NULL;

        assert(text);
        assert(ret);

        buffer = malloc(strlen(text) + 1);
        if (!buffer)
                return -ENOMEM;
        for (;;) {
                size_t n;
                int r;

                while (isspace((unsigned char) *text))
                        text++;
                if (!*text)
                        break;
                if (!take_word(&text, buffer, &n)) {
                        words_done(&w);
                        break;
                }
                r = words_add(&w, buffer, n);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(w, (struct words){});
        return 0;
}

static bool device_exists(const struct root *root, const char *bdf)
{
        char path[sizeof("sys/bus/pci/devices/") + sizeof(bdf_t)];

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", bdf);
        return exists_at(root->fd, path);
}

/* One address of hostpciN. Without a function it stands for all functions that are there. */
static int parse_address(const struct root *root, const char *address, bdf_t *bdfs, size_t max, size_t *n)
{
        char whole[sizeof(bdf_t) + 2];
        size_t before = *n;
        bdf_t bdf;

        if (bdf_parse(address, bdf) >= 0) {
                if (*n < max)
                        memcpy(bdfs[(*n)++], bdf, sizeof(bdf_t));
                return 0;
        }
        for (unsigned i = 0; i < 8; i++) {
                if (snprintf(whole, sizeof(whole), "%s.%u", address, i) >= (int) sizeof(whole) ||
                    bdf_parse(whole, bdf) < 0)
                        return -EINVAL;
                if (*n < max && device_exists(root, bdf))
                        memcpy(bdfs[(*n)++], bdf, sizeof(bdf_t));
        }
        if (*n == before && *n < max) { /* none is: it is as missing as one with its function would be */
                snprintf(whole, sizeof(whole), "%s.0", address);
                (void) bdf_parse(whole, bdfs[(*n)++]);
        }
        return 0;
}

/* All functions of "0000:01:00" or "01:00.0;01:00.1". Returns how many, or -EINVAL. */
static int parse_addresses(const struct root *root, const char *value, bdf_t *bdfs, size_t max)
{
        char copy[256], *save = NULL;
        size_t n = 0;

        snprintf(copy, sizeof(copy), "%s", value);
        for (char *s = strtok_r(copy, ";", &save); s; s = strtok_r(NULL, ";", &save)) {
                int r = parse_address(root, s, bdfs, max, &n);

                if (r < 0)
                        return r;
        }
        return n > 0 ? (int) n : -EINVAL;
}

/* A vGPU of the newer kind is a virtual function that stays with NVIDIA's driver. */
static bool has_vendor_mode(const struct root *root, const char *bdf)
{
        char path[sizeof("sys/bus/pci/devices//nvidia") + sizeof(bdf_t)];

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/nvidia", bdf);
        return exists_at(root->fd, path);
}

static int add_mdev(struct guest *g, unsigned index, const char *id)
{
        struct hostdev h = { .kind = HOSTDEV_MDEV, .managed = true };

        /* Proxmox makes it at the start, and names it so. */
        if (asprintf(&h.uuid, "%08u-0000-0000-0000-%012llu", index, strtoull(id, NULL, 10)) < 0)
                return -ENOMEM;
        return guest_add_hostdev(g, &h);
}

static int add_functions(struct guest *g, unsigned index, bdf_t *bdfs, size_t n, bool managed)
{
        for (size_t i = 0; i < n; i++) {
                struct hostdev h = { .kind = HOSTDEV_PCI, .managed = managed };
                int r;

                memcpy(h.bdf, bdfs[i], sizeof(bdf_t));
                r = n == 1 ? asprintf(&h.alias, "hostpci%u", index)
                           : asprintf(&h.alias, "hostpci%u.%zu", index, i);
                if (r < 0)
                        return -ENOMEM;
                r = guest_add_hostdev(g, &h);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One of several devices, or one that has no mapping here: which one is only known at the start. */
static int add_mapped(struct guest *g, const char *name)
{
        struct hostdev h = { .kind = HOSTDEV_NETWORK, .managed = true, .network = strdup(name) };

        return h.network ? guest_add_hostdev(g, &h) : -ENOMEM;
}

static int parse_host(struct guest *g, unsigned index, const char *id, const char *host, bool mdev,
                      const struct root *root)
{
        bdf_t bdfs[64];
        int n = parse_addresses(root, host, bdfs, ELEMENTSOF(bdfs));

        if (n < 0)
                return 0;
        if (!mdev)
                return add_functions(g, index, bdfs, (size_t) n, true);
        if (has_vendor_mode(root, bdfs[0]))
                return add_functions(g, index, bdfs, 1, false);
        return add_mdev(g, index, id);
}

static int parse_hostpci(struct guest *g, unsigned index, const char *id, const char *value,
                         const struct proxmox_mappings *m, const struct root *root)
{
        const struct proxmox_mapping *found = NULL;
        char host[PROXMOX_VALUE_SIZE], name[PROXMOX_VALUE_SIZE], type[PROXMOX_VALUE_SIZE];
        bool mdev = proxmox_property(value, "mdev", NULL, type, sizeof(type));
        size_t n = 0;

        if (!proxmox_property(value, "mapping", NULL, name, sizeof(name))) {
                if (!proxmox_property(value, "host", "host", host, sizeof(host)))
                        return 0;
                return parse_host(g, index, id, host, mdev, root);
        }
        for (size_t i = 0; i < m->n; i++)
                if (streq(m->mappings[i].name, name)) {
                        found = &m->mappings[i];
                        n++;
                }
        return n == 1 ? parse_host(g, index, id, found->path, mdev, root) : add_mapped(g, name);
}

static void note_line(struct conf *c, const char *key, const char *value)
{
        const struct {
                const char *key, **value;
        } keys[] = {
                { "name", &c->name },         { "memory", &c->memory },  { "bios", &c->bios },
                { "machine", &c->machine },   { "cpu", &c->cpu },        { "arch", &c->arch },
                { "args", &c->args },         { "smbios1", &c->smbios }, { "onboot", &c->onboot },
                { "template", &c->template },
        };
        const char *index = startswith(key, "hostpci");
        uint64_t i;

        for (size_t k = 0; k < ELEMENTSOF(keys); k++)
                if (streq(keys[k].key, key))
                        *keys[k].value = value;
        if (index && parse_u64(index, 10, &i) >= 0 && i < HOSTPCI_MAX)
                c->hostpci[i] = value;
}

/* The list of a pending "delete". No key that it names is set there as well. */
static void forget_keys(struct conf *c, const char *list)
{
        char key[16];

        for (const char *s = list; proxmox_delete_next(&s, key, sizeof(key));)
                note_line(c, key, NULL);
}

/* pending: with what Proxmox would change at the guest's next start. Other sections are snapshots. */
static void parse_lines(struct conf *c, char *text, bool pending)
{
        bool counts = true, changes = false;
        char *save = NULL;

        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *key, *value;

                if (*line == '[') {
                        changes = proxmox_section_is_pending(line);
                        counts = changes && pending;
                        continue;
                }
                if (!counts || *line == '#' || !proxmox_line_split(line, &key, &value))
                        continue;
                if (changes && streq(key, "delete"))
                        forget_keys(c, value);
                else
                        note_line(c, key, value);
        }
}

static int copy_value(char **to, const char *value)
{
        if (!value)
                return 0;
        *to = strdup(value);
        return *to ? 0 : -ENOMEM;
}

static void read_width(struct guest *g, const char *cpu)
{
        char value[PROXMOX_VALUE_SIZE];
        uint64_t bits;

        if (!cpu)
                return;
        if (proxmox_property(cpu, "phys-bits", NULL, value, sizeof(value))) {
                g->host_phys_bits = streq(value, "host");
                if (!g->host_phys_bits && parse_u64(value, 10, &bits) >= 0 && bits <= 52)
                        g->phys_bits = (unsigned) bits;
                return;
        }
        if (proxmox_property(cpu, "cputype", "cputype", value, sizeof(value)))
                g->host_phys_bits = streq(value, "host") || streq(value, "max");
}

static int read_machine(struct guest *g, const struct conf *c)
{
        const char *arch = c->arch ?: "x86_64";
        uint64_t mib = MEMORY_DEFAULT_MIB;
        char value[PROXMOX_VALUE_SIZE];
        int r;

        r = copy_value(&g->arch, arch);
        if (r < 0)
                return r;
        if (asprintf(&g->emulator, "/usr/bin/%s%s", streq(arch, "x86_64") ? "kvm" : "qemu-system-",
                     streq(arch, "x86_64") ? "" : arch) < 0) {
                g->emulator = NULL;
                return -ENOMEM;
        }
        if (!c->machine || !proxmox_property(c->machine, "type", "type", value, sizeof(value)))
                snprintf(value, sizeof(value), "pc");
        r = copy_value(&g->machine, value);
        if (r < 0)
                return r;
        g->firmware = c->bios && streq(c->bios, "ovmf") ? GUEST_FIRMWARE_EFI : GUEST_FIRMWARE_BIOS;
        if (c->memory && proxmox_property(c->memory, "current", "current", value, sizeof(value)) &&
            (parse_u64(value, 10, &mib) < 0 || mib > UINT64_MAX >> 20))
                mib = 0;
        g->memory = mib << 20;
        read_width(g, c->cpu);
        return 0;
}

static int read_conf(struct guest *g, const char *id, const struct conf *c, const struct proxmox_mappings *m,
                     const struct root *root)
{
        _cleanup_(words_done) struct words args = {};
        char uuid[PROXMOX_VALUE_SIZE];
        int r;

        g->manager = GUEST_OF_PROXMOX;
        r = copy_value(&g->name, id);
        if (r < 0)
                return r;
        r = copy_value(&g->title, c->name);
        if (r < 0)
                return r;
        if (c->smbios && proxmox_property(c->smbios, "uuid", NULL, uuid, sizeof(uuid)) && is_uuid(uuid)) {
                r = copy_value(&g->uuid, uuid);
                if (r < 0)
                        return r;
        }
        r = read_machine(g, c);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < HOSTPCI_MAX; i++) {
                r = c->hostpci[i] ? parse_hostpci(g, i, id, c->hostpci[i], m, root) : 0;
                if (r < 0)
                        return r;
        }
        if (!c->args)
                return 0;
        r = proxmox_args_split(c->args, &args);
        return r < 0 ? r : guest_read_options(g, &args);
}

int proxmox_guest_parse(struct guest *g, const char *id, const char *text, const struct proxmox_mappings *m,
                        const struct root *root, bool pending, bool *ret_autostart)
{
        _cleanup_free_ char *copy = NULL;
        struct conf c = {};
        int r;

        assert(g);
        assert(id);
        assert(text);
        assert(m);
        assert(root);
        assert(ret_autostart);

        *g = (struct guest){};
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        parse_lines(&c, copy, pending);
        if (is_yes(c.template))
                return 0;
        r = read_conf(g, id, &c, m, root);
        if (r < 0) {
                guest_done(g);
                return r;
        }
        *ret_autostart = is_yes(c.onboot);
        return 1;
}
