/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-caller.h"

#include <assert.h>

#include "manager.h"
#include "util/array.h"

/* The bus answers at once; it is given up where it hangs. */
#define ANSWER_USEC (20 * USEC_PER_SEC)

/* What one sender may have waiting: as many calls as a bus lets it wait for replies by default
 * (max_replies_per_connection in dbus-daemon(1)). */
#define WAITING_MAX 128

/* Senders that are remembered after the answer. A unique name is never given to anybody else as long as the
 * bus runs, so what is known of it stays true. */
#define KNOWN_MAX 64

/* Of names, addresses and paths of objects: more than any of them has. */
#define ARGUMENT_MAX 4096

struct caller {
        struct manager *manager;
        struct caller *next;
        char *name;
        bool known;
        uid_t uid;
        sd_bus_slot *question;
        struct waiting {
                caller_known_t known;
                void *userdata;
        } * waiting;
        size_t n_waiting;
};

static void caller_free(struct caller *c)
{
        for (struct caller **p = &c->manager->callers; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        sd_bus_slot_unref(c->question);
        free(c->waiting);
        free(c->name);
        free(c);
}

DEFINE_TRIVIAL_CLEANUP(struct caller *, caller_free)

bool caller_is_privileged(uid_t uid)
{
        return uid == 0 || uid == getuid();
}

/* Drops those that were remembered longest ago; the newest are at the front. */
static void forget_callers(struct manager *m)
{
        size_t n = 0;
        struct caller *next;

        for (struct caller *c = m->callers; c; c = next) {
                next = c->next;
                if (c->known && ++n > KNOWN_MAX)
                        caller_free(c);
        }
}

static void answer_waiting(struct caller *c, int error)
{
        struct waiting *waiting = TAKE_PTR(c->waiting);
        size_t n = TAKE(c->n_waiting, 0);
        uid_t uid = c->uid;

        if (error < 0)
                caller_free(c);
        else
                forget_callers(c->manager);
        /* c can be gone by now, or go with any of these. */
        for (size_t i = 0; i < n; i++)
                waiting[i].known(error, uid, waiting[i].userdata);
        free(waiting);
}

static int read_answer(sd_bus_message *reply, uid_t *ret)
{
        uint32_t uid;
        int r;

        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return -ENXIO;
        if (sd_bus_message_is_method_error(reply, NULL))
                return -EIO;
        r = sd_bus_message_read(reply, "u", &uid);
        if (r < 0)
                return r;
        *ret = (uid_t) uid;
        return 0;
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct caller *c = userdata;
        int r;

        (void) error;
        c->question = sd_bus_slot_unref(c->question);
        r = read_answer(reply, &c->uid);
        c->known = r == 0;
        answer_waiting(c, r);
        return 1;
}

static struct caller *find_caller(struct manager *m, const char *name)
{
        for (struct caller *c = m->callers; c; c = c->next)
                if (streq(c->name, name))
                        return c;
        return NULL;
}

static int new_caller(struct manager *m, const char *name, struct caller **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
        _cleanup_(caller_freep) struct caller *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->manager = m;
        c->name = strdup(name);
        if (!c->name)
                return -ENOMEM;
        r = sd_bus_message_new_method_call(m->bus, &question, "org.freedesktop.DBus",
                                           "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                           "GetConnectionUnixUser");
        if (r < 0)
                return r;
        r = sd_bus_message_append(question, "s", name);
        if (r < 0)
                return r;
        r = sd_bus_call_async(m->bus, &c->question, question, on_answer, c, ANSWER_USEC);
        if (r < 0)
                return r;
        c->next = m->callers;
        m->callers = c;
        *ret = TAKE_PTR(c);
        return 0;
}

int manager_ask_caller(struct manager *m, sd_bus_message *message, caller_known_t known, void *userdata,
                       sd_bus_error *error)
{
        const char *name = sd_bus_message_get_sender(message);
        struct waiting *w;
        struct caller *c;
        int r;

        assert(m && message && known);

        if (!name)
                return -EBADMSG;
        c = find_caller(m, name);
        if (c && c->known) {
                known(0, c->uid, userdata);
                return 0;
        }
        if (!c) {
                r = new_caller(m, name, &c);
                if (r < 0)
                        return r;
        }
        if (c->n_waiting >= WAITING_MAX)
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "Too many calls are waiting");
        w = array_append(c->waiting, c->n_waiting);
        if (!w)
                return -ENOMEM; /* c gets its answer, and is forgotten or remembered */
        *w = (struct waiting){ known, userdata };
        return 0;
}

/* A call for root only whose sender is not known yet. */
struct root_call {
        struct manager *manager;
        sd_bus_message *message;
        privileged_call_t call;
        bool outlives;
};

static void root_call_free(struct root_call *c)
{
        sd_bus_message_unref(c->message);
        free(c);
}

DEFINE_TRIVIAL_CLEANUP(struct root_call *, root_call_free)

static void on_known(int error, uid_t uid, void *userdata)
{
        _cleanup_(root_call_freep) struct root_call *c = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error answer = SD_BUS_ERROR_NULL;
        bool allowed = error == 0 ? caller_is_privileged(uid) : error == -ENXIO && c->outlives;
        int r;

        if (allowed)
                r = c->call(c->manager, c->message, &answer);
        else if (error == -ESHUTDOWN)
                r = sd_bus_error_set(&answer, SD_BUS_ERROR_FAILED, "vfioalignd ends");
        else
                r = sd_bus_error_set(&answer, SD_BUS_ERROR_ACCESS_DENIED, "Only root may do this");
        if (r < 0)
                (void) sd_bus_reply_method_errno(c->message, r, &answer);
}

int manager_call_as_root(struct manager *m, sd_bus_message *message, privileged_call_t call, bool outlives,
                         sd_bus_error *error)
{
        _cleanup_(root_call_freep) struct root_call *c = calloc(1, sizeof(*c));
        int r;

        assert(m && message && call);

        if (!c)
                return -ENOMEM;
        *c = (struct root_call){ m, sd_bus_message_ref(message), call, outlives };
        r = manager_ask_caller(m, message, on_known, c, error);
        if (r < 0)
                return r;
        TAKE_PTR(c); /* on_known() frees it, or has */
        return 1;
}

void manager_callers_close(struct manager *m)
{
        while (m->callers) {
                m->callers->question = sd_bus_slot_unref(m->callers->question);
                answer_waiting(m->callers, -ESHUTDOWN);
        }
}

int check_argument(const char *text, sd_bus_error *error)
{
        assert(text);

        if (strlen(text) <= ARGUMENT_MAX)
                return 0;
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "An argument has more than %d bytes",
                                 ARGUMENT_MAX);
}

/* The texts that a message begins with: all that sd-bus itself quotes is among them. */
static int check_texts(sd_bus_message *message, sd_bus_error *error)
{
        for (;;) {
                const char *text;
                char type;
                int r;

                r = sd_bus_message_peek_type(message, &type, NULL);
                if (r <= 0 || type != SD_BUS_TYPE_STRING)
                        return r;
                r = sd_bus_message_read(message, "s", &text);
                if (r < 0)
                        return r;
                r = check_argument(text, error);
                if (r < 0)
                        return r;
        }
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        const char *path = sd_bus_message_get_path(message);
        int r;

        (void) userdata;
        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        if (path) {
                r = check_argument(path, error);
                if (r < 0)
                        return r;
        }
        r = check_texts(message, error);
        if (r < 0)
                return r;
        r = sd_bus_message_rewind(message, true);
        return r < 0 ? r : 0;
}

int manager_limit_messages(struct manager *m)
{
        assert(m && m->bus);

        return sd_bus_add_filter(m->bus, NULL, on_message, m);
}
