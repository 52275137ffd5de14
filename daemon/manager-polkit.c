/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-polkit.h"

#include <assert.h>

#include "manager.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_INTERACTION 1U /* AllowUserInteraction */

#define PENDING_MAX 64

/* A person types a password; where none may be asked for, rules alone decide. */
#define INTERACTIVE_USEC (120 * USEC_PER_SEC)
#define RULES_USEC (10 * USEC_PER_SEC)

struct authorization {
        struct manager *manager;
        struct authorization *next;
        sd_bus_slot *call;
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

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct authorization *a = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error denied = SD_BUS_ERROR_NULL;
        authorized_t done = a->done;
        void *more = a->userdata;

        (void) error;
        (void) read_answer(reply, &denied);
        authorization_free(a);
        done(sd_bus_error_is_set(&denied) ? &denied : NULL, more);
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

static bool is_root(sd_bus_message *message)
{
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        uid_t uid;

        return sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds) >= 0 &&
               sd_bus_creds_get_euid(creds, &uid) >= 0 && uid == 0;
}

int manager_authorize(struct manager *m, sd_bus_message *message, const char *action, authorized_t done,
                      void *userdata, sd_bus_error *error)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
        _cleanup_(authorization_freep) struct authorization *a = NULL;
        bool interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
        size_t pending = 0;
        int r;

        assert(message && action && done);

        if (is_root(message)) {
                done(NULL, userdata);
                return 0;
        }
        for (const struct authorization *other = m->authorizations; other; other = other->next)
                pending++;
        if (pending >= PENDING_MAX)
                return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "Too many callers wait for polkit");
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->manager = m;
        a->done = done;
        a->userdata = userdata;
        r = new_question(m->bus, sd_bus_message_get_sender(message), action, interactive, &question);
        if (r < 0)
                return r;
        r = sd_bus_call_async(m->bus, &a->call, question, on_answer, a,
                              interactive ? INTERACTIVE_USEC : RULES_USEC);
        if (r < 0)
                return r;
        a->next = m->authorizations;
        m->authorizations = TAKE_PTR(a);
        return 0;
}

void manager_authorizations_close(struct manager *m)
{
        static const sd_bus_error denied = SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_ACCESS_DENIED,
                                                                   "vfioalignd ends");

        while (m->authorizations) {
                struct authorization *a = m->authorizations;

                a->done(&denied, a->userdata);
                authorization_free(a);
        }
}
