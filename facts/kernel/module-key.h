/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/fact.h"
#include "util/root.h"

/* Whether the kernel has the key that a module is signed with. sig_key: the serial number of the key's
 * certificate in hex (kmod calls it so, from the issuerAndSerialNumber of PKCS#7); signer: the certificate's
 * issuer.
 *
 * /proc/keys shows the kernel's keys to root: "SUBJECT: ID: X509...", where ID is the subject key identifier
 * of the certificate, or its serial number if it has none (crypto/asymmetric_keys/x509_public_key.c). So
 * one leads to the other only by the certificate, which is searched where DKMS and the distributions leave
 * it. Unknown if the keys cannot be seen, or if only the certificate could decide and it was not found. */
struct fact module_key_enrolled(const struct root *root, const char *sig_key, const char *signer);

/* The keys of the machine's owner (MOK), which shim keeps for the firmware and MokManager takes in at boot.
 */
struct module_mok {
        const char *certificate; /* static, absolute: the file that has the key, for mokutil(1); NULL: not
                                    found */
        struct fact listed;      /* the firmware has the key (MokListRT), whatever the kernel makes of it */
        struct fact pending; /* MokManager asks about it at the next boot (MokNew, by mokutil --import) */
};

/* Looks for the key that a module is signed with; sig_key as above. A record has the answers, not the lists.
 */
void module_mok_read(struct module_mok *m, const struct root *root, const char *sig_key);
