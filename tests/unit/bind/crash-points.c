/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "fake-run.h"
#include "results.h"
#include "util/macro.h"

/* Kills a bind and an unbind at every point: before and after each write of an attribute, each record, each
 * system call that makes one appear or go; and what comes after it as well. Whatever comes then must find
 * every function of the group where it was or where it should go, all of them on the same side, with driver,
 * override and settings. */

#define NIC 0x020000
#define FIRST "0000:01:00.0"

enum recovery {
        SETTLE, /* as after a start */
        BIND,   /* somebody asks at once for the one or the other */
        UNBIND,
        SETTLE_DIES, /* and is killed in turn, at each of its points; then settle */
        _RECOVERY_MAX,
};

static const char *const recoveries[] = { "settle", "bind", "unbind", "settle, killed" };

struct trial {
        struct fake_kernel *k;
        unsigned n_functions;
        bool unbind;
        enum recovery recovery;
        enum fake_fault_kind kind;
        unsigned at, again; /* points; again: of SETTLE_DIES */
};

static unsigned points, lost;
static char old_state[8192], new_state[8192];

static struct fake_kernel *make_host(unsigned n_functions)
{
        static const char *const drivers[] = { FAKE_HOST, "", FAKE_SECOND, FAKE_HOST };
        static const char *const overrides[] = { "", "", FAKE_SECOND, FAKE_SECOND };
        struct fake_kernel *k = fake_new();

        fake_add(k, "0000:00:01.0", 0x0100, 0x060400, 1, NULL);
        for (unsigned i = 0; i < n_functions; i++) {
                struct fake_function *f;
                bdf_t bdf;

                snprintf(bdf, sizeof(bdf), "0000:01:00.%u", i % 8);
                f = fake_add(k, bdf, i % 4 == 2 ? FAKE_VARIANT_ID : FAKE_HOST_ID, NIC, 1,
                             i % 4 ? NULL : "00-02-c9-03-00-0a-5f-d6");
                strcpy(f->autoprobe, i % 2 ? "" : "0");
                strcpy(f->d3cold_allowed, i % 2 ? "1" : "0");
                fake_place(k, f, drivers[i % 4], overrides[i % 4]);
                strcpy(f->control, i % 4 == 3 ? "auto" : "on");
                fake_show(k, f);
        }
        fake_add(k, "0000:02:00.0", FAKE_HOST_ID, NIC, 2, NULL);
        return k;
}

static bool fail(const struct trial *t, const struct fake_result *r, const char *what)
{
        if (lost++ < 20)
                fprintf(stderr,
                        "%s of %u, killed %s point %u, then %s (point %u): %s\n  %s; record %s\n  %s\n"
                        "  written: %s\n",
                        t->unbind ? "unbind" : "bind", t->n_functions,
                        t->kind == FAULT_KILL_AFTER ? "after" : "before", t->at, recoveries[t->recovery],
                        t->again, what, r ? fake_result_text(r) : "-", fake_record_state(t->k, FIRST),
                        fake_state(t->k), t->k->log);
        return false;
}

static bool is_settled(const struct trial *t)
{
        const char *state = fake_state(t->k), *record = fake_record_state(t->k, FIRST);

        return (streq(state, old_state) && streq(record, "none")) ||
               (streq(state, new_state) && streq(record, "bound"));
}

static bool went(const struct trial *t, const struct fake_result *r, enum bind_outcome a,
                 enum bind_outcome b)
{
        return !*t->k->violation && r->signal == 0 && r->status == 0 && (r->outcome == a || r->outcome == b);
}

/* Brings all to where the trial starts. */
static bool start(const struct trial *t)
{
        struct fake_result r;

        fake_arm(t->k);
        r = t->unbind ? fake_bind(t->k, FIRST) : fake_unbind(t->k, FIRST);
        if (!streq(fake_state(t->k), t->unbind ? new_state : old_state) || *t->k->violation)
                return fail(t, &r, "no way back to the start");
        fake_arm(t->k);
        return true;
}

/* Returns whether its own points are that many. */
static bool recover(struct trial *t)
{
        struct fake_result r;

        fake_arm(t->k);
        switch (t->recovery) {
        case SETTLE_DIES:
                fake_fault(t->k, FAULT_KILL_BEFORE, t->again, 0);
                r = fake_settle(t->k);
                if (r.signal != SIGKILL)
                        return false; /* it has no such point */
                fake_arm(t->k);
                /* fall through */
        case SETTLE:
                (void) fake_settle(t->k);
                points++;
                return is_settled(t) && !*t->k->violation ? true : fail(t, NULL, "not settled");
        case BIND:
                r = fake_bind(t->k, FIRST);
                points++;
                return went(t, &r, BIND_BOUND, BIND_UNCHANGED) && streq(fake_state(t->k), new_state)
                               ? true
                               : fail(t, &r, "not bound");
        default:
                r = fake_unbind(t->k, FIRST);
                points++;
                /* Where nothing is bound (any more), it says that a driver has to be named. */
                return went(t, &r, BIND_RETURNED, BIND_UNCHANGED) && streq(fake_state(t->k), old_state)
                               ? true
                               : fail(t, &r, "not returned");
        }
}

/* Returns how often it was killed: not as often as it should be where there is no such point. */
static unsigned try(struct trial *t)
{
        struct fake_result r;

        if (!start(t))
                return 0;
        fake_fault(t->k, t->kind, t->at, 0);
        r = t->unbind ? fake_unbind(t->k, FIRST) : fake_bind(t->k, FIRST);
        if (r.signal != SIGKILL) {
                if (!went(t, &r, t->unbind ? BIND_RETURNED : BIND_BOUND, _BIND_OUTCOME_INVALID))
                        (void) fail(t, &r, "it failed by itself");
                return 0;
        }
        return recover(t) ? 2 : 1;
}

static void try_all(struct fake_kernel *k, unsigned n_functions, bool unbind)
{
        static const enum fake_fault_kind kinds[] = { FAULT_KILL_BEFORE, FAULT_KILL_AFTER };
        unsigned before = points;

        for (enum recovery recovery = 0; recovery < _RECOVERY_MAX; recovery++)
                for (size_t kind = 0; kind < ELEMENTSOF(kinds); kind++)
                        for (unsigned at = 1; lost < 20; at++) {
                                struct trial t = { k, n_functions, unbind, recovery, kinds[kind], at, 0 };

                                unsigned deaths;

                                do
                                        t.again++;
                                while ((deaths = try(&t)) == 2 && recovery == SETTLE_DIES);
                                if (deaths == 0)
                                        break;
                        }
        printf("%s of %u: %u points\n", unbind ? "unbind" : "bind", n_functions, points - before);
}

int main(int argc, char **argv)
{
        static const unsigned sizes[] = { 1, 2, 8 };
        json_object *results = json_object_new_object();
        /* Under sanitizers, where each process takes its time to end, what eight functions add would take
         * most of an hour; that code is the same. */
        size_t n_sizes = getenv("TESTS_SLOWER") ? ELEMENTSOF(sizes) - 1 : ELEMENTSOF(sizes);

        for (size_t i = 0; i < n_sizes; i++) {
                struct fake_kernel *k = make_host(sizes[i]);
                struct fake_result r;

                strcpy(old_state, fake_state(k));
                r = fake_bind(k, FIRST);
                strcpy(new_state, fake_state(k));
                if (r.signal || r.outcome != BIND_BOUND) {
                        fprintf(stderr, "%s %s\n", fake_result_text(&r), k->violation);
                        return EXIT_FAILURE;
                }
                try_all(k, sizes[i], false);
                try_all(k, sizes[i], true);
                fake_delete(k);
        }
        printf("%u crash points, %u of them lost a function\n", points, lost);
        json_object_object_add(results, "points", json_object_new_int64(points));
        json_object_object_add(results, "lost", json_object_new_int64(lost));
        if (results_write(argc > 1 ? argv[1] : "build/results/crash-points.json", results) != EXIT_SUCCESS)
                return EXIT_FAILURE;
        return lost > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
