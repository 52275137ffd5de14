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
        for (size_t i = 0; i < r->record.n_members && i < FAKE_FUNCTIONS_MAX; i++) {
                if (r->planned)
                        to->planned[i] = r->planned[i];
                to->members[to->n_members++] = r->record.members[i];
        }
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

/* The entries of the log that are about the function and no settings, in the log's form. */
static void filter_log(const struct fake_kernel *k, const char *bdf, char *text, size_t size)
{
        size_t n = 0;

        *text = '\0';
        for (const char *entry = k->log, *end; (end = strchr(entry, ';')); entry = end + 1) {
                size_t length = (size_t) (end - entry) + 1;
                const char *rest = startswith(entry, bdf);
                bool of_it = rest ? startswith(rest, "/driver_override=") != NULL
                                  : length > strlen(bdf) &&
                                             strncmp(end - strlen(bdf), bdf, strlen(bdf)) == 0;

                if (of_it)
                        n += (size_t) snprintf(text + n, size - n, "%.*s", (int) length, entry);
                if (n >= size)
                        abort();
        }
}

static void format_plan(const struct binding_writes *w, char *text, size_t size)
{
        size_t n = 0;

        *text = '\0';
        for (size_t i = 0; i < w->n; i++) {
                const char *path = startswith(w->writes[i].path, "sys/bus/pci/");

                n += (size_t) snprintf(text + n, size - n, "%s=%s;", startswith(path, "devices/") ?: path,
                                       w->writes[i].value);
        }
        if (n >= size)
                abort();
}

bool fake_plan_holds(const struct fake_kernel *k, const struct fake_result *plan,
                     enum bind_operation operation, unsigned *ret_by_name)
{
        bool holds = true;

        for (size_t i = 0; i < plan->n_members; i++) {
                const struct bind_member *m = &plan->members[i];
                const struct binding *to = operation == BIND_UNBIND ? &m->before : &m->after;
                char planned[1024], done[sizeof(k->log)];
                bool by_name = *to->driver && !streq(to->driver, to->override);
                const char *rest;

                format_plan(&plan->planned[i], planned, sizeof(planned));
                filter_log(k, m->bdf, done, sizeof(done));
                rest = startswith(done, planned);
                if (!rest || (*rest && !by_name)) {
                        fprintf(stderr, "%s of %s: planned %s, written %s\n",
                                bind_operation_to_string(operation), m->bdf, planned, done);
                        holds = false;
                } else if (*rest && ret_by_name)
                        ++*ret_by_name;
        }
        return holds;
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
