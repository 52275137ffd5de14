/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is to come for the module: after an upgrade of its package, and when another kernel boots. */
#include "collect.h"

#include <stdarg.h>

#include "util/macro.h"
#include "util/memory.h"
#include "what-if.h"

int set_remedy(struct findings *f, const char *format, ...)
{
        struct finding *last = &f->findings[f->n_findings - 1];
        char *text;
        va_list args;

        va_start(args, format);
        text = memory_vformat(format, args);
        va_end(args);
        if (!text)
                return -ENOMEM;
        free(last->remedy_here);
        last->remedy_here = text;
        return 0;
}

int set_remedy_of_key(struct findings *f, struct fact is_signed, const struct module_mok *mok,
                      const char *dkms_version, const char *release)
{
        if (is_signed.value == FACT_NO) {
                if (!*dkms_version || !release)
                        return set_remedy(
                                f, "Sign the module, and enrol the key: mokutil --import CERTIFICATE");
                return set_remedy(
                        f,
                        "dkms unbuild " DKMS_MODULE "/%s -k %s && dkms install " DKMS_MODULE
                        "/%s -k %s (DKMS signs what it builds; then vfioalignctl audit says how to "
                        "enrol the key)",
                        dkms_version, release, dkms_version, release);
        }
        if (mok->pending.value == FACT_YES)
                return set_remedy(f,
                                  "Reboot; in the blue screen (MokManager) choose Enroll MOK, and type the "
                                  "password that was given to mokutil --import");
        if (mok->listed.value == FACT_YES)
                return set_remedy(f,
                                  "Boot a kernel that takes the keys of the machine's owner (MOK), as those "
                                  "of distributions do: the firmware has this one");
        if (!mok->certificate)
                return 0;
        return set_remedy(f,
                          "mokutil --import %s; it asks for a new password. Then reboot: in the blue screen "
                          "(MokManager) choose Enroll MOK, and type that password",
                          mok->certificate);
}

/* Whether this host has to do with the module at all. */
static bool module_is_used(const struct module_facts *m)
{
        return m->installed.value == FACT_YES || m->loaded.value == FACT_YES || *m->source_version;
}

int collect_module_version(struct findings *f, const struct host *h)
{
        const struct module_facts *m = &h->module;
        int r;

        if (*m->source_version && *m->file_version && !streq(m->source_version, m->file_version)) {
                r = findings_add(f, FINDING_MODULE_OUTDATED, NULL,
                                 "%s is installed for this kernel, and DKMS has the source of %s",
                                 m->file_version, m->source_version);
                if (r < 0 || !h->kernel.release)
                        return r;
                return set_remedy(f, "dkms install --force " DKMS_MODULE "/%s -k %s", m->source_version,
                                  h->kernel.release);
        }
        if (*m->loaded_version && *m->file_version && !streq(m->loaded_version, m->file_version))
                return findings_add(f, FINDING_MODULE_OUTDATED, NULL,
                                    "%s is loaded, and %s is installed for this kernel", m->loaded_version,
                                    m->file_version);
        return 0;
}

static int set_remedy_of_headers(struct findings *f, const struct next_kernel *n)
{
        static const char *const install[_PACKAGE_TOOL_MAX] = {
                [PACKAGE_TOOL_APT] = "apt install linux-headers-",
                [PACKAGE_TOOL_PROXMOX] = "apt install proxmox-headers-",
                [PACKAGE_TOOL_DNF] = "dnf install kernel-devel-",
        };
        const char *release = n->boot.release;

        if (install[n->tool])
                return set_remedy(f, "%s%s && dkms autoinstall -k %s", install[n->tool], release, release);
        if (n->tool == PACKAGE_TOOL_ZYPPER)
                return set_remedy(f, "zypper install kernel-default-devel && dkms autoinstall -k %s",
                                  release);
        if (n->tool == PACKAGE_TOOL_PACMAN)
                return set_remedy(f, "pacman -S linux-headers && dkms autoinstall -k %s", release);
        return set_remedy(f, "Install the headers of %s, then: dkms autoinstall -k %s", release, release);
}

/* reason: what is wrong with that kernel; detail: more of it, or NULL. */
static int add_next_kernel(struct findings *f, const struct next_kernel *n, const char *reason,
                           const char *detail)
{
        const char *colon = detail ? ": " : "", *more = detail ?: "", *release = n->boot.release;
        int r;

        if (n->boot.known.value == FACT_YES)
                return findings_add(f, FINDING_NEXT_KERNEL_NO_MODULE, NULL, "%s boots next (%s), and %s%s%s",
                                    release, n->boot.known.why, reason, colon, more);
        r = findings_add(f, FINDING_NEXT_KERNEL_NO_MODULE, NULL,
                         "%s is the newest kernel, and %s%s%s; which one boots next is unknown (%s)",
                         release, reason, colon, more, n->boot.known.why);
        if (r < 0)
                return r;
        f->findings[f->n_findings - 1].severity = SEVERITY_NOTICE;
        return 0;
}

static int collect_not_installed(struct findings *f, const struct next_kernel *n)
{
        int r;

        if (!*n->dkms_version) {
                r = add_next_kernel(f, n, "the module is not installed for it", NULL);
                if (r < 0)
                        return r;
                return set_remedy(f, "Install the package vfioalign-dkms and the headers of %s",
                                  n->boot.release);
        }
        if (n->headers.value == FACT_NO) {
                r = add_next_kernel(f, n, "its headers are not installed", NULL);
                return r < 0 ? r : set_remedy_of_headers(f, n);
        }
        if (n->dkms_error) {
                r = add_next_kernel(f, n, "DKMS could not build the module", n->dkms_error);
                if (r < 0)
                        return r;
                return set_remedy(f,
                                  "Correct what /var/lib/dkms/" DKMS_MODULE
                                  "/%s/build/make.log says, then: dkms autoinstall -k %s",
                                  n->dkms_version, n->boot.release);
        }
        r = add_next_kernel(f, n, "DKMS has not built the module for it", NULL);
        return r < 0 ? r : set_remedy(f, "dkms autoinstall -k %s", n->boot.release);
}

/* Secure Boot makes distributions' kernels load signed modules only, unless shim has been told not to look.
 */
static bool signatures_matter(const struct module_facts *m)
{
        if (m->signature_enforced.value == FACT_UNKNOWN)
                return m->secure_boot.value == FACT_YES;
        return m->signature_enforced.value == FACT_YES;
}

int collect_next_kernel(struct findings *f, const struct host *h)
{
        const struct next_kernel *n = &h->next_kernel;
        const struct module_facts *m = &h->module;
        bool newer;
        struct help help;
        int r;

        if (!n->other || !module_is_used(m) || n->has_huge_entries.value == FACT_NO)
                return 0;
        newer = h->kernel.release && kernel_release_compare(n->boot.release, h->kernel.release) > 0;
        if (newer && kernel_aligns(h))
                return 0;
        help = help_host_without_module(h);
        if (!(help.here & FIX_BIT(FIX_MODULE)))
                return 0;

        if (n->takes_module.value == FACT_NO) {
                r = add_next_kernel(f, n, "it was built without what the module needs", NULL);
                return r < 0 ? r
                             : set_remedy(f, "Boot another kernel, or run guests with QEMU 9.2 or later");
        }
        if (n->installed.value == FACT_NO)
                return collect_not_installed(f, n);
        if (n->installed.value != FACT_YES || n->key_enrolled.value != FACT_NO || !signatures_matter(m))
                return 0;
        r = add_next_kernel(
                f, n,
                n->is_signed.value == FACT_NO
                        ? "the module for it is not signed, which Secure Boot asks for"
                        : "the key of the module for it is not enrolled, which Secure Boot asks for",
                NULL);
        return r < 0 ? r : set_remedy_of_key(f, n->is_signed, &n->mok, n->dkms_version, n->boot.release);
}
