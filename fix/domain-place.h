/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain-text.h"
#include "util/string-table.h"

/* The places in a domain XML that a fix can change. Each holds one value, or is not there. */
enum domain_place {
        PLACE_EMULATOR, /* <emulator>VALUE</emulator> */
        PLACE_PRELOAD,  /* <qemu:env name='LD_PRELOAD' value='VALUE'/> */
        PLACE_ALIAS,    /* <alias name='VALUE'/> in the device KEY */
        PLACE_IOMMUFD,  /* <driver iommufd='VALUE'/> in the device KEY */
        PLACE_NO_MMAP,  /* x-no-mmap in <qemu:override>, for the device with the alias KEY */
        _DOMAIN_PLACE_MAX,
        _DOMAIN_PLACE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(domain_place, enum domain_place);

/* What was created along with a value, to be removed with it. */
struct place_made {
        unsigned n_elements; /* created around the value; 0: it went into one that was there */
        bool parent_opened;  /* the element that they were put into was <a/>, and is <a>...</a> now */
};

/* key: a PCI address or the UUID of an mdev, an alias, or "". Text is escaped, as it stands between quotes.
 * Each returns 0; -ENODEV where the device is not in the domain; -EBADMSG where the place is there twice, or
 * does not hold text; -EFBIG; or -ENOMEM. */

/* The value, and its text in the domain: the caller's to free; both NULL where the place is not there. */
int domain_place_get(const struct domain_text *t, enum domain_place place, const char *key, char **ret_value,
                     char **ret_text);
int domain_place_set(struct domain_text *t, enum domain_place place, const char *key, const char *text,
                     struct place_made *ret_made);

/* Removes a value that was set, and the elements created around it that hold nothing else by now. */
int domain_place_unset(struct domain_text *t, enum domain_place place, const char *key,
                       struct place_made made);
