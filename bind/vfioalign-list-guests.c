/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the guests of libvirt and of Proxmox with their devices, and libvirt's networks that are pools of
 * devices, as JSON, for bind/bind-host.c: "guests", "networks", "damaged" (files that libvirt cannot read
 * either) and, where not all of them could be seen, why in "unread" and "networks_unread". The argument is
 * the root of a host; without one it is this host. */
#include <json-c/json.h>

#include "facts/guest/facts-libvirt.h"
#include "util/macro.h"

static json_object *devices_to_json(const struct guest *g)
{
        json_object *devices = json_object_new_array();

        for (size_t i = 0; i < g->n_hostdevs; i++) {
                json_object *d;

                if (!*g->hostdevs[i].bdf) /* of a pool: one is picked at the start */
                        continue;
                d = json_object_new_object();
                json_object_object_add(d, "address", json_object_new_string(g->hostdevs[i].bdf));
                json_object_object_add(d, "managed", json_object_new_boolean(g->hostdevs[i].managed));
                json_object_array_add(devices, d);
        }
        return devices;
}

static json_object *guest_to_json(const struct libvirt_guest *g)
{
        json_object *o = json_object_new_object();

        json_object_object_add(o, "name", json_object_new_string(g->xml.name ?: "?"));
        json_object_object_add(o, "manager",
                               json_object_new_string(guest_manager_to_string(g->xml.manager)));
        json_object_object_add(o, "running", json_object_new_boolean(g->running));
        json_object_object_add(o, "devices", devices_to_json(&g->xml));
        json_object_object_add(o, "later", devices_to_json(&g->later));
        return o;
}

static json_object *network_to_json(const struct libvirt_network *n)
{
        json_object *o = json_object_new_object(), *functions = json_object_new_array();

        for (size_t i = 0; i < n->n_functions; i++)
                json_object_array_add(functions, json_object_new_string(n->functions[i]));
        json_object_object_add(o, "name", json_object_new_string(n->name));
        json_object_object_add(o, "file", json_object_new_string(n->file));
        json_object_object_add(o, "functions", functions);
        if (*n->physical_function)
                json_object_object_add(o, "physical_function", json_object_new_string(n->physical_function));
        return o;
}

static json_object *facts_to_json(const struct libvirt_facts *l)
{
        json_object *o = json_object_new_object(), *guests = json_object_new_array(),
                    *networks = json_object_new_array(), *damaged = json_object_new_array();

        for (size_t i = 0; i < l->n_guests; i++)
                json_object_array_add(guests, guest_to_json(&l->guests[i]));
        for (size_t i = 0; i < l->n_networks; i++)
                json_object_array_add(networks, network_to_json(&l->networks[i]));
        for (size_t i = 0; i < l->n_damaged; i++)
                json_object_array_add(damaged, json_object_new_string(l->damaged[i]));
        json_object_object_add(o, "guests", guests);
        json_object_object_add(o, "networks", networks);
        json_object_object_add(o, "damaged", damaged);
        if (l->readable.value != FACT_YES)
                json_object_object_add(o, "unread", json_object_new_string(l->readable.why ?: "?"));
        if (l->networks_unread)
                json_object_object_add(o, "networks_unread", json_object_new_string(l->networks_unread));
        return o;
}

int main(int argc, char *argv[])
{
        struct libvirt_facts facts;
        json_object *o;
        struct root root;

        if (argc > 2 || root_open(&root, argv[1]) < 0 || libvirt_facts_read(&facts, &root) < 0)
                return EXIT_FAILURE;
        o = facts_to_json(&facts);
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        json_object_put(o);
        libvirt_facts_done(&facts);
        root_close(&root);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
