/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-module.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "modprobe-conf.h"
#include "module-index.h"
#include "module-key.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/module-name.h"
#include "util/panic-on-taint.h"

#define EFIVARS "sys/firmware/efi/efivars/"
#define RELEASES_MAX 64
#define SIGNED_ONLY "this host loads signed modules only (lockdown or sig_enforce)"
#define SYSFS_MODULE "sys/module/" VFIO_ALIGN_MODULE
#define PARAMETERS SYSFS_MODULE "/parameters/"

/* Documentation/admin-guide/tainted-kernels.rst */
#define TAINT_OOT_MODULE (1U << 12)
#define TAINT_UNSIGNED_MODULE (1U << 13)

DEFINE_TRIVIAL_CLEANUP(struct module_index *, module_index_close)

/* list: names separated by commas, as in a parameter of the kernel's command line, or one name up to white
 * space. */
static bool names_module(const char *list)
{
        for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',')
                if (module_name_equal_n(s, strcspn(s, ", \t"), VFIO_ALIGN_MODULE))
                        return true;
        return false;
}

static const char *blacklisted_by_cmdline(const struct root *root)
{
        _cleanup_free_ char *cmdline = NULL;
        const char *why = NULL;
        char *save = NULL;

        if (read_line_at(root->fd, "proc/cmdline", &cmdline) < 0)
                return NULL;
        for (char *word = strtok_r(cmdline, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                const char *kernel = startswith(word, "module_blacklist="),
                           *kmod = startswith(word, "modprobe.blacklist=");

                if (kernel && names_module(kernel))
                        why = "module_blacklist= on the kernel command line names the module: "
                              "the kernel refuses it";
                else if (kmod && names_module(kmod) && !why)
                        why = "modprobe.blacklist= on the kernel command line names the module";
        }
        return why;
}

/* modprobe@.service obeys both "blacklist" and "install". */
static int read_modprobe_line(const char *line, const char *file, unsigned number, void *userdata)
{
        const char *s = startswith(line, "blacklist") ?: startswith(line, "install"), **why = userdata;

        (void) file, (void) number;
        if (!s || !strchr(" \t", *s) || !names_module(s += strspn(s, " \t")))
                return 0;
        if (startswith(line, "blacklist")) {
                *why = "modprobe.d(5) has a line \"blacklist " VFIO_ALIGN_MODULE "\"";
                return 0;
        }
        s += strcspn(s, " \t");
        s += strspn(s, " \t");
        s = startswith(s, "/usr") ?: s;
        s = startswith(s, "/bin/") ?: s;
        s = startswith(s, "false") ?: startswith(s, "true");
        if (s && (!*s || strchr(" \t", *s)))
                *why = "modprobe.d(5) has a line \"install " VFIO_ALIGN_MODULE
                       "\" with a command that loads nothing";
        return 0;
}

static struct fact read_signature_enforced(const struct root *root)
{
        _cleanup_free_ char *lockdown = NULL, *enforce = NULL;

        if (read_line_at(root->fd, "sys/module/module/parameters/sig_enforce", &enforce) >= 0 &&
            streq(enforce, "Y"))
                return fact_is(true, SOURCE_SYSFS);
        if (read_line_at(root->fd, "sys/kernel/security/lockdown", &lockdown) < 0 || !strchr(lockdown, '['))
                return fact_unknown("/sys/kernel/security/lockdown cannot be read");
        return fact_is(!strstr(lockdown, "[none]"), SOURCE_SYSFS);
}

/* Unlike exists_at(), this knows what is not there from what may not be looked at. */
static enum fact_value path_exists(const struct root *root, const char *path)
{
        _cleanup_close_ int fd = open_at(root->fd, path, O_PATH);

        if (fd >= 0)
                return FACT_YES;
        return fd == -ENOENT || fd == -ENOTDIR ? FACT_NO : FACT_UNKNOWN;
}

/* The variable is four bytes of attributes and one of value (UEFI, 3.3;
 * Documentation/filesystems/efivarfs.rst). */
static struct fact read_secure_boot(const struct root *root)
{
        _cleanup_free_ char *bytes = NULL;
        size_t size;

        if (read_file_at(root->fd, EFIVARS "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", 64, &bytes,
                         &size) >= 0 &&
            size == 5)
                return fact_is(bytes[4] == 1, SOURCE_SYSFS);
        if (path_exists(root, "sys/firmware") == FACT_YES &&
            path_exists(root, "sys/firmware/efi") == FACT_NO)
                return fact_is(false, SOURCE_SYSFS);
        return fact_unknown("the firmware's variables cannot be read");
}

/* Reads what the module's file shows, or says why it is unknown. */
static void read_file_facts(struct module_facts *m, const struct root *root, const char *release,
                            struct module_index *index)
{
        _cleanup_free_ char *vermagic = NULL, *id = NULL, *signer = NULL, *key = NULL;
        int r;

        r = module_index_info(index, VFIO_ALIGN_MODULE, "vermagic", &vermagic);
        if (r < 0) {
                m->built_for_kernel = m->is_signed = m->key_enrolled = fact_unknown(
                        r == -ENOENT ? "the module is not installed for this kernel"
                                     : "the module's file cannot be read");
                return;
        }
        /* "6.12.107+deb13-amd64 SMP preempt mod_unload modversions" */
        vermagic[strcspn(vermagic, " ")] = '\0';
        m->built_for_kernel = fact_is(streq(vermagic, release), SOURCE_MODULE_FILE);

        if (module_index_info(index, VFIO_ALIGN_MODULE, "sig_id", &id) < 0 ||
            module_index_info(index, VFIO_ALIGN_MODULE, "signer", &signer) < 0 ||
            module_index_info(index, VFIO_ALIGN_MODULE, "sig_key", &key) < 0) {
                m->is_signed = m->key_enrolled = fact_unknown("the module's file cannot be read");
                return;
        }
        m->is_signed = fact_is(*id, SOURCE_MODULE_FILE);
        snprintf(m->signer, sizeof(m->signer), "%s", signer);
        snprintf(m->sig_key, sizeof(m->sig_key), "%s", key);
        m->key_enrolled = *id ? module_key_enrolled(root, key, signer)
                              : fact_unknown("the module is not signed");
}

static void read_versions(struct module_facts *m, const struct root *root, struct module_index *index)
{
        _cleanup_free_ char *loaded = NULL, *file = NULL;

        if (read_line_at(root->fd, SYSFS_MODULE "/version", &loaded) >= 0)
                snprintf(m->loaded_version, sizeof(m->loaded_version), "%s", loaded);
        if (index && module_index_info(index, VFIO_ALIGN_MODULE, "version", &file) >= 0)
                snprintf(m->file_version, sizeof(m->file_version), "%s", file);
        dkms_version_read(root, m->source_version);
}

/* Finds another release that it is installed for: the newest one, because the kernel that is booted next
 * often is. */
static void find_other_release(struct module_facts *m, const struct root *root, const char *release)
{
        _cleanup_(names_done) struct names releases = {};
        const char *best = NULL;

        if (list_dir_at(root->fd, "lib/modules", &releases) < 0)
                return;
        for (size_t i = 0; i < releases.n && i < RELEASES_MAX; i++) {
                _cleanup_(module_index_closep) struct module_index *index = NULL;
                const char *name = releases.names[i];

                if (streq(name, release) || (best && strverscmp(name, best) < 0) ||
                    module_index_open(root, name, &index) < 0)
                        continue;
                if (module_index_has(index, VFIO_ALIGN_MODULE).value == FACT_YES)
                        best = name;
        }
        if (best)
                snprintf(m->other_release, sizeof(m->other_release), "%s", best);
}

static void read_installed(struct module_facts *m, const struct root *root, const char *release)
{
        _cleanup_(module_index_closep) struct module_index *index = NULL;

        if (release)
                (void) module_index_open(root, release, &index);
        read_versions(m, root, index);
        if (!index) {
                m->installed = m->built_for_kernel = m->is_signed = m->key_enrolled = fact_unknown(
                        "the modules of this kernel cannot be read");
                return;
        }
        m->installed = module_index_has(index, VFIO_ALIGN_MODULE);
        read_file_facts(m, root, release, index);
        if (m->installed.value == FACT_NO)
                find_other_release(m, root, release);
}

/* NULL, or why the module would refuse to load: what it finds in the slot, or that it is not needed. */
static const char *refused_by_module(const struct kernel_facts *k)
{
        if (k->mapping_order.value == FACT_YES)
                return "this kernel aligns VFIO mappings by itself (get_mapping_order)";
        if (k->hook.value != FACT_YES || (k->hook_module && streq(k->hook_module, VFIO_ALIGN_MODULE)))
                return NULL;
        if (!kernel_hook_is_thp(k))
                return "another function has the slot of vfio that the module fills";
        return k->huge_pud.value == FACT_NO ? "this kernel aligns VFIO mappings by itself, as far as it "
                                              "has huge entries for them"
                                            : NULL;
}

static struct fact decide_loadable(struct module_facts *m, const struct root *root,
                                   const struct kernel_facts *k)
{
        struct fact no = fact_is(false, SOURCE_SYSFS);
        uint64_t disabled, taint;
        int unread;

        if (k->takes_module.value == FACT_NO)
                return k->takes_module;
        no.why = refused_by_module(k);
        if (no.why) {
                no.source = k->mapping_order.value == FACT_YES ? k->mapping_order.source : k->hook.source;
                return no;
        }
        if (k->mapping_order.value == FACT_UNKNOWN && k->hook_place.order_offset)
                return fact_unknown("the kernel has get_mapping_order: whether it aligns VFIO mappings by "
                                    "that is seen when vfio is loaded");
        if (read_u64_at(root->fd, "proc/sys/kernel/modules_disabled", 10, &disabled) >= 0 && disabled) {
                no.source = SOURCE_PROC;
                no.why = "kernel.modules_disabled=1: no module can be loaded until the next boot";
                return no;
        }

        taint = TAINT_OOT_MODULE | (m->is_signed.value == FACT_YES ? 0 : TAINT_UNSIGNED_MODULE);
        if (panic_on_taint_read(root) & taint) {
                no.source = SOURCE_CMDLINE;
                no.why = "panic_on_taint= on the kernel command line: "
                         "an out-of-tree module would panic this host";
                return no;
        }

        no.why = blacklisted_by_cmdline(root);
        if (no.why) {
                no.source = SOURCE_CMDLINE;
                return no;
        }
        (void) modprobe_conf_read(root, read_modprobe_line, &no.why, &unread);
        if (no.why) {
                no.source = SOURCE_FILE;
                return no;
        }

        if (m->signature_enforced.value == FACT_YES && m->is_signed.value == FACT_NO)
                no.why = SIGNED_ONLY ", and the module is not signed";
        else if (m->signature_enforced.value == FACT_YES && m->key_enrolled.value == FACT_NO)
                no.why = SIGNED_ONLY ", and does not know the key that the module is signed with";
        m->lacks_key = no.why != NULL;
        return no.why ? no : fact_is(true, SOURCE_SYSFS);
}

/* If the kernel's memory is closed to this process, the module's own word counts, its parameter "slot". */
static struct fact decide_alive(const struct module_facts *m, const struct root *root,
                                const struct kernel_facts *k)
{
        _cleanup_free_ char *slot = NULL;

        if (m->loaded.value == FACT_NO)
                return fact_is(false, m->loaded.source);
        if (k->hook.value == FACT_UNKNOWN) {
                if (m->loaded.value != FACT_YES || read_line_at(root->fd, PARAMETERS "slot", &slot) < 0)
                        return k->hook;
                return fact_is(streq(slot, "ours"), SOURCE_SYSFS);
        }
        return fact_is(k->hook_module && streq(k->hook_module, VFIO_ALIGN_MODULE), SOURCE_KCORE);
}

static struct fact read_loaded(const struct root *root)
{
        if (exists_at(root->fd, PARAMETERS "enabled"))
                return fact_is(true, SOURCE_SYSFS);
        if (path_exists(root, "sys/module") != FACT_YES || path_exists(root, SYSFS_MODULE) == FACT_UNKNOWN)
                return fact_unknown("/sys/module cannot be read");
        /* The module is being loaded or unloaded, or may not be looked into. */
        if (path_exists(root, SYSFS_MODULE) == FACT_YES)
                return fact_unknown("its parameters in /sys/module cannot be read");
        return fact_is(false, SOURCE_SYSFS);
}

void module_facts_read(struct module_facts *m, const struct root *root, const struct kernel_facts *k)
{
        _cleanup_free_ char *enabled = NULL;

        assert(m);
        assert(root);
        assert(k);

        *m = (struct module_facts){};
        read_installed(m, root, k->release);
        m->signature_enforced = read_signature_enforced(root);
        m->secure_boot = read_secure_boot(root);
        m->loadable = decide_loadable(m, root, k);
        if (m->secure_boot.value == FACT_YES && m->key_enrolled.value == FACT_NO)
                module_mok_read(&m->mok, root, m->sig_key);

        m->loaded = read_loaded(root);
        m->alive = decide_alive(m, root, k);
        if (m->loaded.value != FACT_YES) {
                m->enabled = m->loaded;
                return;
        }
        if (read_line_at(root->fd, PARAMETERS "enabled", &enabled) < 0)
                m->enabled = fact_unknown("the module's parameter cannot be read");
        else
                m->enabled = fact_is(streq(enabled, "Y"), SOURCE_SYSFS);
        (void) read_u64_at(root->fd, PARAMETERS "hits", 10, &m->hits);
        (void) read_u64_at(root->fd, PARAMETERS "aligned", 10, &m->aligned);
}

bool module_works(const struct module_facts *m)
{
        assert(m);

        return m->loaded.value == FACT_YES && m->enabled.value == FACT_YES;
}
