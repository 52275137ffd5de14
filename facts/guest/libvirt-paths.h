/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What libvirt looks like on disk, for QEMU guests of the system: the paths that its own build has with
 * --prefix=/usr --sysconfdir=/etc --localstatedir=/var, as every distribution builds it. All are below the
 * root directory, without the leading slash. The monolithic and the modular daemon use the same ones. */

/* NAME.xml of each guest that is defined, and a link of that name for each that starts with the host
 * (libvirt, src/qemu/qemu_conf.c: configDir, autostartDir) */
#define LIBVIRT_DEFINED_DIR "etc/libvirt/qemu"
#define LIBVIRT_AUTOSTART_DIR LIBVIRT_DEFINED_DIR "/autostart"

/* NAME.xml, a <domstatus>, and NAME.pid of each guest that runs (the same file: stateDir) */
#define LIBVIRT_RUNNING_DIR "run/libvirt/qemu"

/* The initializer of an array: NAME.xml of each network that is defined, then of each that is active
 * (src/network/bridge_driver*.c: networkConfigDir, stateDir) */
#define LIBVIRT_NETWORK_DIRS \
        { \
                "etc/libvirt/qemu/networks", "run/libvirt/network" \
        }

/* https://libvirt.org/hooks.html: the site's own hook runs first, then the directory's, by name. */
#define LIBVIRT_SITE_HOOK "etc/libvirt/hooks/qemu"
#define LIBVIRT_HOOKS_DIR "etc/libvirt/hooks/qemu.d"
#define LIBVIRT_HOOK LIBVIRT_HOOKS_DIR "/50-vfioalignd"

/* The daemons that can run QEMU guests: libvirtd with all its drivers, virtqemud with this one alone
 * (https://libvirt.org/daemons.html). Never both: the driver locks its state (stateDir/driver.pid). */
struct libvirt_daemon {
        const char *command;  /* in /usr/sbin or /usr/bin, and in /proc/PID/comm */
        const char *unit;     /* of systemd */
        const char *pid_file; /* also after a crash */
        const char *socket;   /* the read-only one */
        const char *mode;     /* of the URI that reaches this daemon and starts no other: "?mode=" */
};

#define N_LIBVIRT_DAEMONS 2
extern const struct libvirt_daemon libvirt_daemons[N_LIBVIRT_DAEMONS];
