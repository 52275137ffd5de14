/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>

#include "util/file.h"
#include "util/macro.h"

#define CONFIG_FILE "etc/vfioalignd.conf"
#define CONFIG_DIR "etc/vfioalignd.conf.d"
#define CONFIG_MAX_SIZE (1U << 20)

/* inih's buffer as Debian builds it; a longer line would be cut in two without a word. */
#define LINE_LENGTH_MAX 198

#define HOOK_DEADLINE_MAX_SEC 60.0

static const char *const policy_table[_POLICY_MAX] = {
        [POLICY_OFF] = "off",
        [POLICY_SUGGEST] = "suggest",
        [POLICY_ON] = "on",
};
DEFINE_STRING_TABLE(policy, enum policy);

static const char *const no_answer_table[_NO_ANSWER_MAX] = {
        [NO_ANSWER_ALLOW] = "allow",
        [NO_ANSWER_REFUSE] = "refuse",
};
DEFINE_STRING_TABLE(no_answer, enum no_answer);

struct parser {
        struct config config;
        const char *file;
        const char *next; /* what is left to read */
        unsigned line;    /* of the line handed out last */
        int error;        /* the first fatal one */
        config_problem_t problem;
        void *userdata;
};

static _printf_(3, 4) void report(struct parser *p, bool fatal, const char *format, ...)
{
        char text[512];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        p->problem(p->file, p->line, fatal, text, p->userdata);
        if (fatal && p->error == 0)
                p->error = -EINVAL;
}

static int parse_module(struct config *c, const char *value)
{
        c->module = policy_from_string(value);
        return c->module < 0 ? -EINVAL : 0;
}

static int parse_hook_deadline(struct config *c, const char *value)
{
        double seconds;
        char *end;

        errno = 0;
        seconds = strtod(value, &end);
        if (errno || end == value || *end || !(seconds >= 0.1 && seconds <= HOOK_DEADLINE_MAX_SEC))
                return -EINVAL;
        c->hook_deadline_usec = (uint64_t) (seconds * 1e6);
        return 0;
}

static int parse_no_answer(struct config *c, const char *value)
{
        c->no_answer = no_answer_from_string(value);
        return c->no_answer < 0 ? -EINVAL : 0;
}

static const struct {
        const char *section, *key;
        int (*parse)(struct config *c, const char *value);
        const char *wanted;
} keys[] = {
        {"Fix", "Module", parse_module, "on, suggest or off"},
        {"Guest", "HookDeadlineSec", parse_hook_deadline, "seconds from 0.1 to 60"},
        {"Guest", "NoAnswer", parse_no_answer, "allow or refuse"},
};

/* inih's handler. Always returns success: problems are reported, and counted, here. */
static int handle(void *userdata, const char *section, const char *key, const char *value)
{
        struct parser *p = userdata;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                if (!streq(keys[i].section, section) || !streq(keys[i].key, key))
                        continue;
                if (keys[i].parse(&p->config, value) < 0)
                        report(p, true, "%s=%s: wanted %s", key, value, keys[i].wanted);
                return 1;
        }
        report(p, false, "unknown key '%s' in section [%s], ignoring", key, section);
        return 1;
}

/* inih's reader, in the manner of fgets(). inih hands no line numbers to its handler and calls it before it asks
 * for the next line, so that the count here is the handler's line. */
static char *next_line(char *buffer, int size, void *userdata)
{
        struct parser *p = userdata;
        size_t length = strcspn(p->next, "\n");

        if (!*p->next)
                return NULL;
        p->line++;
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

        p->next = text;
        r = ini_parse_stream(next_line, p, handle, p);
        if (r > 0) {
                p->line = (unsigned) r;
                report(p, true, "neither a [section] nor a key=value");
        }
}

static int is_conf(const struct dirent *entry)
{
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > strlen(".conf") && streq(entry->d_name + n - strlen(".conf"), ".conf");
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
        return (struct config) {
                .module = POLICY_ON,
                .hook_deadline_usec = 5 * USEC_PER_SEC,
                .no_answer = NO_ANSWER_ALLOW,
        };
}

int config_read(struct config *ret, const struct root *root, config_problem_t problem, void *userdata)
{
        struct parser p = {.config = config_default(), .problem = problem, .userdata = userdata};

        parse_file(&p, root, CONFIG_FILE);
        parse_drop_ins(&p, root);
        if (p.error < 0)
                return p.error;
        *ret = p.config;
        return 0;
}
