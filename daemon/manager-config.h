/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Reads the configuration when the daemon starts. Where it is rejected, the daemon runs by the defaults and
 * only observes. Returns 0; or -ENOMEM, which is logged. */
int manager_config_start(struct manager *m);

/* Reads it again. Where it is rejected, the previous one stays in force. */
void manager_config_reload(struct manager *m);

/* Why the daemon does nothing on its own: something switches it off, or it started with a configuration that
 * is rejected. NULL: it does. The text is valid until the configuration is read again. */
const char *manager_restraint(const struct manager *m);
