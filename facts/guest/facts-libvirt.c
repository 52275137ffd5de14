/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts-libvirt.h"

#include <assert.h>

#include "libvirt-confined.h"
#include "libvirt-daemon.h"
#include "libvirt-network.h"
#include "libvirt-paths.h"
#include "proxmox.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "xml.h"

static bool is_xml(const char *name)
{
        size_t n = strlen(name);

        return n > strlen(".xml") && streq(name + n - strlen(".xml"), ".xml");
}

static struct libvirt_guest *find_guest(struct libvirt_facts *l, const struct guest *g)
{
        for (size_t i = 0; i < l->n_guests; i++) {
                const struct guest *other = &l->guests[i].xml;

                if (other->manager != g->manager)
                        continue;
                if (g->uuid && other->uuid ? streq(g->uuid, other->uuid) : streq(g->name, other->name))
                        return &l->guests[i];
        }
        return NULL;
}

/* The entry of that guest; a new one takes over what g owns. Running guests are read first, so for one that
 * is also defined the XML it runs with stays. */
static int add_guest(struct libvirt_facts *l, struct guest *g, struct libvirt_guest **ret)
{
        struct libvirt_guest *slot = find_guest(l, g);

        if (!slot) {
                slot = array_append(l->guests, l->n_guests);
                if (!slot)
                        return -ENOMEM;
                slot->xml = TAKE(*g, (struct guest){});
        }
        *ret = slot;
        return 0;
}

static void note_incomplete(struct libvirt_facts *l, const char *why)
{
        if (l->readable.value != FACT_UNKNOWN)
                l->readable = fact_unknown(why);
}

static const char *unread_reason(int error)
{
        switch (error) {
        case -EACCES:
        case -EPERM:
                return "is only root's to read";
        case -EFBIG:
                return "is larger than 4 MiB";
        case -EBADMSG:
                return "is not a domain that vfioalign understands";
        default:
                return strerror(-error);
        }
}

static int note_unread(struct libvirt_facts *l, const char *path, int error)
{
        if (l->readable.value == FACT_UNKNOWN)
                return 0;
        if (asprintf(&l->unread, "/%s %s", path, unread_reason(error)) < 0) {
                l->unread = NULL;
                return -ENOMEM;
        }
        l->readable = fact_unknown(l->unread);
        return 0;
}

static int note_unread_network(struct libvirt_facts *l, const char *path, int error)
{
        const char *reason = error == -EBADMSG ? "is not a network that vfioalign understands"
                                               : unread_reason(error);

        if (l->networks_unread)
                return 0;
        if (asprintf(&l->networks_unread, "/%s %s", path, reason) < 0) {
                l->networks_unread = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int note_damaged(struct libvirt_facts *l, const char *path)
{
        char **slot, *name;

        if (asprintf(&name, "/%s", path) < 0)
                return -ENOMEM;
        slot = array_append(l->damaged, l->n_damaged);
        if (!slot) {
                free(name);
                return -ENOMEM;
        }
        *slot = name;
        return 0;
}

static bool is_alive(const struct root *root, pid_t pid)
{
        char path[sizeof("proc//comm") + 10];
        _cleanup_free_ char *command = NULL;

        snprintf(path, sizeof(path), "proc/%d/comm", pid);
        return read_line_at(root->fd, path, &command) >= 0;
}

static pid_t read_pid(const struct root *root, const char *xml_name)
{
        char path[sizeof(LIBVIRT_RUNNING_DIR "/") + 256];
        uint64_t pid;

        snprintf(path, sizeof(path), LIBVIRT_RUNNING_DIR "/%.*s.pid",
                 (int) (strlen(xml_name) - strlen(".xml")), xml_name);
        return read_u64_at(root->fd, path, 10, &pid) >= 0 && pid <= INT32_MAX ? (pid_t) pid : 0;
}

/* One file: <domstatus> with `status`, else <domain>. -EUCLEAN: no parser can read it. */
static int parse_guest(struct guest *g, const struct root *root, const char *path, bool status,
                       pid_t *ret_pid)
{
        _cleanup_free_ char *xml = NULL;
        size_t size;
        int r;

        r = read_file_at(root->fd, path, GUEST_XML_MAX, &xml, NULL);
        if (r < 0)
                return r;
        size = strlen(xml); /* as libvirt, which takes it for a string */
        r = status ? guest_parse_status(g, xml, size, ret_pid) : guest_parse(g, xml, size);
        return r == -EBADMSG && xml_is_damaged(xml, size) ? -EUCLEAN : r;
}

/* Returns 0 or -ENOMEM: a file that cannot be read or understood leaves the list incomplete. */
static int read_guest(struct libvirt_facts *l, const struct root *root, const char *directory,
                      const char *name, bool status)
{
        _cleanup_(guest_done) struct guest g = {};
        struct libvirt_guest *slot;
        char path[512];
        pid_t pid = 0;
        int r;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        r = parse_guest(&g, root, path, status, &pid);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOENT) /* undefined or stopped since it was listed */
                return 0;
        if (r == -EUCLEAN)
                return note_damaged(l, path);
        if (r < 0)
                return note_unread(l, path, r);
        if (status && pid == 0)
                pid = read_pid(root, name);
        if (status && pid && !is_alive(root, pid)) /* it ended while no daemon ran */
                return 0;
        r = guest_read_networks(&g, root);
        if (r < 0)
                return r;
        r = add_guest(l, &g, &slot);
        if (r < 0)
                return r;
        if (status) {
                slot->running = true;
                slot->pid = pid;
                return 0;
        }
        if (slot->running && !slot->defined)
                slot->later = TAKE(g, (struct guest){});
        slot->defined = true;
        return 0;
}

static int read_guests(struct libvirt_facts *l, const struct root *root, const char *directory, bool status)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = list_dir_at(root->fd, directory, &names);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && r != -ENOENT)
                note_incomplete(l, "libvirt's directories are only root's to read");
        for (size_t i = 0; i < names.n; i++) {
                if (!is_xml(names.names[i]))
                        continue;
                r = read_guest(l, root, directory, names.names[i], status);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Returns 0 or -ENOMEM: a file that cannot be read or understood leaves the list incomplete. */
static int read_network(struct libvirt_facts *l, const struct root *root, const char *directory,
                        const char *name)
{
        _cleanup_(libvirt_network_done) struct libvirt_network n = {};
        struct libvirt_network *slot;
        char path[512];
        int r;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        r = libvirt_network_read(&n, root, path);
        if (r == -ENOMEM || r == 0)
                return r;
        if (r == -EUCLEAN)
                return note_damaged(l, path);
        if (r < 0)
                return note_unread_network(l, path, r);
        n.name = strndup(name, strlen(name) - strlen(".xml")); /* libvirt takes no file of another name */
        if (!n.name)
                return -ENOMEM;
        slot = array_append(l->networks, l->n_networks);
        if (!slot)
                return -ENOMEM;
        *slot = TAKE(n, (struct libvirt_network){});
        return 0;
}

static int read_networks_in(struct libvirt_facts *l, const struct root *root, const char *directory)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = list_dir_at(root->fd, directory, &names);
        if (r == -ENOMEM || r == -ENOENT || r == -ENOTDIR)
                return r == -ENOMEM ? r : 0;
        if (r < 0)
                return note_unread_network(l, directory, r);
        for (size_t i = 0; i < names.n; i++) {
                if (!is_xml(names.names[i]))
                        continue;
                r = read_network(l, root, directory, names.names[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_networks(struct libvirt_facts *l, const struct root *root)
{
        static const char *const directories[] = LIBVIRT_NETWORK_DIRS;

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                int r = read_networks_in(l, root, directories[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The process of one of Proxmox's guests, or 0. A file whose guest has died may name another process. */
static pid_t read_proxmox_pid(const struct root *root, const char *id)
{
        char path[sizeof(PROXMOX_RUNNING_DIR "/.pid") + 256];
        _cleanup_free_ char *command = NULL;
        uint64_t pid;

        snprintf(path, sizeof(path), PROXMOX_RUNNING_DIR "/%s.pid", id);
        if (read_u64_at(root->fd, path, 10, &pid) < 0 || pid == 0 || pid > INT32_MAX)
                return 0;
        snprintf(path, sizeof(path), "proc/%d/comm", (int) pid);
        if (read_line_at(root->fd, path, &command) < 0 ||
            !(startswith(command, "kvm") || startswith(command, "qemu")))
                return 0;
        return (pid_t) pid;
}

static int read_proxmox_guest(struct libvirt_facts *l, const struct root *root,
                              const struct proxmox_mappings *m, const struct proxmox_file *file,
                              const char *id)
{
        _cleanup_(guest_done) struct guest g = {}, later = {};
        struct libvirt_guest *slot;
        bool autostart = false;
        pid_t pid;
        int r;

        if (file->error == -ENOENT) /* removed or migrated since it was listed */
                return 0;
        if (file->error < 0)
                return note_unread(l, file->path, file->error);
        pid = read_proxmox_pid(root, id);
        r = proxmox_guest_parse(&g, id, file->text, m, root, pid == 0, &autostart);
        if (r == 1 && pid != 0)
                r = proxmox_guest_parse(&later, id, file->text, m, root, true, &autostart);
        if (r == -EFBIG)
                return note_unread(l, file->path, r);
        if (r <= 0)
                return r;
        r = add_guest(l, &g, &slot);
        if (r < 0)
                return r;
        slot->later = TAKE(later, (struct guest){});
        slot->defined = true;
        slot->autostart = autostart;
        slot->pid = pid;
        slot->running = pid != 0;
        return 0;
}

/* Whether they are there, and whether the list of them is whole. */
static bool look_at_proxmox(struct libvirt_facts *l, const struct root *root, int error)
{
        if ((error == -ENOENT || error == -ENOTDIR) && !exists_at(root->fd, "usr/sbin/qm"))
                return false;
        if (error == -ETIMEDOUT)
                note_incomplete(l, "/etc/pve, where Proxmox has its guests, does not answer");
        else if (error == -EACCES)
                note_incomplete(l, "the files of Proxmox's guests are only root's to read");
        else if (error < 0) /* pmxcfs, which shows them there, does not run */
                note_incomplete(l, "the files of Proxmox's guests cannot be read");
        return true;
}

static int read_proxmox(struct libvirt_facts *l, const struct root *root)
{
        _cleanup_(proxmox_files_done) struct proxmox_files files = {};
        int r;

        r = proxmox_files_read(&files, root);
        if (r == -ENOMEM)
                return r;
        l->proxmox = look_at_proxmox(l, root, r < 0 ? r : files.files[0].error);
        l->mappings_error = r < 0 ? r : proxmox_mappings_read(&l->mappings, &files);
        if (l->mappings_error == -ENOMEM)
                return -ENOMEM;
        if (!l->proxmox)
                return 0;
        if (l->mappings_error < 0) {
                r = note_unread(l, PROXMOX_MAPPINGS_FILE, l->mappings_error);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < files.n; i++) {
                char id[16];

                if (!proxmox_file_id(&files.files[i], id))
                        continue;
                r = read_proxmox_guest(l, root, &l->mappings, &files.files[i], id);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_all_definitions(struct libvirt_facts *l, const struct root *root)
{
        int r;

        r = read_guests(l, root, LIBVIRT_RUNNING_DIR, true);
        if (r < 0)
                return r;
        r = read_guests(l, root, LIBVIRT_DEFINED_DIR, false);
        if (r < 0)
                return r;
        r = read_networks(l, root);
        if (r < 0)
                return r;
        return read_proxmox(l, root);
}

static void read_autostart(struct libvirt_facts *l, const struct root *root)
{
        for (size_t i = 0; i < l->n_guests; i++) {
                char path[sizeof(LIBVIRT_AUTOSTART_DIR "/.xml") + 256];
                _cleanup_free_ char *target = NULL;
                const char *name = l->guests[i].xml.name;

                if (l->guests[i].xml.manager != GUEST_OF_LIBVIRT || strchr(name, '/') || strlen(name) > 255)
                        continue;
                snprintf(path, sizeof(path), LIBVIRT_AUTOSTART_DIR "/%s.xml", name);
                l->guests[i].autostart = read_link_at(root->fd, path, &target) >= 0;
        }
}

static struct fact read_installed(const struct libvirt_facts *l, const struct root *root)
{
        static const char *const directories[] = { "usr/sbin", "usr/bin" };

        if (l->running.value == FACT_YES)
                return fact_is(true, SOURCE_PROC);
        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                for (size_t k = 0; k < N_LIBVIRT_DAEMONS; k++) {
                        char path[64];

                        snprintf(path, sizeof(path), "%s/%s", directories[i], libvirt_daemons[k].command);
                        if (exists_at(root->fd, path))
                                return fact_is(true, SOURCE_FILE);
                }
        return fact_is(exists_at(root->fd, LIBVIRT_RUNNING_DIR), SOURCE_FILE);
}

static int compare_guests(const void *a, const void *b)
{
        return strcmp(((const struct libvirt_guest *) a)->xml.name,
                      ((const struct libvirt_guest *) b)->xml.name);
}

int libvirt_facts_read(struct libvirt_facts *l, const struct root *root)
{
        int r;

        assert(l);
        assert(root);

        *l = (struct libvirt_facts){ .readable = fact_is(true, SOURCE_XML) };
        libvirt_daemon_read(l, root);
        l->installed = read_installed(l, root);
        libvirt_hook_read(l, root);
        libvirt_confined_read(l, root);

        r = read_all_definitions(l, root);
        if (r < 0) {
                libvirt_facts_done(l);
                return r;
        }
        if (l->n_guests > 0)
                qsort(l->guests, l->n_guests, sizeof(*l->guests), compare_guests);
        read_autostart(l, root);
        return 0;
}

void libvirt_facts_refresh(struct libvirt_facts *l, const struct root *root)
{
        libvirt_daemon_read(l, root);
}

const struct libvirt_guest *libvirt_facts_find_pid(const struct libvirt_facts *l, pid_t pid)
{
        for (size_t i = 0; i < l->n_guests; i++)
                if (pid != 0 && l->guests[i].pid == pid)
                        return &l->guests[i];
        return NULL;
}

void libvirt_facts_done(struct libvirt_facts *l)
{
        for (size_t i = 0; i < l->n_guests; i++) {
                guest_done(&l->guests[i].xml);
                guest_done(&l->guests[i].later);
        }
        for (size_t i = 0; i < l->n_networks; i++)
                libvirt_network_done(&l->networks[i]);
        for (size_t i = 0; i < l->n_damaged; i++)
                free(l->damaged[i]);
        proxmox_mappings_done(&l->mappings);
        free(l->networks);
        free(l->networks_unread);
        free(l->damaged);
        free(l->unread);
        free(l->guests);
        *l = (struct libvirt_facts){};
}
