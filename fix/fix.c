/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix.h"

#include <assert.h>

#include "audit/what-if.h"
#include "fix-module.h"
#include "fix-thp.h"
#include "preload.h"

static const struct fix fixes[_FIX_ID_MAX] = {
        [FIX_MODULE] = { FIX_MODULE, .state = fix_module_state, .run = fix_module },
        [FIX_EMULATOR] = { FIX_EMULATOR },
        [FIX_PRELOAD] = { FIX_PRELOAD, .state = fix_preload_state, .run = fix_preload },
        [FIX_THP] = { FIX_THP, .state = fix_thp_state, .run = fix_thp },
        [FIX_IOMMUFD] = { FIX_IOMMUFD },
        [FIX_NO_MMAP] = { FIX_NO_MMAP },
};

const struct fix *fix_get(enum fix_id id)
{
        assert(id >= 0 && id < _FIX_ID_MAX);

        return &fixes[id];
}

unsigned fixes_choose(const struct host *h, const struct guest *g, const struct config *c,
                      enum policy at_least)
{
        struct help help;
        unsigned allowed = 0;

        assert(h);
        assert(c);

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (c->fixes[id] >= at_least)
                        allowed |= FIX_BIT(id);
        help = g ? help_guest(h, g, NULL) : help_host(h);
        return help_choose(&help, allowed);
}
