/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot.h"

#include <assert.h>
#include <sys/stat.h>

#include "audit/guest-cost.h"
#include "facts/emulator/emulator-probe.h"
#include "host-archive.h"
#include "util/file.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"

/* Tries every emulator of the host that can be started here, and says so because each takes a second. As
 * root it does not run what only some process runs. */
static int probe_emulators(struct host *h)
{
        const char *library = getenv("VFIOALIGN_FAKE_LIBRARY") ?: FAKE_LIBRARY;

        for (size_t i = 0; i < h->emulators.n_emulators; i++) {
                struct emulator *e = &h->emulators.emulators[i];
                const char *why = NULL;
                int r;

                if (h->root->live && geteuid() == 0 && !e->container && !e->replaced &&
                    !emulator_is_hosts(e)) {
                        log_warning(0,
                                    "Failed to try '%s', ignoring: it is not an emulator of this host, or "
                                    "users other than root can change it",
                                    e->path);
                        continue;
                }
                print_line(stderr, "Trying %s ...", e->path);
                r = emulator_probe(e, h->root, library, NULL, 0, NULL, &why);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        log_warning(r, "Failed to try '%s', ignoring: %m", e->path);
                else if (r == 0)
                        log_warning(0, "Failed to observe '%s', ignoring: %s", e->path, why ?: "unknown");
        }
        return 0;
}

static int log_unpack_error(int r, const char *path, const char *why)
{
        /* These two are about the archive and not the system's words. */
        if (r == -EBADMSG || r == -EFBIG)
                return log_error(r, "Failed to open '%s': %s", path, why);
        return log_error(r, "Failed to open '%s': %s: %m", path, why);
}

/* A root file system that does not run has both, and both are empty. */
static bool is_host(const struct root *root)
{
        static const char *const directories[] = { "proc", "sys" };

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_(names_done) struct names names = {};

                if (list_dir_at(root->fd, directories[i], &names) >= 0 && names.n > 0)
                        return true;
        }
        return false;
}

/* --root takes a directory or an archive. */
static int open_root(struct snapshot *s, const char *path)
{
        const char *why, *given = path;
        struct stat st;
        int r;

        if (path && stat(path, &st) >= 0 && S_ISREG(st.st_mode)) {
                r = unpacked_open(&s->unpacked);
                if (r < 0)
                        return log_unpack_error(r, path, "failed to create a directory for its files");
                r = archive_unpack(path, s->unpacked.fd, &why);
                if (r < 0)
                        return log_unpack_error(r, path, why);
                path = s->unpacked.path;
        }
        r = root_open(&s->root, path);
        if (r < 0)
                return log_error(r, "Failed to open '%s': %m", path ?: "/");
        if (given && !is_host(&s->root))
                return log_error(-ENODATA,
                                 "'%s' is not a recorded host: there is nothing in its proc and sys", given);
        return 0;
}

static int read_facts(struct snapshot *s, const struct options *o)
{
        int r;

        r = host_read(&s->host, &s->root);
        if (r < 0)
                return r;
        if (o->host)
                snprintf(s->host.identity.name, sizeof(s->host.identity.name), "%s", o->host);
        if (o->deep) {
                r = probe_emulators(&s->host);
                if (r < 0)
                        return r;
        }
        return findings_collect(&s->findings, &s->host);
}

static int read_host(struct snapshot *s, const struct options *o)
{
        int r = read_facts(s, o);

        return r < 0 ? log_error(r, "Failed to read the host: %m") : 0;
}

int snapshot_read(struct snapshot *s, const struct options *o)
{
        int r;

        assert(s);
        assert(o);

        *s = (struct snapshot){ .root.fd = -EBADF };
        r = open_root(s, o->root);
        return r < 0 ? r : read_host(s, o);
}

/* What only a report asks, which is not made of a host that is recorded. */
static void ask_for_report(const struct host *h)
{
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct guest *g = &h->libvirt.guests[i].xml;

                for (size_t k = 0; k < g->n_hostdevs; k++)
                        if (g->hostdevs[k].iommufd)
                                (void) guest_dma_route(h, g, &g->hostdevs[k]);
        }
}

/* What only an explanation asks: all starts that are kept. */
static int ask_for_starts(const struct host *h)
{
        for (size_t i = 0; i < h->libvirt.n_guests; i++) {
                const struct guest *g = &h->libvirt.guests[i].xml;
                struct starts starts;
                int r;

                if (g->n_hostdevs == 0)
                        continue;
                r = starts_read_guest(&starts, h->root, g->name);
                if (r < 0)
                        return log_error(r, "Failed to record the host: %m");
                starts_done(&starts);
        }
        return 0;
}

int snapshot_record(struct snapshot *s, const struct options *o, struct record **ret_record)
{
        int r;

        assert(s);
        assert(o);

        *s = (struct snapshot){ .root.fd = -EBADF };
        r = open_root(s, o->root);
        if (r < 0)
                return r;
        r = record_begin(&s->root, ret_record);
        if (r < 0)
                return log_error(r, "Failed to record the host: %m");
        r = read_host(s, o);
        if (r < 0)
                return r;
        ask_for_report(&s->host);
        return ask_for_starts(&s->host);
}

void snapshot_done(struct snapshot *s)
{
        findings_done(&s->findings);
        host_done(&s->host);
        root_close(&s->root);
        unpacked_close(&s->unpacked);
}
