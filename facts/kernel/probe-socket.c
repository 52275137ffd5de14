/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe-socket.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "util/macro.h"

#define ROUNDS 8 /* an unaligning kernel passes one size by chance once in 512^8 */

/* Both mappings stay until the end, because a hole that munmap() leaves would be handed out again. */
struct probe_mapping {
        void *gap, *map;
        size_t gap_size, map_size;
};

static int probe_map(int fd, size_t size, uint64_t align, size_t page_size, struct probe_mapping *ret)
{
        struct probe_mapping m = { .map_size = size };
        uint32_t random;

        /* The gap moves the next address by an odd number of pages, so its alignment cannot be inherited, as
         * it would be from malloc()'s arenas, which are multiples of 64 MiB. A gap smaller than the mapping
         * would go into a hole that has no room for the mapping, and move nothing. */
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                random = 0;
        m.gap_size = size + (2 * (random % (align / page_size / 2)) + 1) * page_size;
        m.gap = mmap(NULL, m.gap_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m.gap == MAP_FAILED)
                return -errno;

        m.map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (m.map == MAP_FAILED) {
                int r = -errno;

                munmap(m.gap, m.gap_size);
                return r;
        }
        *ret = m;
        return 0;
}

/* Whether all mappings of `size` land on a multiple of `align`. Returns 1, 0, or a negative errno. */
static int probe_size(int fd, size_t size, uint64_t align)
{
        struct probe_mapping mappings[ROUNDS];
        size_t n, page_size = (size_t) sysconf(_SC_PAGESIZE);
        int r = 0, aligned = 1;

        for (n = 0; n < ROUNDS && aligned; n++) {
                r = probe_map(fd, size, align, page_size, &mappings[n]);
                if (r < 0)
                        break;
                aligned = (uintptr_t) mappings[n].map % align == 0;
        }
        for (size_t i = 0; i < n; i++) {
                munmap(mappings[i].map, mappings[i].map_size);
                munmap(mappings[i].gap, mappings[i].gap_size);
        }
        return r < 0 ? r : aligned;
}

void probe_socket(uint64_t pmd_size, uint64_t pud_size, struct fact *pmd, struct fact *pud)
{
        const size_t sizes[] = { 2 * pmd_size, 32 * pmd_size, pud_size };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r = 1;

        assert(pmd);
        assert(pud);

        if (fd < 0)
                fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
                *pmd = *pud = fact_unknown("no TCP socket can be opened");
                return;
        }

        for (size_t i = 0; i < ELEMENTSOF(sizes) && r > 0; i++)
                r = probe_size(fd, sizes[i], pmd_size);
        if (r < 0) {
                *pmd = *pud = fact_unknown("the socket could not be mapped (address space limit?)");
                return;
        }
        *pmd = *pud = fact_is(r, SOURCE_SOCKET_PROBE);
        if (r == 0)
                return;

        r = probe_size(fd, pud_size, pud_size);
        *pud = r < 0 ? fact_unknown("the socket could not be mapped") : fact_is(r, SOURCE_SOCKET_PROBE);
}
