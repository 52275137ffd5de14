/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "report.h"
#include "util/format.h"

/* What the files that make up a report share: each gives a new object, the caller's to put. */
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
