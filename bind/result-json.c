/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "util/macro.h"
#include "worker.h"

static json_object *string_or_null(const char *s)
{
        return s && *s ? json_object_new_string(s) : NULL;
}

static json_object *binding_to_json(const struct binding *b)
{
        json_object *o = json_object_new_object();

        json_object_object_add(o, "driver", string_or_null(b->driver));
        json_object_object_add(o, "override", string_or_null(b->override));
        return o;
}

static json_object *writes_to_json(const struct binding_writes *w)
{
        json_object *list = json_object_new_array();

        for (size_t i = 0; w && i < w->n; i++) {
                json_object *o = json_object_new_object();
                char path[sizeof(w->writes[i].path) + 1];

                snprintf(path, sizeof(path), "/%s", w->writes[i].path);
                json_object_object_add(o, "path", json_object_new_string(path));
                json_object_object_add(o, "value", string_or_null(w->writes[i].value));
                json_object_array_add(list, o);
        }
        return list;
}

static json_object *members_to_json(const struct bind_result *r)
{
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < r->record.n_members; i++) {
                const struct bind_member *m = &r->record.members[i];
                json_object *o = json_object_new_object();

                json_object_object_add(o, "address", json_object_new_string(m->bdf));
                json_object_object_add(o, "before", binding_to_json(&m->before));
                json_object_object_add(o, "after", binding_to_json(&m->after));
                json_object_object_add(o, "planned_writes",
                                       writes_to_json(r->planned ? &r->planned[i] : NULL));
                json_object_array_add(list, o);
        }
        return list;
}

static json_object *findings_to_json(const struct findings *f)
{
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < f->n_findings; i++) {
                const struct finding *finding = &f->findings[i];
                const struct finding_type *type = finding_type(finding->id);
                json_object *o = json_object_new_object();

                json_object_object_add(o, "id", json_object_new_string(finding_to_string(finding->id)));
                json_object_object_add(o, "severity",
                                       json_object_new_string(severity_to_string(finding->severity)));
                json_object_object_add(o, "subject", string_or_null(finding->subject));
                json_object_object_add(o, "detail", string_or_null(finding->detail));
                json_object_object_add(o, "text", json_object_new_string(type->text));
                json_object_object_add(o, "remedy",
                                       json_object_new_string(finding_remedy_text(finding->id)));
                json_object_object_add(o, "forceable",
                                       json_object_new_boolean(bind_is_forceable(finding->id)));
                json_object_array_add(list, o);
        }
        return list;
}

json_object *bind_result_to_json(const struct bind_result *r)
{
        json_object *o = json_object_new_object();

        assert(r);

        json_object_object_add(o, "type", json_object_new_string("group"));
        json_object_object_add(o, "group",
                               json_object_new_int(r->record.n_members > 0 ? r->record.group : -1));
        json_object_object_add(o, "outcome", json_object_new_string(bind_outcome_to_string(r->outcome)));
        json_object_object_add(o, "owner", string_or_null(r->record.owner));
        json_object_object_add(o, "reason", string_or_null(r->record.reason));
        json_object_object_add(o, "writes", json_object_new_int((int) r->writes));
        json_object_object_add(o, "seconds", json_object_new_double(r->seconds));
        json_object_object_add(o, "devices", members_to_json(r));
        json_object_object_add(o, "findings", findings_to_json(&r->findings));
        json_object_object_add(o, "pid", r->pid > 0 ? json_object_new_int(r->pid) : NULL);
        json_object_object_add(o, "stack", string_or_null(r->stack));
        return o;
}
