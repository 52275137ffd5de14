/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

/* What this process has no right to do, or cannot wait for, systemd does for it: a unit is started, and its
 * job followed to its end (org.freedesktop.systemd1(5)). */
struct systemd_job;

/* Told once: 0 where the job has ended, whatever came of it (read the facts again), -EEXIST where the unit
 * is there already, or another negative errno. The job frees itself after the call. */
typedef void (*systemd_job_done_t)(int error, void *userdata);

/* A call of that method of systemd's manager, without its arguments. */
int systemd_job_new_call(sd_bus *bus, const char *method, sd_bus_message **ret);

/* call: of a method that makes a job for that unit and answers with its path. Bounded by timeout_usec. On
 * success *ret stays valid until done is called. */
int systemd_job_start(sd_bus *bus, sd_bus_message *call, const char *unit, uint64_t timeout_usec,
                      systemd_job_done_t done, void *userdata, struct systemd_job **ret);

/* Forgets the job without calling done; systemd may still finish it. NULL is fine. */
void systemd_job_cancel(struct systemd_job *job);
