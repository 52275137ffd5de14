/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints libvirt's guests with their devices as JSON, for bind/bind-host.c. The argument is the root of a
 * host; without one it is this host. Fails where not all guests could be seen. */
#include <json-c/json.h>

#include "facts/guest/facts-libvirt.h"
#include "util/macro.h"

static json_object *guest_to_json(const struct libvirt_guest *g)
{
        json_object *o = json_object_new_object(), *devices = json_object_new_array();

        for (size_t i = 0; i < g->xml.n_hostdevs; i++) {
                json_object *d;

                if (!*g->xml.hostdevs[i].bdf) /* of a pool; libvirt picks one at the start */
                        continue;
                d = json_object_new_object();
                json_object_object_add(d, "address", json_object_new_string(g->xml.hostdevs[i].bdf));
                json_object_object_add(d, "managed", json_object_new_boolean(g->xml.hostdevs[i].managed));
                json_object_array_add(devices, d);
        }
        json_object_object_add(o, "name", json_object_new_string(g->xml.name ?: "?"));
        json_object_object_add(o, "running", json_object_new_boolean(g->running));
        json_object_object_add(o, "devices", devices);
        return o;
}

int main(int argc, char *argv[])
{
        struct libvirt_facts facts;
        json_object *list;
        struct root root;
        bool complete;

        if (argc > 2 || root_open(&root, argv[1]) < 0 || libvirt_facts_read(&facts, &root) < 0)
                return EXIT_FAILURE;
        list = json_object_new_array();
        for (size_t i = 0; i < facts.n_guests; i++)
                json_object_array_add(list, guest_to_json(&facts.guests[i]));
        puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
        complete = facts.readable.value == FACT_YES;
        json_object_put(list);
        libvirt_facts_done(&facts);
        root_close(&root);
        return fflush(stdout) == 0 && complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
