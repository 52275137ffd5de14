/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-polkit.h"

#include <assert.h>

#include "manager-caller.h"
#include "manager.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_INTERACTION 1U /* AllowUserInteraction */

/* A user who lets questions wait (a password is asked for, and nobody types it) leaves places for others. */
#define PENDING_MAX 64
#define PENDING_OF_USER_MAX 8

/* A person types a password; where none may be asked for, rules alone decide. */
#define INTERACTIVE_USEC (120 * USEC_PER_SEC)
#define RULES_USEC (10 * USEC_PER_SEC)

struct authorization {
        struct manager *manager;
        struct authorization *next;
        sd_bus_message *message; /* of the one who asks */
        const char *action;
        uid_t uid;         /* of its sender, once that is known */
        sd_bus_slot *call; /* NULL before */
        authorized_t done;
        void *userdata;
};

static void authorization_free(struct authorization *a)
{
        for (struct authorization **p = &a->manager->authorizations; *p; p = &(*p)->next)
                if (*p == a) {
                        *p = a->next;
                        break;
                }
        sd_bus_slot_unref(a->call);
        sd_bus_message_unref(a->message);
        free(a);
}

DEFINE_TRIVIAL_CLEANUP(struct authorization *, authorization_free)

static int read_answer(sd_bus_message *reply, sd_bus_error *denied)
{
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int yes, challenge;

        if (error)
                /* polkit is not installed, has ended, or hangs: only root may. */
                return sd_bus_error_setf(denied, SD_BUS_ERROR_ACCESS_DENIED,
                                         "polkit gives no answer (%s), only root may do this",
                                         error->message ?: error->name);
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &yes, &challenge) < 0)
                return sd_bus_error_set(denied, SD_BUS_ERROR_ACCESS_DENIED,
                                        "polkit gives no answer that can be read");
        if (yes)
                return 1;
        if (challenge)
                return sd_bus_error_set(denied, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                        "polkit has to ask for a password, which the caller does not allow");
        return sd_bus_error_set(denied, SD_BUS_ERROR_ACCESS_DENIED, "polkit does not allow it");
}

static void authorization_end(struct authorization *a, const sd_bus_error *denied)
{
        authorized_t done = a->done;
        void *userdata = a->userdata;
        uid_t uid = a->uid;

        authorization_free(a);
        done(denied, uid, userdata);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_error_free) sd_bus_error denied = SD_BUS_ERROR_NULL;

        (void) error;
        (void) read_answer(reply, &denied);
        authorization_end(userdata, sd_bus_error_is_set(&denied) ? &denied : NULL);
        return 1;
}

static int new_question(sd_bus *bus, const char *sender, const char *action, bool interactive,
                        sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &question, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(question, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", sender,
                                  action, 0, interactive ? POLKIT_INTERACTION : 0U, "");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(question);
        return 0;
}

static int check_places(const struct manager *m, uid_t uid, sd_bus_error *denied)
{
        size_t pending = 0, of_user = 0;

        for (const struct authorization *a = m->authorizations; a; a = a->next) {
                pending++;
                of_user += a->uid == uid;
        }
        if (of_user >= PENDING_OF_USER_MAX)
                return sd_bus_error_set(denied, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "Too many calls of this user wait for polkit");
        if (pending >= PENDING_MAX)
                return sd_bus_error_set(denied, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "Too many callers wait for polkit");
        return 0;
}

static int ask_polkit(struct authorization *a, uid_t uid, sd_bus_error *denied)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
        bool interactive = sd_bus_message_get_allow_interactive_authorization(a->message) > 0;
        struct manager *m = a->manager;
        int r;

        r = check_places(m, uid, denied);
        if (r < 0)
                return r;
        r = new_question(m->bus, sd_bus_message_get_sender(a->message), a->action, interactive, &question);
        if (r < 0)
                return r;
        r = sd_bus_call_async(m->bus, &a->call, question, on_answer, a,
                              interactive ? INTERACTIVE_USEC : RULES_USEC);
        if (r < 0)
                return r;
        a->next = m->authorizations;
        m->authorizations = a;
        return 0;
}

static void on_caller_known(int error, uid_t uid, void *userdata)
{
        _cleanup_(sd_bus_error_free) sd_bus_error denied = SD_BUS_ERROR_NULL;
        struct authorization *a = userdata;

        a->uid = uid;
        if (error == 0 && caller_is_privileged(uid)) {
                authorization_end(a, NULL);
                return;
        }
        if (error == 0)
                error = ask_polkit(a, uid, &denied);
        if (error < 0 && !sd_bus_error_is_set(&denied))
                (void) sd_bus_error_set_errnof(&denied, error, "Failed to find out who asks: %s",
                                               strerror(-error));
        if (error < 0)
                authorization_end(a, &denied);
}

int manager_authorize(struct manager *m, sd_bus_message *message, const char *action, authorized_t done,
                      void *userdata, sd_bus_error *error)
{
        _cleanup_(authorization_freep) struct authorization *a = NULL;
        int r;

        assert(message && action && done);

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->manager = m;
        a->message = sd_bus_message_ref(message);
        a->action = action;
        a->done = done;
        a->userdata = userdata;
        r = manager_ask_caller(m, message, on_caller_known, a, error);
        if (r < 0)
                return r;
        TAKE_PTR(a); /* on_caller_known() ends it, or has */
        return 0;
}

void manager_authorizations_close(struct manager *m)
{
        static const sd_bus_error denied = SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_ACCESS_DENIED,
                                                                   "vfioalignd ends");

        while (m->authorizations)
                authorization_end(m->authorizations, &denied);
}
