/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-record.h"

#include <assert.h>
#include <ctype.h>
#include <json-c/json.h>
#include <limits.h>

#include "json-member.h"
#include "util/array.h"
#include "util/file.h"
#include "util/json-strict.h"
#include "util/macro.h"
#include "util/memory.h"

#define RECORD_MAX_SIZE (1U << 20)
#define MEMBERS_MAX 1024
#define DEPTH_MAX 8
#define OWNER_MAX 1024
#define REASON_MAX 65536

/* clang-format off */
static const char *const bind_state_table[_BIND_STATE_MAX] = {
        [BIND_STATE_BINDING] = "binding",
        [BIND_STATE_BOUND] = "bound",
        [BIND_STATE_RETURNING] = "returning",
        [BIND_STATE_QUARANTINED] = "quarantined",
};
/* clang-format on */
DEFINE_STRING_TABLE(bind_state, enum bind_state);

DEFINE_TRIVIAL_CLEANUP(json_tokener *, json_tokener_free)
DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

static bool read_text(json_object *o, const char *key, char *ret, size_t size)
{
        const char *text = member_clean_text(o, key, size);

        if (!text)
                return false;
        strcpy(ret, text);
        return true;
}

/* A text that becomes a component of a path below /sys. */
static bool read_name(json_object *o, const char *key, char *ret, size_t size)
{
        return read_text(o, key, ret, size) && !strchr(ret, '/');
}

static bool read_id(json_object *o, const char *key, uint16_t *ret)
{
        uint64_t v;

        if (!member_number(o, key, 0, UINT16_MAX, &v))
                return false;
        *ret = (uint16_t) v;
        return true;
}

static bool read_binding(json_object *o, const char *key, struct binding *ret)
{
        json_object *value;

        return json_object_object_get_ex(o, key, &value) && json_object_is_type(value, json_type_object) &&
               read_name(value, "driver", ret->driver, sizeof(ret->driver)) &&
               read_text(value, "override", ret->override, sizeof(ret->override));
}

static bool read_settings(json_object *o, struct binding_settings *ret)
{
        json_object *value;

        return json_object_object_get_ex(o, "settings", &value) &&
               json_object_is_type(value, json_type_object) &&
               read_name(value, "control", ret->control, sizeof(ret->control)) &&
               read_name(value, "d3cold_allowed", ret->d3cold_allowed, sizeof(ret->d3cold_allowed)) &&
               read_name(value, "sriov_drivers_autoprobe", ret->sriov_drivers_autoprobe,
                         sizeof(ret->sriov_drivers_autoprobe));
}

static bool read_member(json_object *o, struct bind_member *ret)
{
        const char *address;

        if (!json_object_is_type(o, json_type_object))
                return false;
        address = member_clean_text(o, "address", sizeof(bdf_t));
        return address && bdf_parse(address, ret->bdf) >= 0 && streq(ret->bdf, address) &&
               read_id(o, "vendor", &ret->vendor) && read_id(o, "device", &ret->device) &&
               read_id(o, "subsystem_vendor", &ret->subsystem_vendor) &&
               read_id(o, "subsystem_device", &ret->subsystem_device) &&
               read_name(o, "serial", ret->serial, sizeof(ret->serial)) &&
               read_binding(o, "before", &ret->before) && read_binding(o, "after", &ret->after) &&
               read_settings(o, &ret->settings);
}

static int read_members(struct bind_record *r, json_object *o)
{
        json_object *list;
        size_t n;

        if (!json_object_object_get_ex(o, "members", &list) || !json_object_is_type(list, json_type_array))
                return -EBADMSG;
        n = json_object_array_length(list);
        if (n == 0 || n > MEMBERS_MAX)
                return -EBADMSG;
        r->members = calloc(n, sizeof(*r->members));
        if (!r->members)
                return -ENOMEM;
        r->n_members = n;
        for (size_t i = 0; i < n; i++)
                if (!read_member(json_object_array_get_idx(list, i), &r->members[i]) ||
                    (i > 0 && bdf_compare(r->members[i - 1].bdf, r->members[i].bdf) >= 0))
                        return -EBADMSG;
        return 0;
}

static int parse_record(struct bind_record *r, json_object *o)
{
        char state[16];
        const char *owner, *reason;
        uint64_t group;

        if (!json_object_is_type(o, json_type_object) ||
            !read_name(o, "boot_id", r->boot_id, sizeof(r->boot_id)) ||
            !read_name(o, "state", state, sizeof(state)) ||
            !member_number(o, "time_usec", 0, INT64_MAX, &r->time_usec) ||
            !member_number(o, "group", 0, INT_MAX, &group))
                return -EBADMSG;
        owner = member_clean_text(o, "owner", OWNER_MAX);
        reason = member_clean_text(o, "reason", REASON_MAX);
        r->state = bind_state_from_string(state);
        if (r->state < 0 || !*r->boot_id || !owner || !*owner || !reason)
                return -EBADMSG;
        r->group = (int) group;
        r->owner = strdup(owner);
        r->reason = *reason ? strdup(reason) : NULL;
        if (!r->owner || (*reason && !r->reason))
                return -ENOMEM;
        return read_members(r, o);
}

static int read_record(struct bind_record *r, const struct root *root, const char *first_bdf)
{
        _cleanup_(json_tokener_freep) json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        _cleanup_(json_object_putp) json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        char path[sizeof(BIND_RECORDS "/") + sizeof(bdf_t)];
        _cleanup_(bind_record_done) struct bind_record record = {};
        bdf_t bdf;
        size_t size;
        int k;

        if (!tokener)
                return -ENOMEM;
        if (bdf_parse(first_bdf, bdf) < 0)
                return -ENOENT;
        snprintf(path, sizeof(path), BIND_RECORDS "/%s", bdf);
        k = read_file_at(root->fd, path, RECORD_MAX_SIZE, &text, &size);
        if (k == -EFBIG)
                return -EBADMSG;
        if (k < 0)
                return k;

        json_tokener_be_strict(tokener);
        o = json_tokener_parse_ex(tokener, text, (int) size + 1); /* its NUL ends the text */
        if (json_tokener_get_parse_end(tokener) != size)
                return -EBADMSG;
        k = parse_record(&record, o);
        if (k < 0)
                return k;
        if (!streq(record.members[0].bdf, bdf))
                return -EBADMSG;
        *r = TAKE(record, (struct bind_record){});
        return 0;
}

int bind_record_read(struct bind_record *r, const struct root *root, const char *first_bdf)
{
        int k;

        assert(r);
        assert(root);
        assert(first_bdf);

        k = read_record(r, root, first_bdf);
        /* json-c before 0.17 goes on without a key that it has no memory for, and then it is not there. */
        return k == -EBADMSG ? read_record(r, root, first_bdf) : k;
}

/* These return false when memory is out. json-c would not notice: it returns NULL then, and takes NULL as
 * JSON's null. */
static bool put_value(json_object *o, const char *key, json_object *value)
{
        if (value && json_object_object_add(o, key, value) == 0)
                return true;
        json_object_put(value);
        return false;
}

static bool put_text(json_object *o, const char *key, const char *text)
{
        if (!text || !*text)
                return json_object_object_add(o, key, NULL) == 0;
        return put_value(o, key, json_object_new_string(text));
}

static bool put_number(json_object *o, const char *key, uint64_t v)
{
        return put_value(o, key, json_object_new_uint64(v));
}

static bool put_binding(json_object *o, const char *key, const struct binding *b)
{
        json_object *value = json_object_new_object();

        return put_value(o, key, value) && put_text(value, "driver", b->driver) &&
               put_text(value, "override", b->override);
}

static bool put_member(json_object *list, const struct bind_member *m)
{
        json_object *o = json_object_new_object(), *settings = json_object_new_object();

        if (!o || json_object_array_add(list, o) < 0) {
                json_object_put(o);
                json_object_put(settings);
                return false;
        }
        return put_value(o, "settings", settings) && put_text(o, "address", m->bdf) &&
               put_number(o, "vendor", m->vendor) && put_number(o, "device", m->device) &&
               put_number(o, "subsystem_vendor", m->subsystem_vendor) &&
               put_number(o, "subsystem_device", m->subsystem_device) && put_text(o, "serial", m->serial) &&
               put_binding(o, "before", &m->before) && put_binding(o, "after", &m->after) &&
               put_text(settings, "control", m->settings.control) &&
               put_text(settings, "d3cold_allowed", m->settings.d3cold_allowed) &&
               put_text(settings, "sriov_drivers_autoprobe", m->settings.sriov_drivers_autoprobe);
}

/* Free text, made such that member_clean_text() accepts it: without control characters, and cut to `size`.
 */
static bool put_words(json_object *o, const char *key, const char *text, size_t size)
{
        _cleanup_free_ char *copy = text ? strndup(text, size - 1) : NULL;

        if (text && !copy)
                return false;
        for (char *s = copy; s && *s; s++)
                if (iscntrl((unsigned char) *s))
                        *s = ' ';
        return put_text(o, key, copy);
}

char *bind_record_format(const struct bind_record *r)
{
        _cleanup_(json_object_putp) json_object *o = json_object_new_object();
        json_object *members = json_object_new_array();
        const char *text;

        assert(r);

        if (!o) {
                json_object_put(members);
                return NULL;
        }
        if (!put_value(o, "members", members))
                return NULL;
        if (!put_text(o, "boot_id", r->boot_id) || !put_text(o, "state", bind_state_to_string(r->state)) ||
            !put_words(o, "owner", r->owner, OWNER_MAX) || !put_words(o, "reason", r->reason, REASON_MAX) ||
            !put_number(o, "time_usec", r->time_usec) || !put_number(o, "group", (uint64_t) r->group))
                return NULL;
        for (size_t i = 0; i < r->n_members; i++)
                if (!put_member(members, &r->members[i]))
                        return NULL;
        errno = 0; /* json-c cuts its text short, and does not say so */
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        return text && errno != ENOMEM ? strdup(text) : NULL;
}

void bind_record_done(struct bind_record *r)
{
        free(r->owner);
        free(r->reason);
        free(r->members);
        *r = (struct bind_record){};
}

/* A record of another boot is not added. */
static int add_record(struct bind_records *b, const struct root *root, const char *name, const char *boot_id)
{
        _cleanup_(bind_record_done) struct bind_record record = {};
        struct bind_record *slot;
        int r;

        r = bind_record_read(&record, root, name);
        if (r < 0)
                return r;
        if (!streq(record.boot_id, boot_id))
                return 0;
        slot = array_append(b->records, b->n_records);
        if (!slot)
                return -ENOMEM;
        *slot = TAKE(record, (struct bind_record){});
        return 0;
}

/* Returns 0 or -ENOMEM, which `error` can be as well. */
static int add_unread(struct bind_records *b, const char *bdf, int error)
{
        struct bind_unread *slot;

        if (error == -ENOMEM)
                return error;
        slot = array_append(b->unread, b->n_unread);
        if (!slot)
                return -ENOMEM;
        memcpy(slot->bdf, bdf, sizeof(bdf_t));
        slot->error = error;
        return 0;
}

int bind_records_read(struct bind_records *b, const struct root *root, char **ret_bad)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_(bind_records_done) struct bind_records records = {};
        _cleanup_free_ char *boot_id = NULL, *bad = NULL;
        unsigned long failures;

        assert(b);
        assert(root);

        *b = (struct bind_records){};
        failures = memory_failures();
        if (list_dir_at(root->fd, BIND_RECORDS, &names) >= 0 && names.n > 0)
                (void) read_line_at(root->fd, "proc/sys/kernel/random/boot_id", &boot_id);
        if (memory_failures() != failures)
                return -ENOMEM;
        for (size_t i = 0; i < names.n; i++) {
                bdf_t bdf;
                int r;

                /* Locks and temporary files are there as well. */
                if (bdf_parse(names.names[i], bdf) < 0 || !streq(bdf, names.names[i]))
                        continue;
                r = add_record(&records, root, bdf, boot_id ?: "");
                if (r < 0 && r != -ENOENT)
                        r = add_unread(&records, bdf, r);
                if (r == -ENOMEM)
                        return r;
        }
        if (records.n_unread > 0) {
                bad = strdup(records.unread[0].bdf);
                if (!bad)
                        return -ENOMEM;
        }
        *b = TAKE(records, (struct bind_records){});
        if (ret_bad)
                *ret_bad = TAKE_PTR(bad);
        return 0;
}

void bind_records_done(struct bind_records *b)
{
        for (size_t i = 0; i < b->n_records; i++)
                bind_record_done(&b->records[i]);
        free(b->records);
        free(b->unread);
        *b = (struct bind_records){};
}

const struct bind_record *bind_records_find(const struct bind_records *b, const char *bdf)
{
        for (size_t i = 0; i < b->n_records; i++)
                for (size_t k = 0; k < b->records[i].n_members; k++)
                        if (streq(b->records[i].members[k].bdf, bdf))
                                return &b->records[i];
        return NULL;
}

bool binding_equal(const struct binding *a, const struct binding *b)
{
        return streq(a->driver, b->driver) && streq(a->override, b->override);
}
