/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start.h"

#include <assert.h>
#include <inttypes.h>
#include <json-c/json.h>

#include "json-member.h"
#include "util/array.h"
#include "util/file.h"
#include "util/json-strict.h"
#include "util/macro.h"
#include "util/parse.h"
#include "util/unit-name.h"

#define DEPTH_MAX 8
#define SENTENCE_MAX 1024
#define TIME_DIGITS 20
#define COUNT_MAX (INT64_MAX / (2 * START_BARS_MAX)) /* so no sum of them overflows */

DEFINE_TRIVIAL_CLEANUP(json_tokener *, json_tokener_free)
DEFINE_TRIVIAL_CLEANUP(json_object *, json_object_put)

/* --- Names of files */

void start_file_format(char ret[static START_FILE_MAX], const char *escaped, uint64_t time_usec)
{
        assert(strlen(escaped) <= START_NAME_MAX);

        snprintf(ret, START_FILE_MAX, "%s-%0*" PRIu64 ".json", escaped, TIME_DIGITS, time_usec);
}

bool start_file_parse(const char *file, size_t *ret_length, uint64_t *ret_time_usec)
{
        const size_t end = 1 + TIME_DIGITS + strlen(".json");
        size_t size = strlen(file), length = size > end ? size - end : 0;
        char digits[TIME_DIGITS + 1];

        if (length == 0 || length > START_NAME_MAX || file[length] != '-' ||
            !streq(file + length + 1 + TIME_DIGITS, ".json"))
                return false;
        snprintf(digits, sizeof(digits), "%s", file + length + 1);
        if (parse_u64(digits, 10, ret_time_usec) < 0)
                return false;
        *ret_length = length;
        return true;
}

/* --- One document */

static bool read_count(json_object *o, const char *key, uint64_t *ret)
{
        return member_number(o, key, 0, COUNT_MAX, ret);
}

/* A number that may be null, which is 0. */
static bool read_count_or_null(json_object *o, const char *key, uint64_t *ret)
{
        json_object *value;

        if (!json_object_object_get_ex(o, key, &value))
                return false;
        if (value)
                return read_count(o, key, ret);
        *ret = 0;
        return true;
}

/* Seconds, with a fraction or without. */
static bool read_usec(json_object *o, const char *key, uint64_t *ret)
{
        json_object *value;
        double seconds;

        if (!json_object_object_get_ex(o, key, &value) ||
            !(json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int)))
                return false;
        seconds = json_object_get_double(value);
        if (!(seconds >= 0 && seconds < 1e9)) /* which refuses what is not a number as well */
                return false;
        *ret = (uint64_t) (seconds * 1e6 + 0.5);
        return true;
}

/* A text that may be null, which is empty. */
static bool read_text(json_object *o, const char *key, char *ret, size_t size)
{
        const char *text = member_text(o, key, size);

        if (!text)
                return false;
        strcpy(ret, text);
        return true;
}

static bool get_array(json_object *o, const char *key, size_t max, json_object **ret, size_t *ret_n)
{
        if (!json_object_object_get_ex(o, key, ret) || !json_object_is_type(*ret, json_type_array))
                return false;
        *ret_n = json_object_array_length(*ret);
        return *ret_n <= max;
}

static bool get_object(json_object *o, const char *key, json_object **ret)
{
        return json_object_object_get_ex(o, key, ret) && json_object_is_type(*ret, json_type_object);
}

static bool read_bar(json_object *o, struct start_bar *bar)
{
        uint64_t region;

        if (!json_object_is_type(o, json_type_object) ||
            !read_text(o, "device", bar->device, sizeof(bar->device)) || !read_count(o, "region", &region) ||
            !read_count(o, "offset", &bar->offset) || !read_count(o, "size", &bar->size) ||
            !read_count(o, "calls", &bar->calls) || !read_count(o, "failed", &bar->failed) ||
            !read_count(o, "faults", &bar->faults) || !read_usec(o, "seconds", &bar->usec) ||
            !read_count_or_null(o, "page_size", &bar->page_size))
                return false;
        bar->region = (unsigned) region;
        return region <= UINT32_MAX && bar->failed <= bar->calls;
}

static bool read_device(json_object *o, struct start_device *d)
{
        return json_object_is_type(o, json_type_object) &&
               read_text(o, "address", d->address, sizeof(d->address)) &&
               read_count(o, "opens", &d->opens) && read_usec(o, "open_seconds", &d->open_usec) &&
               read_count(o, "resets", &d->resets) && read_usec(o, "reset_seconds", &d->reset_usec);
}

static bool read_phases(json_object *process, struct start *s)
{
        json_object *o;

        return read_usec(process, "seconds", &s->usec) && get_object(process, "phases", &o) &&
               read_usec(o, "hook", &s->hook_usec) && read_usec(o, "libvirt", &s->libvirt_usec) &&
               read_usec(o, "open", &s->open_usec) && read_usec(o, "reset", &s->reset_usec) &&
               read_usec(o, "ram", &s->ram_usec) && read_usec(o, "bars", &s->bars_usec) &&
               read_usec(o, "unmap", &s->unmap_usec) && read_usec(o, "other", &s->other_usec);
}

/* Also of what was mapped from a file. */
static bool read_ram(json_object *process, struct start *s)
{
        static const char *const keys[] = { "ram", "file" };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                uint64_t bytes, faults;
                json_object *o;

                if (!get_object(process, keys[i], &o) || !read_count(o, "bytes", &bytes) ||
                    !read_count(o, "faults", &faults))
                        return false;
                s->ram_bytes += bytes;
                s->ram_faults += faults;
        }
        return true;
}

static int read_bars(json_object *process, struct start *s)
{
        json_object *list;
        size_t n;

        if (!get_array(process, "bars", START_BARS_MAX, &list, &n))
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                struct start_bar *bar = array_append(s->bars, s->n_bars);

                if (!bar)
                        return -ENOMEM;
                if (!read_bar(json_object_array_get_idx(list, i), bar))
                        return -EBADMSG;
                s->bar_faults += bar->faults;
        }
        return 0;
}

static int read_devices(json_object *process, struct start *s)
{
        json_object *list;
        size_t n;

        if (!get_array(process, "devices", START_DEVICES_MAX, &list, &n))
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                struct start_device *d = array_append(s->devices, s->n_devices);

                if (!d)
                        return -ENOMEM;
                if (!read_device(json_object_array_get_idx(list, i), d))
                        return -EBADMSG;
        }
        return 0;
}

static int read_sentences(json_object *process, struct start *s)
{
        json_object *list;
        size_t n;

        if (!get_array(process, "verdict", START_SENTENCES_MAX, &list, &n))
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                json_object *o = json_object_array_get_idx(list, i);
                const char *text = json_object_is_type(o, json_type_string) ? json_object_get_string(o)
                                                                            : NULL;
                char **slot;

                if (!text || strlen(text) >= SENTENCE_MAX)
                        return -EBADMSG;
                slot = array_append(s->sentences, s->n_sentences);
                if (!slot)
                        return -ENOMEM;
                *slot = strdup(text);
                if (!*slot)
                        return -ENOMEM;
        }
        return 0;
}

static int parse_start(struct start *s, json_object *o)
{
        json_object *list, *process;
        bool was_running;
        uint64_t lost, omitted;
        size_t n;
        int r;

        if (!json_object_is_type(o, json_type_object) ||
            !read_text(o, "kernel", s->kernel, sizeof(s->kernel)) || !read_count(o, "lost", &lost) ||
            !get_array(o, "processes", 1, &list, &n) || n != 1)
                return -EBADMSG;
        process = json_object_array_get_idx(list, 0);
        if (!json_object_is_type(process, json_type_object) || !member_flag(process, "ended", &s->ended) ||
            !member_flag(process, "was_running", &was_running) ||
            !read_count(process, "omitted", &omitted) || !read_phases(process, s) || !read_ram(process, s))
                return -EBADMSG;
        s->partial = was_running || lost > 0 || omitted > 0;
        r = read_bars(process, s);
        if (r < 0)
                return r;
        r = read_devices(process, s);
        return r < 0 ? r : read_sentences(process, s);
}

static int read_document(struct start *s, const struct root *root, const char *file)
{
        _cleanup_(json_tokener_freep) json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        _cleanup_(json_object_putp) json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        char path[sizeof(STARTS_DIR "/") + START_FILE_MAX];
        size_t size;
        int r;

        if (!tokener)
                return -ENOMEM;
        snprintf(path, sizeof(path), STARTS_DIR "/%s", file);
        r = read_file_at(root->fd, path, START_SIZE_MAX, &text, &size);
        if (r == -EFBIG)
                return -EBADMSG;
        if (r < 0)
                return r;
        json_tokener_be_strict(tokener);
        o = json_tokener_parse_ex(tokener, text, (int) size + 1); /* its NUL ends the text */
        if (json_tokener_get_parse_end(tokener) != size)
                return -EBADMSG;
        return parse_start(s, o);
}

/* Who asks has the guest's name: in that of the file it is escaped. */
static int read_start(struct start *ret, const struct root *root, const char *file)
{
        _cleanup_(start_done) struct start s = {};
        size_t length;
        int r;

        if (!start_file_parse(file, &length, &s.time_usec))
                return -EBADMSG;
        s.file = strdup(file);
        if (!s.file)
                return -ENOMEM;
        r = read_document(&s, root, file);
        if (r < 0)
                return r;
        *ret = TAKE(s, (struct start){});
        return 0;
}

int start_read(struct start *ret, const struct root *root, const char *file)
{
        int r;

        assert(ret);
        assert(root);
        assert(file);

        r = read_start(ret, root, file);
        /* json-c before 0.17 goes on without a key that it has no memory for, and then it is not there. */
        return r == -EBADMSG ? read_start(ret, root, file) : r;
}

void start_done(struct start *s)
{
        free(s->guest);
        free(s->file);
        free(s->bars);
        free(s->devices);
        for (size_t i = 0; i < s->n_sentences; i++)
                free(s->sentences[i]);
        free(s->sentences);
        *s = (struct start){};
}

/* --- The directory */

/* escaped: the guest's name. */
static bool is_of_guest(const char *file, const char *escaped)
{
        uint64_t time_usec;
        size_t length;

        return start_file_parse(file, &length, &time_usec) && length == strlen(escaped) &&
               strncmp(file, escaped, length) == 0;
}

static int add_damaged(struct starts *s, const char *file)
{
        char **slot = array_append(s->damaged, s->n_damaged);

        if (!slot)
                return -ENOMEM;
        *slot = strdup(file);
        return *slot ? 0 : -ENOMEM;
}

static int add_start(struct starts *s, const struct root *root, const char *guest, const char *file)
{
        _cleanup_(start_done) struct start start = {};
        struct start *slot;
        int r;

        r = start_read(&start, root, file);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOENT) /* it has made room for another one since */
                return 0;
        if (r < 0)
                return add_damaged(s, file);
        start.guest = strdup(guest);
        slot = start.guest ? array_append(s->starts, s->n_starts) : NULL;
        if (!slot)
                return -ENOMEM;
        *slot = TAKE(start, (struct start){});
        return 0;
}

/* max: how many, of the newest. names: sorted, so a guest's files are in the order of their times. */
static int add_guest(struct starts *s, const struct root *root, const struct names *names, const char *guest,
                     size_t max)
{
        _cleanup_free_ char *escaped = NULL;

        if (!guest || !*guest)
                return 0;
        escaped = unit_name_escape(guest);
        if (!escaped)
                return -ENOMEM;
        for (size_t i = names->n; i > 0 && max > 0; i--) {
                int r;

                if (!is_of_guest(names->names[i - 1], escaped))
                        continue;
                r = add_start(s, root, guest, names->names[i - 1]);
                if (r < 0)
                        return r;
                max--;
        }
        return 0;
}

/* Without the directory no start was kept yet. */
static int list_starts(struct starts *s, const struct root *root, struct names *ret)
{
        int r = list_dir_at(root->fd, STARTS_DIR, ret);

        s->unread = r < 0 && r != -ENOENT && r != -ENOTDIR;
        return r == -ENOMEM ? r : 0;
}

int starts_read(struct starts *s, const struct root *root, const struct libvirt_facts *l)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        assert(s);
        assert(root);
        assert(l);

        *s = (struct starts){};
        r = list_starts(s, root, &names);
        if (r < 0)
                return r;
        for (size_t i = 0; names.n > 0 && i < l->n_guests; i++) {
                if (l->guests[i].xml.n_hostdevs == 0)
                        continue;
                r = add_guest(s, root, &names, l->guests[i].xml.name, 1);
                if (r < 0) {
                        starts_done(s);
                        return r;
                }
        }
        return 0;
}

int starts_read_guest(struct starts *s, const struct root *root, const char *guest)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        assert(s);
        assert(root);
        assert(guest);

        *s = (struct starts){};
        r = list_starts(s, root, &names);
        if (r < 0)
                return r;
        r = add_guest(s, root, &names, guest, STARTS_OF_GUEST_MAX);
        if (r < 0)
                starts_done(s);
        return r;
}

void starts_done(struct starts *s)
{
        for (size_t i = 0; i < s->n_starts; i++)
                start_done(&s->starts[i]);
        free(s->starts);
        for (size_t i = 0; i < s->n_damaged; i++)
                free(s->damaged[i]);
        free(s->damaged);
        *s = (struct starts){};
}

const struct start *starts_find(const struct starts *s, const char *guest)
{
        assert(s);
        assert(guest);

        for (size_t i = 0; i < s->n_starts; i++)
                if (streq(s->starts[i].guest, guest))
                        return &s->starts[i];
        return NULL;
}
