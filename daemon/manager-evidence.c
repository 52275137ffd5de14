/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-evidence.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "audit/guest-cost.h"
#include "manager.h"
#include "util/clock.h"
#include "util/file-write.h"
#include "util/log.h"
#include "util/process-start.h"

#define JOIN_SECONDS 1

/* A disk can be slow, above all with an fsync, so a thread writes. It shares this with the event loop, which
 * touches it again only when done_fd is readable. */
struct evidence_write {
        pthread_t thread;
        int root_fd, done_fd;
        char *text;
        int error;
};

/* The snapshot's evidence is what the file held at the last audit; this is what it will hold. */
struct evidence_store {
        struct manager *manager;
        struct evidence evidence;
        struct evidence_write *write; /* under way, or NULL */
        sd_event_source *done;
        bool changed; /* since that write began */
};

static void write_free(struct evidence_write *w)
{
        closep(&w->root_fd);
        closep(&w->done_fd);
        free(w->text);
        free(w);
}

DEFINE_TRIVIAL_CLEANUP(struct evidence_write *, write_free)

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
        _cleanup_(write_freep) struct evidence_write *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->done_fd = -EBADF;
        w->root_fd = fcntl(s->manager->root.fd, F_DUPFD_CLOEXEC, 3);
        w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->root_fd < 0 || w->done_fd < 0)
                return -errno;
        w->text = evidence_format(&s->evidence);
        if (!w->text)
                return -ENOMEM;
        r = sd_event_add_io(s->manager->event, &s->done, w->done_fd, EPOLLIN, on_written, s);
        if (r < 0)
                return r;
        r = -pthread_create(&w->thread, NULL, write_thread, w);
        if (r < 0) {
                s->done = sd_event_source_disable_unref(s->done);
                return r;
        }
        s->write = TAKE_PTR(w);
        s->changed = false;
        return 0;
}

static void write_soon(struct evidence_store *s)
{
        int r;

        if (s->write)
                return; /* on_written() writes again */
        r = start_write(s);
        if (r < 0)
                log_warning(r, "Failed to write '/" EVIDENCE_FILE "', what guests got is not kept: %m");
}

static int on_written(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct evidence_store *s = userdata;
        struct evidence_write *w = TAKE_PTR(s->write);

        (void) source, (void) fd, (void) revents;
        (void) pthread_join(w->thread, NULL);
        if (w->error < 0)
                log_warning(w->error,
                            "Failed to write '/" EVIDENCE_FILE "', what guests got is not kept: %m");
        s->done = sd_event_source_disable_unref(s->done);
        write_free(w);
        if (s->changed)
                write_soon(s);
        else
                manager_audit_soon(s->manager); /* which reads the file */
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
        if (r == -EBADMSG)
                log_warning(0,
                            "'/" EVIDENCE_FILE "' is damaged, starting over without what guests got before");
        else if (r < 0 && r != -ENOENT)
                log_warning(r, "Failed to read '/" EVIDENCE_FILE "', starting over without what guests got "
                               "before: %m");
        return m->evidence = s;
}

/* Whether it maps a whole BAR that can have huge pages. */
static bool maps_whole_bar(const struct manager *m, const struct mapping *mapping)
{
        const struct device *d = device_facts_find(&m->host.devices, mapping->bdf);

        for (size_t i = 0; d && i < d->n_bars; i++)
                if (d->bars[i].index == mapping->region)
                        return d->bars[i].size == mapping->size && mapping->size >= m->host.kernel.pmd_size;
        return false;
}

void manager_evidence_note(struct manager *m, const struct guest *guest, const struct mapping *mapping,
                           uint64_t page_size)
{
        struct sighting seen = {
                .bar_size = mapping->size,
                .page_size = page_size,
                .time_usec = clock_usec(CLOCK_REALTIME),
        };
        struct evidence_store *s;

        assert(guest);

        if (!maps_whole_bar(m, mapping) ||
            !evidence_key_make(&seen.key, &m->host.kernel, &m->host.module,
                               emulator_facts_of_process(&m->host.emulators, mapping->pid),
                               guest_placer(&m->host, guest).preload))
                return;
        s = get_store(m);
        if (!s || evidence_add(&s->evidence, &seen, process_is_older(&m->root, mapping->pid)) <= 0)
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
        else if (s->write) /* stuck in the kernel: the thread ends with the process */
                pthread_detach(s->write->thread);
        evidence_done(&s->evidence);
        free(s);
}
