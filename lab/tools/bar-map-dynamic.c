/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bar-map as a program that takes a LD_PRELOAD. */
#include "bar-map.c"
