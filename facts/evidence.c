/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evidence.h"

#include <assert.h>
#include <inttypes.h>
#include <json-c/json.h>

#include "json-member.h"
#include "util/array.h"
#include "util/file.h"
#include "util/json-strict.h"
#include "util/macro.h"

#define EVIDENCE_MAX_SIZE (1U << 20)
#define DEPTH_MAX 4

DEFINE_TRIVIAL_CLEANUP(json_tokener *, json_tokener_free)
DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

bool evidence_key_make(struct evidence_key *key, const struct kernel_facts *k, const struct module_facts *m,
                       const struct emulator *e, bool preload)
{
        const struct stat *st;

        assert(key);
        assert(k);
        assert(m);

        *key = (struct evidence_key){ .module = module_works(m), .preload = preload, .thp = k->thp };
        if (!e || !k->release || strlen(k->release) >= sizeof(key->release))
                return false;
        strcpy(key->release, k->release);
        if (e->build_id) {
                if (strlen(e->build_id) >= sizeof(key->emulator))
                        return false;
                strcpy(key->emulator, e->build_id);
                return true;
        }
        st = e->target ? &e->target_stat : &e->stat;
        if (st->st_ino == 0)
                return false;
        snprintf(key->emulator, sizeof(key->emulator), "%" PRIx64 ":%" PRIu64 ":%" PRIu64 ":%" PRIi64,
                 (uint64_t) st->st_dev, (uint64_t) st->st_ino, (uint64_t) st->st_size,
                 (int64_t) st->st_mtime);
        return true;
}

bool evidence_key_equal(const struct evidence_key *a, const struct evidence_key *b)
{
        return streq(a->emulator, b->emulator) && streq(a->release, b->release) && a->module == b->module &&
               a->preload == b->preload && a->thp == b->thp;
}

static bool read_text(json_object *o, const char *key, char *ret, size_t size)
{
        const char *text = member_clean_text(o, key, size);

        if (!text || !*text)
                return false;
        strcpy(ret, text);
        return true;
}

static bool read_number(json_object *o, const char *key, uint64_t *ret)
{
        return member_number(o, key, 1, INT64_MAX, ret);
}

static bool read_sighting(json_object *o, struct sighting *s)
{
        char thp[16];

        if (!json_object_is_type(o, json_type_object) ||
            !read_text(o, "emulator", s->key.emulator, sizeof(s->key.emulator)) ||
            !read_text(o, "release", s->key.release, sizeof(s->key.release)) ||
            !member_flag(o, "module", &s->key.module) || !member_flag(o, "preload", &s->key.preload) ||
            !read_text(o, "thp", thp, sizeof(thp)) || !read_number(o, "bar_size", &s->bar_size) ||
            !read_number(o, "page_size", &s->page_size) || !read_number(o, "count", &s->count) ||
            !read_number(o, "time_usec", &s->time_usec))
                return false;
        s->key.thp = thp_mode_from_string(thp);
        return s->key.thp >= 0 && s->page_size <= s->bar_size && (s->page_size & (s->page_size - 1)) == 0;
}

static int parse_sightings(struct evidence *e, json_object *o)
{
        json_object *list;
        size_t n;

        if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, "sightings", &list) ||
            !json_object_is_type(list, json_type_array))
                return -EBADMSG;
        n = json_object_array_length(list);
        if (n > EVIDENCE_MAX)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                struct sighting *slot = array_append(e->sightings, e->n_sightings);

                if (!slot)
                        return -ENOMEM;
                if (!read_sighting(json_object_array_get_idx(list, i), slot))
                        return -EBADMSG;
        }
        return 0;
}

static int read_evidence(struct evidence *e, const struct root *root)
{
        _cleanup_(json_tokener_freep) json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        _cleanup_(json_object_putp) json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        *e = (struct evidence){};
        if (!tokener)
                return -ENOMEM;
        r = read_file_at(root->fd, EVIDENCE_FILE, EVIDENCE_MAX_SIZE, &text, &size);
        if (r == -EFBIG)
                return -EBADMSG;
        if (r < 0)
                return r;
        json_tokener_be_strict(tokener);
        o = json_tokener_parse_ex(tokener, text, (int) size + 1); /* its NUL ends the text */
        if (json_tokener_get_parse_end(tokener) != size)
                return -EBADMSG;
        r = parse_sightings(e, o);
        if (r < 0)
                evidence_done(e);
        return r;
}

int evidence_read(struct evidence *e, const struct root *root)
{
        int r;

        assert(e);
        assert(root);

        r = read_evidence(e, root);
        /* json-c before 0.17 goes on without a key that it has no memory for, and then it is not there. */
        return r == -EBADMSG ? read_evidence(e, root) : r;
}

void evidence_done(struct evidence *e)
{
        free(e->sightings);
        *e = (struct evidence){};
}

/* False when memory is out. json-c would not notice: it returns NULL then, and takes NULL as JSON's null. */
static bool put_value(json_object *o, const char *key, json_object *value)
{
        if (value && json_object_object_add(o, key, value) == 0)
                return true;
        json_object_put(value);
        return false;
}

static bool put_sighting(json_object *list, const struct sighting *s)
{
        json_object *o = json_object_new_object();

        if (!o || json_object_array_add(list, o) < 0) {
                json_object_put(o);
                return false;
        }
        return put_value(o, "emulator", json_object_new_string(s->key.emulator)) &&
               put_value(o, "release", json_object_new_string(s->key.release)) &&
               put_value(o, "module", json_object_new_boolean(s->key.module)) &&
               put_value(o, "preload", json_object_new_boolean(s->key.preload)) &&
               put_value(o, "thp", json_object_new_string(thp_mode_to_string(s->key.thp))) &&
               put_value(o, "bar_size", json_object_new_uint64(s->bar_size)) &&
               put_value(o, "page_size", json_object_new_uint64(s->page_size)) &&
               put_value(o, "count", json_object_new_uint64(s->count)) &&
               put_value(o, "time_usec", json_object_new_uint64(s->time_usec));
}

char *evidence_format(const struct evidence *e)
{
        _cleanup_(json_object_putp) json_object *o = json_object_new_object();
        json_object *list = json_object_new_array();
        const char *json;
        char *text = NULL;

        assert(e);

        if (!o) {
                json_object_put(list);
                return NULL;
        }
        if (!put_value(o, "sightings", list))
                return NULL;
        for (size_t i = 0; i < e->n_sightings; i++)
                if (!put_sighting(list, &e->sightings[i]))
                        return NULL;
        errno = 0; /* json-c cuts its text short, and does not say so */
        json = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        if (!json || errno == ENOMEM || asprintf(&text, "%s\n", json) < 0)
                return NULL;
        return text;
}

static struct sighting *find_sighting(const struct evidence *e, const struct sighting *s)
{
        for (size_t i = 0; i < e->n_sightings; i++)
                if (e->sightings[i].bar_size == s->bar_size && e->sightings[i].page_size == s->page_size &&
                    evidence_key_equal(&e->sightings[i].key, &s->key))
                        return &e->sightings[i];
        return NULL;
}

static struct sighting *find_oldest(const struct evidence *e)
{
        struct sighting *oldest = &e->sightings[0];

        for (size_t i = 1; i < e->n_sightings; i++)
                if (e->sightings[i].time_usec < oldest->time_usec)
                        oldest = &e->sightings[i];
        return oldest;
}

int evidence_add(struct evidence *e, const struct sighting *seen, bool again)
{
        struct sighting *s;
        uint64_t count = 1;

        assert(e);
        assert(seen);

        s = find_sighting(e, seen);
        if (s && again)
                return 0;
        if (s)
                count = s->count + 1;
        else if (e->n_sightings < EVIDENCE_MAX)
                s = array_append(e->sightings, e->n_sightings);
        else
                s = find_oldest(e);
        if (!s)
                return -ENOMEM;
        *s = *seen;
        s->count = count;
        return 1;
}
