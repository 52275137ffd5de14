// SPDX-License-Identifier: GPL-2.0-only
/* Holds the lock of a PCI function as a driver does that hangs, as long as the writer lives:
 * echo 0000:00:09.0 >/sys/module/hold_lock/parameters/hold */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(never);

static int hold(const char *value, const struct kernel_param *kp)
{
	unsigned int domain, bus, slot, function;
	struct pci_dev *pdev;
	int r;

	if (sscanf(value, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!pdev)
		return -ENODEV;
	device_lock(&pdev->dev);
	r = wait_event_killable(never, false);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
	return r;
}

static const struct kernel_param_ops hold_ops = {.set = hold};
module_param_cb(hold, &hold_ops, NULL, 0200);
MODULE_DESCRIPTION("Holds the lock of a PCI function, for tests");
MODULE_LICENSE("GPL");
