/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "next-kernel.h"

#include <assert.h>

#include "facts/kernel/module-index.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define PATH_SIZE 256

DEFINE_TRIVIAL_CLEANUP(struct module_index *, module_index_close)

/* Whether an option is set, in the kernel's configuration. */
static bool has_option(const char *config, const char *option)
{
        for (const char *s = strstr(config, option); s; s = strstr(s + 1, option)) {
                const char *value = s + strlen(option);

                if ((s == config || s[-1] == '\n') && (startswith(value, "=y") || startswith(value, "=m")))
                        return true;
        }
        return false;
}

/* As dkms.conf asks for them (BUILD_EXCLUSIVE_CONFIG). A configuration also names what is not set, so one
 * that names none of them is none. */
static void read_config(struct next_kernel *n, const struct root *root)
{
        static const char *const files[][2] = {
                { "boot/config-", "" },
                { "lib/modules/", "/config" },
                { "lib/modules/", "/build/.config" },
        };
        static const char *const words[] = { "CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP", "CONFIG_KPROBES",
                                             "CONFIG_KALLSYMS_ALL", "CONFIG_VFIO=", NULL };

        n->has_huge_entries = n->takes_module = fact_unknown("the kernel's configuration is not seen");
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *config = NULL;
                char path[PATH_SIZE];

                snprintf(path, sizeof(path), "%s%s%s", files[i][0], n->boot.release, files[i][1]);
                if (grep_file_at(root->fd, path, words, &config) < 0 || !*config)
                        continue;
                n->has_huge_entries = fact_is(has_option(config, "CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP"),
                                              SOURCE_FILE);
                n->takes_module = fact_is(has_option(config, "CONFIG_KPROBES") &&
                                                  has_option(config, "CONFIG_KALLSYMS_ALL") &&
                                                  has_option(config, "CONFIG_VFIO"),
                                          SOURCE_FILE);
                return;
        }
}

static struct fact read_headers(const struct root *root, const char *release)
{
        char path[PATH_SIZE];
        struct stat st;
        int r;

        snprintf(path, sizeof(path), "lib/modules/%s/build/Makefile", release);
        r = stat_at(root->fd, path, &st);
        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
                return fact_unknown("/lib/modules cannot be read");
        return fact_is(r == 0, SOURCE_FILE);
}

static void read_signature(struct next_kernel *n, const struct root *root, struct module_index *index,
                           const struct module_facts *m)
{
        _cleanup_free_ char *id = NULL, *signer = NULL, *key = NULL;

        if (module_index_info(index, VFIO_ALIGN_MODULE, "sig_id", &id) < 0 ||
            module_index_info(index, VFIO_ALIGN_MODULE, "signer", &signer) < 0 ||
            module_index_info(index, VFIO_ALIGN_MODULE, "sig_key", &key) < 0) {
                n->is_signed = n->key_enrolled = fact_unknown("the module's file cannot be read");
                return;
        }
        n->is_signed = fact_is(*id, SOURCE_MODULE_FILE);
        n->key_enrolled = *id ? module_key_enrolled(root, key, signer) : fact_is(false, SOURCE_MODULE_FILE);
        if (*id && n->key_enrolled.value == FACT_NO && m->secure_boot.value == FACT_YES)
                module_mok_read(&n->mok, root, key);
}

static void read_module(struct next_kernel *n, const struct root *root, const struct module_facts *m)
{
        _cleanup_(module_index_closep) struct module_index *index = NULL;

        if (module_index_open(root, n->boot.release, &index) < 0) {
                n->installed = fact_unknown("the modules of that kernel cannot be read");
                return;
        }
        module_index_name_release(index);
        n->installed = module_index_has(index, VFIO_ALIGN_MODULE);
        if (n->installed.value == FACT_YES)
                read_signature(n, root, index, m);
}

static enum package_tool find_tool(const struct root *root, const char *release)
{
        static const struct {
                const char *path;
                enum package_tool tool;
        } tools[] = {
                { "usr/bin/apt-get", PACKAGE_TOOL_APT },
                { "usr/bin/dnf", PACKAGE_TOOL_DNF },
                { "usr/bin/zypper", PACKAGE_TOOL_ZYPPER },
                { "usr/bin/pacman", PACKAGE_TOOL_PACMAN },
        };

        for (size_t i = 0; i < ELEMENTSOF(tools); i++)
                if (exists_at(root->fd, tools[i].path))
                        return tools[i].tool == PACKAGE_TOOL_APT && strstr(release, "-pve")
                                       ? PACKAGE_TOOL_PROXMOX
                                       : tools[i].tool;
        return PACKAGE_TOOL_UNKNOWN;
}

void next_kernel_read(struct next_kernel *n, const struct root *root, const char *running,
                      const struct module_facts *m)
{
        assert(n);
        assert(root);
        assert(m);

        *n = (struct next_kernel){};
        next_boot_read(&n->boot, root);
        n->other = *n->boot.release && running && !streq(n->boot.release, running);
        if (!n->other)
                return;
        read_config(n, root);
        read_module(n, root, m);
        n->headers = read_headers(root, n->boot.release);
        n->tool = find_tool(root, n->boot.release);
        dkms_version_read(root, n->dkms_version);
        if (*n->dkms_version)
                n->dkms_error = dkms_error_read(root, n->dkms_version, n->boot.release);
}

void next_kernel_done(struct next_kernel *n)
{
        free(n->dkms_error);
        *n = (struct next_kernel){};
}
