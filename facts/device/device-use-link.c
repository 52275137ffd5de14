/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of the network only rtnetlink(7) shows. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/macro.h"
#include "util/memory.h"

#define REPLY_SIZE 65536 /* the kernel fills no more than 32 KiB at once */

/* An interface, as far as it matters here. */
struct link {
        int index, lower; /* lower: in this network namespace; 0: none */
        char name[IFNAMSIZ];
        bool xdp;
};

struct links {
        struct link *links;
        size_t n;
};

static void links_done(struct links *l)
{
        free(l->links);
}

static uint32_t attribute_u32(const struct rtattr *a)
{
        uint32_t v = 0;

        if (RTA_PAYLOAD(a) >= sizeof(v))
                memcpy(&v, RTA_DATA(a), sizeof(v));
        return v;
}

static bool xdp_is_attached(struct rtattr *nest)
{
        int left = (int) RTA_PAYLOAD(nest);

        for (struct rtattr *a = RTA_DATA(nest); RTA_OK(a, left); a = RTA_NEXT(a, left))
                if (a->rta_type == IFLA_XDP_ATTACHED && RTA_PAYLOAD(a) >= 1)
                        return *(uint8_t *) RTA_DATA(a) != XDP_ATTACHED_NONE;
        return false;
}

static int add_link(struct links *l, struct nlmsghdr *message)
{
        struct ifinfomsg *info = NLMSG_DATA(message);
        int left = (int) IFLA_PAYLOAD(message);
        struct link *link = array_append(l->links, l->n);
        bool elsewhere = false;

        if (!link)
                return -ENOMEM;
        link->index = info->ifi_index;
        for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left))
                switch (a->rta_type & NLA_TYPE_MASK) {
                case IFLA_IFNAME:
                        snprintf(link->name, sizeof(link->name), "%.*s", (int) RTA_PAYLOAD(a),
                                 (const char *) RTA_DATA(a));
                        break;
                case IFLA_LINK:
                        link->lower = (int) attribute_u32(a);
                        break;
                case IFLA_LINK_NETNSID: /* the other end of a veth, or what was moved into a container */
                        elsewhere = true;
                        break;
                case IFLA_XDP:
                        link->xdp = xdp_is_attached(a);
                        break;
                default:
                        break;
                }
        if (elsewhere || link->lower == link->index)
                link->lower = 0;
        return 0;
}

/* Returns 1 while more is to come, 0 at the end, or a negative errno. */
static int read_reply(int fd, char *buffer, struct links *l)
{
        ssize_t n = recv(fd, buffer, REPLY_SIZE, MSG_TRUNC);
        int left = (int) n;

        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        if (n == 0 || n > REPLY_SIZE)
                return -EBADMSG;
        for (struct nlmsghdr *m = (struct nlmsghdr *) buffer; NLMSG_OK(m, (unsigned) left);
             m = NLMSG_NEXT(m, left)) {
                int r;

                if (m->nlmsg_type == NLMSG_DONE)
                        return 0;
                if (m->nlmsg_type == NLMSG_ERROR) {
                        const struct nlmsgerr *e = NLMSG_DATA(m);

                        return e->error < 0 ? e->error : -EBADMSG;
                }
                if (m->nlmsg_type != RTM_NEWLINK || m->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
                        continue;
                r = add_link(l, m);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* Drivers are not asked for their counters, which many read from the device. */
static int read_links(struct links *l)
{
        const struct timeval patience = { .tv_sec = 5 };
        struct {
                struct nlmsghdr header;
                struct ifinfomsg info;
                struct rtattr attribute;
                uint32_t mask;
        } request = {
                .header = { .nlmsg_len = sizeof(request),
                            .nlmsg_type = RTM_GETLINK,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
                .attribute = { .rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_EXT_MASK },
                .mask = RTEXT_FILTER_SKIP_STATS,
        };
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        _cleanup_free_ char *buffer = malloc(REPLY_SIZE);
        int r;

        if (!buffer)
                return -ENOMEM;
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
            send(fd, &request, sizeof(request), 0) < 0)
                return -errno;
        do
                r = read_reply(fd, buffer, l);
        while (r > 0);
        return r;
}

static const char *link_name(const struct links *l, int index)
{
        for (size_t i = 0; i < l->n; i++)
                if (l->links[i].index == index)
                        return l->links[i].name;
        return NULL;
}

static int write_answers(const struct links *l, FILE *xdp, FILE *below)
{
        fputc(' ', xdp);
        fputc(' ', below);
        for (size_t i = 0; i < l->n; i++) {
                const struct link *link = &l->links[i];
                const char *lower = link->lower > 0 ? link_name(l, link->lower) : NULL;

                if (link->xdp)
                        fprintf(xdp, "%s ", link->name);
                if (lower)
                        fprintf(below, "%s:%s ", lower, link->name);
        }
        return ferror(xdp) || ferror(below) ? -ENOMEM : 0;
}

int links_ask(struct link_answers *ret)
{
        _cleanup_(link_answers_done) struct link_answers a = {};
        _cleanup_fclose_ FILE *xdp = NULL, *below = NULL;
        _cleanup_(links_done) struct links l = {};
        size_t xdp_size, below_size;
        int r;

        r = read_links(&l);
        if (r < 0)
                return r;
        xdp = open_memstream(&a.with_xdp, &xdp_size);
        below = open_memstream(&a.below, &below_size);
        if (!xdp || !below)
                return -ENOMEM;
        r = write_answers(&l, xdp, below);
        if (memory_stream_close(TAKE_PTR(xdp), &a.with_xdp) < 0 ||
            memory_stream_close(TAKE_PTR(below), &a.below) < 0 || r < 0)
                return -ENOMEM;
        *ret = TAKE(a, (struct link_answers){});
        return 0;
}

void link_answers_done(struct link_answers *a)
{
        free(a->with_xdp);
        free(a->below);
        *a = (struct link_answers){};
}
