// SPDX-License-Identifier: LGPL-2.1-or-later
/* Prints the names of all BPF programs and maps of the kernel, as bpftool(8) would, which the images lack:
 * bpf-names */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int command, union bpf_attr *attr)
{
        return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int print_name(const char *what, int fd)
{
        struct bpf_prog_info prog = {};
        struct bpf_map_info map = {};
        int is_map = strcmp(what, "map") == 0;
        union bpf_attr attr = { .info = { .bpf_fd = (uint32_t) fd } };

        attr.info.info_len = is_map ? sizeof(map) : sizeof(prog);
        attr.info.info = is_map ? (uintptr_t) &map : (uintptr_t) &prog;
        if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0)
                return -1;
        printf("%s %s\n", what, is_map ? map.name : prog.name);
        return 0;
}

static int print_all(const char *what, int next, int open)
{
        for (uint32_t id = 0;;) {
                union bpf_attr attr = { .start_id = id };
                int fd;

                if (bpf(next, &attr) < 0)
                        return 0;
                id = attr.next_id;
                attr = (union bpf_attr){ .prog_id = id }; /* the same place as map_id */
                fd = (int) bpf(open, &attr);
                if (fd < 0)
                        continue; /* it is gone */
                if (print_name(what, fd) < 0)
                        return -1;
                close(fd);
        }
}

int main(void)
{
        if (print_all("program", BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID) < 0 ||
            print_all("map", BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID) < 0) {
                perror("bpf");
                return 1;
        }
        return 0;
}
