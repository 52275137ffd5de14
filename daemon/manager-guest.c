/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "audit/guest-cost.h"
#include "fix/decision.h"
#include "manager.h"
#include "messages.h"
#include "report/report.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/format.h"
#include "util/log.h"
#include "util/switch.h"

#define LIBVIRT_PID_DIR "run/libvirt/qemu"

/* Of the hook's deadline, to read the worker's answer and give ours. */
#define ANSWER_USEC (500 * USEC_PER_MSEC)

/* A hook's call that waits for a fix, or for its devices. */
struct request {
        struct manager *manager;
        struct request *next;
        struct guest guest;
        sd_bus_message *message;
        sd_bus_track *sender; /* a hook that was killed needs no answer */
        sd_event_source *deadline;
        bool binding;      /* its devices are on their way to VFIO */
        char problem[512]; /* why they did not get there; empty: none */
};

static void request_free(struct request *q)
{
        struct manager *m = q->manager;

        for (struct request **p = &m->requests; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        break;
                }
        if (q->binding)
                manager_guest_bind_abandon(m, q->guest.name);
        sd_bus_track_unref(q->sender);
        sd_event_source_disable_unref(q->deadline);
        sd_bus_message_unref(q->message);
        guest_done(&q->guest);
        free(q);
}

DEFINE_TRIVIAL_CLEANUP(struct request *, request_free)

/* late: what was not through in time, or NULL. */
static int reply(struct request *q, const char *late)
{
        struct manager *m = q->manager;
        struct decision d = decision_make(&m->host, &m->config, &q->guest);
        char name[256], text[sizeof(q->problem) + sizeof(d.text) + 128];
        const char *fields[] = { name, NULL };
        int r;

        snprintf(text, sizeof(text), "%s%s%s%s%s", q->problem, *q->problem ? "; " : "", late ?: "",
                 late ? "; " : "", d.text);
        snprintf(name, sizeof(name), "VFIOALIGN_GUEST=%s", q->guest.name);
        if (d.allowed)
                log_struct(d.warn ? LOG_WARNING : LOG_INFO, MESSAGE_GUEST_PREPARED, fields,
                           "Guest '%s' may start: %s", q->guest.name, text);
        else
                log_struct(LOG_WARNING, MESSAGE_GUEST_REFUSED, fields, "Guest '%s' may not start: %s",
                           q->guest.name, text);
        r = sd_bus_reply_method_return(q->message, "bs", d.allowed, text);
        if (r < 0)
                log_warning(r, "Failed to answer the hook of guest '%s': %m", q->guest.name);
        request_free(q);
        return 1;
}

/* Answers, or leaves the request waiting for its devices and the module, which come side by side. */
static int request_step(struct request *q)
{
        struct manager *m = q->manager;

        host_refresh(&m->host);
        if (q->guest.emulator)
                (void) emulator_facts_get(&m->host.emulators, &m->root, q->guest.emulator);
        if (manager_apply_fix(m, &q->guest) || q->binding)
                return 1;
        return reply(q, NULL);
}

static void on_bound(const char *problem, void *userdata)
{
        struct request *q = userdata;

        q->binding = false;
        if (problem)
                snprintf(q->problem, sizeof(q->problem), "%s", problem);
        (void) request_step(q);
}

void manager_requests_resume(struct manager *m)
{
        struct request *next;

        for (struct request *q = m->requests; q; q = next) {
                next = q->next;
                (void) request_step(q);
        }
}

void manager_requests_cancel(struct manager *m)
{
        while (m->requests)
                request_free(m->requests);
}

static int on_sender_gone(sd_bus_track *track, void *userdata)
{
        struct request *q = userdata;

        (void) track;
        log_notice("The hook of guest '%s' left before it had an answer", q->guest.name);
        request_free(q);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct request *q = userdata;

        (void) source, (void) usec;
        return reply(q, q->binding ? "its devices were not handed to VFIO in time"
                                   : "the module was not loaded in time");
}

static void drop_older(struct manager *m, const char *name)
{
        struct request *next;

        for (struct request *q = m->requests; q; q = next) {
                next = q->next;
                if (!streq(q->guest.name, name))
                        continue;
                (void) sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_FAILED,
                                                  "another start of guest '%s' came in between", name);
                request_free(q);
        }
}

/* A guest can autostart before the first audit, and its device can have come in a burst of uevents that goes
 * on. */
static bool is_behind(const struct manager *m, const struct guest *g)
{
        for (size_t i = 0; m->audit_timer && i < g->n_hostdevs; i++)
                if (*g->hostdevs[i].bdf && !device_facts_find(&m->host.devices, g->hostdevs[i].bdf))
                        return true;
        return m->generation == 0;
}

int manager_prepare_guest(struct manager *m, sd_bus_message *message, const char *xml, size_t size,
                          uint64_t deadline_usec)
{
        _cleanup_(request_freep) struct request *q = NULL;
        const char *off = switched_off(&m->root);
        int r;

        /* Its hook has answered libvirt without us already: nothing may be done for it any more. */
        if (deadline_usec <= clock_usec(CLOCK_BOOTTIME))
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_TIMEOUT,
                                                  "the deadline of this call has passed");
        if (off)
                return sd_bus_reply_method_return(message, "bs", true, off);

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->manager = m;
        r = guest_parse(&q->guest, xml, size);
        if (r == -EBADMSG || r == -EFBIG)
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_INVALID_ARGS, "not a domain XML: %s",
                                                  strerror(-r));
        if (r < 0)
                return r;
        r = guest_read_networks(&q->guest, &m->root);
        if (r < 0)
                return r;
        q->message = sd_bus_message_ref(message);
        if (q->guest.n_hostdevs == 0)
                return sd_bus_reply_method_return(message, "bs", true, "no VFIO device");

        drop_older(m, q->guest.name);
        r = sd_bus_track_new(m->bus, &q->sender, on_sender_gone, q);
        if (r >= 0)
                r = sd_bus_track_add_sender(q->sender, message);
        if (r >= 0)
                r = sd_event_add_time(m->event, &q->deadline, CLOCK_BOOTTIME, deadline_usec, 0, on_deadline,
                                      q);
        if (r < 0)
                return r;
        q->next = m->requests;
        m->requests = q;

        if (is_behind(m, &q->guest))
                (void) manager_audit(m);
        r = manager_guest_bind(m, &q->guest, deadline_usec - ANSWER_USEC, on_bound, q, q->problem,
                               sizeof(q->problem));
        if (r < 0)
                snprintf(q->problem, sizeof(q->problem), "its devices were not handed to VFIO: %s",
                         strerror(-r));
        q->binding = r > 0;
        return request_step(TAKE_PTR(q));
}

struct running_guest *running_guest_free(struct running_guest *g)
{
        if (!g)
                return NULL;
        sd_event_source_disable_unref(g->exit);
        json_object_put(g->mappings);
        free(g->name);
        free(g);
        return NULL;
}

DEFINE_TRIVIAL_CLEANUP(struct running_guest *, running_guest_free)

static ssize_t find_guest(const struct manager *m, const char *name)
{
        for (size_t i = 0; i < m->n_guests; i++)
                if (streq(m->guests[i]->name, name))
                        return (ssize_t) i;
        return -1;
}

static void remove_guest(struct manager *m, size_t i)
{
        running_guest_free(m->guests[i]);
        m->guests[i] = m->guests[--m->n_guests];
}

static void guest_ended(struct manager *m, const char *name)
{
        ssize_t i = find_guest(m, name);
        char field[256];
        const char *fields[] = { field, NULL };

        if (i < 0)
                return;
        snprintf(field, sizeof(field), "VFIOALIGN_GUEST=%s", name);
        log_struct(LOG_INFO, MESSAGE_GUEST_RELEASED, fields, "Guest '%s' has ended", name);
        remove_guest(m, (size_t) i);
        manager_audit_soon(m);
}

static int on_guest_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct running_guest *g = userdata;
        struct manager *m = g->manager;

        (void) source, (void) fd, (void) revents;
        guest_ended(m, g->name);
        /* Not at once: between its end and `release` libvirt resets the devices, except those that VFIO has
         * (virPCIDeviceReset); a driver of the host must not have them by then. */
        manager_reconcile_soon(m);
        return 0;
}

static int watch_exit(struct running_guest *g)
{
        int fd = (int) syscall(SYS_pidfd_open, g->pid, 0), r;

        if (fd < 0)
                return -errno;
        r = sd_event_add_io(g->manager->event, &g->exit, fd, EPOLLIN, on_guest_exit, g);
        if (r < 0) {
                close(fd);
                return r;
        }
        return sd_event_source_set_io_fd_own(g->exit, true);
}

/* libvirt keeps it for its own restart; the name is libvirt's and holds no slash. */
static int read_pid(const struct root *root, const char *name, pid_t *ret)
{
        char path[sizeof(LIBVIRT_PID_DIR "/.pid") + NAME_MAX];
        uint64_t pid;
        int r;

        if (strchr(name, '/') || strlen(name) > NAME_MAX)
                return -EINVAL;
        snprintf(path, sizeof(path), LIBVIRT_PID_DIR "/%s.pid", name);
        r = read_u64_at(root->fd, path, 10, &pid);
        if (r < 0)
                return r;
        if (pid == 0 || pid > INT_MAX)
                return -ERANGE;
        *ret = (pid_t) pid;
        return 0;
}

/* before: what was known of the same process, or NULL */
static bool was_mapped(const struct running_guest *before, json_object *mapping)
{
        json_object *address = json_object_object_get(mapping, "address");

        for (size_t i = 0; before && i < json_object_array_length(before->mappings); i++)
                if (json_object_equal(json_object_object_get(json_object_array_get_idx(before->mappings, i),
                                                             "address"),
                                      address))
                        return true;
        return false;
}

/* What it can have where it is, unless the process's page tables say that it has less. */
static uint64_t seen_page_size(const struct kernel_facts *k, const struct mapping_process *p,
                               const struct verdict *v, const struct mapping *mapping)
{
        bool small = p && p->huge.value == FACT_NO && p->small_min > p->mapped - mapping->size;

        return v->limit == CONDITION_UNKNOWN ? 0 : small ? k->page_size : v->page_size;
}

/* What the guest's process really maps: the mapping that falls furthest short stands for the guest. */
static int read_mappings(struct running_guest *g, const struct guest *guest,
                         const struct running_guest *before)
{
        struct manager *m = g->manager;
        struct mapping_facts facts = {};
        _cleanup_free_ bdf_t *hints = calloc(guest->n_hostdevs ?: 1, sizeof(bdf_t));
        const struct mapping_process *p;
        struct placer placer;
        uint64_t most = 0, largest = 0, seen;
        int r;

        g->mappings = json_object_new_array();
        if (!hints || !g->mappings)
                return -ENOMEM;
        for (size_t i = 0; i < guest->n_hostdevs; i++)
                memcpy(hints[i], guest->hostdevs[i].bdf, sizeof(bdf_t));
        r = mapping_facts_read_process(&facts, &m->root, g->pid, &m->host.devices, hints, guest->n_hostdevs);
        p = mapping_facts_find_process(&facts, g->pid);
        if (p && emulator_facts_add_process(&m->host.emulators, &m->root, g->pid) < 0)
                r = -ENOMEM;
        placer = process_placer(&m->host, g->pid);
        for (size_t i = 0; i < facts.n_mappings; i++) {
                const struct mapping *mapping = &facts.mappings[i];
                struct verdict v = verdict_mapping(&m->host.kernel, p ? p->thp : fact_unknown(NULL), placer,
                                                   mapping);
                uint64_t by = verdict_shortfall(&m->host.kernel, &v, mapping->size);
                json_object *o = report_mapping(&m->host.kernel, &facts, placer, mapping);

                seen = seen_page_size(&m->host.kernel, p, &v, mapping);
                if (seen > 0 && !was_mapped(before, o))
                        manager_evidence_note(m, guest, mapping, seen);
                json_object_array_add(g->mappings, o);
                if (by < most || (by == most && mapping->size <= largest))
                        continue;
                most = by;
                largest = mapping->size;
                g->verdict = v;
                g->best_page_size = verdict_best_page(&m->host.kernel, mapping->size);
        }
        mapping_facts_done(&facts);
        return r;
}

static void log_guest(const struct running_guest *g)
{
        bool short_of = g->verdict.page_size < g->best_page_size;
        char name[256], page_size[64];
        const char *fields[] = { name, page_size, NULL };
        format_t page, best;

        snprintf(name, sizeof(name), "VFIOALIGN_GUEST=%s", g->name);
        snprintf(page_size, sizeof(page_size), "VFIOALIGN_PAGE_SIZE=%llu",
                 (unsigned long long) g->verdict.page_size);
        if (json_object_array_length(g->mappings) == 0)
                log_struct(LOG_INFO, MESSAGE_GUEST_VERIFIED, fields, "Guest '%s' (pid %d) maps no BAR",
                           g->name, g->pid);
        else if (!short_of)
                log_struct(LOG_INFO, MESSAGE_GUEST_VERIFIED, fields,
                           "Guest '%s' (pid %d) has its BARs on %s pages", g->name, g->pid,
                           format_size(g->verdict.page_size, page));
        else
                log_struct(LOG_WARNING, MESSAGE_GUEST_VERIFIED, fields,
                           "Guest '%s' (pid %d) has a BAR on %s pages where %s are possible (%s)", g->name,
                           g->pid,
                           g->verdict.page_size ? format_size(g->verdict.page_size, page) : "unknown",
                           format_size(g->best_page_size, best), condition_to_string(g->verdict.limit));
}

static bool looks_the_same(const struct running_guest *a, const struct running_guest *b)
{
        return a->pid == b->pid && a->verdict.page_size == b->verdict.page_size &&
               json_object_array_length(a->mappings) == json_object_array_length(b->mappings);
}

void manager_guest_started(struct manager *m, const struct guest *guest)
{
        _cleanup_(running_guest_freep) struct running_guest *g = NULL;
        struct running_guest **slot;
        ssize_t known = find_guest(m, guest->name);
        int r;

        if (guest->n_hostdevs == 0 && known >= 0) {
                log_info("Guest '%s' has no VFIO device any more", guest->name);
                remove_guest(m, (size_t) known);
                manager_audit_soon(m);
        }
        if (guest->n_hostdevs == 0 || switched_off(&m->root))
                return;
        g = calloc(1, sizeof(*g));
        if (!g || !(g->name = strdup(guest->name)))
                return;
        g->manager = m;

        r = read_pid(&m->root, g->name, &g->pid);
        if (r >= 0)
                r = watch_exit(g);
        if (r >= 0) {
                host_refresh(&m->host);
                r = read_mappings(g, guest,
                                  known >= 0 && m->guests[known]->pid == g->pid ? m->guests[known] : NULL);
        }
        if (r < 0) {
                log_warning(r, "Failed to see what guest '%s' got: %m", g->name);
                return;
        }

        if (known >= 0) {
                /* The hook and libvirt both tell of a start; libvirt also of devices that come and go. */
                if (!looks_the_same(m->guests[known], g))
                        log_guest(g);
                running_guest_free(m->guests[known]);
                m->guests[known] = TAKE_PTR(g);
        } else {
                slot = array_append(m->guests, m->n_guests);
                if (!slot)
                        return;
                log_guest(g);
                *slot = TAKE_PTR(g);
        }
        manager_audit_soon(m);
}

void manager_guest_released(struct manager *m, const char *name)
{
        guest_ended(m, name);
        manager_guest_give_back(m, name);
}

bool manager_guest_runs(const struct manager *m, const char *name)
{
        char path[32];
        pid_t pid;

        if (find_guest(m, name) >= 0)
                return true;
        if (read_pid(&m->root, name, &pid) < 0)
                return false;
        snprintf(path, sizeof(path), "proc/%d", pid);
        return exists_at(m->root.fd, path);
}
