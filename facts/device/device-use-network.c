/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define NET "sys/class/net"
#define NETCONSOLE "sys/kernel/config/netconsole"
#define TYPE_IP6GRE 823 /* ARPHRD_IP6GRE, which net/if_arp.h does not have */
#define PCI_CLASS_NETWORK 0x02
#define SCOPE_LINK 0x20 /* in if_inet6: IPV6_ADDR_LINKLOCAL */
#define ADDRESSES "interfaces-with-address"
#define ADDRESSES_MORE 64 /* room for those that come up between two calls */

#define WITH_XDP "interfaces-with-xdp"
#define BELOW "interfaces-below"

/* Names of interfaces, each between spaces, so one is found by " eth0 ". */
struct interface_set {
        char *text;
};

static bool has_interface(const struct interface_set *s, const char *name)
{
        char key[IFNAMSIZ + 2];

        snprintf(key, sizeof(key), " %s ", name);
        return s->text && strstr(s->text, key);
}

/* What is known about the interfaces of the host, by their names. */
struct network {
        struct interface_set with_default, with_address, with_pppoe, with_console;
        struct interface_set with_packets; /* indices in decimal: a packet socket is bound to it */
        struct link_answers links;
};

static int add_interface(struct interface_set *s, const char *name)
{
        char *text;

        if (has_interface(s, name))
                return 0;
        if (asprintf(&text, "%s%s ", s->text ?: " ", name) < 0)
                return -ENOMEM;
        free(s->text);
        s->text = text;
        return 0;
}

static void network_done(struct network *n)
{
        free(n->with_default.text);
        free(n->with_address.text);
        free(n->with_pppoe.text);
        free(n->with_console.text);
        free(n->with_packets.text);
        link_answers_done(&n->links);
}

/* "Iface Destination Gateway Flags ... Mask"; the interface of any route has an address. */
static int read_routes(const struct root *root, struct interface_set *with_default,
                       struct interface_set *with_address)
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (read_file_at(root->fd, "proc/net/route", FILE_MAX_SIZE, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                unsigned destination, flags, mask;
                char name[IFNAMSIZ];

                if (sscanf(line, "%15s %8x %*8x %4x %*d %*d %*d %8x", name, &destination, &flags, &mask) !=
                            4 ||
                    !(flags & RTF_UP) || flags & RTF_REJECT)
                        continue;
                if (destination == 0 && mask == 0 && add_interface(with_default, name) < 0)
                        return -ENOMEM;
                if (add_interface(with_address, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* "DESTINATION LENGTH SOURCE LENGTH NEXT METRIC REFERENCES USE FLAGS NAME" */
static int read_routes6(const struct root *root, struct interface_set *with_default,
                        struct interface_set *with_address)
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (read_file_at(root->fd, "proc/net/ipv6_route", FILE_MAX_SIZE, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char destination[33], name[IFNAMSIZ];
                unsigned length, flags;

                if (sscanf(line, "%32s %2x %*32s %*2x %*32s %*8x %*8x %*8x %8x %15s", destination, &length,
                           &flags, name) != 4 ||
                    !(flags & RTF_UP) || flags & RTF_REJECT || streq(name, "lo"))
                        continue;
                /* Where a gateway is behind an interface, a link-local address is all that it needs. */
                if (flags & RTF_GATEWAY && add_interface(with_address, name) < 0)
                        return -ENOMEM;
                if (length == 0 && !destination[strspn(destination, "0")] &&
                    add_interface(with_default, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_addresses6(const struct root *root, struct interface_set *with_address)
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (read_file_at(root->fd, "proc/net/if_inet6", FILE_MAX_SIZE, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char name[IFNAMSIZ];
                unsigned scope;

                if (sscanf(line, "%*32s %*2x %*2x %2x %*2x %15s", &scope, name) == 2 &&
                    scope != SCOPE_LINK && add_interface(with_address, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* This does not use getifaddrs(), which makes each driver read its counters, many of them from the device.
 * Any socket answers, whatever its family (netdevice(7)), and the service may not open one of TCP/IP. */
static int ask_addresses(struct interface_set *with_address)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        _cleanup_free_ struct ifreq *requests = NULL;
        struct ifconf c = {};

        if (fd < 0 || ioctl(fd, SIOCGIFCONF, &c) < 0)
                return -errno;
        c.ifc_len += ADDRESSES_MORE * (int) sizeof(*requests);
        c.ifc_req = requests = calloc(1, (size_t) c.ifc_len);
        if (!requests)
                return -ENOMEM;
        if (ioctl(fd, SIOCGIFCONF, &c) < 0)
                return -errno;
        for (size_t i = 0; i < (size_t) c.ifc_len / sizeof(*requests); i++) {
                char *name = requests[i].ifr_name;

                name[strcspn(name, ":")] = '\0'; /* "eth0:1", a label, is an address of eth0 */
                if (add_interface(with_address, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* No file shows IPv4 addresses by the name of their interface, so a live host is asked, and its answer kept.
 */
static int read_addresses(const struct root *root, struct interface_set *with_address)
{
        _cleanup_free_ char *answer = NULL;
        char *save = NULL;
        int r;

        if (root->live) {
                r = ask_addresses(with_address);
                if (r < 0)
                        return r;
                root_note(root, ADDRESSES, with_address->text ?: " ");
                return 0;
        }
        answer = root_answer(root, ADDRESSES);
        if (!answer)
                return 0;
        for (char *s = strtok_r(answer, " ", &save); s; s = strtok_r(NULL, " ", &save))
                if (add_interface(with_address, s) < 0)
                        return -ENOMEM;
        return 0;
}

/* A list that may be missing, because its protocol is, but may not be unreadable. Returns 1, 0 or -ENOMEM.
 */
static int read_list(struct use_reader *reader, const char *path, char **ret)
{
        int r = read_file_at(reader->root->fd, path, FILE_MAX_SIZE, ret, NULL);

        if (r < 0 && r != -ENOENT && r != -ENOMEM)
                reader->uses->network = fact_unknown("what interfaces carry cannot be read");
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return 1;
}

/* "ID ADDRESS DEVICE": a session of PPPoE has no link to the interface that carries it. */
static int read_pppoe(struct use_reader *reader, struct interface_set *with_pppoe)
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;
        int r;

        r = read_list(reader, "proc/net/pppoe", &text);
        if (r <= 0)
                return r;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char name[IFNAMSIZ];
                unsigned id;

                if (sscanf(line, "%8x %*17s %15s", &id, name) == 2 && add_interface(with_pppoe, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Some listen on each interface that is up, to learn its address or its neighbours. */
static bool only_configures(unsigned protocol)
{
        return protocol == 0 || protocol == ETH_P_IP || protocol == ETH_P_ARP || protocol == ETH_P_IPV6 ||
               protocol == ETH_P_LLDP;
}

/* "SOCKET REFERENCES TYPE PROTOCOL INDEX RUNNING ..." (net/packet/af_packet.c, packet_seq_show) */
static int read_packet_sockets(struct use_reader *reader, struct interface_set *with_packets)
{
        _cleanup_free_ char *text = NULL;
        char *save = NULL;
        int r;

        r = read_list(reader, "proc/net/packet", &text);
        if (r <= 0)
                return r;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                unsigned protocol, index;
                char name[IFNAMSIZ];

                if (sscanf(line, "%*s %*d %*d %4x %u", &protocol, &index) != 2 || index == 0 ||
                    only_configures(protocol))
                        continue;
                snprintf(name, sizeof(name), "%u", index);
                if (add_interface(with_packets, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* The kernel's messages go out through an interface that needs no address; its targets are folders with
 * "dev_name" and "enabled". */
static int read_netconsole(struct use_reader *reader, struct interface_set *with_console)
{
        _cleanup_(names_done) struct names names = {};

        (void) list_dir_at(reader->root->fd, NETCONSOLE, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *enabled = NULL, *name = NULL, *path = NULL, *switch_path = NULL;

                if (asprintf(&path, NETCONSOLE "/%s/dev_name", names.names[i]) < 0 ||
                    asprintf(&switch_path, NETCONSOLE "/%s/enabled", names.names[i]) < 0)
                        return -ENOMEM;
                if (read_line_at(reader->root->fd, switch_path, &enabled) < 0 || !streq(enabled, "1") ||
                    read_line_at(reader->root->fd, path, &name) < 0)
                        continue;
                if (add_interface(with_console, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* The types of tunnels (linux/if_arp.h), whose `iflink` is the interface that they go through. That of
 * others can be the end of a veth in a container, which has numbers of its own. */
static bool type_is_tunnel(uint64_t type)
{
        return type == ARPHRD_TUNNEL || type == ARPHRD_TUNNEL6 || type == ARPHRD_SIT ||
               type == ARPHRD_IPGRE || type == TYPE_IP6GRE;
}

static int read_interface_number(const struct root *root, const char *name, const char *attribute,
                                 uint64_t *ret)
{
        char path[sizeof(NET "//") + 64];

        snprintf(path, sizeof(path), NET "/%.15s/%s", name, attribute);
        return read_u64_at(root->fd, path, 10, ret);
}

static bool is_tunnel(const struct root *root, const char *name)
{
        static const char *const words[] = { "DEVTYPE=vxlan", "DEVTYPE=geneve", "DEVTYPE=vlan", NULL };
        char path[sizeof(NET "//uevent") + IFNAMSIZ];
        _cleanup_free_ char *lines = NULL;
        uint64_t type;

        if (read_interface_number(root, name, "type", &type) >= 0 && type_is_tunnel(type))
                return true;
        snprintf(path, sizeof(path), NET "/%.15s/uevent", name);
        return grep_file_at(root->fd, path, words, &lines) >= 0 && *lines;
}

static const char *find_by_index(const struct root *root, const struct names *names, uint64_t index)
{
        uint64_t own;

        for (size_t i = 0; i < names->n; i++)
                if (read_interface_number(root, names->names[i], "ifindex", &own) >= 0 && own == index)
                        return names->names[i];
        return NULL;
}

/* What sysfs shows of tunnels, for a recording without the answer of rtnetlink: " eth0:gre1 " */
static int list_tunnels(const struct root *root, const struct names *names, char **ret)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < names->n; i++) {
                const char *name = names->names[i], *lower;
                uint64_t index, link;

                if (!is_tunnel(root, name) || read_interface_number(root, name, "iflink", &link) < 0 ||
                    read_interface_number(root, name, "ifindex", &index) < 0 || link == index)
                        continue;
                lower = find_by_index(root, names, link);
                if (lower)
                        fprintf(out, "%s:%s ", lower, name);
        }
        if (memory_stream_close(out, &text) < 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* Where the kernel does not answer, an XDP program could take all that an interface receives. A recording
 * that is older than the question has no answer. */
static int read_links(struct use_reader *reader, const struct names *names, struct link_answers *links)
{
        int r;

        if (!reader->root->live) {
                links->with_xdp = root_answer(reader->root, WITH_XDP);
                links->below = root_answer(reader->root, BELOW);
                return links->below ? 0 : list_tunnels(reader->root, names, &links->below);
        }
        r = links_ask(links);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                reader->uses->network = fact_unknown("the kernel does not list its interfaces (rtnetlink)");
                return 0;
        }
        root_note(reader->root, WITH_XDP, links->with_xdp);
        root_note(reader->root, BELOW, links->below);
        return 0;
}

static int add_upper(struct use_reader *reader, const char *name, const char *upper,
                     const struct functions *f)
{
        _cleanup_free_ char *what = NULL;

        if (asprintf(&what, "%s (below %s)", name, upper) < 0)
                return -ENOMEM;
        return use_add(reader, f, USE_ENSLAVED, 0, what);
}

/* The interfaces on top of this one: "upper_br0", "upper_vlan7"; and its "master", which any kernel shows.
 */
static int add_uppers(struct use_reader *reader, const char *name, const struct functions *f)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ char *dir = NULL, *link = NULL;

        if (asprintf(&dir, NET "/%s", name) < 0 || asprintf(&link, "%s/master", dir) < 0)
                return -ENOMEM;
        (void) list_dir_at(reader->root->fd, dir, &names);
        for (size_t i = 0; i < names.n; i++) {
                const char *upper = startswith(names.names[i], "upper_");
                _cleanup_free_ char *master = NULL;

                if (streq(names.names[i], "master") &&
                    read_link_name_at(reader->root->fd, link, &master) >= 0)
                        upper = master;
                if (upper && add_upper(reader, name, upper, f) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Tunnels are not linked with the interface that they go through. below: " eth0:vxlan0 " */
static int add_tunnels(struct use_reader *reader, const char *name, const char *below,
                       const struct functions *f)
{
        for (const char *s = below; s && *s; s += strcspn(s, " "), s += *s == ' ') {
                const char *upper = startswith(s, name);
                _cleanup_free_ char *copy = NULL;

                upper = upper ? startswith(upper, ":") : NULL;
                if (!upper)
                        continue;
                copy = strndup(upper, strcspn(upper, " "));
                if (!copy || add_upper(reader, name, copy, f) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* What an interface that is up carries, in parentheses; "": it has an address; NULL: nothing. */
static const char *interface_load(const struct root *root, const struct network *n, const char *name)
{
        const struct interface_set with_xdp = { .text = n->links.with_xdp };
        char index[IFNAMSIZ];
        uint64_t number;

        if (has_interface(&n->with_default, name))
                return " (default route)";
        if (has_interface(&n->with_pppoe, name))
                return " (PPPoE)";
        if (has_interface(&n->with_address, name))
                return "";
        if (has_interface(&with_xdp, name))
                return " (XDP program)";
        if (has_interface(&n->with_console, name))
                return " (netconsole)";
        if (!n->with_packets.text || read_interface_number(root, name, "ifindex", &number) < 0)
                return NULL;
        snprintf(index, sizeof(index), "%" PRIu64, number);
        return has_interface(&n->with_packets, index) ? " (packet socket)" : NULL;
}

static int read_interface(struct use_reader *reader, int dir, const char *name, const struct network *n,
                          bool *seen)
{
        _cleanup_(functions_done) struct functions f = {};
        _cleanup_free_ char *target = NULL, *flags_path = NULL, *what = NULL;
        const char *load;
        uint64_t flags;

        if (read_link_at(dir, name, &target) < 0)
                return 0;
        if (functions_of_path(reader, target, &f) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < f.n; i++)
                seen[f.indices[i]] = true;
        if (f.n == 0)
                return 0;
        if (add_uppers(reader, name, &f) < 0 || add_tunnels(reader, name, n->links.below, &f) < 0 ||
            asprintf(&flags_path, NET "/%s/flags", name) < 0)
                return -ENOMEM;
        if (read_u64_at(reader->root->fd, flags_path, 16, &flags) < 0) {
                reader->uses->network = fact_unknown("the state of an interface cannot be read");
                return 0;
        }
        load = flags & IFF_UP ? interface_load(reader->root, n, name) : NULL;
        if (!load)
                return 0;
        if (asprintf(&what, "%s%s", name, load) < 0)
                return -ENOMEM;
        return use_add(reader, &f, USE_INTERFACE, 0, what);
}

/* The directory "net" is there as long as anything is in it, even if only another namespace sees that. */
static int add_hidden(struct use_reader *reader, size_t index)
{
        const struct device *d = &reader->devices->devices[index];
        const struct functions f = { .indices = &index, .n = 1 };
        char path[sizeof("sys/bus/pci/devices//net") + sizeof(bdf_t)];

        if (d->class >> 16 != PCI_CLASS_NETWORK || !d->driver || d->driver_is_vfio)
                return 0;
        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/net", d->bdf);
        if (!exists_at(reader->root->fd, path))
                return 0;
        return use_add(reader, &f, USE_NAMESPACE, 0, "an interface in another network namespace");
}

static int network_read(struct use_reader *reader, const struct names *names, struct network *n)
{
        int r = read_addresses(reader->root, &n->with_address);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                reader->uses->network = fact_unknown(
                        "the kernel does not say which interfaces have addresses");
        if (read_addresses6(reader->root, &n->with_address) < 0 ||
            read_routes(reader->root, &n->with_default, &n->with_address) < 0 ||
            read_routes6(reader->root, &n->with_default, &n->with_address) < 0 ||
            read_pppoe(reader, &n->with_pppoe) < 0 || read_netconsole(reader, &n->with_console) < 0 ||
            read_packet_sockets(reader, &n->with_packets) < 0)
                return -ENOMEM;
        return read_links(reader, names, &n->links);
}

int uses_read_network(struct use_reader *reader)
{
        _cleanup_(network_done) struct network n = {};
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ bool *seen = calloc(reader->devices->n_devices ?: 1, sizeof(*seen));
        _cleanup_close_ int dir = open_at(reader->root->fd, NET, O_PATH | O_DIRECTORY);

        if (!seen)
                return -ENOMEM;
        if (list_dir_at(reader->root->fd, NET, &names) < 0) {
                reader->uses->network = fact_unknown("/sys/class/net cannot be read");
                return 0;
        }
        reader->uses->network = fact_is(true, SOURCE_SYSFS);
        if (network_read(reader, &names, &n) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < names.n; i++)
                if (read_interface(reader, dir, names.names[i], &n, seen) < 0)
                        return -ENOMEM;
        for (size_t i = 0; i < reader->devices->n_devices; i++)
                if (!seen[i] && add_hidden(reader, i) < 0)
                        return -ENOMEM;
        return 0;
}
