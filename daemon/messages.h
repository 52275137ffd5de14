/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* MESSAGE_IDs of what is no finding; described in systemd/vfioalignd.catalog. */
#define MESSAGE_GUEST_PREPARED "5f3dd1e7a1b24d6ab1f6c0c4f5f20d11"
#define MESSAGE_GUEST_VERIFIED "b0f2a94c2f9b4c3c9a0e6a3d2b7c6e12"
#define MESSAGE_GUEST_RELEASED "0d9be4c17c0f4f5e8a0b5f7f0c1d8a13"
