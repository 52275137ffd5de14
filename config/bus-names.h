/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define BUS_NAME "org.vfioalign1"
#define BUS_PATH "/org/vfioalign1"
#define BUS_INTERFACE "org.vfioalign1.Manager"
