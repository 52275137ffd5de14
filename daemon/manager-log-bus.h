/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

struct manager;

/* Publishes org.freedesktop.LogControl1(5), by which "systemctl service-log-level" sets how much the daemon
 * logs while it runs. Prints what is wrong; returns 0 or a negative errno. */
int manager_log_publish(struct manager *m);
