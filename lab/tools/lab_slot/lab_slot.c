// SPDX-License-Identifier: GPL-2.0-only
/* Fills get_unmapped_area of vfio_device_fops, as a kernel or another module would: echo
 * kernel|other|empty >/sys/module/lab_slot/parameters/slot. "kernel" is thp_get_unmapped_area(), "other" a
 * function of this module. */
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/vfio.h>
#include <linux/vmalloc.h>

/* vfio stays where it is. */
static const void *const vfio_pin __used = vfio_file_set_kvm;

typedef unsigned long (*area_fn)(struct file *, unsigned long, unsigned long, unsigned long, unsigned long);
static area_fn *slot;  /* writable */
static area_fn before; /* what was in it */

static unsigned long lab_slot_area(struct file *file, unsigned long addr, unsigned long len,
                                   unsigned long pgoff, unsigned long flags)
{
        return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}

static int slot_set(const char *val, const struct kernel_param *kp)
{
        if (!slot)
                return -ENODEV;
        if (sysfs_streq(val, "kernel"))
                WRITE_ONCE(*slot, thp_get_unmapped_area);
        else if (sysfs_streq(val, "other"))
                WRITE_ONCE(*slot, lab_slot_area);
        else if (sysfs_streq(val, "empty"))
                WRITE_ONCE(*slot, NULL);
        else
                return -EINVAL;
        return 0;
}

/* The name of the function that the slot leads to, or "0x0". */
static int slot_get(char *buf, const struct kernel_param *kp)
{
        return slot ? sysfs_emit(buf, "%ps\n", READ_ONCE(*slot)) : -ENODEV;
}

static const struct kernel_param_ops slot_ops = { .set = slot_set, .get = slot_get };
module_param_cb(slot, &slot_ops, NULL, 0644);

/* As vfio_align finds it: the kprobe is refused, and leaves the address. */
static struct page *slot_page(struct file_operations **fops)
{
        struct kprobe kp = { .symbol_name = "vfio_device_fops" };

        if (register_kprobe(&kp) != -EINVAL || !kp.addr)
                return NULL;
        *fops = (struct file_operations *) kp.addr;
        return vmalloc_to_page(&(*fops)->get_unmapped_area); /* vfio is a module in all kernels here */
}

static int __init lab_slot_init(void)
{
        struct file_operations *fops;
        struct page *page = slot_page(&fops);
        void *rw = page ? vmap(&page, 1, VM_MAP, PAGE_KERNEL) : NULL;

        if (!rw)
                return -ENXIO;
        slot = rw + offset_in_page(&fops->get_unmapped_area);
        before = READ_ONCE(*slot);
        return 0;
}
module_init(lab_slot_init);

static void __exit lab_slot_exit(void)
{
        void *rw = (void *) ((unsigned long) slot & PAGE_MASK);

        WRITE_ONCE(*slot, before);
        synchronize_rcu_tasks();
        vunmap(rw);
}
module_exit(lab_slot_exit);

MODULE_DESCRIPTION("Fills the slot that vfio_align fills, for tests");
MODULE_LICENSE("GPL");
