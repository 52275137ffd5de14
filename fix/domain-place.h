/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain-text.h"
#include "util/string-table.h"

/* The places of a domain XML that a fix can change: each holds one value, or is not there. */
enum domain_place {
        PLACE_EMULATOR, /* <emulator>VALUE</emulator> */
        PLACE_PRELOAD,  /* <qemu:env name='LD_PRELOAD' value='VALUE'/> */
        PLACE_ALIAS,    /* of the device KEY: <alias name='VALUE'/> */
        PLACE_IOMMUFD,  /* of the device KEY: <driver iommufd='VALUE'/> */
        PLACE_NO_MMAP,  /* <qemu:override>, of the device with the alias KEY: x-no-mmap */
        _DOMAIN_PLACE_MAX,
        _DOMAIN_PLACE_INVALID = -EINVAL,
};
DECLARE_STRING_TABLE(domain_place, enum domain_place);

/* How a value came to its place, for the way back. */
struct place_made {
        unsigned elements; /* so many were made around it; 0: it stands in one that was there */
        bool opened;       /* the one that they were put into was <a/> */
};

/* key: a PCI address or the UUID of an mdev, an alias, or "". What is set and what it was is text between
 * quotes: escaped. Each returns 0; -ENODEV where the device is not in the domain; -EBADMSG where the place
 * is there twice, or holds what is no text; -EFBIG; or -ENOMEM. */

/* *ret_value and *ret_text (as it stands there) are the caller's to free; NULL where nothing is there. */
int domain_place_get(const struct domain_text *t, enum domain_place place, const char *key, char **ret_value,
                     char **ret_text);
int domain_place_set(struct domain_text *t, enum domain_place place, const char *key, const char *text,
                     struct place_made *ret_made);

/* Takes out a value that was set, and what was made around it, as far as nothing else is in that by now. */
int domain_place_unset(struct domain_text *t, enum domain_place place, const char *key,
                       struct place_made made);
