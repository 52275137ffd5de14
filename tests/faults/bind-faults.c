/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has each allocation of a bind and of an unbind fail, alone and with all that follow, and each write, on
 * the kernel that tests/unit/bind makes up; also each write of the way back behind one that failed. Whatever
 * the transaction says, all functions of the group are on one side, or a settle brings them there, or an
 * unbind of what it has put in quarantine; and what it says is so. Kills are in
 * tests/unit/bind/crash-points.c.
 *
 *     bind-faults RESULTS FAULTS
 *
 * FAULTS: of each operation; 0: all. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "alloc.h"
#include "fake-run.h"
#include "results.h"
#include "util/macro.h"
#include "util/parse.h"

#define NIC 0x020000
#define FIRST "0000:01:00.0"

/* Of the child that is the transaction. */
static struct shared {
        enum alloc_fault fault;
        unsigned long at, counted;
        bool armed, failed, in_library;
} * shared;

static unsigned long injected, refused, excused, quarantined, bad;
static char old_state[8192], new_state[8192];

static void note_end(void)
{
        shared->counted = alloc_disarm();
        shared->failed = alloc_has_failed();
        shared->in_library = shared->failed && alloc_failed_in_library();
        if (shared->failed && getenv("FAULTS_SHOW"))
                alloc_print_where();
}

static void die(int signal)
{
        note_end();
        _exit(128 + signal);
}

static void begin_child(void)
{
        if (!shared->armed)
                return;
        (void) atexit(note_end);
        (void) signal(SIGSEGV, die);
        alloc_arm(shared->fault, shared->at);
}

static struct fake_kernel *make_host(void)
{
        struct fake_kernel *k = fake_new();

        fake_add(k, "0000:00:01.0", 0x0100, 0x060400, 1, NULL);
        for (unsigned i = 0; i < 2; i++) {
                struct fake_function *f;
                bdf_t bdf;

                snprintf(bdf, sizeof(bdf), "0000:01:00.%u", i);
                f = fake_add(k, bdf, FAKE_HOST_ID, NIC, 1, i ? NULL : "00-02-c9-03-00-0a-5f-d6");
                fake_place(k, f, i ? FAKE_SECOND : FAKE_HOST, i ? FAKE_SECOND : "");
                strcpy(f->control, "on");
                fake_show(k, f);
        }
        return k;
}

static struct fake_result run(struct fake_kernel *k, bool unbind, enum alloc_fault fault, unsigned long at)
{
        struct fake_result r;

        fake_arm(k);
        *shared = (struct shared){ .fault = fault, .at = at, .armed = true };
        r = unbind ? fake_unbind(k, FIRST) : fake_bind(k, FIRST);
        shared->armed = false;
        return r;
}

static void complain(const struct fake_kernel *k, bool unbind, const struct fake_result *r, const char *what)
{
        bad++;
        fprintf(stderr, "%s, allocation %lu%s: %s: %s\n  %s\n  %s\n", unbind ? "unbind" : "bind", shared->at,
                shared->fault == ALLOC_ALL ? " and all that follow" : "", what, fake_result_text(r),
                fake_state(k), k->violation);
}

static bool is_settled(struct fake_kernel *k)
{
        const char *state = fake_state(k), *record = fake_record_state(k, FIRST);

        return (streq(state, old_state) && streq(record, "none")) ||
               (streq(state, new_state) && streq(record, "bound"));
}

/* Returns false where there is no such allocation. */
static bool try_fault(struct fake_kernel *k, bool unbind, enum alloc_fault fault, unsigned long at)
{
        struct fake_result r;

        (void) (unbind ? fake_bind(k, FIRST) : fake_unbind(k, FIRST));
        r = run(k, unbind, fault, at);
        if (!shared->failed)
                return false;
        injected++;
        if (*k->violation)
                complain(k, unbind, &r, "what it wrote is wrong");
        else if (r.status >= 128 || r.signal) {
                if (shared->in_library)
                        excused++;
                else
                        complain(k, unbind, &r, "it died");
        } else if (r.status != 0)
                refused++;
        else if (r.outcome == (unbind ? BIND_RETURNED : BIND_BOUND) &&
                 !streq(fake_state(k), unbind ? old_state : new_state))
                complain(k, unbind, &r, "it says that all went well");
        fake_arm(k);
        (void) fake_settle(k);
        if (!is_settled(k) || *k->violation)
                complain(k, unbind, &r, "not settled");
        return true;
}

/* --- Writes that fail */

static const enum fake_fault_kind write_kinds[] = { FAULT_ERRNO, FAULT_ERRNO_AFTER };
static const int write_errors[] = { ENOSPC, EIO, EROFS, EINTR };

struct write_fault {
        enum fake_fault_kind kind;
        int error;
        unsigned at,
                again; /* points: of the operation, and of the settle behind it; 0: that one goes well */
};

/* Of "0000:01:00.0 hosta - on 1; ..." all but the fourth, power/control: a setting that the kernel refuses
 * stays as it is, and the function goes where it belongs all the same. */
static const char *without_settings(const char *state, char buffer[static 8192])
{
        char *out = buffer;
        unsigned field = 0;

        for (const char *s = state; *s; s++) {
                if (*s == ' ')
                        field++;
                if (*s == ';')
                        field = 0;
                if (field != 3)
                        *out++ = *s;
                if (*s == ';' && s[1] == ' ')
                        s++;
        }
        *out = '\0';
        return buffer;
}

static bool is_settled_but_for_settings(struct fake_kernel *k)
{
        char now[8192], old[8192];
        const char *state = fake_state(k), *record = fake_record_state(k, FIRST);

        return (streq(without_settings(state, now), without_settings(old_state, old)) &&
                streq(record, "none")) ||
               (streq(state, new_state) && streq(record, "bound"));
}

static void complain_of_write(const struct fake_kernel *k, bool unbind, const struct write_fault *f,
                              const char *what)
{
        bad++;
        fprintf(stderr, "%s, points %u and %u, %s%s: %s\n  %s\n  %s\n", unbind ? "unbind" : "bind", f->at,
                f->again, strerror(f->error), f->kind == FAULT_ERRNO ? "" : ", and it was done", what,
                fake_state(k), k->violation);
}

/* Returns how many points there were. */
static unsigned try_write(struct fake_kernel *k, bool unbind, const struct write_fault *f)
{
        unsigned points;

        fake_arm(k);
        (void) fake_unbind(k, FIRST);
        for (size_t i = 0; i < k->n_functions; i++)
                if (k->functions[i].device == FAKE_HOST_ID)
                        strcpy(k->functions[i].control, "on"); /* as a fault before may have left it */
        if (unbind)
                (void) fake_bind(k, FIRST);
        fake_arm(k);
        fake_fault(k, f->kind, f->at, f->error);
        k->faults[1] = (struct fake_fault){ .kind = f->kind, .at = f->again, .error = f->error };
        (void) (unbind ? fake_unbind(k, FIRST) : fake_bind(k, FIRST));
        points = k->points;
        if (points < f->at || points < f->again)
                return points;
        injected += f->again > 0 ? 2 : 1;
        fake_arm(k);
        (void) fake_settle(k);
        if (streq(fake_record_state(k, FIRST), "quarantined")) {
                quarantined++;
                (void) fake_unbind(k, FIRST); /* somebody has looked */
        }
        if (*k->violation)
                complain_of_write(k, unbind, f, "what it wrote is wrong");
        else if (!is_settled_but_for_settings(k))
                complain_of_write(k, unbind, f, "not settled");
        return points;
}

/* all: also each write behind one that failed, on the way back. */
static void try_writes(struct fake_kernel *k, bool unbind, bool all)
{
        for (size_t i = 0; i < ELEMENTSOF(write_kinds); i++)
                for (size_t e = 0; e < ELEMENTSOF(write_errors); e++) {
                        struct write_fault f = { .kind = write_kinds[i], .error = write_errors[e], .at = 1 };

                        for (; try_write(k, unbind, &f) >= f.at && bad < 20; f.at++) {
                                if (!all)
                                        continue;
                                f.again = f.at + 1;
                                while (try_write(k, unbind, &f) >= f.again && bad < 20)
                                        f.again++;
                                f.again = 0;
                        }
                }
}

int main(int argc, char *argv[])
{
        json_object *results = json_object_new_object();
        unsigned long allocations;
        struct fake_kernel *k;
        uint64_t wanted;

        if (argc != 3 || parse_u64(argv[2], 10, &wanted) < 0) {
                fprintf(stderr, "usage: bind-faults RESULTS FAULTS\n");
                return 2;
        }
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED || pthread_atfork(NULL, NULL, begin_child) != 0)
                return 2;
        fake_boundary = alloc_pause;
        k = make_host();
        strcpy(old_state, fake_state(k));
        (void) fake_bind(k, FIRST);
        strcpy(new_state, fake_state(k));
        for (int unbind = 0; unbind < 2; unbind++)
                for (enum alloc_fault fault = ALLOC_ONE; fault <= ALLOC_ALL; fault++) {
                        unsigned long step, n;

                        (void) (unbind ? fake_bind(k, FIRST) : fake_unbind(k, FIRST));
                        (void) run(k, unbind, ALLOC_COUNT, 0);
                        n = shared->counted;
                        step = wanted > 0 && n > wanted ? n / wanted : 1;
                        for (unsigned long at = 1; at <= n && bad < 20; at += step)
                                (void) try_fault(k, unbind, fault, at);
                }
        allocations = injected;
        fake_boundary = NULL;
        for (int unbind = 0; unbind < 2; unbind++)
                try_writes(k, unbind, wanted == 0);
        fake_delete(k);
        printf("%lu failed allocations, %lu refused, %lu excused; %lu failed writes, %lu quarantined; "
               "%lu badly answered\n",
               allocations, refused, excused, injected - allocations, quarantined, bad);
        json_object_object_add(results, "injected", json_object_new_uint64(injected));
        json_object_object_add(results, "bad", json_object_new_uint64(bad));
        if (results_write(argv[1], results) != EXIT_SUCCESS)
                return EXIT_FAILURE;
        return bad > 0 || injected == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
