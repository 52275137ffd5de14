/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* Members of the bus, described in systemd/org.vfioalign1.xml. */
int manager_method_bind(sd_bus_message *message, void *userdata, sd_bus_error *error);
int manager_method_unbind(sd_bus_message *message, void *userdata, sd_bus_error *error);
