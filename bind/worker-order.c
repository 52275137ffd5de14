/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker-order.h"

#include <assert.h>

#include "util/array.h"
#include "worker.h"

DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

char *worker_order_format(enum bind_operation operation, const char *const *devices, size_t n_devices,
                          const char *driver, const char *owner, bool dry_run, bool force,
                          uint64_t timeout_usec, uint64_t deadline_usec)
{
        _cleanup_(json_object_putp) json_object *o = json_object_new_object();
        json_object *list = json_object_new_array();

        assert(owner);
        assert(devices || n_devices == 0);

        for (size_t i = 0; i < n_devices; i++)
                json_object_array_add(list, json_object_new_string(devices[i]));
        json_object_object_add(o, "operation", json_object_new_string(bind_operation_to_string(operation)));
        json_object_object_add(o, "devices", list);
        json_object_object_add(o, "driver", driver ? json_object_new_string(driver) : NULL);
        json_object_object_add(o, "owner", json_object_new_string(owner));
        json_object_object_add(o, "dry_run", json_object_new_boolean(dry_run));
        json_object_object_add(o, "force", json_object_new_boolean(force));
        json_object_object_add(o, "timeout_usec", json_object_new_uint64(timeout_usec));
        json_object_object_add(o, "deadline_usec", json_object_new_uint64(deadline_usec));
        return strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

static const char *get_string(json_object *o, const char *key)
{
        json_object *v;

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
                return NULL;
        return json_object_get_string(v);
}

static bool get_boolean(json_object *o, const char *key)
{
        json_object *v;

        return json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}

static uint64_t get_usec(json_object *o, const char *key)
{
        json_object *v;

        if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int))
                return 0;
        return json_object_get_uint64(v);
}

static int copy_string(char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return from && !*to ? -ENOMEM : 0;
}

static int parse_order(struct worker_order *o, json_object *json, const char **why)
{
        const char *driver = get_string(json, "driver"), *owner = get_string(json, "owner");
        json_object *list;

        o->order = (struct bind_order){
                .operation = bind_operation_from_string(get_string(json, "operation")),
                .dry_run = get_boolean(json, "dry_run"),
                .force = get_boolean(json, "force"),
                .deadline_usec = get_usec(json, "deadline_usec"),
        };
        o->timeout_usec = get_usec(json, "timeout_usec");
        *why = "it has no valid operation";
        if (o->order.operation < 0)
                return -EBADMSG;
        *why = "it lacks an owner or a timeout_usec, or its driver is not a name";
        if (!owner || !*owner || strlen(owner) > 512 || o->timeout_usec == 0 ||
            (driver &&
             (!*driver || strlen(driver) >= BINDING_NAME_MAX || strchr(driver, '/') || *driver == '.')))
                return -EBADMSG;
        if (copy_string(&o->driver, driver) < 0 || copy_string(&o->owner, owner) < 0)
                return -ENOMEM;
        o->order.driver = o->driver;
        o->order.owner = o->owner;

        *why = "its devices are not a list of addresses";
        if (!json_object_object_get_ex(json, "devices", &list) ||
            !json_object_is_type(list, json_type_array) ||
            json_object_array_length(list) > ORDER_DEVICES_MAX)
                return -EBADMSG;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                bdf_t *slot = array_append(o->devices, o->n_devices);

                if (!slot)
                        return -ENOMEM;
                if (bdf_parse(json_object_get_string(json_object_array_get_idx(list, i)) ?: "", *slot) < 0)
                        return -EBADMSG;
        }
        *why = "it names no device";
        return o->n_devices == 0 && o->order.operation != BIND_SETTLE ? -EBADMSG : 0;
}

int worker_order_parse(struct worker_order *o, const char *text, const char **ret_why)
{
        _cleanup_(json_object_putp) json_object *json = NULL, *again = NULL;
        int r;

        assert(o && text && ret_why);

        *o = (struct worker_order){};
        json = json_tokener_parse(text);
        errno = 0;
        again = json_tokener_parse(text);
        /* json-c before 0.17 goes on without a key that it has no memory for: it would be another order. */
        if ((!json && errno == ENOMEM) || !json_object_equal(json, again)) {
                *ret_why = "memory is out";
                return -ENOMEM;
        }
        if (!json || !json_object_is_type(json, json_type_object)) {
                *ret_why = "it is not a JSON object";
                return -EBADMSG;
        }
        r = parse_order(o, json, ret_why);
        if (r < 0)
                worker_order_done(o);
        return r;
}

void worker_order_done(struct worker_order *o)
{
        free(o->devices);
        free(o->driver);
        free(o->owner);
        *o = (struct worker_order){};
}
