/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-paths.h"

const struct libvirt_daemon libvirt_daemons[N_LIBVIRT_DAEMONS] = {
        {
                .command = "libvirtd",
                .unit = "libvirtd.service",
                .pid_file = "run/libvirtd.pid",
                .socket = "run/libvirt/libvirt-sock-ro",
                .mode = "legacy",
        },
        {
                .command = "virtqemud",
                .unit = "virtqemud.service",
                .pid_file = "run/virtqemud.pid",
                .socket = "run/libvirt/virtqemud-sock-ro",
                .mode = "direct",
        },
};
