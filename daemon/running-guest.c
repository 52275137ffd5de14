/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "running-guest.h"

#include <assert.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "audit/guest-cost.h"
#include "facts/guest/libvirt-paths.h"
#include "manager-evidence.h"
#include "manager-report.h"
#include "manager.h"
#include "messages.h"
#include "report/report.h"
#include "util/file.h"
#include "util/format.h"
#include "util/log.h"
#include "util/process-file.h"

DEFINE_TRIVIAL_CLEANUP(struct running_guest *, running_guest_free)

/* libvirt keeps this file for its own restart. The name is libvirt's and holds no slash. */
static int read_pid(const struct root *root, const char *name, pid_t *ret)
{
        char path[sizeof(LIBVIRT_RUNNING_DIR "/.pid") + NAME_MAX];
        uint64_t pid;
        int r;

        if (strchr(name, '/') || strlen(name) > NAME_MAX)
                return -EINVAL;
        snprintf(path, sizeof(path), LIBVIRT_RUNNING_DIR "/%s.pid", name);
        r = read_u64_at(root->fd, path, 10, &pid);
        if (r < 0)
                return r;
        if (pid == 0 || pid > INT_MAX)
                return -ERANGE;
        *ret = (pid_t) pid;
        return 0;
}

static int watch_exit(struct running_guest *g, sd_event_io_handler_t on_exit)
{
        int fd = (int) syscall(SYS_pidfd_open, g->pid, 0), r;

        if (fd < 0)
                return -errno;
        r = sd_event_add_io(g->manager->event, &g->exit, fd, EPOLLIN, on_exit, g);
        if (r < 0) {
                close(fd);
                return r;
        }
        return sd_event_source_set_io_fd_own(g->exit, true);
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

/* The page size that the mapping can have where it is, unless the process's page tables say that it has
 * less. 0: not known. */
static uint64_t seen_page_size(const struct kernel_facts *k, const struct mapping_process *p,
                               const struct verdict *v, const struct mapping *mapping)
{
        if (v->limit == CONDITION_UNKNOWN)
                return 0;
        if (p && p->huge.value == FACT_NO && p->small_min > p->mapped - mapping->size)
                return k->page_size;
        return v->page_size;
}

/* The mapping that falls furthest short stands for the guest; of equal ones the largest. */
static void add_mappings(struct running_guest *g, const struct guest *guest,
                         const struct running_guest *before, const struct mapping_facts *facts)
{
        struct manager *m = g->manager;
        const struct kernel_facts *k = &m->host.kernel;
        const struct mapping_process *p = mapping_facts_find_process(facts, g->pid);
        struct placer placer = process_placer(&m->host, g->pid);
        uint64_t most = 0, largest = 0;

        for (size_t i = 0; i < facts->n_mappings; i++) {
                const struct mapping *mapping = &facts->mappings[i];
                struct verdict v = verdict_mapping(k, p ? p->thp : fact_unknown(NULL), placer, mapping);
                uint64_t by = verdict_shortfall(k, &v, mapping->size);
                uint64_t seen = seen_page_size(k, p, &v, mapping);
                json_object *o = report_mapping(k, facts, placer, mapping);

                if (seen > 0 && !was_mapped(before, o))
                        manager_evidence_note(m, guest, mapping, seen);
                json_object_array_add(g->mappings, o);
                if (by < most || (by == most && mapping->size <= largest))
                        continue;
                most = by;
                largest = mapping->size;
                g->verdict = v;
                g->best_page_size = verdict_best_page(k, mapping->size);
        }
}

/* What the guest's process really maps. */
static int read_mappings(struct running_guest *g, const struct guest *guest,
                         const struct running_guest *before)
{
        struct manager *m = g->manager;
        _cleanup_(mapping_facts_done) struct mapping_facts facts = {};
        _cleanup_free_ bdf_t *hints = calloc(guest->n_hostdevs ?: 1, sizeof(bdf_t));
        int r;

        g->mappings = json_object_new_array();
        if (!hints || !g->mappings)
                return -ENOMEM;
        for (size_t i = 0; i < guest->n_hostdevs; i++)
                memcpy(hints[i], guest->hostdevs[i].bdf, sizeof(bdf_t));
        process_round_begin(&m->root);
        process_trust(&m->root, g->pid);
        r = mapping_facts_read_process(&facts, &m->root, g->pid, &m->host.devices, hints, guest->n_hostdevs);
        if (mapping_facts_find_process(&facts, g->pid) &&
            emulator_facts_add_process(&m->host.emulators, &m->root, g->pid) < 0)
                r = -ENOMEM;
        (void) process_round_end(&m->root, NULL);
        /* Also what was read before an error: it is evidence all the same. */
        add_mappings(g, guest, before, &facts);
        return r;
}

int running_guest_new(struct manager *m, const struct guest *guest, const struct running_guest *before,
                      sd_event_io_handler_t on_exit, struct running_guest **ret)
{
        _cleanup_(running_guest_freep) struct running_guest *g = calloc(1, sizeof(*g));
        int r;

        assert(m && guest && guest->name && on_exit && ret);

        if (!g)
                return -ENOMEM;
        g->manager = m;
        g->name = strdup(guest->name);
        if (!g->name)
                return -ENOMEM;

        r = read_pid(&m->root, g->name, &g->pid);
        if (r < 0)
                return r;
        r = watch_exit(g, on_exit);
        if (r < 0)
                return r;
        manager_refresh(m);
        r = read_mappings(g, guest, before && before->pid == g->pid ? before : NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(g);
        return 0;
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

bool running_guest_falls_short(const struct running_guest *g)
{
        return g->verdict.page_size < g->best_page_size;
}

bool running_guest_equal(const struct running_guest *a, const struct running_guest *b)
{
        assert(a && b);

        return a->pid == b->pid && a->verdict.page_size == b->verdict.page_size &&
               json_object_array_length(a->mappings) == json_object_array_length(b->mappings);
}

json_object *running_guest_report(const struct running_guest *g)
{
        json_object *o = json_new_object(), *v = report_verdict(&g->verdict);
        const struct start *last = starts_find(&g->manager->host.starts, g->name);

        json_add_string(o, "name", g->name);
        json_add_count(o, "pid", (uint64_t) g->pid);
        json_add_bool(o, "running", true);
        json_add(o, "page_size", json_object_get(json_get(v, "page_size")));
        json_add_count(o, "best_page_size", g->best_page_size);
        json_add(o, "limit", json_object_get(json_get(v, "limit")));
        json_add(o, "mappings", json_object_get(g->mappings));
        if (last)
                json_add(o, "last_start", report_start(last));
        json_object_put(v);
        return o;
}

void running_guest_log(const struct running_guest *g)
{
        _cleanup_free_ char *name = log_guest_field(g->name);
        char page_size[64];
        const char *fields[] = { page_size, name, NULL };
        format_t page, best;

        snprintf(page_size, sizeof(page_size), "VFIOALIGN_PAGE_SIZE=%llu",
                 (unsigned long long) g->verdict.page_size);
        if (json_object_array_length(g->mappings) == 0)
                log_struct(LOG_INFO, MESSAGE_GUEST_VERIFIED, fields, "Guest '%s' (pid %d) maps no BAR",
                           g->name, g->pid);
        else if (!running_guest_falls_short(g))
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

struct running_guest **manager_find_guest(const struct manager *m, const char *name)
{
        for (size_t i = 0; i < m->n_guests; i++)
                if (streq(m->guests[i]->name, name))
                        return &m->guests[i];
        return NULL;
}

bool manager_guest_runs(const struct manager *m, const char *name)
{
        char path[32];
        pid_t pid;

        if (manager_find_guest(m, name))
                return true;
        if (read_pid(&m->root, name, &pid) < 0)
                return false;
        snprintf(path, sizeof(path), "proc/%d", pid);
        return exists_at(m->root.fd, path);
}
