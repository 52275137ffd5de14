/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

/* systemd does what this process is not allowed to do, or cannot wait for: it starts a unit, and we follow
 * the job to its end (org.freedesktop.systemd1(5)). */
struct systemd_job;

/* Called once. error: 0 where the job has ended, however (read the facts again); -EEXIST where the unit is
 * there already; or another negative errno. The job is freed before the call. */
typedef void (*systemd_job_done_t)(int error, void *userdata);

/* Makes a call of that method of systemd's manager, without its arguments. Returns as
 * sd_bus_message_new_method_call(). */
int systemd_job_new_call(sd_bus *bus, const char *method, sd_bus_message **ret);

/* Sends `call`, of a method that makes a job for that unit and replies with its path. After timeout_usec,
 * done is called with -ETIMEDOUT. Returns 0, and *ret is valid until done is called, or a negative errno. */
int systemd_job_start(sd_bus *bus, sd_bus_message *call, const char *unit, uint64_t timeout_usec,
                      systemd_job_done_t done, void *userdata, struct systemd_job **ret);

/* Forgets the job without calling done; systemd may still finish it. NULL is fine. */
void systemd_job_cancel(struct systemd_job *job);
