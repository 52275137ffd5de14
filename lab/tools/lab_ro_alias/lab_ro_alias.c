// SPDX-License-Identifier: GPL-2.0-only
/* While this is loaded, what vfio_align maps writable is read-only, as under a hypervisor that protects the
 * kernel's data: a plain write there is an oops. */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>

static int on_vmap(struct kprobe *kp, struct pt_regs *regs)
{
        char caller[KSYM_SYMBOL_LEN];

        sprint_symbol(caller, *(unsigned long *) regs->sp);
        if (strstr(caller, "[vfio_align]"))
                regs->cx &= ~(_PAGE_RW | _PAGE_DIRTY); /* the fourth argument: the pages' protection */
        return 0;
}

static struct kprobe probe = { .symbol_name = "vmap", .pre_handler = on_vmap };

static int __init lab_ro_alias_init(void)
{
        return register_kprobe(&probe);
}

static void __exit lab_ro_alias_exit(void)
{
        unregister_kprobe(&probe);
}

module_init(lab_ro_alias_init);
module_exit(lab_ro_alias_exit);
MODULE_DESCRIPTION("Makes what vfio_align maps read-only, for tests");
MODULE_LICENSE("GPL");
