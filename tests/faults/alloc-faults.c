/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has each allocation of an operation fail, the 1st, the 2nd, ..., alone and with all that follow, until the
 * operation comes to its end. It must then say -ENOMEM, or give the very result that it gives with memory;
 * and leave nothing behind.
 *
 *     alloc-faults HOSTS CORPUS RESULTS FAULTS [OPERATION [TURN]]
 *     alloc-faults --list
 *
 * HOSTS: tests/hosts. CORPUS: tests/fuzz/corpus. FAULTS: of each operation on each input, spread over all of
 * its allocations; 0: all. TURN: other allocations each time, from 0 on, until each had its turn. */
#include <errno.h>
#include <fcntl.h>
#include <libxml/xmlerror.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "audit/finding.h"
#include "bind/worker-order.h"
#include "config/config.h"
#include "ctl/bind-report.h"
#include "ctl/guest-report.h"
#include "ctl/host-archive.h"
#include "ctl/unpacked.h"
#include "facts/guest/xml.h"
#include "facts/host.h"
#include "fix/domain-edit.h"
#include "fix/unit-variable.h"
#include "fleet/documents.h"
#include "fleet/print.h"
#include "record/redact.h"
#include "report/report.h"
#include "tests/unit/bind/results.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"
#include "util/parse.h"

#define COMPLAINTS_MAX 2000 /* of each operation; all are counted */

struct input {
        const char *name;
        struct root root; /* a host, or the folder that has the input as a file */
        const char *text; /* of a file of the corpus */
        size_t size;
        struct host host; /* of a host, read with memory */
        struct findings findings;
};

struct operation {
        const char *name;
        const char *folder; /* of the corpus; NULL: all hosts */
        const char *file;   /* where the operation finds the input below its root; NULL: in memory */
        /* Memory is short from the start; alloc_disarm() ends that. Returns a negative errno, or 0 and a
         * text of all that came out, which is the caller's. */
        int (*run)(struct input *in, char **ret);
};

/* What happened so far, in memory that outlives whoever crashes. */
static struct progress {
        unsigned long at, step;
        enum alloc_fault fault;
        unsigned long injected, refused, same, excused, bad;
        bool finished;
} * progress;

static char work_dir[64];
static uint64_t wanted, turn;

#define must(expression) \
        do { \
                if (!(expression)) { \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #expression); \
                        exit(2); \
                } \
        } while (0)

/* --- What came out, as a text */

_printf_(1, 2) static char *text_of(const char *format, ...)
{
        char *text;
        va_list ap;

        va_start(ap, format);
        must(vasprintf(&text, format, ap) >= 0);
        va_end(ap);
        return text;
}

static char *text_of_host(const struct host *h, const struct findings *f)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        must(out && report_print_host_json(h, f, JSON_PRETTY, NULL, out) >= 0 && fclose(out) >= 0);
        return text;
}

static char *text_of_guest(const struct guest *g)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        must(out);
        fprintf(out, "%s %s %s %s %s %d %d %u %s %s %s\n", g->name, g->uuid, g->emulator, g->arch,
                g->machine, g->firmware, g->host_phys_bits, g->phys_bits, g->preload, g->on_unaligned,
                g->min_bar_size);
        for (size_t i = 0; i < g->n_hostdevs; i++) {
                const struct hostdev *d = &g->hostdevs[i];

                fprintf(out, "%d %s %d %d %d %s %s %s %s %s\n", d->kind, d->bdf, d->managed, d->no_mmap,
                        d->iommufd, d->driver, d->uuid, d->network, d->parent, d->alias);
        }
        for (size_t i = 0; i < g->n_networks; i++)
                fprintf(out, "%s\n", g->networks[i]);
        must(fclose(out) >= 0);
        return text;
}

/* --- The operations */

static int run_host(struct input *in, char **ret)
{
        struct findings none = {};
        struct host h;
        int r;

        r = host_read(&h, &in->root);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        h.time_usec = 0;
        *ret = text_of_host(&h, &none);
        host_done(&h);
        return 0;
}

static int run_host_devices(struct input *in, char **ret)
{
        struct findings none = {};
        struct host h;
        int r;

        r = host_read_devices(&h, &in->root, NULL, 0);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        h.time_usec = 0;
        *ret = text_of_host(&h, &none);
        host_devices_done(&h);
        return 0;
}

static int run_findings(struct input *in, char **ret)
{
        struct findings f;
        int r;

        r = findings_collect(&f, &in->host);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        *ret = text_of_host(&in->host, &f);
        findings_done(&f);
        return 0;
}

static int run_report(struct input *in, char **ret)
{
        json_object *o = report_new(&in->host, &in->findings);

        (void) alloc_disarm();
        if (!o)
                return -ENOMEM;
        *ret = text_of("%s", json_object_to_json_string_ext(o, JSON_FLAGS));
        json_object_put(o);
        return 0;
}

/* What others may see of a report, of which nothing may be left for lack of memory. */
static int run_leave_out(struct input *in, char **ret)
{
        json_object *o;
        unsigned long failures;
        const char *text;

        alloc_pause(true);
        o = report_new(&in->host, &in->findings);
        alloc_pause(false);
        failures = memory_failures();
        report_leave_out(o);
        text = json_text(o, JSON_FLAGS);
        (void) alloc_disarm();
        if (text && memory_failures() == failures)
                *ret = text_of("%s", text);
        json_object_put(o);
        return *ret ? 0 : -ENOMEM;
}

static int run_print(struct input *in, char **ret)
{
        static char buffer[MIB(2)]; /* the stream's own memory is not the report's */
        FILE *out = fmemopen(buffer, sizeof(buffer), "w");
        int r;

        if (!out)
                return -ENOMEM;
        r = report_print_host_json(&in->host, &in->findings, JSON_PRETTY, NULL, out);
        (void) alloc_disarm();
        fclose(out);
        if (r < 0)
                return r;
        *ret = text_of("%s", buffer);
        return 0;
}

/* A document of vfioalignctl, as --json prints it. */
static int print_document(json_object *o, unsigned long failures, FILE *out)
{
        int r = report_print_json(o, failures, out);

        json_object_put(o);
        return r;
}

static int print_documents(unsigned long failures, FILE *out)
{
        json_object *bind = bind_report_new("bind", false);
        int r;

        bind_report_add(bind, json_new_object());
        r = print_document(bind, failures, out);
        if (r < 0)
                return r;
        return print_document(guest_report_new("plan", "web"), failures, out);
}

static int run_documents(struct input *in, char **ret)
{
        static char buffer[KIB(64)];
        unsigned long failures = memory_failures();
        FILE *out = fmemopen(buffer, sizeof(buffer), "w");
        int r;

        (void) in;
        if (!out)
                return -ENOMEM;
        r = print_documents(failures, out);
        (void) alloc_disarm();
        fclose(out);
        if (r < 0)
                return r;
        *ret = text_of("%s", buffer);
        return 0;
}

static int run_domain(struct input *in, char **ret)
{
        struct guest g;
        int r;

        r = guest_parse(&g, in->text, in->size);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        *ret = text_of_guest(&g);
        guest_done(&g);
        return 0;
}

/* No document passes for a damaged one because memory is out. */
static int run_damaged(struct input *in, char **ret)
{
        unsigned long failures = memory_failures();
        bool damaged;

        damaged = xml_is_damaged(in->text, in->size);
        (void) alloc_disarm();
        if (!damaged && memory_failures() != failures)
                return -ENOMEM;
        *ret = text_of("%d", damaged);
        return 0;
}

static int run_domain_status(struct input *in, char **ret)
{
        struct guest g;
        pid_t pid;
        int r;

        r = guest_parse_status(&g, in->text, in->size, &pid);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        *ret = text_of_guest(&g);
        guest_done(&g);
        return 0;
}

static const struct {
        enum domain_place place;
        const char *key, *value;
} edits[] = {
        { PLACE_EMULATOR, "", "/usr/bin/qemu & <co>" },
        { PLACE_PRELOAD, "", "/usr/lib/preload.so" },
        { PLACE_ALIAS, "0000:00:05.0", "ua-one" },
        { PLACE_IOMMUFD, "0000:00:05.0", "yes" },
        { PLACE_NO_MMAP, "ua-one", "on" },
};

/* All edits, each with what it takes to revert it; each result, or error, is in the text. */
static int edit_domain(struct input *in, char *texts[static ELEMENTSOF(edits)], int results[])
{
        for (size_t i = 0; i < ELEMENTSOF(edits); i++) {
                struct domain_changes changes = {};
                _cleanup_free_ char *edited = NULL;
                int r;

                r = domain_changes_add(&changes, edits[i].place, edits[i].key, edits[i].value);
                if (r >= 0)
                        r = domain_edit_apply(in->text, in->size, "preload", &changes, &edited);
                domain_changes_done(&changes);
                if (r > 0)
                        r = domain_edit_state(edited, strlen(edited), "preload");
                if (r >= 0 && edited)
                        r = domain_edit_revert(edited, strlen(edited), "preload", &texts[i]);
                if (r == -ENOMEM)
                        return r;
                results[i] = r;
        }
        return 0;
}

static int run_domain_edit(struct input *in, char **ret)
{
        char *texts[ELEMENTSOF(edits)] = {};
        int results[ELEMENTSOF(edits)], r;

        r = edit_domain(in, texts, results);
        (void) alloc_disarm();
        if (r >= 0)
                *ret = text_of("%d %s %d %s %d %s %d %s %d %s", results[0], texts[0], results[1], texts[1],
                               results[2], texts[2], results[3], texts[3], results[4], texts[4]);
        for (size_t i = 0; i < ELEMENTSOF(edits); i++)
                free(texts[i]);
        return r;
}

static int run_config(struct input *in, char **ret)
{
        struct config c = config_default();
        char *text = NULL;
        size_t size;
        FILE *out;
        int r;

        r = config_read(&c, &in->root, NULL, NULL);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        must((out = open_memstream(&text, &size)));
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                fprintf(out, "%d ", c.fixes[id]);
        fprintf(out, "%zu %zu", c.n_guests, c.n_devices);
        for (size_t i = 0; i < c.n_guests; i++)
                fprintf(out, "\n%s %x", c.guests[i].name, c.guests[i].has);
        for (size_t i = 0; i < c.n_devices; i++)
                fprintf(out, "\n%s %s %s %s", c.devices[i].name, c.devices[i].file, c.devices[i].driver,
                        c.devices[i].vfio_driver);
        fclose(out);
        config_done(&c);
        *ret = text;
        return 0;
}

/* Reads, and writes again. */
static int run_bind_record(struct input *in, char **ret)
{
        struct bind_record b;
        int r;

        r = bind_record_read(&b, &in->root, "0000:00:05.0");
        if (r < 0)
                return r;
        *ret = bind_record_format(&b);
        bind_record_done(&b);
        return *ret ? 0 : -ENOMEM;
}

static int run_evidence(struct input *in, char **ret)
{
        static const struct sighting seen = { .key = { .emulator = "e", .release = "r" },
                                              .bar_size = GIB(1),
                                              .page_size = MIB(2),
                                              .time_usec = 1 };
        struct evidence e;
        int r;

        r = evidence_read(&e, &in->root);
        if (r < 0)
                return r;
        r = evidence_add(&e, &seen, false);
        if (r >= 0) {
                *ret = evidence_format(&e);
                if (!*ret)
                        r = -ENOMEM;
        }
        evidence_done(&e);
        return r < 0 ? r : 0;
}

static int run_start(struct input *in, char **ret)
{
        struct starts starts;
        const struct start *s;
        int r;

        r = starts_read_guest(&starts, &in->root, "a");
        if (r < 0)
                return r;
        s = starts_find(&starts, "a");
        (void) alloc_disarm();
        *ret = text_of("%zu %zu %zu %zu", starts.n_damaged, s ? s->n_bars : 0, s ? s->n_devices : 0,
                       s ? s->n_sentences : 0);
        starts_done(&starts);
        return 0;
}

static int run_claims(struct input *in, char **ret)
{
        struct claims c;
        int r;

        r = claims_read(&c, &in->root, NULL);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        *ret = text_of("%d %zu %s", c.complete.value, c.n_claims, c.n_claims > 0 ? c.claims[0].file : "");
        claims_done(&c);
        return 0;
}

static int run_next_kernel(struct input *in, char **ret)
{
        const struct module_facts m = {};
        unsigned long failures = memory_failures();
        struct next_kernel n;
        int r;

        next_kernel_read(&n, &in->root, "6.1.0", &m);
        (void) alloc_disarm();
        r = memory_check(failures, 0);
        if (r >= 0)
                *ret = text_of("%s %d %s", n.boot.release, n.boot.known.value, n.boot.known.why ?: "");
        next_kernel_done(&n);
        return r;
}

static int run_worker_order(struct input *in, char **ret)
{
        struct worker_order o = {};
        const char *why;
        int r;

        r = worker_order_parse(&o, in->text, &why);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        *ret = text_of("%d %zu %s %s", o.order.operation, o.n_devices, o.driver, o.owner);
        worker_order_done(&o);
        return 0;
}

static int run_unit(struct input *in, char **ret)
{
        struct unit_variable v;
        int r;

        r = unit_variable_read(&v, &in->root, "libvirtd.service", "LD_PRELOAD", "zz-vfioalign-preload.conf");
        (void) alloc_disarm();
        if (r < 0)
                return r;
        *ret = text_of("%d %s %s", v.installed, v.value, v.doubt);
        unit_variable_done(&v);
        return 0;
}

static int run_redact(struct input *in, char **ret)
{
        static const enum redaction how[] = { REDACT_ARGUMENTS, REDACT_KERNEL_ARGUMENTS, REDACT_XML };
        char *out = NULL;
        size_t n = 0;
        int r;

        r = redact(how[in->text[0] % 3], in->text + 1, in->size - 1, &out, &n);
        (void) alloc_disarm();
        if (r < 0)
                return r;
        *ret = text_of("%d %.*s", r, (int) n, out ?: "");
        free(out);
        return 0;
}

static int add_report(json_object *document, void *userdata)
{
        return fleet_add(userdata, document);
}

static int read_fleet(struct fleet *f, const char *text, size_t size)
{
        struct documents d;
        int r;

        r = documents_open(&d, add_report, f);
        if (r >= 0)
                r = documents_feed(&d, text, size);
        if (r >= 0)
                r = documents_end(&d);
        documents_done(&d);
        return r < 0 ? r : fleet_sort(f);
}

static int print_fleet(const struct fleet *f, char **ret)
{
        const struct fleet_view view = { .by = { WORD_NEED, WORD_HOST }, .n_by = 2 };
        size_t size;
        FILE *out = open_memstream(ret, &size);
        int r;

        if (!out)
                return -ENOMEM;
        r = fleet_print_json(f, &view, JSON_PRETTY, out);
        if (r >= 0)
                r = fleet_print_csv(f, &view, out);
        if (r >= 0)
                r = fleet_print_page(f, &view, out);
        if (memory_stream_close(out, ret) < 0)
                r = -ENOMEM;
        return r;
}

static int run_fleet(struct input *in, char **ret)
{
        struct fleet f;
        int r;

        r = fleet_open(&f);
        if (r >= 0)
                r = read_fleet(&f, in->text, in->size);
        if (r >= 0)
                r = print_fleet(&f, ret);
        (void) alloc_disarm();
        if (r < 0)
                free(TAKE_PTR(*ret));
        fleet_done(&f);
        return r;
}

static const struct operation operations[] = {
        { "host", NULL, NULL, run_host },
        { "host-devices", NULL, NULL, run_host_devices },
        { "findings", NULL, NULL, run_findings },
        { "report", NULL, NULL, run_report },
        { "leave-out", NULL, NULL, run_leave_out },
        { "report-print", NULL, NULL, run_print },
        { "documents", "worker-order", NULL, run_documents },
        { "domain", "domain", NULL, run_domain },
        { "damaged", "domain", NULL, run_damaged },
        { "domain-status", "domain-status", NULL, run_domain_status },
        { "domain-edit", "domain-edit", NULL, run_domain_edit },
        { "config", "config", "etc/vfioalignd.conf", run_config },
        { "bind-record", "bind-record", BIND_RECORDS "/0000:00:05.0", run_bind_record },
        { "evidence", "evidence", EVIDENCE_FILE, run_evidence },
        { "start", "start", STARTS_DIR "/a-00001764524400000000.json", run_start },
        { "next-kernel", "grub", "etc/default/grub", run_next_kernel },
        { "next-kernel-entry", "boot-entry", "boot/loader/entries/0f-7.3.4.conf", run_next_kernel },
        { "claims", "modprobe", "etc/modprobe.d/vfio.conf", run_claims },
        { "worker-order", "worker-order", NULL, run_worker_order },
        { "fleet", "fleet", NULL, run_fleet },
        { "unit", "unit", "etc/systemd/system/libvirtd.service.d/10-site.conf", run_unit },
        { "redact", "redact", NULL, run_redact },
};

/* --- One fault after the other */

static void complain(const struct operation *op, const struct input *in, const char *what)
{
        if (progress->bad++ >= COMPLAINTS_MAX)
                return;
        fprintf(stderr, "%s of %s, allocation %lu%s: %s\n", op->name, in->name, progress->at,
                progress->fault == ALLOC_ALL ? " and all that follow" : "", what);
        alloc_print_where();
}

/* A library that crashes or forgets its memory when it gets no more: json-c does both before 0.17. Where
 * that is not what was wrong it is ours: a library's failure has to be seen. */
static void excuse_library(const struct operation *op, const struct input *in, const char *what)
{
        if (alloc_failed_in_library())
                progress->excused++;
        else
                complain(op, in, what);
}

/* What a library keeps for later it keeps once. */
static bool leaks(const struct operation *op, struct input *in)
{
        long before = 0, after = 0;

        for (int i = 0; i < 3; i++) {
                char *text = NULL;

                before = alloc_in_use();
                alloc_arm(progress->fault, progress->at);
                (void) op->run(in, &text);
                (void) alloc_disarm();
                free(text);
                after = alloc_in_use();
                if (after <= before)
                        return false;
        }
        return true;
}

/* Returns false where there is no such allocation. */
static bool try_fault(const struct operation *op, struct input *in, const char *good, int good_result)
{
        long before = alloc_in_use();
        char *text = NULL;
        int r;

        alloc_arm(progress->fault, progress->at);
        r = op->run(in, &text);
        (void) alloc_disarm();
        if (!alloc_has_failed()) {
                free(text);
                return false;
        }
        progress->injected++;
        if (r == -ENOMEM)
                progress->refused++;
        else if (r != good_result)
                complain(op, in, strerror(-r));
        else if (r >= 0 && !streq(text, good)) {
                complain(op, in, "another result");
                if (getenv("FAULTS_SHOW"))
                        fprintf(stderr, "%s\n", text);
        } else
                progress->same++;
        free(text);
        if (alloc_in_use() > before && leaks(op, in))
                excuse_library(op, in, "memory is left");
        return true;
}

static const struct operation *now;
static struct input *now_in;

static void die(int signal)
{
        char what[32];

        snprintf(what, sizeof(what), "signal %d", signal);
        excuse_library(now, now_in, what);
        _exit(3);
}

/* From where it was; the child of one process for each crash. */
static void try_all(const struct operation *op, struct input *in)
{
        char *good = NULL, *again = NULL;
        unsigned long n;
        int good_result;

        now = op;
        now_in = in;
        signal(SIGABRT, die);
        signal(SIGSEGV, die);
        good_result = op->run(in, &good);
        alloc_arm(ALLOC_COUNT, 0);
        (void) op->run(in, &again);
        n = alloc_disarm();
        must(good_result != -ENOMEM && (good_result < 0 || streq(good, again)));
        free(again);
        if (wanted > 1 && n > wanted / 2)
                progress->step = n / (wanted / 2);
        for (; progress->fault <= ALLOC_ALL && turn < progress->step;
             progress->fault++, progress->at = turn + 1)
                for (; progress->at <= n; progress->at += progress->step)
                        if (!try_fault(op, in, good, good_result))
                                break;
        free(good);
        progress->finished = true;
}

static void try_input(const struct operation *op, struct input *in)
{
        progress->fault = ALLOC_ONE;
        progress->at = turn + 1;
        progress->step = 1;
        progress->finished = false;
        while (!progress->finished) {
                unsigned long seen = progress->bad + progress->excused;
                int status;
                pid_t pid;

                fflush(NULL);
                must((pid = fork()) >= 0);
                if (pid == 0) {
                        try_all(op, in);
                        exit(0);
                }
                must(waitpid(pid, &status, 0) == pid);
                must(!WIFEXITED(status) || WEXITSTATUS(status) != 2);
                if (status != 0 && progress->bad + progress->excused == seen)
                        complain(op, in, progress->finished ? "the sanitizer's report" : "it ended");
                progress->at += progress->step;
        }
}

/* --- Inputs */

static void read_host(struct input *in)
{
        must(host_read(&in->host, &in->root) >= 0);
        must(findings_collect(&in->findings, &in->host) >= 0);
        in->host.time_usec = 0;
}

static void try_hosts(const struct operation *op, const char *folder)
{
        _cleanup_(names_done) struct names names = {};
        struct root hosts;

        must(root_open(&hosts, folder) >= 0 && list_dir_at(hosts.fd, "", &names) >= 0);
        for (size_t i = 0; i < names.n; i++) {
                struct input in = { .name = names.names[i] };
                _cleanup_free_ char *path = NULL;
                struct unpacked unpacked = {};
                const char *why;
                struct stat st;

                must(asprintf(&path, "%s/%s", folder, in.name) > 0 && stat(path, &st) >= 0);
                if (strstr(in.name, ".tar.gz"))
                        must(unpacked_open(&unpacked) >= 0 && archive_unpack(path, unpacked.fd, &why) >= 0);
                else if (!S_ISDIR(st.st_mode) || *in.name == '_')
                        continue;
                must(root_open(&in.root, unpacked.path ?: path) >= 0);
                read_host(&in);
                try_input(op, &in);
                findings_done(&in.findings);
                host_done(&in.host);
                root_close(&in.root);
                unpacked_close(&unpacked);
        }
        root_close(&hosts);
}

static void make_parents(const struct root *root, const char *path)
{
        char parent[128];

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(parent, sizeof(parent), "%.*s", (int) (slash - path), path);
                must(mkdirat(root->fd, parent, 0700) >= 0 || errno == EEXIST);
        }
}

static void put(const struct root *root, const char *path, const char *text, size_t size)
{
        _cleanup_close_ int fd = -EBADF;

        make_parents(root, path);
        fd = openat(root->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        must(fd >= 0 && write(fd, text, size) == (ssize_t) size);
}

static void try_corpus(const struct operation *op, const char *corpus)
{
        static const char unit[] = "[Service]\nExecStart=/usr/sbin/libvirtd\n";
        _cleanup_(names_done) struct names names = {};
        struct input in = {};
        struct root folder;

        must(root_open(&folder, corpus) >= 0 && list_dir_at(folder.fd, op->folder, &names) >= 0);
        must(root_open(&in.root, work_dir) >= 0);
        put(&in.root, "usr/lib/systemd/system/libvirtd.service", unit, sizeof(unit) - 1);
        put(&in.root, "boot/vmlinuz-7.3.4", "", 0);
        put(&in.root, "boot/grub/grub.cfg", "", 0);
        put(&in.root, "lib/modules/7.3.4/modules.dep", "", 0);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = NULL, *text = NULL;

                in.name = names.names[i];
                must(asprintf(&path, "%s/%s", op->folder, in.name) > 0 &&
                     read_file_at(folder.fd, path, FILE_MAX_SIZE, &text, &in.size) >= 0);
                in.text = text;
                if (op->file)
                        put(&in.root, op->file, text, in.size);
                try_input(op, &in);
                if (op->file)
                        must(unlinkat(in.root.fd, op->file, 0) >= 0);
        }
        root_close(&in.root);
        root_close(&folder);
}

/* libxml2 prints that memory was out. */
static void on_xml_error(void *context, const char *format, ...)
{
        (void) context;
        (void) format;
}

int main(int argc, char *argv[])
{
        json_object *results = json_object_new_object();
        unsigned long injected = 0, bad = 0;

        if (argc == 2 && streq(argv[1], "--list")) {
                for (size_t i = 0; i < ELEMENTSOF(operations); i++)
                        printf("%s\n", operations[i].name);
                return 0;
        }
        if (argc < 5 || parse_u64(argv[4], 10, &wanted) < 0 ||
            (argc > 6 && parse_u64(argv[6], 10, &turn) < 0)) {
                fprintf(stderr, "usage: alloc-faults HOSTS CORPUS RESULTS FAULTS [OPERATION [TURN]]\n");
                return 2;
        }
        snprintf(work_dir, sizeof(work_dir), "%s/vfioalign-faults-XXXXXX",
                 access("/dev/shm", W_OK) >= 0 ? "/dev/shm" : "/tmp");
        must(mkdtemp(work_dir));
        progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        must(progress != MAP_FAILED);
        xmlSetGenericErrorFunc(NULL, on_xml_error);
        for (size_t i = 0; i < ELEMENTSOF(operations); i++) {
                const struct operation *op = &operations[i];

                if (argc > 5 && !streq(argv[5], op->name))
                        continue;
                *progress = (struct progress){};
                if (op->folder)
                        try_corpus(op, argv[2]);
                else
                        try_hosts(op, argv[1]);
                printf("%-14s %7lu allocations failed: %7lu refused, %7lu without an effect, "
                       "%lu excused, %lu bad\n",
                       op->name, progress->injected, progress->refused, progress->same, progress->excused,
                       progress->bad);
                fflush(stdout);
                json_object_object_add(results, op->name, json_object_new_uint64(progress->injected));
                injected += progress->injected;
                bad += progress->bad;
        }
        remove_tree(work_dir);
        printf("%lu failed allocations, %lu of them badly answered\n", injected, bad);
        json_object_object_add(results, "injected", json_object_new_uint64(injected));
        json_object_object_add(results, "bad", json_object_new_uint64(bad));
        if (results_write(argv[3], results) != EXIT_SUCCESS)
                return EXIT_FAILURE;
        return bad > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
