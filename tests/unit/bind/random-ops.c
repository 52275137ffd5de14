/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

#include "fake-run.h"
#include "results.h"
#include "util/macro.h"

/* Random operations on a host with four IOMMU groups: bind, unbind, settle, functions that leave and come
 * (the same or others), other tools that rebind behind our back, functions in use, faults, kills and starts
 * of a new boot. After each one it is checked what must hold whatever happened. What a function has to go
 * back to is known from the fake kernel at the time of the bind, not from the record. */

#define NIC 0x020000
#define OPERATIONS 10000 /* under sanitizers, where each process takes its time to end, a tenth of them */

struct model {
        struct fake_function
                home; /* as it was when its group was bound; not present: it was not bound with it */
};

static const struct {
        const char *bdf, *driver, *override, *serial;
        uint16_t device;
        int group;
} host[] = {
        { "0000:01:00.0", FAKE_HOST, "", NULL, FAKE_HOST_ID, 1 },
        { "0000:02:00.0", FAKE_HOST, "", NULL, FAKE_HOST_ID, 2 },
        { "0000:02:00.1", "", "", NULL, FAKE_NOBODYS_ID, 2 },
        { "0000:03:00.0", FAKE_SECOND, FAKE_SECOND, NULL, FAKE_VARIANT_ID, 3 },
        { "0000:03:00.1", FAKE_HOST, "", NULL, FAKE_HOST_ID, 3 },
        { "0000:03:00.2", FAKE_SECOND, "", NULL, FAKE_HOST_ID, 3 },
        { "0000:04:00.0", FAKE_HOST, FAKE_HOST, "00-02-c9-03-00-0a-5f-d6", FAKE_HOST_ID, 4 },
        { "0000:04:00.1", "", "none", "00-02-c9-03-00-0a-5f-d7", FAKE_HOST_ID, 4 },
};

static struct fake_kernel *k;
static struct model models[ELEMENTSOF(host)];
static struct fake_function was[ELEMENTSOF(host)]; /* before the operation */
static uint64_t seed, random_state;
static unsigned operations, violations, outcomes[_BIND_OUTCOME_MAX], kills, planned;
static char what[256]; /* the operation */

static unsigned pick(unsigned n)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (unsigned) (random_state >> 33) % n;
}

static struct fake_function *function(size_t i)
{
        return &k->functions[i];
}

static void make_host(void)
{
        if (k)
                fake_delete(k);
        k = fake_new();
        for (size_t i = 0; i < ELEMENTSOF(host); i++) {
                struct fake_function *f = fake_add(k, host[i].bdf, host[i].device, NIC, host[i].group,
                                                   host[i].serial);

                fake_place(k, f, host[i].driver, host[i].override);
                strcpy(f->control, i % 3 ? "on" : "auto");
                fake_show(k, f);
        }
        fake_add(k, "0000:00:03.0", 0x0100, 0x060400, 3, NULL);
        memset(models, 0, sizeof(models));
}

_printf_(2, 3) static bool want(bool holds, const char *format, ...)
{
        va_list ap;

        if (holds)
                return true;
        if (violations++ < 10) {
                va_start(ap, format);
                fprintf(stderr, "operation %u, %s: ", operations, what);
                vfprintf(stderr, format, ap);
                fprintf(stderr, "\n  now %s\n  written: %s\n", fake_state(k), k->log);
                va_end(ap);
        }
        return false;
}

static bool is_at(const struct fake_function *f, const struct fake_function *g)
{
        return streq(f->driver, g->driver) && streq(f->override, g->override);
}

static bool is_with_vfio(const struct fake_function *f)
{
        return fake_driver_is_vfio(f->driver);
}

/* It was bound with its group, and nothing else has come to its address. */
static bool is_recorded(size_t i)
{
        const struct fake_function *home = &models[i].home;

        return home->present && function(i)->present && home->device == function(i)->device &&
               streq(home->serial, function(i)->serial);
}

static bool has_settings_of(const struct fake_function *f, const struct fake_function *g)
{
        return streq(f->control, g->control) && streq(f->d3cold_allowed, g->d3cold_allowed);
}

static bool nothing_changed(int group)
{
        bool same = true;

        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if ((group < 0 || host[i].group == group) && function(i)->present && was[i].present)
                        same &= is_at(function(i), &was[i]);
        return same;
}

static const char *record_of(int group)
{
        const char *state = "none";

        for (size_t i = 0; i < ELEMENTSOF(host) && streq(state, "none"); i++)
                if (host[i].group == group)
                        state = fake_record_state(k, host[i].bdf);
        return state;
}

static void forget(int group)
{
        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if (host[i].group == group)
                        models[i].home.present = false;
}

static void bound_from(int group)
{
        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if (host[i].group == group)
                        models[i].home = was[i];
}

/* All that were bound are home; settings as well, but where a fault hit the write of one. */
static bool all_home(int group, bool settings)
{
        bool ok = true;

        for (size_t i = 0; i < ELEMENTSOF(host) && ok; i++) {
                const struct fake_function *f = function(i);

                if (host[i].group != group || !f->present)
                        continue;
                if (is_recorded(i))
                        ok = want(is_at(f, &models[i].home) &&
                                          (!settings || has_settings_of(f, &models[i].home)),
                                  "%s is not back at %s/%s/%s", f->bdf, models[i].home.driver,
                                  models[i].home.override, models[i].home.control);
                else if (was[i].present)
                        ok = want(is_at(f, &was[i]), "%s was not bound, and has been written", f->bdf);
        }
        return ok;
}

static bool all_with_vfio(int group)
{
        bool ok = true;

        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if (host[i].group == group && function(i)->present)
                        ok &= is_with_vfio(function(i));
        return ok;
}

/* What was bound is with VFIO, also what others had taken meanwhile. */
static bool still_bound(int group)
{
        bool ok = true;

        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if (host[i].group == group && is_recorded(i))
                        ok &= is_with_vfio(function(i));
        return ok;
}

/* Before the operation others had all of it in hand that was bound. */
static bool others_had(int group)
{
        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if (host[i].group == group && models[i].home.present && was[i].present &&
                    is_with_vfio(&was[i]))
                        return false;
        return true;
}

/* What the result says is so. faulty: a write may have failed. */
static bool check_result(const struct fake_result *r, enum bind_operation operation, int group, bool faulty)
{
        const char *record = record_of(group);

        outcomes[r->outcome]++;
        switch (r->outcome) {
        case BIND_UNCHANGED:
        case BIND_PLANNED:
        case BIND_REFUSED:
                if (streq(record, "none"))
                        forget(group); /* others have taken all of it */
                return want(k->writes == 0 && nothing_changed(group), "%s, and something was written",
                            fake_result_text(r));
        case BIND_BOUND:
                bound_from(group);
                return want(operation == BIND_BIND && all_with_vfio(group) &&
                                    (faulty || streq(record, "bound")),
                            "%s, record %s", fake_result_text(r), record);
        case BIND_RETURNED:
                if (!want(operation == BIND_UNBIND && (faulty || streq(record, "none")), "%s, record %s",
                          fake_result_text(r), record) ||
                    !all_home(group, !faulty))
                        return false;
                forget(group);
                return true;
        case BIND_FAILED:
                return want(faulty, "it failed by itself: %s", fake_result_text(r)) &&
                       want(operation == BIND_BIND ? nothing_changed(group) : still_bound(group),
                            "%s, and not as it was", fake_result_text(r));
        case BIND_GONE:
                for (size_t i = 0; i < ELEMENTSOF(host); i++)
                        if (host[i].group == group &&
                            !want(!is_recorded(i), "gone, and %s is there", host[i].bdf))
                                return false;
                forget(group);
                return true;
        case BIND_QUARANTINED:
                if (operation == BIND_BIND)
                        bound_from(group);
                return want(faulty, "%s", fake_result_text(r));
        default:
                return want(false, "%s", fake_result_text(r));
        }
}

/* What a killed one left: all on one side, the record says on which. quarantined: so it was before. */
static bool settle_killed(enum bind_operation operation, int group, bool quarantined)
{
        struct fake_result r = {};
        const char *record;

        kills++;
        if (operation == BIND_BIND)
                bound_from(group);
        if (pick(3) == 0) {
                fake_arm(k);
                fake_fault(k, pick(2) ? FAULT_KILL_BEFORE : FAULT_KILL_AFTER, 1 + pick(12), 0);
                (void) fake_settle(k);
        }
        fake_arm(k);
        r = fake_settle(k);
        record = record_of(group);
        if (!want(!*k->violation && r.signal == 0 && r.status == 0, "settle: %s %s", fake_result_text(&r),
                  k->violation))
                return false;
        if (streq(record, "bound"))
                return want(all_with_vfio(group) || operation == BIND_UNBIND, "settled as bound");
        if (quarantined && streq(record, "quarantined")) /* killed before it had begun */
                return want(nothing_changed(group), "still quarantined, and something was written");
        if (operation == BIND_UNBIND && streq(record, "none") && others_had(group) &&
            nothing_changed(group)) {
                forget(group); /* killed before it had begun, too, and what others have in hand needs no
                                  record */
                return true;
        }
        if (!want(streq(record, "none"), "settled as %s", record) || !all_home(group, true))
                return false;
        forget(group);
        return true;
}

static bool has_used(int group)
{
        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if (host[i].group == group && function(i)->used)
                        return true;
        return false;
}

/* What a dry run says just before the operation; nothing where it would not be carried out. */
static bool plan_order(const struct bind_order *order, const char *bdf, struct fake_result *plan)
{
        struct bind_order dry = *order;

        dry.dry_run = true;
        fake_arm(k);
        k->read_only = true;
        *plan = fake_run(k, bdf, &dry);
        snprintf(what, sizeof(what), "%s of %s, dry before it", bind_operation_to_string(order->operation),
                 bdf);
        return want(!*k->violation && plan->signal == 0 && plan->status == 0, "%s %s",
                    fake_result_text(plan), k->violation);
}

/* A bind or an unbind, maybe with a fault; what it leaves behind is settled in any case. */
static bool do_order(enum bind_operation operation, bool dry_run)
{
        static const int errors[] = { EIO, EBUSY, EINVAL, ENOMEM, ENOSPC };
        const char *driver = pick(8) ? NULL : FAKE_VFIO;
        struct bind_order order = { .operation = operation,
                                    .owner = "operator",
                                    .dry_run = dry_run,
                                    .driver = operation == BIND_BIND ? driver : NULL };
        size_t i = pick(ELEMENTSOF(host));
        bool faulty = !dry_run && pick(2), refusing = faulty && pick(3) == 0, quarantined;
        enum fake_fault_kind kind = FAULT_NONE;
        int group = host[i].group;
        struct fake_result r, plan = { .outcome = BIND_UNCHANGED };
        const char *record;

        if (!dry_run && !faulty && !plan_order(&order, host[i].bdf, &plan))
                return false;
        fake_arm(k);
        k->read_only = dry_run;
        if (faulty && (!refusing || pick(2))) {
                do
                        kind = 1 + pick(_FAULT_MAX - 1);
                while (kind == FAULT_HANG);
                fake_fault(k, kind, 1 + pick(16), errors[pick(ELEMENTSOF(errors))]);
                k->faults[0].on = (kind == FAULT_ERRNO || kind == FAULT_LIE) && pick(4) == 0;
        }
        if (refusing)
                fake_refuse(k, (const char *[]){ FAKE_HOST, FAKE_SECOND, FAKE_VFIO, FAKE_VARIANT }[pick(4)],
                            NULL, pick(2) ? 1 : UINT32_MAX);
        snprintf(what, sizeof(what), "%s%s of %s (fault %d at %u, %s refuses %u times)",
                 bind_operation_to_string(operation), dry_run ? ", dry," : "", host[i].bdf, kind,
                 k->faults[0].at, k->refusing, k->refusals);
        quarantined = streq(record_of(group), "quarantined");
        r = fake_run(k, host[i].bdf, &order);
        if (!want(!*k->violation, "%s", k->violation) ||
            !want(r.signal == 0 || kind == FAULT_KILL_BEFORE || kind == FAULT_KILL_AFTER,
                  "it died of signal %d", r.signal))
                return false;
        if (has_used(group) && !want(k->writes == 0, "it is in use"))
                return false;
        if (!want(r.status == 0 || faulty, "exit code %d", r.status))
                return false;
        if (r.signal || r.status) /* also one that had no memory left */
                return settle_killed(operation, group, quarantined);
        if (plan.outcome == BIND_PLANNED &&
            !want(r.outcome == (operation == BIND_BIND ? BIND_BOUND : BIND_RETURNED) &&
                          fake_plan_holds(k, &plan, operation, NULL),
                  "not as planned: %s", fake_result_text(&r)))
                return false;
        planned += plan.outcome == BIND_PLANNED;
        if (!check_result(&r, operation, group, faulty))
                return false;
        record = record_of(group);
        if (streq(record, "none") || streq(record, "bound") || streq(record, "quarantined"))
                return true;
        /* The commit failed: what it left is what it said. */
        if (!want(faulty, "the record says %s", record))
                return false;
        if (r.outcome == BIND_QUARANTINED ||
            r.outcome == BIND_FAILED) /* not even the record of the way back could be written */
                return settle_killed(operation, group, quarantined);
        memcpy(was, k->functions, sizeof(was));
        fake_arm(k);
        (void) fake_settle(k);
        record = record_of(group);
        return want(!*k->violation && (streq(record, "none") || streq(record, "bound")),
                    "%s; the record says %s", k->violation, record) &&
               want(nothing_changed(group), "to settle changed what was done: %s", fake_result_text(&r));
}

/* A settle drops the record of what is no longer bound, and of nothing else. */
static bool drop_unbound(void)
{
        for (size_t i = 0; i < ELEMENTSOF(host); i++)
                if (streq(record_of(host[i].group), "none")) {
                        if (!want(!is_recorded(i) || !is_with_vfio(function(i)), "the record of %s is lost",
                                  host[i].bdf))
                                return false;
                        models[i].home.present = false;
                }
        return true;
}

/* Nothing was killed: there is nothing to do, but to drop what is no longer bound. */
static bool do_settle(void)
{
        struct fake_result r;

        snprintf(what, sizeof(what), "settle");
        fake_arm(k);
        r = fake_settle(k);
        return drop_unbound() &&
               want(!*k->violation && r.signal == 0 && r.status == 0, "%s %s", fake_result_text(&r),
                    k->violation) &&
               want(k->writes == 0 && nothing_changed(-1), "something was written");
}

static bool do_plug(void)
{
        size_t i = pick(ELEMENTSOF(host));
        struct fake_function *f;

        for (size_t n = 0; n < ELEMENTSOF(host) && pick(4); n++) /* mostly all are there */
                if (!function(n)->present)
                        i = n;
        f = function(i);
        snprintf(what, sizeof(what), "%s of %s", f->present ? "unplug" : "plug", f->bdf);
        if (f->present) {
                f->used = false;
                fake_unplug(k, f);
                fake_arm(k);
                (void) fake_settle(k); /* as the daemon does when a function leaves */
                return drop_unbound();
        }
        f->device = pick(3) ? host[i].device : FAKE_NOBODYS_ID;
        if (host[i].serial)
                snprintf(f->serial, sizeof(f->serial), "%s",
                         pick(3) ? host[i].serial : "00-02-c9-03-00-0a-00-00");
        fake_plug(k, f);
        return true;
}

static void do_foreign(void)
{
        static const char *const places[][2] = {
                { FAKE_HOST, "" },        { FAKE_SECOND, FAKE_SECOND },
                { FAKE_VFIO, FAKE_VFIO }, { "", "" },
                { FAKE_VFIO, "" },        { "", FAKE_VFIO },
        };
        const char *const *place = places[pick(ELEMENTSOF(places))];
        struct fake_function *f = function(pick(ELEMENTSOF(host)));

        if (!f->present || f->used)
                return;
        snprintf(what, sizeof(what), "%s is placed at %s/%s", f->bdf, place[0], place[1]);
        fake_place(k, f, place[0], place[1]);
}

static void do_use(void)
{
        struct fake_function *f = function(pick(ELEMENTSOF(host)));
        char answer[1024] = "open-device-nodes\tall";

        for (size_t n = 0; n < ELEMENTSOF(host); n++)
                if (function(n)->used)
                        f = function(n); /* seldom more than one at a time */
        if (!f->present)
                return;
        f->used = !f->used;
        snprintf(what, sizeof(what), "%s is %s", f->bdf, f->used ? "used" : "free");
        for (size_t n = 0; n < ELEMENTSOF(host); n++) {
                char path[64], target[128];

                snprintf(path, sizeof(path), "sys/dev/char/240:%zu", n);
                snprintf(target, sizeof(target), "../../devices/pci0000:00/%s/node", host[n].bdf);
                fake_link(k, path, target);
                if (function(n)->used)
                        snprintf(answer + strlen(answer), sizeof(answer) - strlen(answer), " 100:c:240:%zu",
                                 n);
        }
        strcat(answer, "\n");
        fake_write(k, "proc/100/comm", "user\n");
        fake_write(k, "vfioalign/answers", answer);
}

static void do_reboot(void)
{
        bool keep = pick(3) == 0;

        snprintf(what, sizeof(what), "boot%s", keep ? ", with the old /run" : "");
        fake_reboot(k, keep);
        memset(models, 0, sizeof(models));
}

static bool operate(void)
{
        unsigned dice = pick(100);

        memcpy(was, k->functions, sizeof(was));
        if (dice < 32)
                return do_order(BIND_BIND, false);
        if (dice < 64)
                return do_order(BIND_UNBIND, false);
        if (dice < 68)
                return do_order(pick(2) ? BIND_BIND : BIND_UNBIND, true);
        if (dice < 76)
                return do_settle();
        if (dice < 86)
                return do_plug();
        if (dice < 90)
                do_foreign();
        else if (dice < 98)
                do_use();
        else
                do_reboot();
        return true;
}

int main(int argc, char **argv)
{
        json_object *results = json_object_new_object();
        const unsigned share = getenv("TESTS_SLOWER") ? 10 : 1;

        seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t) time(NULL) << 16 ^ (uint64_t) getpid();
        random_state = seed ?: 1;
        printf("seed %llu\n", (unsigned long long) seed);
        fflush(stdout);
        make_host();
        for (; operations < OPERATIONS / share; operations++) {
                bool holds = operate();

                if (argc > 3) /* anything: tell of each */
                        fprintf(stderr, "%u: %s\n  %s\n", operations, what, fake_state(k));
                if (!holds)
                        make_host();
        }
        fake_delete(k);

        printf("%u operations, %u violations; %u were killed, %u were planned", operations, violations,
               kills, planned);
        for (enum bind_outcome o = 0; o < _BIND_OUTCOME_MAX; o++)
                printf(", %u %s", outcomes[o], bind_outcome_to_string(o));
        printf("\n");
        json_object_object_add(results, "seed", json_object_new_int64((int64_t) seed));
        json_object_object_add(results, "operations", json_object_new_int64(operations));
        json_object_object_add(results, "violations", json_object_new_int64(violations));
        if (results_write(argc > 1 ? argv[1] : "build/results/random-ops.json", results) != EXIT_SUCCESS)
                return EXIT_FAILURE;
        /* Where all is refused nothing is shown. */
        if (outcomes[BIND_BOUND] < 500 / share || outcomes[BIND_RETURNED] < 300 / share ||
            outcomes[BIND_FAILED] < 50 / share || kills < 50 / share || planned < 300 / share) {
                fprintf(stderr, "too little was tried\n");
                return EXIT_FAILURE;
        }
        return violations > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
