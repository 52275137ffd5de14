/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hold: puts on a network interface what no tool in an image can: a packet socket, a PPPoE session, an XDP
 * program. Prints a line once it is there; it is gone when the program ends.
 */
#define _GNU_SOURCE
#include <net/if.h> /* before linux/if.h, which then leaves out what both have */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_pppox.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a capture does: it sees all that arrives. */
static int hold_packets(const char *interface)
{
        const struct sockaddr_ll address = {
                .sll_family = AF_PACKET,
                .sll_protocol = __builtin_bswap16(ETH_P_ALL),
                .sll_ifindex = (int) if_nametoindex(interface),
        };
        int fd = socket(AF_PACKET, SOCK_RAW, address.sll_protocol);

        return fd < 0 ? -1 : bind(fd, (const struct sockaddr *) &address, sizeof(address));
}

/* The session as pppd leaves it to the kernel, once the two ends have agreed on its number. */
static int hold_pppoe(const char *interface)
{
        struct sockaddr_pppox address = {
                .sa_family = AF_PPPOX,
                .sa_protocol = PX_PROTO_OE,
                .sa_addr.pppoe = { .sid = __builtin_bswap16(7), .remote = { 2, 0, 0, 0, 0, 1 } },
        };
        int fd = socket(AF_PPPOX, SOCK_STREAM, PX_PROTO_OE);

        snprintf(address.sa_addr.pppoe.dev, sizeof(address.sa_addr.pppoe.dev), "%s", interface);
        return fd < 0 ? -1 : connect(fd, (const struct sockaddr *) &address, sizeof(address));
}

/* A program that lets everything pass, for a driver that knows nothing of XDP. */
static int hold_xdp(const char *interface)
{
        const struct bpf_insn program[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
                { .code = BPF_JMP | BPF_EXIT },
        };
        union bpf_attr load = {
                .prog_type = BPF_PROG_TYPE_XDP,
                .insns = (unsigned long) program,
                .insn_cnt = sizeof(program) / sizeof(*program),
                .license = (unsigned long) "GPL",
        };
        union bpf_attr link = { .link_create = { .attach_type = BPF_XDP, .flags = XDP_FLAGS_SKB_MODE } };
        int fd = (int) syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

        if (fd < 0)
                return -1;
        link.link_create.prog_fd = (unsigned) fd;
        link.link_create.target_ifindex = if_nametoindex(interface);
        return (int) syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));
}

static const struct {
        const char *name;
        int (*hold)(const char *interface);
} kinds[] = { { "packets", hold_packets }, { "pppoe", hold_pppoe }, { "xdp", hold_xdp } };

int main(int argc, char **argv)
{
        for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(*kinds); i++) {
                if (strcmp(kinds[i].name, argv[1]) != 0)
                        continue;
                if (kinds[i].hold(argv[2]) < 0) {
                        fprintf(stderr, "hold: %s on %s: %m\n", argv[1], argv[2]);
                        return EXIT_FAILURE;
                }
                puts("held");
                fflush(stdout);
                pause();
                return EXIT_SUCCESS;
        }
        fputs("usage: hold packets|pppoe|xdp INTERFACE\n", stderr);
        return 2;
}
