/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-job.h"
#include "messages.h"
#include "util/log.h"

#define DEVICES_TOLD 8 /* of a group, in one line; a group can have hundreds */
#define FINDINGS_TOLD 3

static const struct {
        int priority;
        const char *message_id; /* NULL: nothing has happened */
        const char *text;
} outcomes[_BIND_OUTCOME_MAX] = {
        [BIND_UNCHANGED] = { LOG_DEBUG, NULL, "was so already" },
        [BIND_PLANNED] = { LOG_DEBUG, NULL, "planned" },
        [BIND_BOUND] = { LOG_INFO, MESSAGE_GROUP_BOUND, "handed to VFIO" },
        [BIND_RETURNED] = { LOG_INFO, MESSAGE_GROUP_RETURNED, "given back" },
        [BIND_GONE] = { LOG_NOTICE, MESSAGE_GROUP_GONE, "has left the host" },
        [BIND_REFUSED] = { LOG_WARNING, MESSAGE_GROUP_REFUSED, "refused" },
        [BIND_FAILED] = { LOG_ERR, MESSAGE_GROUP_FAILED, "failed, and is where it was" },
        [BIND_QUARANTINED] = { LOG_ERR, MESSAGE_GROUP_QUARANTINED, "neither here nor there" },
        [BIND_STUCK] = { LOG_ERR, MESSAGE_GROUP_STUCK, "hangs in the kernel" },
};

static const char *get_string(json_object *o, const char *key)
{
        return json_object_get_string(json_object_object_get(o, key));
}

static size_t length(json_object *array)
{
        return array ? json_object_array_length(array) : 0;
}

static bool all_have_string(json_object *array, const char *key)
{
        for (size_t i = 0; i < length(array); i++) {
                json_object *o = json_object_array_get_idx(array, i);

                if (!json_object_is_type(o, json_type_object) ||
                    !json_object_is_type(json_object_object_get(o, key), json_type_string))
                        return false;
        }
        return true;
}

bool bind_outcome_is_valid(json_object *group)
{
        json_object *devices, *findings;

        if (!json_object_is_type(group, json_type_object))
                return false;
        devices = json_object_object_get(group, "devices");
        findings = json_object_object_get(group, "findings");
        return json_object_is_type(json_object_object_get(group, "group"), json_type_int) &&
               json_object_is_type(devices, json_type_array) &&
               json_object_is_type(findings, json_type_array) && bind_outcome_of(group) >= 0 &&
               all_have_string(devices, "address") && all_have_string(findings, "id");
}

enum bind_outcome bind_outcome_of(json_object *group)
{
        json_object *outcome = json_object_object_get(group, "outcome");

        return json_object_is_type(outcome, json_type_string)
                       ? bind_outcome_from_string(json_object_get_string(outcome))
                       : _BIND_OUTCOME_INVALID;
}

bool bind_outcome_is_bound(json_object *group)
{
        enum bind_outcome outcome = bind_outcome_of(group);

        return outcome == BIND_BOUND || outcome == BIND_UNCHANGED;
}

bool bind_outcome_has_device(json_object *group, const char *bdf)
{
        json_object *devices = json_object_object_get(group, "devices");

        for (size_t i = 0; i < length(devices); i++)
                if (streq(get_string(json_object_array_get_idx(devices, i), "address"), bdf))
                        return true;
        return false;
}

void bind_outcome_describe(json_object *group, char *text, size_t size)
{
        json_object *devices = json_object_object_get(group, "devices");
        json_object *findings = json_object_object_get(group, "findings");
        int number = json_object_get_int(json_object_object_get(group, "group"));
        FILE *out = fmemopen(text, size, "w");

        *text = '\0';
        if (!out)
                return;
        if (number >= 0)
                fprintf(out, "IOMMU group %d", number);
        else
                fputs("A function without an IOMMU group", out);
        for (size_t i = 0; i < length(devices) && i < DEVICES_TOLD; i++)
                fprintf(out, "%s%s", i ? ", " : " (",
                        get_string(json_object_array_get_idx(devices, i), "address"));
        fprintf(out, "%s%s: %s", length(devices) > DEVICES_TOLD ? ", ..." : "",
                length(devices) > 0 ? ")" : "", outcomes[bind_outcome_of(group)].text);
        for (size_t i = 0; i < length(findings) && i < FINDINGS_TOLD; i++) {
                json_object *f = json_object_array_get_idx(findings, i);
                const char *subject = get_string(f, "subject"), *detail = get_string(f, "detail");

                fprintf(out, "%s%s", i ? "; " : ": ", get_string(f, "text") ?: get_string(f, "id"));
                if (subject || detail)
                        fprintf(out, " (%s%s%s)", subject ?: "", subject && detail ? ": " : "",
                                detail ?: "");
        }
        (void) fclose(out);
        text[size - 1] = '\0';
}

void bind_outcome_log(json_object *group, const char *owner, bool dry_run)
{
        enum bind_outcome outcome = bind_outcome_of(group);
        json_object *devices = json_object_object_get(group, "devices");
        json_object *findings = json_object_object_get(group, "findings");
        char text[800], field[3][256], device[DEVICES_TOLD][64], finding[FINDINGS_TOLD][64];
        const char *fields[ELEMENTSOF(field) + DEVICES_TOLD + FINDINGS_TOLD + 1] = { field[0], field[1],
                                                                                     field[2] };
        size_t n = ELEMENTSOF(field);

        snprintf(field[0], sizeof(field[0]), "VFIOALIGN_GROUP=%d",
                 json_object_get_int(json_object_object_get(group, "group")));
        snprintf(field[1], sizeof(field[1]), "VFIOALIGN_OUTCOME=%s", bind_outcome_to_string(outcome));
        snprintf(field[2], sizeof(field[2]), "VFIOALIGN_OWNER=%s", owner);
        for (size_t i = 0; i < length(devices) && i < DEVICES_TOLD; i++) {
                snprintf(device[i], sizeof(device[i]), "VFIOALIGN_DEVICE=%s",
                         get_string(json_object_array_get_idx(devices, i), "address"));
                fields[n++] = device[i];
        }
        for (size_t i = 0; i < length(findings) && i < FINDINGS_TOLD; i++) {
                snprintf(finding[i], sizeof(finding[i]), "VFIOALIGN_FINDING=%s",
                         get_string(json_object_array_get_idx(findings, i), "id"));
                fields[n++] = finding[i];
        }

        bind_outcome_describe(group, text, sizeof(text));
        log_struct(dry_run ? LOG_DEBUG : outcomes[outcome].priority,
                   dry_run ? NULL : outcomes[outcome].message_id, fields, "%s [%s]", text, owner);
}
