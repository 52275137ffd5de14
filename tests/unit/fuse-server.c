/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuse-server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/macro.h"

#define READ_MAX KIB(128) /* what the kernel asks for at once */
#define FILE_INODE (FUSE_ROOT_ID + 1)

int fuse_mount(const char *dir)
{
        _cleanup_close_ int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        char options[96];

        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
        if (device < 0 || mount("stall", dir, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
                return -1;
        return TAKE_FD(device);
}

static void answer_request(int device, const struct fuse_in_header *in, int error, const void *data,
                           size_t size)
{
        static struct {
                struct fuse_out_header header;
                char data[READ_MAX];
        } out;

        out.header = (struct fuse_out_header){
                .len = (uint32_t) (sizeof(out.header) + size),
                .error = -error,
                .unique = in->unique,
        };
        memcpy(out.data, data, size);
        (void) !write(device, &out, out.header.len);
}

static void answer_read(int device, const struct fuse_in_header *in, const struct fuse_file *file)
{
        static char buffer[READ_MAX];
        const struct fuse_read_in *request = (const void *) (in + 1);
        size_t size = request->size < sizeof(buffer) ? request->size : sizeof(buffer);
        ssize_t n = file->read(request->offset, buffer, size, file->userdata);

        if (n < 0)
                answer_request(device, in, (int) -n, "", 0);
        else if (n > 0)
                answer_request(device, in, 0, buffer, (size_t) n);
}

static struct fuse_attr attributes(uint64_t inode, const struct fuse_file *file)
{
        return (struct fuse_attr){
                .ino = inode,
                .mode = inode == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755,
                .nlink = 1,
                .size = inode == FUSE_ROOT_ID ? 0 : file->size,
        };
}

static void answer(int device, const struct fuse_in_header *in, const struct fuse_file *file)
{
        const struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };
        const struct fuse_open_out open_out = {};
        struct fuse_entry_out entry = { .nodeid = FILE_INODE, .entry_valid = 1000, .attr_valid = 1000 };
        struct fuse_attr_out attr = { .attr_valid = 1000 };

        switch (in->opcode) {
        case FUSE_INIT:
                answer_request(device, in, 0, &init, sizeof(init));
                return;
        case FUSE_LOOKUP:
                entry.attr = attributes(FILE_INODE, file);
                answer_request(device, in, 0, &entry, sizeof(entry));
                return;
        case FUSE_GETATTR:
                attr.attr = attributes(in->nodeid, file);
                answer_request(device, in, 0, &attr, sizeof(attr));
                return;
        case FUSE_OPEN:
                answer_request(device, in, 0, &open_out, sizeof(open_out));
                return;
        case FUSE_READ:
                answer_read(device, in, file);
                return;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
                return;
        default:
                answer_request(device, in, ENOSYS, "", 0);
        }
}

void fuse_serve(int device, const struct fuse_file *file)
{
        static _Alignas(8) char buffer[MIB(1)];

        for (;;) {
                if (read(device, buffer, sizeof(buffer)) >= 0)
                        answer(device, (const void *) buffer, file);
                else if (errno != EINTR && errno != ENOENT && errno != EAGAIN)
                        return;
        }
}
