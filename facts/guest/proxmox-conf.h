/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proxmox-files.h"

/* What Proxmox VE's guests look like on disk (qm.conf(5); PVE/QemuServer.pm, PVE/QemuServer/PCI.pm). Each is
 * ID.conf, lines "key: value" up to the first section, which is a snapshot's, or [PENDING]: what is changed
 * when the guest starts the next time (vmconfig_apply_pending()).
 * The first directory is a link to this node's own; those of other nodes are not looked at. */
#define PROXMOX_DEFINED_DIR "etc/pve/qemu-server"
#define PROXMOX_RUNNING_DIR "run/qemu-server" /* ID.pid */
#define PROXMOX_NODE_LINK "etc/pve/local"     /* to nodes/NAME */
#define PROXMOX_MAPPINGS_FILE "etc/pve/mapping/pci.cfg"

#define PROXMOX_CONF_MAX (1U << 20) /* bytes; what pmxcfs, which is mounted there, allows a file to have */

/* The devices that mapping=NAME can stand for on this node. */
struct proxmox_mapping {
        char *name;
        char *path; /* one address, or several with ";" between them, of one device */
};

struct proxmox_mappings {
        struct proxmox_mapping *mappings; /* in the file's order; several of one name: any of them */
        size_t n;
};

/* node: those of other nodes are left out; NULL: it is unknown, and none is. Returns 0 or -ENOMEM (m is then
 * empty). */
int proxmox_mappings_parse(struct proxmox_mappings *m, const char *text, const char *node);

/* The name in a line that does not begin with a blank ("gpu", or "pci: gpu"); its end is cut off. NULL where
 * it is none. */
const char *proxmox_mapping_name(char *line);
void proxmox_mappings_done(struct proxmox_mappings *m);

/* The same of the host's own file; none where there is no file. Returns 0 or a negative errno. */
int proxmox_mappings_read(struct proxmox_mappings *m, const struct proxmox_files *files);

/* Divides a line into its key and its value, in place. False where it is none. */
bool proxmox_line_split(char *line, const char **ret_key, const char **ret_value);

/* Of a property's value, with its end. Whoever reads a property takes as much, so a longer one is missing
 * for all. */
#define PROXMOX_VALUE_SIZE 256

/* One of the values in "host=01:00,pcie=1". default_key: the one that may stand alone at the begin; or NULL.
 * False where it is missing. */
bool proxmox_property(const char *value, const char *key, const char *default_key, char *ret, size_t size);

/* Does the line begin the section of pending changes? */
bool proxmox_section_is_pending(const char *line);

/* The next key of the value of a pending "delete", such as "hostpci1,!net0"; one without room for it is "".
 * False at the end. */
bool proxmox_delete_next(const char **list, char *key, size_t size);
