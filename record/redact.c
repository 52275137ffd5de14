/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "redact.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>

#include "redact-proxmox.h"
#include "redact-xml.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

static const struct {
        const char *pattern; /* "*" also stands for several parts of a path */
        enum redaction how;
} files[] = {
        { "/proc/*/cmdline", REDACT_ARGUMENTS },       { "/proc/cmdline", REDACT_KERNEL_ARGUMENTS },
        { "/proc/*/mountinfo", REDACT_MOUNTS },        { "/etc/libvirt/*.xml", REDACT_XML },
        { "/run/libvirt/*.xml", REDACT_XML },          { "/etc/pve/*.conf", REDACT_PROXMOX },
        { "/etc/pve/*.cfg", REDACT_PROXMOX_MAPPINGS }, { "/boot/*loader/*.conf", REDACT_BOOT_ENTRY },
        { "/efi/loader/*.conf", REDACT_BOOT_ENTRY },
};

enum redaction redaction_of(const char *path)
{
        assert(path);

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (fnmatch(files[i].pattern, path, 0) == 0)
                        return files[i].how;
        return REDACT_NOTHING;
}

/* Each argument ends with a NUL. A program can write over its arguments, and often does so with spaces. */
static int redact_arguments(const char *data, size_t size, FILE *out)
{
        bool is_name = false;

        for (size_t i = 0; i < size; i += strlen(data + i) + 1) {
                _cleanup_free_ char *device = NULL;
                const char *arg = data + i;
                int r;

                if (is_name) {
                        fprintf(out, "%.*s%c", (int) strcspn(arg, ","), arg, '\0');
                        is_name = false;
                        continue;
                }
                if (i == 0) {
                        fprintf(out, "%.*s%c", (int) strcspn(arg, " \t\n"), arg, '\0');
                        continue;
                }
                is_name = streq(arg, "-name");
                if (is_name) {
                        fprintf(out, "%s%c", arg, '\0');
                        continue;
                }
                r = redact_device_argument(arg, &device);
                if (r < 0)
                        return r;
                if (r > 0)
                        fprintf(out, "%s%c", device, '\0');
        }
        return 0;
}

/* Parameters of the kernel that facts and their explanations are about, as fnmatch() patterns. A "-" in a
 * name is the same as a "_". */
static const char *const kept_parameters[] = {
        "amd_iommu*",
        "console",
        "default_hugepagesz",
        "hugepages",
        "hugepagesz",
        "hugetlb*",
        "initcall_blacklist",
        "intel_iommu",
        "iommu",
        "iommu.*",
        "kaslr",
        "kvm.*",
        "kvm_amd.*",
        "kvm_intel.*",
        "la57",
        "lockdown",
        "lsm",
        "modprobe.blacklist",
        "module.sig_enforce",
        "module_blacklist",
        "no5lvl",
        "nokaslr",
        "panic_on_taint",
        "pci",
        "pci_stub.ids",
        "pcie_*",
        "rd.driver.blacklist",
        "rd.driver.pre",
        "thp_anon",
        "transparent_hugepage",
        "vfio*",
        "video",
};

static bool is_kept_parameter(const char *word)
{
        char name[64];
        size_t n;

        word += *word == '"';
        n = strcspn(word, "=");
        if (n >= sizeof(name))
                return false;
        snprintf(name, sizeof(name), "%.*s", (int) n, word);
        for (char *s = name; *s; s++)
                if (*s == '-')
                        *s = '_';
        for (size_t i = 0; i < ELEMENTSOF(kept_parameters); i++)
                if (fnmatch(kept_parameters[i], name, 0) == 0)
                        return true;
        return false;
}

/* Of other words not even the name is kept: a value in quotes has spaces, and its parts look like words. */
static int redact_kernel_arguments(char *data, FILE *out)
{
        const char *space = "";
        char *save = NULL;

        for (char *word = strtok_r(data, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
                if (is_kept_parameter(word)) {
                        fprintf(out, "%s%s", space, word);
                        space = " ";
                }
        fputc('\n', out);
        return 0;
}

/* Whether the source is a device or a pool of this host, or a tag by which the machine that emulates this
 * host shares a directory. Btrfs and ZFS have no number of a device. */
static bool mount_is_local(const char *number, const char *type, const char *source, const char *options)
{
        if (!startswith(number, "0:") || startswith(source, "/dev/"))
                return true;
        if (streq(type, "9p"))
                return options && strstr(options, "trans=virtio");
        return streq(type, "virtiofs") || streq(type, "zfs");
}

/* Those that name a device ("logdev=/dev/sdb1"), and how 9p reaches its server. */
static void print_mount_options(char *options, FILE *out)
{
        char *save = NULL;

        for (char *word = strtok_r(options, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
                const char *value = strchr(word, '=');

                if (streq(word, "trans=virtio") || (value && startswith(value, "=/dev/")))
                        fprintf(out, ",%s", word);
        }
}

/* proc_pid_mountinfo(5): "36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/root rw". What is mounted from
 * elsewhere can have a password in its source or its options. */
static void redact_mount(char *line, FILE *out)
{
        char *rest = strstr(line, " - "), *save = NULL, *fields[5] = {}, *type, *source, *options;

        if (!rest)
                return;
        *rest = '\0';
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
                if (!fields[i])
                        return;
        }
        type = strtok_r(rest + strlen(" - "), " ", &save);
        source = type ? strtok_r(NULL, " ", &save) : NULL;
        options = source ? strtok_r(NULL, " ", &save) : NULL;
        if (!source || !mount_is_local(fields[2], type, source, options))
                return;
        fprintf(out, "%s %s %s %s %s rw - %s %s rw", fields[0], fields[1], fields[2], fields[3], fields[4],
                type, source);
        if (options)
                print_mount_options(options, out);
        fputc('\n', out);
}

static int redact_mounts(char *data, FILE *out)
{
        char *save = NULL;

        for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                redact_mount(line, out);
        return 0;
}

/* An entry also has the kernel's parameters, and loader.conf(5) what is nobody's business. */
static int redact_boot_entry(char *data, FILE *out)
{
        static const char *const kept[] = { "default", "linux", "sort-key", "version" };
        char *save = NULL;

        for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *key = line + strspn(line, " \t");

                for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                        if (startswith(key, kept[i]) && strchr(" \t", key[strlen(kept[i])]))
                                fprintf(out, "%s\n", line);
        }
        return 0;
}

static int redact_text(enum redaction how, char *data, size_t size, FILE *out)
{
        switch (how) {
        case REDACT_ARGUMENTS:
                return redact_arguments(data, size, out);
        case REDACT_KERNEL_ARGUMENTS:
                return redact_kernel_arguments(data, out);
        case REDACT_MOUNTS:
                return redact_mounts(data, out);
        case REDACT_PROXMOX:
                return redact_proxmox(data, out);
        case REDACT_PROXMOX_MAPPINGS:
                return redact_proxmox_mappings(data, out);
        case REDACT_BOOT_ENTRY:
                return redact_boot_entry(data, out);
        default:
                (void) fwrite(data, 1, size, out);
                return 0;
        }
}

int redact(enum redaction how, const char *data, size_t size, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *copy = NULL, *text = NULL;
        size_t n;
        FILE *out;
        int r;

        assert(data || size == 0);
        assert(ret);
        assert(ret_size);

        copy = malloc(size + 1);
        if (!copy)
                return -ENOMEM;
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = '\0'; /* a program that changes its arguments can leave out the last one's */
        if (how == REDACT_XML)
                return redact_xml(copy, size, ret, ret_size);

        out = open_memstream(&text, &n);
        if (!out)
                return -ENOMEM;
        r = redact_text(how, copy, size, out);
        if (memory_stream_close(out, &text) < 0 || r < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        *ret_size = n;
        return 0;
}
