/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kcore.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"

#define SEGMENTS_MAX 4096 /* one for each range of memory; real hosts have tens */

static int read_exactly(int fd, void *buffer, size_t size, uint64_t offset)
{
        ssize_t n;

        if (offset > INT64_MAX)
                return -EBADMSG;
        n = pread(fd, buffer, size, (off_t) offset);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EBADMSG;
}

/* Finds where in the file that address is. */
static int find_offset(int fd, uint64_t address, size_t size, uint64_t *ret)
{
        Elf64_Ehdr header;
        Elf64_Phdr segment;
        int r;

        r = read_exactly(fd, &header, sizeof(header), 0);
        if (r < 0)
                return r;
        if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
            header.e_phentsize != sizeof(segment) || header.e_phnum > SEGMENTS_MAX)
                return -EBADMSG;

        for (size_t i = 0; i < header.e_phnum; i++) {
                r = read_exactly(fd, &segment, sizeof(segment), header.e_phoff + i * sizeof(segment));
                if (r < 0)
                        return r;
                if (segment.p_type != PT_LOAD || address < segment.p_vaddr || size > segment.p_filesz ||
                    address - segment.p_vaddr > segment.p_filesz - size)
                        continue;
                *ret = segment.p_offset + (address - segment.p_vaddr);
                return 0;
        }
        return -ENXIO;
}

static int read_live(const struct root *root, uint64_t address, void *buffer, size_t size)
{
        _cleanup_close_ int fd = open_at(root->fd, "proc/kcore", O_RDONLY | O_NONBLOCK);
        uint64_t offset;
        int r;

        if (fd < 0)
                return fd;
        r = find_offset(fd, address, size, &offset);
        if (r < 0)
                return r;
        return read_exactly(fd, buffer, size, offset);
}

static int parse_hex(const char *hex, uint8_t *bytes, size_t size)
{
        if (strlen(hex) != 2 * size || hex[strspn(hex, "0123456789abcdef")])
                return -EBADMSG;
        for (size_t i = 0; i < size; i++)
                (void) sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
        return 0;
}

int kcore_read(const struct root *root, uint64_t address, void *buffer, size_t size)
{
        char question[64], hex[2 * KCORE_MAX + 1];
        _cleanup_free_ char *answer = NULL;
        int r;

        assert(root);
        assert(buffer);

        if (size == 0 || size > KCORE_MAX)
                return -EINVAL;
        snprintf(question, sizeof(question), "kcore %" PRIx64 " %zx", address, size);
        answer = root_answer(root, question);
        if (answer)
                return parse_hex(answer, buffer, size);

        r = read_live(root, address, buffer, size);
        if (r < 0 || !file_is_observed())
                return r;
        for (size_t i = 0; i < size; i++)
                snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *) buffer)[i]);
        root_note(root, question, hex);
        return 0;
}

const char *kcore_why(int error)
{
        if (error == -EACCES || error == -EPERM)
                return "the kernel's memory is shown to root only, and not under lockdown";
        if (error == -ENOENT || error == -ENXIO)
                return "/proc/kcore is not there, or does not have it";
        return "/proc/kcore cannot be read";
}
