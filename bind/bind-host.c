/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-host.h"

#include <assert.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <spawn.h>
#include <sys/wait.h>

#include "facts/guest/libvirt-paths.h"
#include "facts/guest/proxmox-conf.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define ANSWER_MAX_SIZE (16U << 20)

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

/* Where a guest may have a device: <hostdev>, <interface type='hostdev'> or a network that is a pool,
 * -device vfio-pci. A file without an end is damaged, and hides what it would say. */
static bool may_have_devices(const char *lines)
{
        return strstr(lines, "hostdev") || strstr(lines, "vfio") ||
               strstr(lines, "<interface type='network'") || !strstr(lines, "</domain>");
}

/* The same of a network. Without the word it is not a pool. */
static bool may_be_pool(const char *lines)
{
        return strstr(lines, "hostdev") || !strstr(lines, "</network>");
}

static bool directory_mentions(const struct root *root, const char *directory, const char *const words[],
                               bool (*matters)(const char *lines))
{
        _cleanup_(names_done) struct names names = {};

        if (list_dir_at(root->fd, directory, &names) < 0)
                return false;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = NULL, *lines = NULL;

                if (!strstr(names.names[i], ".xml") ||
                    asprintf(&path, "%s/%s", directory, names.names[i]) < 0)
                        continue;
                /* The program reports what cannot be read. */
                if (grep_file_at(root->fd, path, words, &lines) < 0 || matters(lines))
                        return true;
        }
        return false;
}

static bool libvirt_mentions_devices(const struct root *root)
{
        static const char *const words[] = { "hostdev", "vfio", "<interface type='network'", "</domain>",
                                             NULL };
        static const char *const network_words[] = { "hostdev", "</network>", NULL };
        static const char *const network_directories[] = LIBVIRT_NETWORK_DIRS;

        if (directory_mentions(root, LIBVIRT_DEFINED_DIR, words, may_have_devices) ||
            directory_mentions(root, LIBVIRT_RUNNING_DIR, words, may_have_devices))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(network_directories); i++)
                if (directory_mentions(root, network_directories[i], network_words, may_be_pool))
                        return true;
        return false;
}

/* The same of Proxmox's guests. */
static bool proxmox_mentions_devices(const struct root *root)
{
        _cleanup_(proxmox_files_done) struct proxmox_files files = {};
        const struct proxmox_file *directory;

        if (proxmox_files_read(&files, root) < 0)
                return true;
        directory = &files.files[0];
        if (directory->error < 0)
                return directory->error != -ENOENT && directory->error != -ENOTDIR;
        for (size_t i = 0; i < files.n; i++) {
                const struct proxmox_file *file = &files.files[i];
                char id[16];

                if (proxmox_file_id(file, id) &&
                    (file->error < 0 || strstr(file->text, "hostpci") || strstr(file->text, "vfio")))
                        return true;
        }
        return false;
}

static int run_guests_program(const struct root *root, char **ret)
{
        const char *program = secure_getenv("VFIOALIGN_GUESTS") ?: GUESTS_PROGRAM;
        char *const argv[] = { (char *) program, root->live ? NULL : root->path, NULL };
        _cleanup_close_ int reading = -EBADF;
        posix_spawn_file_actions_t actions;
        int out[2], status, r;
        pid_t pid;

        if (pipe2(out, O_CLOEXEC) < 0)
                return -errno;
        reading = out[0];
        posix_spawn_file_actions_init(&actions);
        r = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn(&pid, program, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(out[1]);
        if (r != 0)
                return -r;
        r = read_fd(reading, ANSWER_MAX_SIZE, ret, NULL);
        if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return r < 0 ? r : -EIO;
        return r;
}

static bool get_boolean(json_object *o, const char *key)
{
        json_object *v;

        return json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}

static int parse_hostdevs(struct guest *g, json_object *list)
{
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *o = json_object_array_get_idx(list, i), *address;
                struct hostdev *h = array_append(g->hostdevs, g->n_hostdevs);

                if (!h)
                        return -ENOMEM;
                if (!json_object_object_get_ex(o, "address", &address) ||
                    bdf_parse(json_object_get_string(address) ?: "", h->bdf) < 0)
                        return -EBADMSG;
                h->managed = get_boolean(o, "managed");
        }
        return 0;
}

static int parse_guests(struct libvirt_facts *l, json_object *list)
{
        if (!json_object_is_type(list, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                json_object *o = json_object_array_get_idx(list, i), *name, *devices, *later, *manager;
                struct libvirt_guest *g;
                int r;

                if (!json_object_object_get_ex(o, "name", &name) ||
                    !json_object_object_get_ex(o, "devices", &devices) ||
                    !json_object_object_get_ex(o, "later", &later) ||
                    !json_object_object_get_ex(o, "manager", &manager))
                        return -EBADMSG;
                g = array_append(l->guests, l->n_guests);
                if (!g)
                        return -ENOMEM;
                g->xml.name = strdup(json_object_get_string(name) ?: "?");
                if (!g->xml.name)
                        return -ENOMEM;
                r = guest_manager_from_string(json_object_get_string(manager) ?: "");
                if (r < 0)
                        return -EBADMSG;
                g->xml.manager = (enum guest_manager) r;
                g->running = get_boolean(o, "running");
                r = parse_hostdevs(&g->xml, devices);
                if (r < 0)
                        return r;
                r = parse_hostdevs(&g->later, later);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_functions(struct libvirt_network *n, json_object *list)
{
        if (!json_object_is_type(list, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                const char *function = json_object_get_string(json_object_array_get_idx(list, i));
                bdf_t *slot = array_append(n->functions, n->n_functions);

                if (!slot)
                        return -ENOMEM;
                if (bdf_parse(function ?: "", *slot) < 0)
                        return -EBADMSG;
        }
        return 0;
}

static int parse_network(struct libvirt_network *n, json_object *o)
{
        const char *name = json_object_get_string(json_object_object_get(o, "name")),
                   *file = json_object_get_string(json_object_object_get(o, "file"));
        json_object *physical;

        if (!name || !file || *file != '/')
                return -EBADMSG;
        n->name = strdup(name);
        n->file = strdup(file);
        if (!n->name || !n->file)
                return -ENOMEM;
        if (json_object_object_get_ex(o, "physical_function", &physical) &&
            bdf_parse(json_object_get_string(physical) ?: "", n->physical_function) < 0)
                return -EBADMSG;
        return parse_functions(n, json_object_object_get(o, "functions"));
}

static int parse_networks(struct libvirt_facts *l, json_object *list)
{
        if (!json_object_is_type(list, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                struct libvirt_network *n = array_append(l->networks, l->n_networks);
                int r;

                if (!n)
                        return -ENOMEM;
                r = parse_network(n, json_object_array_get_idx(list, i));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_damaged(struct libvirt_facts *l, json_object *list)
{
        if (!json_object_is_type(list, json_type_array))
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                const char *path = json_object_get_string(json_object_array_get_idx(list, i));
                char **slot = array_append(l->damaged, l->n_damaged);

                if (!slot)
                        return -ENOMEM;
                *slot = strdup(path ?: "?");
                if (!*slot)
                        return -ENOMEM;
        }
        return 0;
}

static int parse_answer(struct libvirt_facts *l, const char *text)
{
        _cleanup_(json_object_putp) json_object *o = json_tokener_parse(text);
        json_object *unread;
        int r;

        if (!json_object_is_type(o, json_type_object))
                return -EBADMSG;
        r = parse_guests(l, json_object_object_get(o, "guests"));
        if (r < 0)
                return r;
        r = parse_networks(l, json_object_object_get(o, "networks"));
        if (r < 0)
                return r;
        if (json_object_object_get_ex(o, "networks_unread", &unread)) {
                l->networks_unread = strdup(json_object_get_string(unread) ?: "?");
                if (!l->networks_unread)
                        return -ENOMEM;
        }
        r = parse_damaged(l, json_object_object_get(o, "damaged"));
        if (r < 0)
                return r;
        if (!json_object_object_get_ex(o, "unread", &unread))
                return 0;
        if (asprintf(&l->unread, "the guests could not all be read: %s",
                     json_object_get_string(unread) ?: "?") < 0) {
                l->unread = NULL;
                return -ENOMEM;
        }
        l->readable = fact_unknown(l->unread);
        return 0;
}

static void guests_done(struct libvirt_facts *l)
{
        for (size_t i = 0; i < l->n_guests; i++) {
                free(l->guests[i].xml.name);
                free(l->guests[i].xml.hostdevs);
                free(l->guests[i].later.hostdevs);
        }
        for (size_t i = 0; i < l->n_networks; i++)
                libvirt_network_done(&l->networks[i]);
        for (size_t i = 0; i < l->n_damaged; i++)
                free(l->damaged[i]);
        free(l->networks);
        free(l->networks_unread);
        free(l->damaged);
        free(l->unread);
        free(l->guests);
        *l = (struct libvirt_facts){};
}

static int run_and_parse_guests(struct host *h)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = run_guests_program(h->root, &text);
        if (r < 0)
                return r;
        return parse_answer(&h->libvirt, text);
}

static int read_guests(struct host *h)
{
        int r;

        h->libvirt.readable = fact_is(true, SOURCE_XML);
        if (!libvirt_mentions_devices(h->root) && !proxmox_mentions_devices(h->root))
                return 0;
        r = run_and_parse_guests(h);
        if (r < 0) {
                guests_done(&h->libvirt);
                h->libvirt.readable = fact_unknown("libvirt's guests could not be read");
        }
        return r == -ENOMEM ? r : 0;
}

static int read_libvirt(struct host *h)
{
        int r;

        r = read_guests(h);
        if (r < 0)
                return r;
        return claims_add_networks(&h->claims, &h->libvirt);
}

int bind_host_read(struct host *h, const struct root *root, const bdf_t wanted[], size_t n)
{
        int r;

        assert(h && root);
        assert(wanted || n == 0);

        r = host_read_devices(h, root, wanted, n);
        if (r < 0)
                return r;
        r = read_libvirt(h);
        if (r < 0)
                bind_host_done(h);
        return r;
}

void bind_host_done(struct host *h)
{
        guests_done(&h->libvirt);
        host_devices_done(h);
}
