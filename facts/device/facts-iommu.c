/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-iommu.h"

#include <assert.h>
#include <fcntl.h>
#include <fnmatch.h>

#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define IOMMUS "sys/class/iommu"
#define GROUPS "sys/kernel/iommu_groups"
#define TYPE1 "sys/module/vfio_iommu_type1/parameters/"
#define KVM "sys/module/kvm/parameters/"

/* The VT-d specification, 11.4.2 and 11.4.3 */
#define VTD_CAP_2M (UINT64_C(1) << 34)
#define VTD_CAP_1G (UINT64_C(1) << 35)
#define VTD_ECAP_INTERRUPT_REMAPPING (UINT64_C(1) << 3)

/* clang-format off */
static const char *const iommu_type_table[_IOMMU_TYPE_MAX] = {
        [IOMMU_UNKNOWN] = "unknown",
        [IOMMU_INTEL] = "intel",
        [IOMMU_AMD] = "amd",
        [IOMMU_ARM] = "arm",
};
/* clang-format on */
DEFINE_STRING_TABLE(iommu_type, enum iommu_type);

/* Whether the kernel's command line has a word that matches, as "intel_iommu=on,sp_off" does
 * "intel_iommu=*sp_off*". */
static bool cmdline_has(const char *cmdline, const char *pattern)
{
        for (const char *word = cmdline; word && *word;) {
                size_t n = strcspn(word, " ");
                char copy[256];

                snprintf(copy, sizeof(copy), "%.*s", (int) (n < sizeof(copy) ? n : sizeof(copy) - 1), word);
                if (fnmatch(pattern, copy, 0) == 0)
                        return true;
                word += n + strspn(word + n, " ");
        }
        return false;
}

static enum iommu_type type_of(const char *name)
{
        if (startswith(name, "dmar"))
                return IOMMU_INTEL;
        if (startswith(name, "ivhd"))
                return IOMMU_AMD;
        if (startswith(name, "smmu"))
                return IOMMU_ARM;
        return IOMMU_UNKNOWN;
}

static int read_register(const struct root *root, const char *name, const char *file, uint64_t *ret)
{
        char path[512];

        snprintf(path, sizeof(path), IOMMUS "/%s/intel-iommu/%s", name, file);
        return read_u64_at(root->fd, path, 16, ret);
}

static void read_intel(struct iommu *i, const struct root *root, const char *cmdline)
{
        uint64_t cap, ecap;

        if (read_register(root, i->name, "cap", &cap) >= 0) {
                i->huge_pmd = fact_is(cap & VTD_CAP_2M, SOURCE_SYSFS);
                i->huge_pud = fact_is(cap & VTD_CAP_1G, SOURCE_SYSFS);
        }
        if (read_register(root, i->name, "ecap", &ecap) >= 0)
                i->remaps_interrupts = fact_is(ecap & VTD_ECAP_INTERRUPT_REMAPPING, SOURCE_SYSFS);
        if (cmdline_has(cmdline, "intel_iommu=*sp_off*"))
                i->huge_pmd = i->huge_pud = fact_is(false, SOURCE_CMDLINE);
}

/* The tables of an AMD IOMMU can have pages of any power of two at any level. */
static void read_amd(struct iommu *i, const char *cmdline)
{
        i->huge_pmd = i->huge_pud = fact_is(true, SOURCE_SYSFS);
        if (cmdline_has(cmdline, "amd_iommu=*nohugepages*"))
                i->huge_pmd = i->huge_pud = fact_is(false, SOURCE_CMDLINE);
        i->remaps_interrupts = fact_unknown("AMD shows it in the kernel's log only");
}

static int read_iommus(struct iommu_facts *f, const struct root *root, const struct names *names,
                       const char *cmdline)
{
        for (size_t n = 0; n < names->n; n++) {
                struct iommu *i = array_append(f->iommus, f->n_iommus);

                if (!i || !(i->name = strdup(names->names[n])))
                        return -ENOMEM;
                i->type = type_of(i->name);
                i->huge_pmd = i->huge_pud = i->remaps_interrupts = fact_unknown(
                        "this IOMMU does not show it");
                if (i->type == IOMMU_INTEL)
                        read_intel(i, root, cmdline);
                else if (i->type == IOMMU_AMD)
                        read_amd(i, cmdline);
        }
        return 0;
}

/* Whether all units have it: no if one does not, unknown if that is unknown of one. member: its offset in
 * struct iommu. */
static struct fact all_have(const struct iommu_facts *f, size_t member)
{
        struct fact all = fact_unknown("no IOMMU is listed");

        for (size_t i = 0; i < f->n_iommus; i++) {
                struct fact one = *(const struct fact *) ((const char *) &f->iommus[i] + member);

                if (one.value == FACT_NO)
                        return one;
                if (i == 0 || one.value == FACT_UNKNOWN)
                        all = one;
        }
        return all;
}

/* A device that VFIO takes without an IOMMU gets a group as well, with a name of its own
 * (drivers/vfio/group.c). */
static bool is_real_group(const struct root *root, const char *number)
{
        _cleanup_free_ char *name = NULL;
        char path[512];

        snprintf(path, sizeof(path), GROUPS "/%s/name", number);
        return read_line_at(root->fd, path, &name) < 0 || !streq(name, "vfio-noiommu");
}

static int read_at_work(struct iommu_facts *f, const struct root *root, const struct device_facts *devices,
                        const char *cmdline)
{
        _cleanup_(names_done) struct names units = {}, groups = {};
        int have_units = list_dir_at(root->fd, IOMMUS, &units);
        int have_groups = list_dir_at(root->fd, GROUPS, &groups);

        if (have_units == -ENOMEM || have_groups == -ENOMEM)
                return -ENOMEM;
        if (units.n > 0)
                f->at_work = fact_is(true, SOURCE_SYSFS);
        else if (have_units < 0)
                f->at_work = fact_unknown("/" IOMMUS " cannot be read");
        else if (have_groups < 0)
                f->at_work = fact_unknown("/" GROUPS " cannot be read");
        else
                f->at_work = fact_is(false, SOURCE_SYSFS);
        for (size_t i = 0; i < groups.n && f->at_work.value != FACT_YES; i++)
                if (is_real_group(root, groups.names[i]))
                        f->at_work = fact_is(true, SOURCE_SYSFS);
        for (size_t i = 0; i < devices->n_devices && f->at_work.value != FACT_YES; i++) {
                char number[16];

                snprintf(number, sizeof(number), "%d", devices->devices[i].group);
                if (devices->devices[i].group >= 0 && is_real_group(root, number))
                        f->at_work = fact_is(true, SOURCE_SYSFS);
        }
        return read_iommus(f, root, &units, cmdline);
}

/* /proc/interrupts has the names of interrupt chips: those behind the remapping hardware of x86 start with
 * "IR-", and on arm64 an ITS keeps the devices apart. */
static struct fact read_remaps_interrupts(const struct root *root)
{
        static const char *const chips[] = { " IR-", " ITS-", "PCI-MSI", "IO-APIC", NULL };
        _cleanup_free_ char *lines = NULL;

        if (grep_file_at(root->fd, "proc/interrupts", chips, &lines) < 0 || !*lines)
                return fact_unknown("/proc/interrupts does not show it");
        return fact_is(strstr(lines, " IR-") || strstr(lines, " ITS-"), SOURCE_PROC);
}

/* A module's parameter that is a bool, or "never", which is off for good. */
static struct fact read_parameter(const struct root *root, const char *path)
{
        _cleanup_free_ char *value = NULL;

        if (read_line_at(root->fd, path, &value) < 0)
                return fact_unknown("the module is not loaded");
        return fact_is(streq(value, "Y") || streq(value, "1"), SOURCE_SYSFS);
}

static struct fact read_unsafe_interrupts(const struct root *root)
{
        struct fact type1 = read_parameter(root, TYPE1 "allow_unsafe_interrupts");
        struct fact iommufd = read_parameter(root, "sys/module/iommufd/parameters/allow_unsafe_interrupts");

        return type1.value == FACT_YES || iommufd.value == FACT_UNKNOWN ? type1 : iommufd;
}

/* Intel has a line "vmx flags: ... ept ept_1gb ...". AMD has none, and its nested tables have the sizes of
 * the ordinary ones (arch/x86/kvm/svm/svm.c: kvm_configure_mmu() with 1 GiB if the CPU has pdpe1gb). */
static struct fact kvm_huge_pud(const char *cpuinfo, bool tables_off)
{
        const char *vmx = strstr(cpuinfo, "vmx flags"), *flags = strstr(cpuinfo, "\nflags");
        const char *line = vmx ?: flags, *word = vmx ? " ept_1gb" : " pdpe1gb";
        _cleanup_free_ char *copy = NULL;

        if (!line || (!vmx && !strstr(flags, " svm")))
                return fact_unknown("/proc/cpuinfo does not show it");
        if (tables_off)
                return fact_is(false, SOURCE_SYSFS);
        line += *line == '\n';
        copy = memory_note(strndup(line, strcspn(line, "\n")));
        return copy ? fact_is(strstr(copy, word), SOURCE_PROC) : fact_unknown("memory is out");
}

static void read_kvm(struct iommu_facts *f, const struct root *root)
{
        static const char *const wanted[] = { "flags\t", "address sizes", NULL };
        _cleanup_free_ char *lines = NULL, *cpuinfo = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *width;
        bool off;

        fd = open_at(root->fd, "sys/module/kvm", O_PATH);
        if (fd >= 0)
                f->kvm = fact_is(true, SOURCE_SYSFS);
        else if (fd == -ENOENT && exists_at(root->fd, "sys/module"))
                f->kvm = fact_is(false, SOURCE_SYSFS);
        else
                f->kvm = fact_unknown("/sys/module cannot be read");
        f->kvm_tdp_mmu = read_parameter(root, KVM "tdp_mmu");
        f->kvm_nx_huge_pages = read_parameter(root, KVM "nx_huge_pages");
        off = read_parameter(root, "sys/module/kvm_intel/parameters/ept").value == FACT_NO ||
              read_parameter(root, "sys/module/kvm_amd/parameters/npt").value == FACT_NO;

        if (grep_file_at(root->fd, "proc/cpuinfo", wanted, &lines) >= 0 &&
            asprintf(&cpuinfo, "\n%s", lines) < 0)
                cpuinfo = memory_note(NULL);
        if (!cpuinfo)
                f->kvm_huge_pud = fact_unknown("/proc/cpuinfo cannot be read");
        else
                f->kvm_huge_pud = kvm_huge_pud(cpuinfo, off);
        /* "address sizes : 46 bits physical, 48 bits virtual" */
        width = lines ? strstr(lines, "address sizes\t: ") : NULL;
        if (!width || sscanf(width, "address sizes\t: %2u bits physical", &f->phys_bits) != 1 ||
            f->phys_bits > 64)
                f->phys_bits = 0;
}

static struct fact read_passthrough(const char *cmdline)
{
        if (!cmdline)
                return fact_unknown("the kernel's command line cannot be read");
        return fact_is(cmdline_has(cmdline, "iommu=pt") || cmdline_has(cmdline, "iommu=*,pt") ||
                               cmdline_has(cmdline, "iommu.passthrough=[1yY]*"),
                       SOURCE_CMDLINE);
}

int iommu_facts_read(struct iommu_facts *ret, const struct root *root, const struct device_facts *devices)
{
        _cleanup_(iommu_facts_done) struct iommu_facts f = {};
        _cleanup_free_ char *cmdline = NULL;
        int r;

        assert(ret);
        assert(root);
        assert(devices);

        *ret = (struct iommu_facts){};
        (void) read_line_at(root->fd, "proc/cmdline", &cmdline);
        f.passthrough = read_passthrough(cmdline);
        r = read_at_work(&f, root, devices, cmdline);
        if (r < 0)
                return r;
        r = iommu_groups_read(&f, root, devices);
        if (r < 0)
                return r;
        f.huge_pmd = all_have(&f, offsetof(struct iommu, huge_pmd));
        f.huge_pud = all_have(&f, offsetof(struct iommu, huge_pud));
        f.remaps_interrupts = read_remaps_interrupts(root);
        f.allows_unsafe_interrupts = read_unsafe_interrupts(root);
        (void) read_u64_at(root->fd, TYPE1 "dma_entry_limit", 10, &f.dma_entry_limit);
        read_kvm(&f, root);
        *ret = TAKE(f, (struct iommu_facts){});
        return 0;
}

void iommu_facts_done(struct iommu_facts *f)
{
        assert(f);

        for (size_t i = 0; i < f->n_iommus; i++)
                free(f->iommus[i].name);
        free(f->iommus);
        free(f->groups);
        free(f->members);
        *f = (struct iommu_facts){};
}
