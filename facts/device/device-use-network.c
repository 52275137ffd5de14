/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define NET "sys/class/net"
#define PCI_CLASS_NETWORK 0x02
#define SCOPE_LINK 0x20 /* in if_inet6: IPV6_ADDR_LINKLOCAL */
#define ADDRESSES "interfaces-with-address"
#define ADDRESSES_MORE 64 /* room for those that come up between two calls */

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

static void interface_set_done(struct interface_set *s)
{
        free(s->text);
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
static int read_routes6(const struct root *root, struct interface_set *with_default)
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
                    length != 0 || destination[strspn(destination, "0")] || !(flags & RTF_UP) ||
                    flags & RTF_REJECT || streq(name, "lo"))
                        continue;
                if (add_interface(with_default, name) < 0)
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
                _cleanup_free_ char *what = NULL, *master = NULL;

                if (streq(names.names[i], "master") &&
                    read_link_name_at(reader->root->fd, link, &master) >= 0)
                        upper = master;
                if (!upper)
                        continue;
                if (asprintf(&what, "%s (below %s)", name, upper) < 0 ||
                    use_add(reader, f, USE_ENSLAVED, 0, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_interface(struct use_reader *reader, int dir, const char *name,
                          const struct interface_set *with_default, const struct interface_set *with_address,
                          bool *seen)
{
        _cleanup_(functions_done) struct functions f = {};
        _cleanup_free_ char *target = NULL, *flags_path = NULL, *what = NULL;
        uint64_t flags;

        if (read_link_at(dir, name, &target) < 0)
                return 0;
        if (functions_of_path(reader, target, &f) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < f.n; i++)
                seen[f.indices[i]] = true;
        if (f.n == 0)
                return 0;
        if (add_uppers(reader, name, &f) < 0 || asprintf(&flags_path, NET "/%s/flags", name) < 0)
                return -ENOMEM;
        if (read_u64_at(reader->root->fd, flags_path, 16, &flags) < 0) {
                reader->uses->network = fact_unknown("the state of an interface cannot be read");
                return 0;
        }
        if (!(flags & IFF_UP) || (!has_interface(with_default, name) && !has_interface(with_address, name)))
                return 0;
        if (asprintf(&what, "%s%s", name, has_interface(with_default, name) ? " (default route)" : "") < 0)
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

int uses_read_network(struct use_reader *reader)
{
        _cleanup_(interface_set_done) struct interface_set with_default = {}, with_address = {};
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ bool *seen = calloc(reader->devices->n_devices ?: 1, sizeof(*seen));
        _cleanup_close_ int dir = open_at(reader->root->fd, NET, O_PATH | O_DIRECTORY);
        int r;

        if (!seen)
                return -ENOMEM;
        if (list_dir_at(reader->root->fd, NET, &names) < 0) {
                reader->uses->network = fact_unknown("/sys/class/net cannot be read");
                return 0;
        }
        reader->uses->network = fact_is(true, SOURCE_SYSFS);
        r = read_addresses(reader->root, &with_address);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                reader->uses->network = fact_unknown(
                        "the kernel does not say which interfaces have addresses");
        if (read_addresses6(reader->root, &with_address) < 0 ||
            read_routes(reader->root, &with_default, &with_address) < 0 ||
            read_routes6(reader->root, &with_default) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < names.n; i++)
                if (read_interface(reader, dir, names.names[i], &with_default, &with_address, seen) < 0)
                        return -ENOMEM;
        for (size_t i = 0; i < reader->devices->n_devices; i++)
                if (!seen[i] && add_hidden(reader, i) < 0)
                        return -ENOMEM;
        return 0;
}
