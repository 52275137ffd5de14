/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "facts/bind-record.h"
#include "fake-tree.h"
#include "util/macro.h"

static struct fake_kernel *kernel; /* the one whose directory is written */

static const struct fake_driver {
        const char *name;
        bool vfio;
        uint16_t device, mask; /* of the ids that it takes by itself */
        uint32_t base_class;   /* or this; 0: none */
} drivers[] = {
        { FAKE_PORT, .base_class = 0x06 },
        { FAKE_HOST, .device = 0x00a0, .mask = 0xfff0 },
        { FAKE_SECOND, .device = 0x00a0, .mask = 0xfff0 },
        { FAKE_VFIO, .vfio = true },
        { FAKE_VARIANT, .vfio = true },
};

static const struct fake_driver *find_driver(const char *name)
{
        for (size_t i = 0; i < ELEMENTSOF(drivers); i++)
                if (streq(drivers[i].name, name))
                        return &drivers[i];
        return NULL;
}

bool fake_driver_is_vfio(const char *driver)
{
        const struct fake_driver *d = find_driver(driver);

        return d && d->vfio;
}

/* pci_match_device(): an override lets in its driver alone, which then need not know the function. */
static bool driver_matches(const struct fake_driver *d, const struct fake_function *f)
{
        if (*f->override)
                return streq(f->override, d->name);
        if (d->vfio)
                return false;
        return d->base_class ? d->base_class == f->class >> 16 : (f->device & d->mask) == d->device;
}

static bool refuses(struct fake_kernel *k, const struct fake_driver *d, const struct fake_function *f)
{
        if (k->refusals == 0 || !streq(k->refusing, d->name) || (*k->refused && !streq(k->refused, f->bdf)))
                return false;
        if (k->refusals != UINT32_MAX)
                k->refusals--;
        return true;
}

static void attach(struct fake_function *f, const struct fake_driver *d)
{
        snprintf(f->driver, sizeof(f->driver), "%s", d->name);
        /* vfio_pci_core_register_device() allows runtime power management; many a driver of the host does as
         * well. */
        if (d->vfio || streq(d->name, FAKE_SECOND))
                strcpy(f->control, "auto");
}

static void detach(struct fake_function *f)
{
        if (fake_driver_is_vfio(f->driver))
                strcpy(f->control,
                       "on"); /* vfio_pci_core_unregister_device() forbids it, whatever it was before */
        f->driver[0] = '\0';
}

/* device_attach(): the first that matches and does not fail; that all fail is no error. */
static void probe(struct fake_kernel *k, struct fake_function *f)
{
        for (size_t i = 0; i < ELEMENTSOF(drivers) && !*f->driver; i++)
                if (driver_matches(&drivers[i], f) && !refuses(k, &drivers[i], f))
                        attach(f, &drivers[i]);
}

struct fake_function *fake_find(struct fake_kernel *k, const char *bdf)
{
        for (size_t i = 0; i < k->n_functions; i++)
                if (streq(k->functions[i].bdf, bdf))
                        return &k->functions[i];
        return NULL;
}

void fake_plug(struct fake_kernel *k, struct fake_function *f)
{
        f->present = true;
        f->used = f->silent = false;
        f->driver[0] = f->override[0] = '\0';
        strcpy(f->control, "on");
        strcpy(f->d3cold_allowed, "1");
        if (*f->autoprobe)
                strcpy(f->autoprobe, "1");
        probe(k, f);
        fake_tree_add(k, f);
}

void fake_unplug(struct fake_kernel *k, struct fake_function *f)
{
        if (!f->present)
                return;
        fake_tree_remove(k, f);
        f->present = false;
        f->driver[0] = f->override[0] = '\0';
}

struct fake_function *fake_add(struct fake_kernel *k, const char *bdf, uint16_t device, uint32_t class,
                               int group, const char *serial)
{
        struct fake_function *f = &k->functions[k->n_functions++];

        if (k->n_functions > FAKE_FUNCTIONS_MAX)
                abort();
        *f = (struct fake_function){ .device = device, .class = class, .group = group };
        snprintf(f->bdf, sizeof(f->bdf), "%s", bdf);
        snprintf(f->serial, sizeof(f->serial), "%s", serial ?: "");
        fake_plug(k, f);
        return f;
}

void fake_place(struct fake_kernel *k, struct fake_function *f, const char *driver, const char *override)
{
        if (!streq(f->driver, driver)) {
                detach(f);
                if (*driver)
                        attach(f, find_driver(driver));
        }
        snprintf(f->override, sizeof(f->override), "%s", override);
        fake_tree_show(k, f);
}

void fake_show(struct fake_kernel *k, struct fake_function *f)
{
        fake_tree_show(k, f);
}

static void write_boot_id(struct fake_kernel *k)
{
        char id[64];

        snprintf(id, sizeof(id), "12345678-9abc-4def-8123-%012u\n", ++k->boots);
        fake_write(k, "proc/sys/kernel/random/boot_id", id);
}

void fake_reboot(struct fake_kernel *k, bool keep_run)
{
        for (size_t i = 0; i < k->n_functions; i++) {
                bool present = k->functions[i].present;

                fake_unplug(k, &k->functions[i]);
                if (present)
                        fake_plug(k, &k->functions[i]);
        }
        if (!keep_run)
                fake_tree_clear_run(k);
        write_boot_id(k);
}

struct fake_kernel *fake_new(void)
{
        struct fake_kernel *k = mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                     -1, 0);

        if (k == MAP_FAILED || pipe2(k->hung_pipe, O_CLOEXEC) < 0)
                abort();
        kernel = k;
        fake_tree_new(k);
        for (size_t i = 0; i < ELEMENTSOF(drivers); i++)
                fake_tree_add_driver(k, drivers[i].name);
        write_boot_id(k);
        return k;
}

void fake_delete(struct fake_kernel *k)
{
        fake_tree_delete(k);
        if (kernel == k)
                kernel = NULL;
        close(k->hung_pipe[0]);
        close(k->hung_pipe[1]);
        munmap(k, sizeof(*k));
}

void fake_arm(struct fake_kernel *k)
{
        k->points = k->writes = k->refusals = 0;
        k->hung = 0;
        k->read_only = false;
        k->violation[0] = k->log[0] = '\0';
        memset(k->faults, 0, sizeof(k->faults));
}

void fake_fault(struct fake_kernel *k, enum fake_fault_kind kind, unsigned at, int error)
{
        for (size_t i = 0; i < FAKE_FAULTS_MAX; i++)
                if (k->faults[i].kind == FAULT_NONE) {
                        k->faults[i] = (struct fake_fault){ .kind = kind, .at = at, .error = error };
                        return;
                }
        abort();
}

void fake_refuse(struct fake_kernel *k, const char *driver, const char *bdf, unsigned times)
{
        snprintf(k->refusing, sizeof(k->refusing), "%s", driver);
        snprintf(k->refused, sizeof(k->refused), "%s", bdf ?: "");
        k->refusals = times;
}

const char *fake_state(const struct fake_kernel *k)
{
        static char buffers[8][FAKE_FUNCTIONS_MAX * 160];
        static unsigned turn;
        char *s = buffers[turn++ % ELEMENTSOF(buffers)];
        size_t n = 0;

        s[0] = '\0';
        for (size_t i = 0; i < k->n_functions; i++) {
                const struct fake_function *f = &k->functions[i];

                if (f->present)
                        n += (size_t) snprintf(s + n, sizeof(buffers[0]) - n, "%s %s %s %s %s %s; ", f->bdf,
                                               *f->driver ? f->driver : "-",
                                               *f->override ? f->override : "-", f->control,
                                               f->d3cold_allowed, *f->autoprobe ? f->autoprobe : "-");
        }
        return s;
}

/* What no careful tool does. */
_printf_(3, 4) _Noreturn static void violate(struct fake_kernel *k, const char *path, const char *format,
                                             ...)
{
        char what[160];
        va_list ap;

        va_start(ap, format);
        vsnprintf(what, sizeof(what), format, ap);
        va_end(ap);
        snprintf(k->violation, sizeof(k->violation), "%.90s: %s", path, what);
        fprintf(stderr, "fake kernel: %s\n", k->violation);
        abort();
}

/* The records are read again when one has come or gone, in this process or another. */
static const struct bind_records *current_records(struct fake_kernel *k)
{
        static struct bind_records records;
        static unsigned moves = UINT_MAX;
        unsigned now = __atomic_load_n(&k->moves, __ATOMIC_SEQ_CST);
        struct root root;

        if (moves == now)
                return &records;
        moves = now;
        bind_records_done(&records);
        if (root_open(&root, k->dir) < 0 || bind_records_read(&records, &root, NULL) < 0)
                abort();
        root_close(&root);
        return &records;
}

/* Written ahead: whoever comes after a crash knows of this function. */
static void want_record(struct fake_kernel *k, const char *path, const char *bdf)
{
        const struct bind_record *r = bind_records_find(current_records(k), bdf);

        if (!r)
                violate(k, path, "%s is written, and no record has it", bdf);
        if (r->state != BIND_STATE_BINDING && r->state != BIND_STATE_RETURNING)
                violate(k, path, "%s is written, and its record says %s", bdf,
                        bind_state_to_string(r->state));
}

/* The whole value, with or without a newline. */
static void want_change(struct fake_kernel *k, const char *path, const char *old, const char *value,
                        size_t n)
{
        if (strlen(old) == n && strncmp(old, value, n) == 0)
                violate(k, path, "\"%s\" is written, and is there already", old);
}

static int store(struct fake_kernel *k, const char *path, const char *value, char *attribute, size_t size,
                 const char *const allowed[2])
{
        size_t n = strcspn(value, "\n");

        want_change(k, path, attribute, value, n);
        for (size_t i = 0; i < 2; i++)
                if (strlen(allowed[i]) == n && strncmp(allowed[i], value, n) == 0) {
                        snprintf(attribute, size, "%s", allowed[i]);
                        return 0;
                }
        return -EINVAL;
}

/* driver_set_override(): a newline alone clears it; to write nothing is no write. */
static int store_override(struct fake_kernel *k, const char *path, struct fake_function *f,
                          const char *value)
{
        size_t n = strcspn(value, "\n");

        if (!*value)
                violate(k, path, "nothing is written, which changes nothing");
        want_change(k, path, f->override, value, n);
        if (n >= sizeof(f->override))
                violate(k, path, "a name of %zu bytes", n);
        snprintf(f->override, sizeof(f->override), "%.*s", (int) n, value);
        return 0;
}

static int write_function(struct fake_kernel *k, const char *path, struct fake_function *f,
                          const char *attribute, const char *value)
{
        static const char *const controls[2] = { "on", "auto" }, *const switches[2] = { "0", "1" };

        if (streq(attribute, "driver_override"))
                return store_override(k, path, f, value);
        if (streq(attribute, "power/control"))
                return store(k, path, value, f->control, sizeof(f->control), controls);
        if (streq(attribute, "d3cold_allowed"))
                return store(k, path, value, f->d3cold_allowed, sizeof(f->d3cold_allowed), switches);
        if (streq(attribute, "sriov_drivers_autoprobe") && *f->autoprobe)
                return store(k, path, value, f->autoprobe, sizeof(f->autoprobe), switches);
        violate(k, path, "an attribute that is not to be written");
}

static int write_unbind(struct fake_kernel *k, const char *path, struct fake_function *f, const char *driver)
{
        if (!streq(f->driver, driver))
                return -ENODEV;
        if (f->used)
                violate(k, path, "%s is in use", f->bdf);
        detach(f);
        return 0;
}

static int write_probe(struct fake_kernel *k, const char *path, struct fake_function *f, bool lie)
{
        if (*f->driver)
                violate(k, path, "%s has a driver", f->bdf);
        if (!lie)
                probe(k, f);
        return 0;
}

/* A write, taken apart: the function, the driver of an unbind, the attribute. */
struct target {
        struct fake_function *f;
        char driver[FAKE_NAME_MAX];
        const char *attribute; /* of the function; NULL: unbind or drivers_probe */
        bool probe;
};

static struct target find_target(struct fake_kernel *k, const char *path, const char *value)
{
        char bdf[sizeof(bdf_t)], name[FAKE_NAME_MAX];
        struct target t = {};
        int end = 0;

        snprintf(bdf, sizeof(bdf), "%.*s", (int) strcspn(value, "\n"), value);
        if (streq(path, "sys/bus/pci/drivers_probe"))
                t.probe = true;
        else if (sscanf(path, "sys/bus/pci/drivers/%63[^/]/unbind%n", t.driver, &end) == 1 && end &&
                 !path[end]) {
                if (!find_driver(t.driver))
                        violate(k, path, "no such driver");
        } else if ((sscanf(path, "sys/bus/pci/devices/%63[^/]/%n", name, &end) == 1 && end) ||
                   (sscanf(path, "sys/devices/pci0000:00/%63[^/]/%n", name, &end) == 1 && end)) {
                snprintf(bdf, sizeof(bdf), "%.*s", (int) sizeof(bdf) - 1, name);
                t.attribute = path + end;
        } else
                violate(k, path, "not to be written");
        t.f = fake_find(k, bdf);
        if (!t.f)
                violate(k, path, "there never was a function %s", bdf);
        return t;
}

static int do_write(struct fake_kernel *k, const char *path, const char *value, bool lie)
{
        struct target t = find_target(k, path, value);
        int r;

        if (t.f->class >> 16 == 0x06)
                violate(k, path, "%s is a bridge", t.f->bdf);
        want_record(k, path, t.f->bdf);
        if (!t.f->present)
                return t.attribute ? -ENOENT : -ENODEV;
        if (t.probe)
                r = write_probe(k, path, t.f, lie);
        else if (t.attribute)
                r = write_function(k, path, t.f, t.attribute, value);
        else
                r = write_unbind(k, path, t.f, t.driver);
        fake_tree_show(k, t.f);
        return r;
}

/* The fault of this point, the next one. */
static struct fake_fault next_point(struct fake_kernel *k)
{
        unsigned point = __atomic_add_fetch(&k->points, 1, __ATOMIC_SEQ_CST);

        for (size_t i = 0; i < FAKE_FAULTS_MAX; i++)
                if (k->faults[i].kind &&
                    (k->faults[i].at == point || (k->faults[i].on && k->faults[i].at < point)))
                        return k->faults[i];
        return (struct fake_fault){};
}

static void strike_before(struct fake_kernel *k, const struct fake_fault *fault)
{
        if (fault->kind == FAULT_KILL_BEFORE)
                (void) raise(SIGKILL);
        if (fault->kind == FAULT_HANG) {
                k->hung = getpid();
                if (write(k->hung_pipe[1], "", 1) != 1)
                        abort();
                for (;;)
                        pause();
        }
}

static int strike_after(const struct fake_fault *fault, int r)
{
        if (fault->kind == FAULT_KILL_AFTER)
                (void) raise(SIGKILL);
        if (fault->kind != FAULT_ERRNO_AFTER || r < 0)
                return r;
        errno = fault->error;
        return -fault->error;
}

static void note(struct fake_kernel *k, const char *path, const char *value)
{
        size_t n = strlen(k->log);
        const char *rest = startswith(path, "sys/bus/pci/") ?: path;

        snprintf(k->log + n, sizeof(k->log) - n, "%s=%.*s;", startswith(rest, "devices/") ?: rest,
                 (int) strcspn(value, "\n"), value);
}

int __wrap_write_attribute_at(int dirfd, const char *path, const char *value);

void (*fake_boundary)(bool inside);

static int write_attribute(int dirfd, const char *path, const char *value)
{
        struct fake_kernel *k = kernel;
        struct fake_fault fault = next_point(k);
        char full[512];
        int r;

        fake_tree_path(k, dirfd, path, full, sizeof(full));
        note(k, full, value);
        if (k->read_only)
                violate(k, full, "written in a dry run");
        __atomic_add_fetch(&k->writes, 1, __ATOMIC_SEQ_CST);
        strike_before(k, &fault);
        if (fault.kind == FAULT_ERRNO)
                return -fault.error;
        if (fault.kind == FAULT_VANISH)
                fake_unplug(k, find_target(k, full, value).f);
        r = do_write(k, full, value, fault.kind == FAULT_LIE);
        return strike_after(&fault, r);
}

int __wrap_write_attribute_at(int dirfd, const char *path, const char *value)
{
        int r;

        if (fake_boundary)
                fake_boundary(true);
        r = write_attribute(dirfd, path, value);
        if (fake_boundary)
                fake_boundary(false);
        return r;
}

void __wrap_driver_load(const struct root *root, const char *driver);

void __wrap_driver_load(const struct root *root, const char *driver)
{
        struct fake_kernel *k = kernel;
        size_t n = strlen(k->loaded);
        char path[128];

        snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
        if (faccessat(root->fd, path, F_OK, 0) == 0)
                return;
        snprintf(k->loaded + n, sizeof(k->loaded) - n, "%s;", driver);
        if (k->loadable)
                fake_write(k, strcat(path, "/unbind"), "");
}

int __real_write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode);
int __wrap_write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode);

int __wrap_write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode)
{
        struct fake_kernel *k = kernel;
        struct fake_fault fault;
        int r;

        if (k->read_only)
                violate(k, path, "written in a dry run");
        fault = next_point(k);
        strike_before(k, &fault);
        if (fault.kind == FAULT_ERRNO)
                return -fault.error;
        r = __real_write_file_at(dirfd, path, text, size, mode);
        return strike_after(&fault, r);
}

/* In the midst of write_file_at(). */
int __real_renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath);
int __wrap_renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath);

int __wrap_renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath)
{
        struct fake_fault fault = next_point(kernel);
        int r;

        strike_before(kernel, &fault);
        if (fault.kind == FAULT_ERRNO) {
                errno = fault.error;
                return -1;
        }
        r = __real_renameat(olddirfd, oldpath, newdirfd, newpath);
        __atomic_add_fetch(&kernel->moves, 1, __ATOMIC_SEQ_CST);
        return strike_after(&fault, r);
}

int __real_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags);

int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
        struct fake_fault fault = next_point(kernel);
        int r;

        strike_before(kernel, &fault);
        if (fault.kind == FAULT_ERRNO) {
                errno = fault.error;
                return -1;
        }
        r = __real_unlinkat(dirfd, path, flags);
        __atomic_add_fetch(&kernel->moves, 1, __ATOMIC_SEQ_CST);
        return strike_after(&fault, r);
}
