/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* A message of fixed size over a socket of AF_UNIX, with a descriptor or without (SCM_RIGHTS, unix(7)). */

/* fd: negative: none. The message has to fit into the socket's buffer. Returns 0, -ECONNRESET where not all
 * of it was taken, or the negative errno of sendmsg(). */
int descriptor_send(int socket, const void *message, size_t size, int fd);

/* Waits for `size` bytes. *ret_fd: the descriptor, closed by exec, which is the caller's to close; or -EBADF
 * where none came. Returns 0; -ECONNRESET where the other end was closed or sent anything else, and then
 * nothing that came with it stays open; or the negative errno of recvmsg(). */
int descriptor_receive(int socket, void *message, size_t size, int *ret_fd);
