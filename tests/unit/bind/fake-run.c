/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-run.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "bind/bind-host.h"
#include "util/macro.h"

static void keep(struct fake_result *to, const struct bind_result *r)
{
        to->outcome = r->outcome;
        to->writes = r->writes;
        for (size_t i = 0; i < r->findings.n_findings && i < FAKE_FINDINGS_MAX; i++) {
                const struct finding *f = &r->findings.findings[i];

                to->findings[i].id = f->id;
                snprintf(to->findings[i].subject, sizeof(to->findings[i].subject), "%s", f->subject ?: "");
                snprintf(to->findings[i].detail, sizeof(to->findings[i].detail), "%s", f->detail ?: "");
                to->n_findings++;
        }
        for (size_t i = 0; i < r->record.n_members && i < FAKE_FUNCTIONS_MAX; i++)
                to->members[to->n_members++] = r->record.members[i];
}

/* The child's part; it ends with exit(), so that a leak is one. */
static int work(struct fake_kernel *k, const char *bdf, const struct bind_order *order,
                struct fake_result *shared)
{
        struct bind_result result = {};
        struct root root;
        struct host host;
        bdf_t wanted;
        int r;

        snprintf(wanted, sizeof(wanted), "%s", bdf);
        r = root_open(&root, k->dir);
        if (r >= 0)
                r = bind_host_read(&host, &root, &wanted, 1);
        if (r >= 0) {
                r = transaction_run(&host, bdf, order, &result);
                if (r >= 0)
                        keep(shared, &result);
                bind_result_done(&result);
                bind_host_done(&host);
                root_close(&root);
        }
        if (r < 0)
                fprintf(stderr, "%s: %s\n", bdf, strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

struct fake_result *fake_result_new(void)
{
        struct fake_result *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                     -1, 0);

        if (r == MAP_FAILED)
                abort();
        return r;
}

pid_t fake_start(struct fake_kernel *k, const char *bdf, const struct bind_order *order,
                 struct fake_result *shared)
{
        pid_t pid;

        memset(shared, 0, sizeof(*shared));
        fflush(NULL);
        pid = fork();
        if (pid < 0)
                abort();
        if (pid == 0)
                exit(work(k, bdf, order, shared));
        return pid;
}

void fake_wait(pid_t pid, struct fake_result *shared)
{
        int status;

        if (waitpid(pid, &status, 0) != pid)
                abort();
        shared->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        shared->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

struct fake_result fake_run(struct fake_kernel *k, const char *bdf, const struct bind_order *order)
{
        static struct fake_result *shared;

        if (!shared)
                shared = fake_result_new();
        fake_wait(fake_start(k, bdf, order, shared), shared);
        return *shared;
}

struct fake_result fake_bind(struct fake_kernel *k, const char *bdf)
{
        return fake_run(k, bdf, &(struct bind_order){ .operation = BIND_BIND, .owner = "operator" });
}

struct fake_result fake_unbind(struct fake_kernel *k, const char *bdf)
{
        return fake_run(k, bdf, &(struct bind_order){ .operation = BIND_UNBIND, .owner = "operator" });
}

static void read_records(struct fake_kernel *k, struct bind_records *records)
{
        struct root root;

        if (root_open(&root, k->dir) < 0 || bind_records_read(records, &root, NULL) < 0)
                abort();
        root_close(&root);
}

struct fake_result fake_settle(struct fake_kernel *k)
{
        struct fake_result result = {};
        struct bind_records records;

        read_records(k, &records);
        for (size_t i = 0; i < records.n_records && result.signal == 0; i++)
                result = fake_run(k, records.records[i].members[0].bdf,
                                  &(struct bind_order){ .operation = BIND_SETTLE });
        bind_records_done(&records);
        return result;
}

bool fake_result_has(const struct fake_result *r, enum finding_id id, const char *bdf, const char *detail)
{
        for (size_t i = 0; i < r->n_findings; i++)
                if (r->findings[i].id == id && streq(r->findings[i].subject, bdf) &&
                    strstr(r->findings[i].detail, detail))
                        return true;
        return false;
}

const char *fake_result_text(const struct fake_result *r)
{
        static char text[2048];
        size_t n = 0;

        if (r->signal || r->status) {
                snprintf(text, sizeof(text), "%s %d", r->signal ? "died of signal" : "exit code",
                         r->signal ?: r->status);
                return text;
        }
        n = (size_t) snprintf(text, sizeof(text), "%s:", bind_outcome_to_string(r->outcome));
        for (size_t i = 0; i < r->n_findings && n < sizeof(text); i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, " %s %s (%s)",
                                       finding_to_string(r->findings[i].id), r->findings[i].subject,
                                       r->findings[i].detail);
        return text;
}

const char *fake_record_state(struct fake_kernel *k, const char *bdf)
{
        const struct bind_record *r;
        struct bind_records records;
        const char *state;

        read_records(k, &records);
        r = bind_records_find(&records, bdf);
        state = r ? bind_state_to_string(r->state) : "none";
        bind_records_done(&records);
        return state;
}
