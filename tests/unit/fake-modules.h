/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fixture.h"

#define FAKE_RELEASE "6.12.0-test"

/* Module files and depmod's index below a fixture's lib/modules/FAKE_RELEASE. A module is a small ELF
 * object, built by libelf, that asks for the given symbols. */
void fake_module_write(struct fixture *f, const char *name, const char *const imports[], size_t n_imports,
                       bool is_signed);

/* Lists the files that there are, as depmod would. */
void fake_modules_index(struct fixture *f);
