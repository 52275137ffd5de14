/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

struct manager;

/* Members of the bus, described in systemd/org.vfioalign1.xml. */
int manager_method_apply_fix(sd_bus_message *message, void *userdata, sd_bus_error *error);
int manager_method_revert_fix(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* Answers the call that is under way. Its unit goes on without us. */
void manager_fix_close(struct manager *m);
