/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "report.h"
#include "util/format.h"

/* What the files that make up a report share. A number that is COUNT_UNKNOWN, and a string that is NULL, are
 * null. */
void add_string(json_object *o, const char *key, const char *value);
void add_count(json_object *o, const char *key, uint64_t n);
void add_bool(json_object *o, const char *key, bool b);
void add_fact(json_object *o, const char *key, struct fact f);

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
