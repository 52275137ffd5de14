/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Publishes the object and takes the name; what goes wrong is logged. */
int manager_bus_connect(struct manager *m);

/* Signals those properties that have changed since they were last signalled. */
void manager_bus_changed(struct manager *m);
