/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MDEV_UUID_LENGTH 36

/* Arguments of QEMU's command line, as a user or libvirt writes them: "driver,key=value,..." or a JSON
 * object. They come from other processes and from XML, so nothing is assumed of them. */

/* Is it the value of -device for a PCI function or an mdev that goes through VFIO? */
bool qemu_argument_is_vfio(const char *arg);

/* The value of one key, cut to `size` bytes with its NUL. False where there is none or it is empty. */
bool qemu_argument_get(const char *arg, const char *key, char *ret, size_t size);

/* Is the key a switch that is on: "on", "yes", "true" or "y", or JSON's true? */
bool qemu_argument_is_on(const char *arg, const char *key);

/* The device's name in sysfs, from host= or sysfsdev=: a PCI address as the user wrote it, or an mdev's
 * UUID. False where it has neither. */
bool qemu_argument_device(const char *arg, char *ret, size_t size);

/* Where OVMF looks for the size of its 64-bit window: a number of MiB. */
#define EFI_WINDOW_NAME "opt/ovmf/X-PciMmio64Mb"

/* Is it the value of -fw_cfg with that name? */
bool qemu_argument_is_efi_window(const char *arg);

/* What it holds, in bytes. Returns 0, or -EINVAL for anything else than a number of MiB up to 16 TiB: OVMF
 * goes by its default then (edk2, PlatformInitLib/MemDetect.c). */
int efi_window_parse(const char *text, uint64_t *ret_bytes);

/* Is it a UUID, as mdevs are named? */
bool is_uuid(const char *s);
