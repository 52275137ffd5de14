/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <assert.h>
#include <ctype.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>

#include "config-key.h"
#include "device-section.h"
#include "guest-section.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/near.h"

#define CONFIG_FILE "etc/vfioalignd.conf"
#define CONFIG_DIR "etc/vfioalignd.conf.d"
#define CONFIG_MAX_SIZE (1U << 20)

/* The buffer of inih as Debian builds it; a longer line would be cut in two without an error. */
#define LINE_LENGTH_MAX 198

#define FIX_SECTION "Fix"

/* clang-format off */
static const char *const on_unreachable_table[_ON_UNREACHABLE_MAX] = {
        [ON_UNREACHABLE_ALLOW] = "allow",
        [ON_UNREACHABLE_REFUSE] = "refuse",
};

static const char *const export_guests_table[_EXPORT_GUESTS_MAX] = {
        [EXPORT_GUESTS_NAME] = "name",
        [EXPORT_GUESTS_UUID] = "uuid",
        [EXPORT_GUESTS_NONE] = "none",
};

static const char *const measure_table[_MEASURE_MAX] = {
        [MEASURE_AUTO] = "auto",
        [MEASURE_OFF] = "off",
};
/* clang-format on */
DEFINE_STRING_TABLE(on_unreachable, enum on_unreachable);
DEFINE_STRING_TABLE(export_guests, enum export_guests);
DEFINE_STRING_TABLE(measure, enum measure);

struct parser {
        struct config config;
        const char *file;
        const char *next;                  /* what is left to read */
        unsigned line;                     /* number of the line read last */
        int error;                         /* the first fatal one */
        char section[LINE_LENGTH_MAX + 1]; /* whole: inih cuts it at 49 bytes */
        struct device_section *device;     /* of a [Device NAME]: the last in `config` */
        unsigned seen;                     /* mask of its keys so far */
        struct guest_section *guest;       /* of a [Guest NAME], likewise */
        size_t n_devices_before;           /* sections of the files before this one */
        size_t n_guests_before;
        bool is_unknown; /* the section, which has been reported */
        const struct config_reader *reader;
};

static void report_at(struct parser *p, unsigned line, bool fatal, const char *text)
{
        if (p->reader->problem)
                p->reader->problem(p->file, line, fatal, text, p->reader->userdata);
        if (fatal && p->error == 0)
                p->error = -EINVAL;
}

static _printf_(3, 4) void report_problem(struct parser *p, bool fatal, const char *format, ...)
{
        char text[512];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        report_at(p, p->line, fatal, text);
}

static void report_no_memory(struct parser *p)
{
        report_problem(p, true, "out of memory");
        p->error = -ENOMEM;
}

static DEFINE_CONFIG_PARSE_ENUM(parse_on_unreachable, on_unreachable, enum on_unreachable,
                                ON_UNREACHABLE_REFUSE);
static DEFINE_CONFIG_PARSE_ENUM(parse_export_guests, export_guests, enum export_guests, EXPORT_GUESTS_NONE);
static DEFINE_CONFIG_PARSE_ENUM(parse_measure, measure, enum measure, MEASURE_OFF);

/* All but the keys of [Fix], which are the rows of config/fix-id.c. */
/* clang-format off */
#define FIELD(member) offsetof(struct config, member)
static const struct config_key config_keys[] = {
        { "Guest", "OnUnaligned", config_parse_on_unaligned, FIELD(guest.on_unaligned), "warn",
          ON_UNALIGNED_EXPECTED, "Whether a guest may start with smaller pages for a BAR than possible" },
        { "Guest", "MinBarSize", config_parse_size, FIELD(guest.min_bar_size), "64M",
          SIZE_EXPECTED, "Smaller BARs do not count for OnUnaligned=" },
        { "Guest", "HookDeadlineSec", config_parse_seconds, FIELD(hook_deadline_usec), "5",
          "seconds from 0.1 to 60", "How long a guest's start may wait for the daemon in total",
          0.1, 60 },
        { "Guest", "OnUnreachable", parse_on_unreachable, FIELD(on_unreachable), "allow",
          "allow or refuse", "What to do with the start if the daemon does not answer in that time" },
        { "Guest", "Measure", parse_measure, FIELD(measure), "auto",
          "auto or off", "Whether it is measured where the seconds of each guest's start go" },
        { "Bind", "DeadlineSec", config_parse_seconds, FIELD(bind_deadline_usec), "30",
          "seconds from 1 to 600", "How long it may take to bind an IOMMU group to VFIO or to give it back",
          1, 600 },
        { "Export", "Guests", parse_export_guests, FIELD(export_guests), "name",
          "name, uuid or none", "What names a guest in the metrics and in the row for the log" },
        { "Export", "AuditIntervalSec", config_parse_seconds, FIELD(audit_interval_usec), "3600",
          "seconds from 1 to 86400", "How long after an audit the host is audited again if nothing happens",
          1, 86400 },
        {},
};
/* clang-format on */

static void end_section(struct parser *p)
{
        const char *lacks = p->device ? device_section_lacks(p->seen) : NULL;
        char text[2 * LINE_LENGTH_MAX];

        if (lacks) {
                snprintf(text, sizeof(text), "[%s] %s", p->section, lacks);
                report_at(p, p->device->line, true, text);
        }
        if (p->guest && !p->guest->has) {
                snprintf(text, sizeof(text),
                         "[%s] sets nothing; expected OnUnaligned= or MinBarSize=", p->section);
                report_at(p, p->guest->line, true, text);
        }
        p->device = NULL;
        p->guest = NULL;
        p->seen = 0;
        p->is_unknown = false;
        *p->section = '\0';
}

static void report_setting(const struct parser *p, const char *key, const char *value)
{
        const struct config_setting setting = { p->section, key, value, p->file, p->line };

        if (p->reader->setting)
                p->reader->setting(&setting, p->reader->userdata);
}

static void begin_device(struct parser *p, const char *name)
{
        struct config *c = &p->config;

        if (!*name) {
                report_problem(p, true, "[%s]: expected a name, of letters, digits, '.', '_', ':' and '-'",
                               p->section);
                return;
        }
        for (size_t i = p->n_devices_before; i < c->n_devices; i++)
                if (streq(c->devices[i].name, name)) {
                        report_problem(p, true, "[%s] is already in line %u", p->section,
                                       c->devices[i].line);
                        return;
                }
        p->device = array_append(c->devices, c->n_devices);
        if (p->device && device_section_init(p->device, name, p->file, p->line) == 0)
                return;
        c->n_devices -= p->device != NULL;
        p->device = NULL;
        report_no_memory(p);
}

static void begin_guest(struct parser *p, const char *name)
{
        struct config *c = &p->config;
        const char *fault = guest_pattern_fault(name);

        if (fault) {
                report_problem(p, true, "[%s]: the pattern %s", p->section, fault);
                return;
        }
        for (size_t i = p->n_guests_before; i < c->n_guests; i++)
                if (streq(c->guests[i].name, name)) {
                        report_problem(p, true, "[%s] is already in line %u", p->section, c->guests[i].line);
                        return;
                }
        p->guest = array_append(c->guests, c->n_guests);
        if (p->guest && guest_section_init(p->guest, name, p->line) == 0)
                return;
        c->n_guests -= p->guest != NULL;
        p->guest = NULL;
        report_no_memory(p);
}

/* The "]" that ends a section's header, or NULL. The name before it can be a pattern with brackets of its
 * own, and a comment behind it can have more: it is the first with nothing or a comment behind it, or else
 * the last, because inih ignores what else follows. */
static const char *find_header_end(const char *line, size_t length)
{
        const char *last = NULL, *line_end = line + length;

        for (const char *p = line; (p = memchr(p, ']', (size_t) (line_end - p))); p++) {
                const char *behind = p + 1;

                while (behind < line_end && isspace((unsigned char) *behind))
                        behind++;
                if (behind == line_end || *behind == ';' || *behind == '#')
                        return p;
                last = p;
        }
        return last;
}

/* One of those that stand for themselves. near: those that it may be meant for. */
static bool is_section(const char *name, struct near *near)
{
        near_offer(near, FIX_SECTION);
        if (streq(name, FIX_SECTION))
                return true;
        for (const struct config_key *key = config_keys; key->name; key++) {
                if (streq(key->section, name))
                        return true;
                if (key == config_keys || !streq(key->section, key[-1].section))
                        near_offer(near, key->section);
        }
        return false;
}

static void report_unknown_section(struct parser *p, const struct near *near)
{
        char expected[256] = "; expected [" FIX_SECTION "], ";
        const char *section = "";
        near_t question;
        size_t n;

        if (*near_question(near, question)) {
                report_problem(p, true, "unknown section [%s]%s", p->section, question);
                return;
        }
        for (const struct config_key *key = config_keys; key->name; key++) {
                n = strlen(expected);
                if (!streq(key->section, section))
                        snprintf(expected + n, sizeof(expected) - n, "[%s], ", key->section);
                section = key->section;
        }
        report_problem(p, true, "unknown section [%s]%s[Guest NAME] or [Device NAME]", p->section, expected);
}

/* inih reports no section before its first key, but a section without keys is an error as well. line: from
 * the "[" on. */
static void begin_section(struct parser *p, const char *line, size_t length)
{
        const char *end = find_header_end(line, length), *name;
        struct near near = { .word = p->section };

        end_section(p);
        if (!end)
                return; /* inih reports it */
        snprintf(p->section, sizeof(p->section), "%.*s", (int) (end - line - 1), line + 1);
        name = device_section_name(p->section);
        if (name) {
                begin_device(p, name);
                return;
        }
        name = guest_section_name(p->section);
        if (name) {
                begin_guest(p, name);
                return;
        }
        p->is_unknown = !is_section(p->section, &near);
        if (p->is_unknown)
                report_unknown_section(p, &near);
}

/* seen: mask of the keys that the section has already; NULL: a key may come again, and the last counts. */
static void parse_key(struct parser *p, const struct config_key *key, void *base, unsigned place,
                      unsigned *seen, const char *value)
{
        int r;

        if (seen && *seen & 1U << place) {
                report_problem(p, true, "%s= is set twice in section [%s]", key->name, p->section);
                return;
        }
        if (seen)
                *seen |= 1U << place;
        r = config_key_set(key, value, base);
        if (r == -ENOMEM)
                report_no_memory(p);
        else if (r < 0)
                report_problem(p, true, "%s=%s: expected %s", key->name, value, key->expected);
        else
                report_setting(p, key->name, value);
}

/* near: those of the section that it may be meant for. */
static void report_unknown_key(struct parser *p, const char *name, const struct near *near)
{
        near_t question;

        if (*p->section)
                report_problem(p, true, "unknown key '%s' in section [%s]%s", name, p->section,
                               near_question(near, question));
        else
                report_problem(p, true, "'%s' is in no section; expected a line like [Fix] before it", name);
}

/* A key of the section [Fix]. */
static void parse_fix(struct parser *p, const char *name, const char *value)
{
        enum fix_id id = fix_id_from_key(name);
        enum policy policy;

        if (id < 0) {
                struct near near = { .word = name };

                for (id = 0; id < _FIX_ID_MAX; id++)
                        near_offer(&near, fix_type(id)->key);
                report_unknown_key(p, name, &near);
                return;
        }
        policy = policy_from_string(value);
        if (policy < 0 || policy > fix_type(id)->max_policy) {
                report_problem(p, true, "%s=%s: expected %s", name, value, fix_policies(id));
                return;
        }
        p->config.fixes[id] = policy;
        report_setting(p, name, value);
}

/* inih's handler. Always returns success: problems are reported, and counted, here. */
static int handle_key(void *userdata, const char *section, const char *name, const char *value)
{
        struct parser *p = userdata;
        const struct config_key *keys = config_keys, *key;
        struct near near = { .word = name };
        unsigned *seen = NULL;
        void *base = &p->config;

        (void) section; /* see parser.section */
        if (p->device) {
                keys = device_section_keys;
                base = p->device;
                seen = &p->seen;
        } else if (p->guest) {
                keys = guest_section_keys;
                base = p->guest;
                seen = &p->guest->has;
        } else if (p->is_unknown || device_section_name(p->section) || guest_section_name(p->section))
                return 1; /* reported by begin_section() */
        else if (streq(p->section, FIX_SECTION)) {
                parse_fix(p, name, value);
                return 1;
        }

        key = config_key_find(keys, seen ? NULL : p->section, name);
        if (key) {
                parse_key(p, key, base, (unsigned) (key - keys), seen, value);
                return 1;
        }
        for (key = keys; key->name; key++)
                if (seen || streq(key->section, p->section))
                        near_offer(&near, key->name);
        report_unknown_key(p, name, &near);
        return 1;
}

/* inih's reader, like fgets(). inih passes no line numbers to its handler, but calls it before it asks for
 * the next line, so the count here is the handler's line. Leading white space is removed: it would make the
 * line a continuation of the value before. */
static char *next_line(char *buffer, int size, void *userdata)
{
        struct parser *p = userdata;
        size_t length;

        if (!*p->next)
                return NULL;
        p->line++;
        p->next += strspn(p->next, " \t\r\f\v");
        length = strcspn(p->next, "\n");
        if (*p->next == '[')
                begin_section(p, p->next, length);
        if (length > LINE_LENGTH_MAX || length + 2 > (size_t) size) {
                report_problem(p, true, "line is longer than %d bytes", LINE_LENGTH_MAX);
                strcpy(buffer, "\n");
        } else
                snprintf(buffer, (size_t) size, "%.*s\n", (int) length, p->next);
        p->next += length;
        if (*p->next)
                p->next++;
        return buffer;
}

static void parse_file(struct parser *p, const struct root *root, const char *file)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        p->file = file;
        p->line = 0;
        p->n_devices_before = p->config.n_devices;
        p->n_guests_before = p->config.n_guests;
        r = read_file_at(root->fd, file, CONFIG_MAX_SIZE, &text, &size);
        if (r == -ENOENT && !p->reader->file)
                return;
        if (r == -ENOMEM) {
                report_no_memory(p);
                return;
        }
        if (r < 0) {
                report_problem(p, true, "cannot be read: %s", strerror(-r));
                return;
        }
        if (strlen(text) != size) {
                report_problem(p, true, "contains a NUL byte, so it is not a text file");
                return;
        }

        /* A byte order mark. inih would skip it, but we look at the line first. */
        p->next = startswith(text, "\xef\xbb\xbf") ?: text;
        r = ini_parse_stream(next_line, p, handle_key, p);
        if (r > 0) {
                p->line = (unsigned) r;
                report_problem(p, true, "neither a [section] nor a key=value");
        } else if (r < 0) {
                report_no_memory(p);
        }
        end_section(p);
}

static bool is_conf(const char *name)
{
        size_t n = strlen(name);

        return *name != '.' && n > strlen(".conf") && streq(name + n - strlen(".conf"), ".conf");
}

/* r: of reading the directory. What is there instead of a directory has no drop-ins; of any other error
 * nobody knows what they would say. */
static void report_directory(struct parser *p, int r)
{
        p->file = CONFIG_DIR;
        p->line = 0;
        if (r == -ENOMEM)
                report_no_memory(p);
        else if (r == -ENOTDIR)
                report_problem(p, false, "is not a directory, ignoring");
        else
                report_problem(p, true, "cannot be read: %s", strerror(-r));
}

static void parse_drop_ins(struct parser *p, const struct root *root)
{
        _cleanup_(names_done) struct names names = {};
        int r;

        r = list_dir_at(root->fd, CONFIG_DIR, &names);
        if (r == -ENOENT)
                return;
        if (r < 0) {
                report_directory(p, r);
                return;
        }
        for (size_t i = 0; i < names.n; i++) {
                char path[sizeof(CONFIG_DIR) + 1 + NAME_MAX];

                if (!is_conf(names.names[i]))
                        continue;
                snprintf(path, sizeof(path), CONFIG_DIR "/%s", names.names[i]);
                parse_file(p, root, path);
        }
}

struct config config_default(void)
{
        struct config c = {};

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                c.fixes[id] = fix_type(id)->policy;
        for (const struct config_key *key = config_keys; key->name; key++) {
                int r = config_key_set(key, key->initial, &c);

                assert(r == 0);
                (void) r;
        }
        return c;
}

static void print_fix_keys(FILE *out)
{
        fputs("\n[" FIX_SECTION "]\n", out);
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                const struct fix_type *type = fix_type(id);

                fprintf(out, "  %s=%s\n        %c%s (%s).\n", type->key, policy_to_string(type->policy),
                        toupper((unsigned char) *type->does), type->does + 1, fix_policies(id));
        }
}

void config_print_keys(FILE *out)
{
        print_fix_keys(out);
        config_keys_print(config_keys, out);
        config_keys_print(guest_section_keys, out);
        config_keys_print(device_section_keys, out);
}

static void report_defaults(const struct config_reader *reader)
{
        for (enum fix_id id = 0; reader->setting && id < _FIX_ID_MAX; id++)
                reader->setting(&(struct config_setting){ .section = FIX_SECTION,
                                                          .key = fix_type(id)->key,
                                                          .value = policy_to_string(fix_type(id)->policy) },
                                reader->userdata);
        for (const struct config_key *key = config_keys; reader->setting && key->name; key++)
                reader->setting(&(struct config_setting){ .section = key->section,
                                                          .key = key->name,
                                                          .value = key->initial },
                                reader->userdata);
}

int config_read_by(struct config *ret, const struct root *root, const struct config_reader *reader)
{
        struct parser p = { .reader = reader };

        assert(ret && root && reader);

        p.config = config_default();
        report_defaults(reader);
        if (reader->file)
                parse_file(&p, root, reader->file);
        else {
                parse_file(&p, root, CONFIG_FILE);
                parse_drop_ins(&p, root);
        }
        if (p.error < 0 && !reader->partly) {
                config_done(&p.config);
                return p.error;
        }
        *ret = p.config;
        return p.error;
}

int config_read(struct config *ret, const struct root *root, config_problem_t problem, void *userdata)
{
        const struct config_reader reader = { .problem = problem, .userdata = userdata };

        return config_read_by(ret, root, &reader);
}

void config_done(struct config *c)
{
        for (size_t i = 0; i < c->n_devices; i++)
                device_section_done(&c->devices[i]);
        free(c->devices);
        c->devices = NULL;
        c->n_devices = 0;
        for (size_t i = 0; i < c->n_guests; i++)
                guest_section_done(&c->guests[i]);
        free(c->guests);
        c->guests = NULL;
        c->n_guests = 0;
}
