/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-job.h"

#include <assert.h>

#include "bind/worker-reply.h"
#include "messages.h"
#include "util/log.h"

/* Of one group, in one line; a group can have hundreds of functions. */
#define DEVICES_SHOWN 8
#define FINDINGS_SHOWN 3

static const struct {
        int priority;
        const char *message_id; /* NULL: nothing has happened */
} events[_BIND_OUTCOME_MAX] = {
        [BIND_UNCHANGED] = { LOG_DEBUG, NULL },
        [BIND_PLANNED] = { LOG_DEBUG, NULL },
        [BIND_BOUND] = { LOG_INFO, MESSAGE_GROUP_BOUND },
        [BIND_RETURNED] = { LOG_INFO, MESSAGE_GROUP_RETURNED },
        [BIND_GONE] = { LOG_NOTICE, MESSAGE_GROUP_GONE },
        [BIND_REFUSED] = { LOG_WARNING, MESSAGE_GROUP_REFUSED },
        [BIND_FAILED] = { LOG_ERR, MESSAGE_GROUP_FAILED },
        [BIND_QUARANTINED] = { LOG_ERR, MESSAGE_GROUP_QUARANTINED },
        [BIND_STUCK] = { LOG_ERR, MESSAGE_GROUP_STUCK },
};

static const char *get_string(json_object *o, const char *key)
{
        return json_object_get_string(json_object_object_get(o, key));
}

static size_t array_length(json_object *array)
{
        return array ? json_object_array_length(array) : 0;
}

bool bind_outcome_is_bound(json_object *group)
{
        enum bind_outcome outcome = worker_group_outcome(group);

        return outcome == BIND_BOUND || outcome == BIND_UNCHANGED;
}

static void print_finding(FILE *out, json_object *f)
{
        const char *subject = get_string(f, "subject"), *detail = get_string(f, "detail");

        fputs(get_string(f, "text") ?: get_string(f, "id"), out);
        if (subject && detail)
                fprintf(out, " (%s: %s)", subject, detail);
        else if (subject || detail)
                fprintf(out, " (%s)", subject ?: detail);
}

void bind_outcome_describe(json_object *group, char *text, size_t size)
{
        json_object *devices = json_object_object_get(group, "devices");
        json_object *findings = json_object_object_get(group, "findings");
        int number = json_object_get_int(json_object_object_get(group, "group"));
        size_t n_devices = array_length(devices), n_findings = array_length(findings);
        FILE *out;

        assert(text && size > 0);

        *text = '\0';
        out = fmemopen(text, size, "w");
        if (!out)
                return;
        if (number >= 0)
                fprintf(out, "IOMMU group %d", number);
        else
                fputs("A function without an IOMMU group", out);
        for (size_t i = 0; i < n_devices && i < DEVICES_SHOWN; i++)
                fprintf(out, "%s%s", i > 0 ? ", " : " (",
                        get_string(json_object_array_get_idx(devices, i), "address"));
        fprintf(out, "%s%s: %s", n_devices > DEVICES_SHOWN ? ", ..." : "", n_devices > 0 ? ")" : "",
                bind_outcome_text(worker_group_outcome(group)));
        for (size_t i = 0; i < n_findings && i < FINDINGS_SHOWN; i++) {
                fputs(i > 0 ? "; " : ": ", out);
                print_finding(out, json_object_array_get_idx(findings, i));
        }
        (void) fclose(out);
        text[size - 1] = '\0';
}

void bind_outcome_log(json_object *group, const char *owner, bool dry_run)
{
        enum bind_outcome outcome = worker_group_outcome(group);
        json_object *devices = json_object_object_get(group, "devices");
        json_object *findings = json_object_object_get(group, "findings");
        char text[800], field[3][256], device[DEVICES_SHOWN][64], finding[FINDINGS_SHOWN][64];
        const char *fields[ELEMENTSOF(field) + DEVICES_SHOWN + FINDINGS_SHOWN + 1] = { field[0], field[1],
                                                                                       field[2] };
        size_t n = ELEMENTSOF(field);

        snprintf(field[0], sizeof(field[0]), "VFIOALIGN_GROUP=%d",
                 json_object_get_int(json_object_object_get(group, "group")));
        snprintf(field[1], sizeof(field[1]), "VFIOALIGN_OUTCOME=%s", bind_outcome_to_string(outcome));
        snprintf(field[2], sizeof(field[2]), "VFIOALIGN_OWNER=%s", owner);
        for (size_t i = 0; i < array_length(devices) && i < DEVICES_SHOWN; i++) {
                snprintf(device[i], sizeof(device[i]), "VFIOALIGN_DEVICE=%s",
                         get_string(json_object_array_get_idx(devices, i), "address"));
                fields[n++] = device[i];
        }
        for (size_t i = 0; i < array_length(findings) && i < FINDINGS_SHOWN; i++) {
                snprintf(finding[i], sizeof(finding[i]), "VFIOALIGN_FINDING=%s",
                         get_string(json_object_array_get_idx(findings, i), "id"));
                fields[n++] = finding[i];
        }

        bind_outcome_describe(group, text, sizeof(text));
        log_struct(dry_run ? LOG_DEBUG : events[outcome].priority,
                   dry_run ? NULL : events[outcome].message_id, fields, "%s [%s]", text, owner);
}
