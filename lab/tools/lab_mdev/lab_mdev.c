// SPDX-License-Identifier: GPL-2.0-only
/* A mediated device whose regions are all the same 8 MiB of memory.
 * echo UUID >/sys/devices/lab_mdev/mdev_supported_types/lab_mdev-memory/create */
#include <linux/device.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/vfio.h>
#include <linux/vmalloc.h>

#define MEMORY SZ_8M

struct lab_mdev {
	struct vfio_device vdev;
	void *memory;
};

static int lab_mdev_init_device(struct vfio_device *vdev)
{
	struct lab_mdev *m = container_of(vdev, struct lab_mdev, vdev);

	m->memory = vmalloc_user(MEMORY);
	return m->memory ? 0 : -ENOMEM;
}

static void lab_mdev_release(struct vfio_device *vdev)
{
	vfree(container_of(vdev, struct lab_mdev, vdev)->memory);
}

static int lab_mdev_open(struct vfio_device *vdev)
{
	return 0;
}

static void lab_mdev_close(struct vfio_device *vdev)
{
}

static int lab_mdev_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct lab_mdev *m = container_of(vdev, struct lab_mdev, vdev);

	/* As with vfio-pci, the index of the region is in the offset from bit 40 up. */
	return remap_vmalloc_range(vma, m->memory, vma->vm_pgoff & (BIT(40 - PAGE_SHIFT) - 1));
}

static const struct vfio_device_ops ops = {
	.name = "lab_mdev",
	.init = lab_mdev_init_device,
	.release = lab_mdev_release,
	.open_device = lab_mdev_open,
	.close_device = lab_mdev_close,
	.mmap = lab_mdev_mmap,
};

static int lab_mdev_probe(struct mdev_device *mdev)
{
	struct lab_mdev *m = vfio_alloc_device(lab_mdev, vdev, &mdev->dev, &ops);
	int r;

	if (IS_ERR(m))
		return PTR_ERR(m);
	dev_set_drvdata(&mdev->dev, m);
	r = vfio_register_emulated_iommu_dev(&m->vdev);
	if (r)
		vfio_put_device(&m->vdev);
	return r;
}

static void lab_mdev_remove(struct mdev_device *mdev)
{
	struct lab_mdev *m = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&m->vdev);
	vfio_put_device(&m->vdev);
}

static unsigned int lab_mdev_available(struct mdev_type *type)
{
	return 1;
}

static struct mdev_driver driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.probe = lab_mdev_probe,
	.remove = lab_mdev_remove,
	.get_available = lab_mdev_available,
	.driver = {
		.name = "lab_mdev",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
	},
};

static struct mdev_type type = {.sysfs_name = "memory", .pretty_name = "memory"};
static struct mdev_type *types[] = {&type};
static struct mdev_parent parent;
static struct device *root;

static int __init lab_mdev_init(void)
{
	int r;

	root = root_device_register("lab_mdev");
	if (IS_ERR(root))
		return PTR_ERR(root);
	r = mdev_register_driver(&driver);
	if (r)
		goto no_driver;
	r = mdev_register_parent(&parent, root, &driver, types, ARRAY_SIZE(types));
	if (!r)
		return 0;
	mdev_unregister_driver(&driver);
no_driver:
	root_device_unregister(root);
	return r;
}
module_init(lab_mdev_init);

static void __exit lab_mdev_exit(void)
{
	mdev_unregister_parent(&parent);
	mdev_unregister_driver(&driver);
	root_device_unregister(root);
}
module_exit(lab_mdev_exit);

MODULE_DESCRIPTION("A mediated device, for tests");
MODULE_LICENSE("GPL");
