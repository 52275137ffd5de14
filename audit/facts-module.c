/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-module.h"

#include <fcntl.h>

#include "module-index.h"
#include "util/file.h"
#include "util/macro.h"

#define PARAMETERS "sys/module/" VFIO_ALIGN_MODULE "/parameters/"

/* Documentation/admin-guide/tainted-kernels.rst */
#define TAINT_OOT_MODULE (1U << 12)
#define TAINT_UNSIGNED_MODULE (1U << 13)

DEFINE_TRIVIAL_CLEANUP(struct module_index *, module_index_close)

/* The mask of panic_on_taint=, which has no reader but the command line; 0 where it is not set. */
static uint64_t read_panic_on_taint(const struct root *root)
{
        _cleanup_free_ char *cmdline = NULL;
        const char *value;
        uint64_t mask = 0;
        char *save = NULL;

        if (read_line_at(root->fd, "proc/cmdline", &cmdline) < 0)
                return 0;
        for (char *word = strtok_r(cmdline, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                value = startswith(word, "panic_on_taint=");
                if (value)
                        mask = strtoull(value, NULL, 16);
        }
        return mask;
}

static bool signature_is_enforced(const struct root *root)
{
        _cleanup_free_ char *lockdown = NULL, *enforce = NULL;

        if (read_line_at(root->fd, "sys/kernel/security/lockdown", &lockdown) >= 0 &&
            strchr(lockdown, '[') && !strstr(lockdown, "[none]"))
                return true;
        return read_line_at(root->fd, "sys/module/module/parameters/sig_enforce", &enforce) >= 0 &&
               streq(enforce, "Y");
}

static struct fact read_loadable(const struct root *root, struct module_index *index)
{
        struct fact is_signed = index ? module_index_is_signed(index, VFIO_ALIGN_MODULE)
                                      : fact_unknown("the modules of this kernel cannot be read");
        struct fact no = fact_is(false, SOURCE_SYSFS);
        uint64_t disabled, taint;

        if (read_u64_at(root->fd, "proc/sys/kernel/modules_disabled", 10, &disabled) >= 0 && disabled) {
                no.why = "kernel.modules_disabled=1: no module can be loaded until the next boot";
                return no;
        }

        taint = TAINT_OOT_MODULE | (is_signed.value == FACT_YES ? 0 : TAINT_UNSIGNED_MODULE);
        if (read_panic_on_taint(root) & taint) {
                no.source = SOURCE_CMDLINE;
                no.why = "panic_on_taint= on the kernel command line: an out-of-tree module would panic this host";
                return no;
        }

        if (signature_is_enforced(root) && is_signed.value == FACT_NO) {
                no.why = "this host loads signed modules only (lockdown or sig_enforce), and the module is not signed";
                return no;
        }
        return fact_is(true, SOURCE_SYSFS);
}

void module_facts_read(struct module_facts *m, const struct root *root, const char *release)
{
        _cleanup_(module_index_closep) struct module_index *index = NULL;
        _cleanup_free_ char *enabled = NULL;

        *m = (struct module_facts) {};
        if (!release || module_index_open(root, release, &index) < 0)
                m->installed = fact_unknown("the modules of this kernel cannot be read");
        else
                m->installed = module_index_has(index, VFIO_ALIGN_MODULE);
        m->loadable = read_loadable(root, index);

        m->loaded = fact_is(faccessat(root->fd, PARAMETERS "enabled", F_OK, 0) >= 0, SOURCE_SYSFS);
        if (m->loaded.value != FACT_YES) {
                m->enabled = fact_is(false, SOURCE_SYSFS);
                return;
        }
        if (read_line_at(root->fd, PARAMETERS "enabled", &enabled) < 0)
                m->enabled = fact_unknown("the module's parameter cannot be read");
        else
                m->enabled = fact_is(streq(enabled, "Y"), SOURCE_SYSFS);
        (void) read_u64_at(root->fd, PARAMETERS "hits", 10, &m->hits);
        (void) read_u64_at(root->fd, PARAMETERS "aligned", 10, &m->aligned);
}
