// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_align - place VFIO device mappings where huge pages fit
 *
 * Since 6.12 the kernel maps a PCI BAR with PMD and PUD entries, but only where
 * the virtual address is congruent with the offset at that size. Nothing in the
 * kernel ensures that: vfio_device_fops leaves get_unmapped_area empty. This
 * module fills that one slot, and empties it again when it is unloaded.
 *
 * A kernel can have thp_get_unmapped_area() there (proposed in June 2026). That
 * aligns to PMD_SIZE and never to PUD_SIZE, so the module takes the slot from it
 * as well, uses it for all that it does not do itself, and puts it back.
 *
 * A side effect, seen on 7.3: the kernel then refuses one mremap() of several
 * mappings, as for all files with a hook that mm/mremap.c does not know
 * (vma_multi_allowed()).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vmalloc.h>

#ifndef CONFIG_TRANSPARENT_HUGEPAGE
#error "This kernel has no transparent huge pages (with PREEMPT_RT none has), so there is no huge page for device memory to align to"
#endif

#ifndef FOPS_HAS_get_unmapped_area
#error "Kbuild could not ask the kernel's headers about struct file_operations"
#endif

/* Refers to vfio, so vfio cannot be unloaded under this module. */
static const void *const vfio_pin __used = vfio_file_is_valid;

static const struct file_operations *vfio_fops;	/* as everyone sees them */
static struct file_operations *vfio_fops_rw;	/* the same, writable */
static bool enabled = true;
static DEFINE_MUTEX(lock);			/* vfio_fops_rw, enabled, kept */

static atomic64_t hits;
static atomic64_t aligned;

typedef unsigned long (*area_fn)(struct file *, unsigned long, unsigned long,
				 unsigned long, unsigned long);
typedef unsigned long (*area_mm_fn)(struct mm_struct *, struct file *,
				    unsigned long, unsigned long,
				    unsigned long, unsigned long);

/* What was in the slot before: NULL or thp_get_unmapped_area. The hook reads it. */
static area_fn kept;

/* mm_get_unmapped_area() lost its first argument before 6.19. */
static __maybe_unused unsigned long
call(area_fn fn, struct file *file, unsigned long addr, unsigned long len,
     unsigned long pgoff, unsigned long flags)
{
	return fn(file, addr, len, pgoff, flags);
}

static __maybe_unused unsigned long
call_mm(area_mm_fn fn, struct file *file, unsigned long addr, unsigned long len,
	unsigned long pgoff, unsigned long flags)
{
	return fn(current->mm, file, addr, len, pgoff, flags);
}

#define unaligned_area(...)						\
	_Generic(&mm_get_unmapped_area, area_fn : call, area_mm_fn : call_mm) \
		(&mm_get_unmapped_area, __VA_ARGS__)

/* Does the mapping hold a whole naturally aligned piece of this size? */
static bool holds(unsigned long off, unsigned long len, unsigned long size)
{
	unsigned long first = round_up(off, size), end = off + len;

	return first >= off && end > first && end - first >= size;
}

/*
 * With the padding, the hole has an address that is congruent with the offset.
 * Take the highest one: the kernel fills an address space from the top, so the
 * padding stays in one piece for the mappings that follow.
 */
static unsigned long aligned_area(struct file *file, unsigned long len,
				  unsigned long pgoff, unsigned long flags,
				  unsigned long size)
{
	unsigned long off = pgoff << PAGE_SHIFT;
	unsigned long addr;

	if (in_compat_syscall() || !holds(off, len, size) || len + size < len)
		return -ENOMEM;

	addr = thp_get_unmapped_area(file, 0, len + size, pgoff, flags);
	if (IS_ERR_VALUE(addr))
		return addr;

	return addr + size - ((addr - off) & (size - 1));
}

/*
 * The offset of a region carries its index from bit 40 up. That is a multiple
 * of each size used here, so an address congruent with the whole offset is
 * congruent with the BAR, whose base is aligned to its size.
 *
 * A caller that names an address gets what this kernel gives without the
 * module. For all others the fallback is thp_get_unmapped_area(): it aligns to
 * PMD_SIZE if there is room for that, and 6.12 calls it for them anyway.
 */
static unsigned long
vfio_align_get_unmapped_area(struct file *file, unsigned long addr,
			     unsigned long len, unsigned long pgoff,
			     unsigned long flags)
{
	unsigned long off = pgoff << PAGE_SHIFT;

	atomic64_inc(&hits);

	if (addr || flags & MAP_FIXED) {
		if (READ_ONCE(kept))
			return thp_get_unmapped_area(file, addr, len, pgoff, flags);
		return unaligned_area(file, addr, len, pgoff, flags);
	}

	addr = -ENOMEM;
	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PUD_PFNMAP))
		addr = aligned_area(file, len, pgoff, flags, PUD_SIZE);
	if (IS_ERR_VALUE(addr))
		addr = thp_get_unmapped_area(file, 0, len, pgoff, flags);

	if (!IS_ERR_VALUE(addr) && holds(off, len, PMD_SIZE) &&
	    IS_ALIGNED(addr - off, PMD_SIZE))
		atomic64_inc(&aligned);

	return addr;
}

/*
 * A hypervisor can keep the kernel's read-only data read-only whatever the page
 * tables say. There a plain write is an oops. So rewrite the word beside the slot,
 * in the same page, as it is: nobody else writes that, and a fault of this access
 * is an error. copy_to_kernel_nofault() does the same, but is not exported before
 * 6.13.
 */
static int slot_test(void)
{
	unsigned long *slot = (unsigned long *)&vfio_fops_rw->get_unmapped_area;
	unsigned long *beside = offset_in_page(slot) ? slot - 1 : slot + 1;
	unsigned long value = READ_ONCE(*beside);

	pagefault_disable();
	__put_kernel_nofault(beside, &value, unsigned long, fault);
	pagefault_enable();
	return 0;

fault:
	pagefault_enable();
	pr_err("not changed: vfio_device_fops cannot be written (does a hypervisor protect it?)\n");
	return -EPERM;
}

/* The kernel's own function aligns to PMD_SIZE: it is worth replacing if there is more. */
static bool may_replace(area_fn fn)
{
	return !fn || (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PUD_PFNMAP) &&
		       fn == thp_get_unmapped_area);
}

static area_fn slot_read(void)
{
	return READ_ONCE(vfio_fops_rw->get_unmapped_area);
}

static int slot_busy(area_fn fn)
{
	pr_err("not enabled: get_unmapped_area of vfio_device_fops is %ps already\n", fn);
	return -EBUSY;
}

/*
 * vfio has no lock for the slot: replace only what was seen in it, and put that
 * back only if the slot is ours.
 */
static int slot_fill(void)
{
	area_fn seen, was;
	int err;

	err = slot_test();
	if (err)
		return err;

	seen = slot_read();
	if (seen == vfio_align_get_unmapped_area)
		return 0;
	if (!may_replace(seen))
		return slot_busy(seen);

	WRITE_ONCE(kept, seen);
	was = cmpxchg(&vfio_fops_rw->get_unmapped_area, seen,
		      vfio_align_get_unmapped_area);
	if (was != seen)
		return slot_busy(was);

	/* The write can also be dropped without a fault. */
	if (READ_ONCE(vfio_fops->get_unmapped_area) != vfio_align_get_unmapped_area) {
		pr_err("not enabled: writing vfio_device_fops has no effect\n");
		return -EPERM;
	}

	return 0;
}

static bool slot_is_ours(void)
{
	return slot_read() == vfio_align_get_unmapped_area;
}

static void slot_restore(void)
{
	cmpxchg(&vfio_fops_rw->get_unmapped_area, vfio_align_get_unmapped_area, kept);
}

static int slot_clear(void)
{
	int err;

	if (!slot_is_ours())
		return 0;
	err = slot_test();
	if (!err)
		slot_restore();

	return err;
}

/*
 * The parameter's file exists before init and after exit have run. There is no
 * slot then, so only the value is kept.
 */
static int enabled_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int err;

	err = kstrtobool(val, &on);
	if (err)
		return err;

	mutex_lock(&lock);
	if (vfio_fops_rw)
		err = on ? slot_fill() : slot_clear();
	if (!err)
		enabled = on;
	mutex_unlock(&lock);

	return err;
}

static const struct kernel_param_ops enabled_ops = {
	.set = enabled_set,
	.get = param_get_bool,
};
module_param_cb(enabled, &enabled_ops, &enabled, 0644);
__MODULE_PARM_TYPE(enabled, "bool");
MODULE_PARM_DESC(enabled, "Align VFIO mappings; 0 leaves them to the kernel (default: 1)");

static int read_only_set(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

static int counter_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lld\n", (s64)atomic64_read(kp->arg));
}

static const struct kernel_param_ops counter_ops = {
	.set = read_only_set,
	.get = counter_get,
};
module_param_cb(hits, &counter_ops, &hits, 0444);
__MODULE_PARM_TYPE(hits, "counter");
MODULE_PARM_DESC(hits, "Calls of mmap() on VFIO devices (read only)");
module_param_cb(aligned, &counter_ops, &aligned, 0444);
__MODULE_PARM_TYPE(aligned, "counter");
MODULE_PARM_DESC(aligned, "Those that got an address which a huge page fits (read only)");

/*
 * What the slot really holds, read where the kernel reads it. Userspace could
 * see it only in /proc/kcore, for which a daemon would need CAP_SYS_RAWIO.
 */
static int slot_get(char *buf, const struct kernel_param *kp)
{
	const struct file_operations *fops = READ_ONCE(vfio_fops);
	area_fn fn;

	if (!fops)
		return -ENODEV;	/* init has not found it yet */

	fn = READ_ONCE(fops->get_unmapped_area);
	if (fn == vfio_align_get_unmapped_area)
		return sysfs_emit(buf, "ours\n");
	if (fn == thp_get_unmapped_area)
		return sysfs_emit(buf, "kernel\n");
	return sysfs_emit(buf, "%s\n", fn ? "foreign" : "empty");
}

static const struct kernel_param_ops slot_ops = {
	.set = read_only_set,
	.get = slot_get,
};
module_param_cb(slot, &slot_ops, NULL, 0444);
__MODULE_PARM_TYPE(slot, "string");
MODULE_PARM_DESC(slot, "Who fills get_unmapped_area of vfio_device_fops: ours, empty, kernel "
		 "(thp_get_unmapped_area), or foreign (read only)");

/* Logs the reason in one line, and evaluates to err. */
#define refuse(err, fmt, ...)						\
({									\
	pr_err("not loaded: " fmt "\n", ##__VA_ARGS__);			\
	err;								\
})

/*
 * vfio_device_fops is not exported. A kprobe on it is refused because it is
 * data, but by then its address has been looked up.
 */
static int __init fops_find(void)
{
	struct kprobe kp = { .symbol_name = "vfio_device_fops" };
	char name[KSYM_SYMBOL_LEN];
	int err;

	err = register_kprobe(&kp);
	if (!err)
		unregister_kprobe(&kp);
	if (err != -EINVAL || !kp.addr)
		return refuse(-ENXIO, "cannot find vfio_device_fops (%d)", err);

	WRITE_ONCE(vfio_fops, (const struct file_operations *)kp.addr);
	sprint_symbol(name, (unsigned long)vfio_fops->mmap);
	if (!strstarts(name, "vfio_device_fops_mmap+0x0/"))
		return refuse(-ENXIO, "vfio_device_fops is not as expected: mmap is %s", name);

	return 0;
}

/*
 * The fops are read-only at their address, so map their pages a second time.
 * They are in vmalloc space if vfio is a module, and in the kernel image if it
 * is built in.
 */
static struct file_operations __init *fops_map_rw(void)
{
	const unsigned int skip = offset_in_page(vfio_fops);
	const unsigned int n = PFN_UP(skip + sizeof(*vfio_fops));
	struct page *pages[2];
	unsigned int i;
	void *rw;

	for (i = 0; i < n; i++) {
		void *at = (void *)vfio_fops - skip + i * PAGE_SIZE;

		pages[i] = is_vmalloc_or_module_addr(at) ?
			   vmalloc_to_page(at) : virt_to_page(lm_alias(at));
		if (!pages[i])
			return NULL;
	}

	rw = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	if (!rw)
		return NULL;

	if (memcmp(rw + skip, vfio_fops, sizeof(*vfio_fops))) {
		vunmap(rw);
		return NULL;
	}

	return rw + skip;
}

static void fops_unmap_rw(struct file_operations *rw)
{
	vunmap((void *)((unsigned long)rw & PAGE_MASK));
}

/* struct file_operations may have get_mapping_order() for files that are not vfio's. */
static bool __init fops_align(const struct file_operations *fops)
{
#ifdef FOPS_HAS_get_mapping_order
	return fops->get_mapping_order;
#else
	return false;
#endif
}

static int __init vfio_align_init(void)
{
	struct file_operations *rw;
	int err;

	if (!IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) &&
	    !IS_ENABLED(CONFIG_ARCH_SUPPORTS_PUD_PFNMAP))
		return refuse(-EOPNOTSUPP, "this kernel has no huge pages for device memory");

	err = fops_find();
	if (err)
		return err;
	if (fops_align(vfio_fops))
		return refuse(-EEXIST, "this kernel aligns mappings itself (get_mapping_order)");
	if (!may_replace(vfio_fops->get_unmapped_area))
		return refuse(-EBUSY, "get_unmapped_area of vfio_device_fops is %ps already",
			      vfio_fops->get_unmapped_area);

	rw = fops_map_rw();
	if (!rw)
		return refuse(-ENXIO, "cannot map vfio_device_fops writable");

	mutex_lock(&lock);
	vfio_fops_rw = rw;
	if (enabled)
		err = slot_fill();
	if (err)
		vfio_fops_rw = NULL;
	mutex_unlock(&lock);
	if (err)
		fops_unmap_rw(rw);

	return err;
}
module_init(vfio_align_init);

static void __exit vfio_align_exit(void)
{
	struct file_operations *rw = vfio_fops_rw;

	/*
	 * If the data has become write-protected since, this is an oops, which
	 * keeps the module's code. Going on would free the code, and the slot
	 * would still lead there.
	 */
	mutex_lock(&lock);
	if (slot_is_ours())
		slot_restore();
	vfio_fops_rw = NULL;
	mutex_unlock(&lock);

	/*
	 * An mmap() that read the slot before may be about to enter the hook, or
	 * be preempted inside it. (If it reads the slot twice and finds it empty
	 * the second time, it does not call the hook; thp_get_unmapped_area() is
	 * the kernel's own, and stays.) It does not sleep on the way: it holds
	 * mmap_lock already, and the search for a hole allocates nothing. So once
	 * each task has slept or been in user space, none is left in here.
	 * CONFIG_KPROBES gives preemptible kernels this flavour of RCU; on the
	 * others it is the ordinary one, which suffices.
	 */
	synchronize_rcu_tasks();
	fops_unmap_rw(rw);
}
module_exit(vfio_align_exit);

MODULE_DESCRIPTION("Huge-page aligned placement of VFIO device mappings");
MODULE_AUTHOR("The vfioalign authors");
MODULE_VERSION("0.2.0");
MODULE_LICENSE("GPL");
