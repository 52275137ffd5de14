/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>

#include "device-section.h"
#include "guest-section.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"

#define CONFIG_FILE "etc/vfioalignd.conf"
#define CONFIG_DIR "etc/vfioalignd.conf.d"
#define CONFIG_MAX_SIZE (1U << 20)

/* inih's buffer as Debian builds it; a longer line would be cut in two without a word. */
#define LINE_LENGTH_MAX 198

/* clang-format off */
static const char *const on_unreachable_table[_ON_UNREACHABLE_MAX] = {
        [ON_UNREACHABLE_ALLOW] = "allow",
        [ON_UNREACHABLE_REFUSE] = "refuse",
};
/* clang-format on */
DEFINE_STRING_TABLE(on_unreachable, enum on_unreachable);

struct parser {
        struct config config;
        const char *file;
        const char *next;                  /* what is left to read */
        unsigned line;                     /* of the line handed out last */
        int error;                         /* the first fatal one */
        char section[LINE_LENGTH_MAX + 1]; /* whole: inih cuts it at 49 bytes */
        struct device_section *device;     /* where it is a [Device NAME]: the last of `config` */
        unsigned seen;                     /* the keys of that */
        size_t n_before;                   /* the device sections of the files before */
        struct guest_section *guest;       /* where it is a [Guest NAME], as well */
        size_t n_guests_before;
        config_problem_t problem;
        void *userdata;
};

static void report_at(struct parser *p, unsigned line, bool fatal, const char *text)
{
        if (p->problem)
                p->problem(p->file, line, fatal, text, p->userdata);
        if (fatal && p->error == 0)
                p->error = -EINVAL;
}

static _printf_(3, 4) void report(struct parser *p, bool fatal, const char *format, ...)
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
        report(p, true, "out of memory");
        p->error = -ENOMEM;
}

static int parse_guest_on_unaligned(struct config *c, const char *value)
{
        return parse_on_unaligned(value, &c->guest.on_unaligned);
}

static int parse_guest_min_bar_size(struct config *c, const char *value)
{
        return parse_size(value, &c->guest.min_bar_size);
}

static int parse_seconds(const char *value, double min, double max, uint64_t *ret_usec)
{
        double seconds;
        char *end;

        errno = 0;
        seconds = strtod(value, &end);
        if (errno || end == value || *end || !(seconds >= min && seconds <= max))
                return -EINVAL;
        *ret_usec = (uint64_t) (seconds * 1e6);
        return 0;
}

static int parse_hook_deadline(struct config *c, const char *value)
{
        return parse_seconds(value, 0.1, 60, &c->hook_deadline_usec);
}

static int parse_on_unreachable(struct config *c, const char *value)
{
        c->on_unreachable = on_unreachable_from_string(value);
        return c->on_unreachable < 0 ? -EINVAL : 0;
}

static int parse_bind_deadline(struct config *c, const char *value)
{
        return parse_seconds(value, 1, 600, &c->bind_deadline_usec);
}

static const struct {
        const char *section, *key;
        int (*parse)(struct config *c, const char *value);
        const char *wanted;
} keys[] = {
        { "Guest", "OnUnaligned", parse_guest_on_unaligned, ON_UNALIGNED_WANTED },
        { "Guest", "MinBarSize", parse_guest_min_bar_size, SIZE_WANTED },
        { "Guest", "HookDeadlineSec", parse_hook_deadline, "seconds from 0.1 to 60" },
        { "Guest", "OnUnreachable", parse_on_unreachable, "allow or refuse" },
        { "Bind", "DeadlineSec", parse_bind_deadline, "seconds from 1 to 600" },
};

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
                         "[%s] says nothing: wanted OnUnaligned= or MinBarSize=", p->section);
                report_at(p, p->guest->line, true, text);
        }
        p->device = NULL;
        p->guest = NULL;
        p->seen = 0;
        *p->section = '\0';
}

static void begin_device(struct parser *p, const char *name)
{
        struct config *c = &p->config;

        if (!*name) {
                report(p, true, "[%s]: wanted a name, of letters, digits, '.', '_', ':' and '-'",
                       p->section);
                return;
        }
        for (size_t i = p->n_before; i < c->n_devices; i++)
                if (streq(c->devices[i].name, name)) {
                        report(p, true, "[%s] is in line %u already", p->section, c->devices[i].line);
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

        for (size_t i = p->n_guests_before; i < c->n_guests; i++)
                if (streq(c->guests[i].name, name)) {
                        report(p, true, "[%s] is in line %u already", p->section, c->guests[i].line);
                        return;
                }
        p->guest = array_append(c->guests, c->n_guests);
        if (p->guest && guest_section_init(p->guest, name, p->line) == 0)
                return;
        c->n_guests -= p->guest != NULL;
        p->guest = NULL;
        report_no_memory(p);
}

/* inih tells of no section before its first key; one without keys is wrong as well. line: from "[" on. */
static void begin_section(struct parser *p, const char *line, size_t length)
{
        const char *end = memchr(line, ']', length), *name;

        end_section(p);
        if (!end)
                return; /* inih turns it away */
        snprintf(p->section, sizeof(p->section), "%.*s", (int) (end - line - 1), line + 1);
        name = device_section_name(p->section);
        if (name)
                begin_device(p, name);
        else if ((name = guest_section_name(p->section)))
                begin_guest(p, name);
}

/* A key of a section with a name. */
static void handle_named(struct parser *p, const char *key, const char *value)
{
        const char *wanted;
        int r = p->device ? device_section_set(p->device, &p->seen, key, value, &wanted)
                          : guest_section_set(p->guest, key, value, &wanted);

        if (r == -ENOENT)
                report(p, false, "unknown key '%s' in section [%s], ignoring", key, p->section);
        else if (r == -EEXIST)
                report(p, true, "%s= is there twice in section [%s]", key, p->section);
        else if (r == -EINVAL)
                report(p, true, "%s=%s: wanted %s", key, value, wanted);
        else if (r < 0)
                report_no_memory(p);
}

/* A key of the section [Fix]. */
static void handle_fix(struct parser *p, const char *key, const char *value)
{
        enum fix_id id = fix_id_from_key(key);
        enum policy policy;

        if (id < 0) {
                report(p, false, "unknown key '%s' in section [%s], ignoring", key, p->section);
                return;
        }
        policy = policy_from_string(value);
        if (policy < 0 || policy > fix_type(id)->max_policy) {
                report(p, true, "%s=%s: wanted %s", key, value, fix_policies(id));
                return;
        }
        p->config.fixes[id] = policy;
}

/* inih's handler. Always returns success: problems are reported, and counted, here. */
static int handle(void *userdata, const char *section, const char *key, const char *value)
{
        struct parser *p = userdata;

        (void) section;
        if (p->device || p->guest) {
                handle_named(p, key, value);
                return 1;
        }
        if (device_section_name(p->section) || guest_section_name(p->section))
                return 1; /* told of already */
        if (streq(p->section, "Fix")) {
                handle_fix(p, key, value);
                return 1;
        }
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (!streq(keys[i].section, p->section) || !streq(keys[i].key, key))
                        continue;
                if (keys[i].parse(&p->config, value) < 0)
                        report(p, true, "%s=%s: wanted %s", key, value, keys[i].wanted);
                return 1;
        }
        report(p, false, "unknown key '%s' in section [%s], ignoring", key, p->section);
        return 1;
}

/* inih's reader, in the manner of fgets(). inih hands no line numbers to its handler and calls it before it
 * asks for the next line, so that the count here is the handler's line. Leading white space is taken off: to
 * inih it would make a line the continuation of the value before. */
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
                report(p, true, "line is longer than %d bytes", LINE_LENGTH_MAX);
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
        p->n_before = p->config.n_devices;
        p->n_guests_before = p->config.n_guests;
        r = read_file_at(root->fd, file, CONFIG_MAX_SIZE, &text, &size);
        if (r == -ENOENT)
                return;
        if (r < 0) {
                report(p, true, "cannot be read: %s", strerror(-r));
                return;
        }
        if (strlen(text) != size) {
                report(p, true, "has a NUL byte: not a text file");
                return;
        }

        /* A byte order mark, which inih would take itself, if it came to see the line first. */
        p->next = startswith(text, "\xef\xbb\xbf") ?: text;
        r = ini_parse_stream(next_line, p, handle, p);
        if (r > 0) {
                p->line = (unsigned) r;
                report(p, true, "neither a [section] nor a key=value");
        }
        end_section(p);
}

static int is_conf(const struct dirent *entry)
{
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > strlen(".conf") &&
               streq(entry->d_name + n - strlen(".conf"), ".conf");
}

static void parse_drop_ins(struct parser *p, const struct root *root)
{
        struct dirent **entries = NULL;
        int n = scandirat(root->fd, CONFIG_DIR, &entries, is_conf, alphasort);

        for (int i = 0; i < n; i++) {
                char path[sizeof(CONFIG_DIR) + 1 + NAME_MAX];

                snprintf(path, sizeof(path), CONFIG_DIR "/%s", entries[i]->d_name);
                parse_file(p, root, path);
                free(entries[i]);
        }
        free(entries);
}

struct config config_default(void)
{
        struct config c = {
                .guest = { .on_unaligned = ON_UNALIGNED_WARN, .min_bar_size = MIB(64) },
                .hook_deadline_usec = 5 * USEC_PER_SEC,
                .on_unreachable = ON_UNREACHABLE_ALLOW,
                .bind_deadline_usec = 30 * USEC_PER_SEC,
        };

        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                c.fixes[id] = fix_type(id)->policy;
        return c;
}

int config_read(struct config *ret, const struct root *root, config_problem_t problem, void *userdata)
{
        struct parser p = { .config = config_default(), .problem = problem, .userdata = userdata };

        parse_file(&p, root, CONFIG_FILE);
        parse_drop_ins(&p, root);
        if (p.error < 0) {
                config_done(&p.config);
                return p.error;
        }
        *ret = p.config;
        return 0;
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
