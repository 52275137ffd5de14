/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

/* Has the tokener refuse what only resembles JSON: for what comes from outside, or may be damaged. json-c
 * 0.18 (Debian 13) takes each byte of a text that is not ASCII for a control character then, and refuses
 * that (https://github.com/json-c/json-c/issues/875): a guest may have any name, so there it is read less
 * strictly. Who reads numbers has to expect NaN and Infinity. */
static inline void json_tokener_be_strict(json_tokener *t)
{
        if (json_c_version_num() != (18 << 8))
                json_tokener_set_flags(t, JSON_TOKENER_STRICT);
}
