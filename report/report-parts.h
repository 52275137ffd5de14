/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/need.h"
#include "audit/start-time.h"
#include "audit/what-if.h"
#include "report.h"
#include "util/format.h"

/* What the files that make up a report share: each gives a new object, the caller's to put. */
json_object *report_identity(const struct host *h);
json_object *report_kernel(const struct host *h);
json_object *report_module(const struct host *h);
json_object *report_iommu(const struct host *h);
json_object *report_kvm(const struct host *h);
json_object *report_libvirt(const struct host *h);
json_object *report_emulators(const struct host *h);
json_object *report_guests(const struct host *h);
json_object *report_processes(const struct host *h);
json_object *report_holders(const struct host *h);
json_object *report_host_mapping(const struct host *h, const struct mapping *m);
json_object *report_mappings(const struct host *h);

/* Adds "seconds", which is null where it is unknown, and whether that is "estimated". */
void report_add_start_time(json_object *o, struct start_time t);

/* Adds a number of seconds, null where it is below 0. */
void report_add_seconds(json_object *o, const char *key, double seconds);

/* Adds "fixes", an array of their ids; nothing where there are none. */
void report_add_fixes(json_object *o, unsigned fixes);

/* What somebody would get with these fixes, as a new object, and its page size in bytes (0 unknown); NULL
 * where the fixes cannot be applied. */
typedef json_object *(*report_then_t)(const void *subject, unsigned fixes, uint64_t *ret_page_size);

/* The answers of `then` for each fix that helps, by its id; and for "module+thp" where these two together
 * bring more than each fix alone, and than the page size `now`. */
json_object *report_after(const struct help *help, uint64_t now, report_then_t then, const void *subject);
