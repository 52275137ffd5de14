/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-evidence.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "audit/guest-cost.h"
#include "facts/guest/process-start.h"
#include "manager.h"
#include "util/clock.h"
#include "util/file-write.h"
#include "util/log.h"

#define JOIN_SECONDS 1

/* A disk can take its time, above all for an fsync: a thread writes, and shares this with the event loop,
 * which has it back when done_fd says so. */
struct evidence_write {
        pthread_t thread;
        int root_fd, done_fd;
        char *text;
        int error;
};

/* The snapshot's evidence is what the file had at the last audit; this is what it will have. */
struct evidence_store {
        struct manager *manager;
        struct evidence evidence;
        struct evidence_write *write; /* under way, or NULL */
        sd_event_source *done;
        bool changed; /* since that began */
};

static void write_free(struct evidence_write *w)
{
        closep(&w->root_fd);
        closep(&w->done_fd);
        free(w->text);
        free(w);
}

static void *write_thread(void *userdata)
{
        struct evidence_write *w = userdata;

        w->error = write_file_at(w->root_fd, EVIDENCE_FILE, w->text, strlen(w->text), 0644);
        (void) eventfd_write(w->done_fd, 1);
        return NULL;
}

static int on_written(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static int start_write(struct evidence_store *s)
{
        struct evidence_write *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->text = evidence_format(&s->evidence);
        w->root_fd = fcntl(s->manager->root.fd, F_DUPFD_CLOEXEC, 3);
        w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = !w->text ? -ENOMEM
            : w->root_fd < 0 || w->done_fd < 0
                    ? -errno
                    : sd_event_add_io(s->manager->event, &s->done, w->done_fd, EPOLLIN, on_written, s);
        if (r >= 0)
                r = -pthread_create(&w->thread, NULL, write_thread, w);
        if (r < 0) {
                s->done = sd_event_source_disable_unref(s->done);
                write_free(w);
                return r;
        }
        s->write = w;
        s->changed = false;
        return 0;
}

static void write_soon(struct evidence_store *s)
{
        int r = s->write ? 0 : start_write(s);

        if (r < 0)
                log_warning(r, "Failed to write /" EVIDENCE_FILE ", what guests got is not kept: %m");
}

static int on_written(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct evidence_store *s = userdata;
        struct evidence_write *w = TAKE_PTR(s->write);

        (void) source, (void) fd, (void) revents;
        (void) pthread_join(w->thread, NULL);
        if (w->error < 0)
                log_warning(w->error, "Failed to write /" EVIDENCE_FILE ", what guests got is not kept: %m");
        s->done = sd_event_source_disable_unref(s->done);
        write_free(w);
        if (s->changed)
                write_soon(s);
        else
                manager_audit_soon(s->manager); /* which reads it */
        return 0;
}

static struct evidence_store *get_store(struct manager *m)
{
        struct evidence_store *s;
        int r;

        if (m->evidence)
                return m->evidence;
        s = calloc(1, sizeof(*s));
        if (!s)
                return NULL;
        s->manager = m;
        r = evidence_read(&s->evidence, &m->root);
        if (r < 0 && r != -ENOENT)
                log_warning(r, "What guests got before is lost and is gathered anew: /" EVIDENCE_FILE " %s",
                            r == -EBADMSG ? "is damaged" : "cannot be read");
        return m->evidence = s;
}

/* It may have run before this daemon did, so that another one has counted it. */
static bool is_older(const struct root *root, pid_t pid)
{
        uint64_t start = process_start_usec(root, pid), ours = process_start_usec(root, getpid());

        return start == 0 || ours == 0 || start < ours;
}

void manager_evidence_note(struct manager *m, const struct guest *guest, const struct mapping *mapping,
                           uint64_t page_size)
{
        const struct device *d = device_facts_find(&m->host.devices, mapping->bdf);
        struct sighting seen = {
                .bar_size = mapping->size,
                .page_size = page_size,
                .time_usec = clock_usec(CLOCK_REALTIME),
        };
        struct evidence_store *s;
        bool whole = false;

        for (size_t i = 0; d && i < d->n_bars; i++)
                whole = whole || (d->bars[i].index == mapping->region && d->bars[i].size == mapping->size &&
                                  d->bars[i].size >= m->host.kernel.pmd_size);
        if (!whole || !evidence_key_make(&seen.key, &m->host.kernel, &m->host.module,
                                         emulator_facts_of_process(&m->host.emulators, mapping->pid),
                                         guest_placer(&m->host, guest).preload))
                return;
        s = get_store(m);
        if (!s || evidence_add(&s->evidence, &seen, is_older(&m->root, mapping->pid)) <= 0)
                return;
        s->changed = true;
        write_soon(s);
}

void manager_evidence_close(struct manager *m)
{
        struct evidence_store *s = TAKE_PTR(m->evidence);
        struct timespec end;

        if (!s)
                return;
        sd_event_source_disable_unref(s->done);
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += JOIN_SECONDS;
        if (s->write && pthread_timedjoin_np(s->write->thread, NULL, &end) == 0)
                write_free(s->write);
        else if (s->write) /* stuck: it ends with the process */
                pthread_detach(s->write->thread);
        evidence_done(&s->evidence);
        free(s);
}
