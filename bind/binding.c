/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "binding.h"

#include <assert.h>
#include <fcntl.h>

#include "opener.h"
#include "util/clock.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"

#define DEVICES "sys/bus/pci/devices/"
#define DRIVERS "sys/bus/pci/drivers/"

/* linux/pci_regs.h: PCI_CFG_SPACE_SIZE, PCI_EXT_CAP_ID_DSN */
#define EXTENDED_CONFIG 0x100
#define CAPABILITY_SERIAL 0x0003
#define CAPABILITIES_MAX 64

typedef char path_t[192];

static const char *attribute_path(const char *bdf, const char *name, path_t path)
{
        snprintf(path, sizeof(path_t), DEVICES "%s/%s", bdf, name);
        return path;
}

static int copy_name(char to[BINDING_NAME_MAX], const char *from)
{
        if (strlen(from) >= BINDING_NAME_MAX)
                return -ENAMETOOLONG;
        strcpy(to, from);
        return 0;
}

int binding_read(const struct root *root, const char *bdf, struct binding *ret)
{
        _cleanup_free_ char *driver = NULL, *override = NULL;
        struct binding b = {};
        path_t path;
        int r;

        r = read_line_at(root->fd, attribute_path(bdf, "driver_override", path), &override);
        if (r < 0)
                return exists_at(root->fd, attribute_path(bdf, "", path)) ? r : -ENODEV;
        r = read_link_name_at(root->fd, attribute_path(bdf, "driver", path), &driver);
        if (r < 0 && r != -ENOENT)
                return r;
        r = copy_name(b.driver, driver ?: "");
        if (r < 0)
                return r;
        r = copy_name(b.override, streq(override, "(null)") ? "" : override);
        if (r < 0)
                return r;
        *ret = b;
        return 0;
}

static void plan_write(struct binding_writes *w, enum binding_step step, const char *path, const char *value)
{
        struct binding_write *write = &w->writes[w->n++];

        assert(w->n <= ELEMENTSOF(w->writes));

        write->step = step;
        snprintf(write->path, sizeof(write->path), "%s", path);
        snprintf(write->value, sizeof(write->value), "%s", value);
}

void binding_plan(const char *bdf, const struct binding *from, const struct binding *to,
                  struct binding_writes *ret)
{
        bool changes_driver = !streq(from->driver, to->driver);
        bool changes_override = !streq(from->override, to->override);
        path_t path;

        assert(bdf && from && to && ret);

        ret->n = 0;
        /* The override comes first where a driver follows: from then on, no other driver that turns up can
         * take the function. Where none follows it comes last, as it may not keep the old one. */
        if (changes_override && (!changes_driver || *to->driver))
                plan_write(ret, BINDING_OVERRIDE, attribute_path(bdf, "driver_override", path),
                           to->override);
        if (changes_driver && *from->driver) {
                snprintf(path, sizeof(path), DRIVERS "%s/unbind", from->driver);
                plan_write(ret, BINDING_UNBIND, path, bdf);
        }
        if (changes_driver && *to->driver)
                plan_write(ret, BINDING_PROBE, "sys/bus/pci/drivers_probe", bdf);
        if (changes_override && changes_driver && !*to->driver)
                plan_write(ret, BINDING_OVERRIDE, attribute_path(bdf, "driver_override", path),
                           to->override);
}

static int write_checked(struct binding_writer *w, const char *path, const char *value)
{
        if ((w->stop && *w->stop) ||
            (w->deadline_usec > 0 && clock_usec(CLOCK_BOOTTIME) >= w->deadline_usec))
                return -ECANCELED;
        w->writes++;
        /* The kernel ignores an empty write; a newline clears an override (drivers/base/driver.c,
         * driver_set_override). */
        return write_attribute_at(w->root->fd, path, *value ? value : "\n");
}

/* Carries out the plan from where the function is now to there, and reads back where it is after the last
 * write. That can be another place, also where 0 is returned: a probe succeeds where no driver took the
 * function, or where another one did. */
static int take_steps(struct binding_writer *w, const char *bdf, struct binding *now,
                      const struct binding *to)
{
        struct binding_writes plan;
        int r;

        binding_plan(bdf, now, to, &plan);
        if (plan.n == 0)
                return 0;
        for (size_t i = 0; i < plan.n; i++) {
                r = write_checked(w, plan.writes[i].path, plan.writes[i].value);
                if (r == -ENODEV && plan.writes[i].step == BINDING_UNBIND) {
                        /* The function has left the host, or somebody else has unbound it already. */
                        r = binding_read(w->root, bdf, now);
                        if (r < 0)
                                return r;
                        if (*now->driver)
                                return -EIO;
                }
                if (r < 0)
                        return r;
        }
        return binding_read(w->root, bdf, now);
}

static int try_bring(struct binding_writer *w, const char *bdf, const struct binding *to)
{
        struct binding now, next;
        int r;

        r = binding_read(w->root, bdf, &now);
        if (r < 0)
                return r;
        r = take_steps(w, bdf, &now, to);
        if (r < 0)
                return r;

        /* The kernel prefers another driver: this one had been bound by name, and is again. */
        if (*to->driver && !streq(now.driver, to->driver) && !streq(to->override, to->driver)) {
                next = (struct binding){};
                strcpy(next.driver, to->driver);
                strcpy(next.override, to->driver);
                r = take_steps(w, bdf, &now, &next);
                if (r < 0)
                        return r;
        }

        /* Whatever driver it has now, the override is as it should be. */
        next = now;
        strcpy(next.override, to->override);
        r = take_steps(w, bdf, &now, &next);
        if (r < 0)
                return r;
        return binding_equal(&now, to) ? 0 : -ENOTUNIQ;
}

int binding_bring(struct binding_writer *w, const char *bdf, const struct binding *to)
{
        struct binding now;
        int r;

        assert(w && w->root && bdf && to);

        r = try_bring(w, bdf, to);
        if (r == 0 || r == -ECANCELED || r == -ENOTUNIQ)
                return r;
        /* A function that vanishes half-way can cause any error, and -ENODEV can come from one that is still
         * there. */
        if (binding_read(w->root, bdf, &now) == -ENODEV)
                return -ENODEV;
        return r == -ENODEV ? -EIO : r;
}

static const struct {
        const char *name;
        size_t offset, size;
} settings[] = {
        { "power/control", offsetof(struct binding_settings, control),
          sizeof(((struct binding_settings *) 0)->control) },
        { "d3cold_allowed", offsetof(struct binding_settings, d3cold_allowed),
          sizeof(((struct binding_settings *) 0)->d3cold_allowed) },
        { "sriov_drivers_autoprobe", offsetof(struct binding_settings, sriov_drivers_autoprobe),
          sizeof(((struct binding_settings *) 0)->sriov_drivers_autoprobe) },
};

int binding_settings_read(const struct root *root, const char *bdf, struct binding_settings *ret)
{
        struct binding_settings s = {};

        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                _cleanup_free_ char *value = NULL;
                path_t path;
                int r = read_line_at(root->fd, attribute_path(bdf, settings[i].name, path), &value);

                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                if (strlen(value) >= settings[i].size)
                        return -EBADMSG;
                strcpy((char *) &s + settings[i].offset, value);
        }
        *ret = s;
        return 0;
}

int binding_settings_bring(struct binding_writer *w, const char *bdf, const struct binding_settings *to)
{
        struct binding_settings now;
        int r;

        r = binding_settings_read(w->root, bdf, &now);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                const char *old = (const char *) &now + settings[i].offset;
                const char *new = (const char *) to + settings[i].offset;
                path_t path;

                if (!*old || !*new || streq(old, new))
                        continue;
                r = write_checked(w, attribute_path(bdf, settings[i].name, path), new);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int open_config(const struct root *root, const char *bdf)
{
        path_t path;
        int fd;

        fd = open_at(root->fd, attribute_path(bdf, "config", path), O_RDONLY);
        if (fd == -ENOENT && !exists_at(root->fd, attribute_path(bdf, "", path)))
                return -ENODEV;
        return fd;
}

int binding_reachable(const struct root *root, const char *bdf)
{
        _cleanup_close_ int fd = open_config(root, bdf);
        uint8_t header[64];
        ssize_t n;

        if (fd < 0)
                return fd;
        n = pread(fd, header, sizeof(header), 0);
        if (n < 0)
                return -errno;
        /* All of it, because a virtual function has all ones as its vendor and device (SR-IOV, 9.3.4.1.1).
         */
        for (ssize_t i = 0; i < n; i++)
                if (header[i] != 0xff)
                        return 0;
        return n > 0 ? -EHOSTDOWN : -EIO;
}

/* Without CAP_SYS_ADMIN the kernel ends the file after its first 64 bytes, but gives its true size. */
static bool is_cut(int fd)
{
        struct stat st;
        uint8_t byte;

        return fstat(fd, &st) >= 0 && st.st_size > EXTENDED_CONFIG &&
               pread(fd, &byte, sizeof(byte), EXTENDED_CONFIG) == 0;
}

/* Returns a descriptor or a negative errno. *ret_cut: where no way was found to see all of it, why. */
static int open_whole_config(const struct root *root, const char *bdf, int *ret_cut)
{
        _cleanup_close_ int fd = open_config(root, bdf);
        opener_path_t path;
        int whole;

        *ret_cut = 0;
        if (fd < 0 || !root->live || !is_cut(fd))
                return TAKE_FD(fd);
        whole = opener_open(root, opener_config_path(bdf, path));
        if (whole >= 0)
                return whole;
        *ret_cut = whole;
        return TAKE_FD(fd);
}

int binding_read_serial(const struct root *root, const char *bdf, char ret[static 24], int *ret_unseen)
{
        unsigned offset = EXTENDED_CONFIG;
        _cleanup_close_ int fd = -EBADF;
        int unseen;
        uint8_t s[8];

        fd = open_whole_config(root, bdf, &unseen);
        if (fd < 0)
                return fd;
        if (ret_unseen)
                *ret_unseen = unseen;
        ret[0] = '\0';
        for (unsigned i = 0; i < CAPABILITIES_MAX && offset >= EXTENDED_CONFIG; i++) {
                uint8_t head[4];

                if (pread(fd, head, sizeof(head), offset) != sizeof(head))
                        return 0;
                if ((head[0] | head[1] << 8) == CAPABILITY_SERIAL) {
                        if (pread(fd, s, sizeof(s), offset + 4) == sizeof(s))
                                snprintf(ret, 24, "%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x", s[7], s[6],
                                         s[5], s[4], s[3], s[2], s[1], s[0]);
                        return 0;
                }
                offset = (unsigned) (head[2] >> 4 | head[3] << 4) & ~3U;
        }
        return 0;
}
