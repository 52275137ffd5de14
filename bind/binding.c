/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "binding.h"

#include <ctype.h>
#include <fcntl.h>

#include "util/clock.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"

#define DEVICES "sys/bus/pci/devices/"
#define DRIVERS "sys/bus/pci/drivers/"

/* pci_regs.h: PCI_CFG_SPACE_SIZE, PCI_EXT_CAP_ID_DSN */
#define EXTENDED_CONFIG 0x100
#define CAPABILITY_SERIAL 0x0003
#define CAPABILITIES_MAX 64

typedef char path_t[192];

static const char *attribute(const char *bdf, const char *name, path_t path)
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

        r = read_line_at(root->fd, attribute(bdf, "driver_override", path), &override);
        if (r < 0)
                return exists_at(root->fd, attribute(bdf, "", path)) ? r : -ENODEV;
        r = read_link_name_at(root->fd, attribute(bdf, "driver", path), &driver);
        if (r < 0 && r != -ENOENT)
                return r;
        r = copy_name(b.driver, driver ?: "");
        if (r >= 0)
                r = copy_name(b.override, streq(override, "(null)") ? "" : override);
        if (r >= 0)
                *ret = b;
        return r;
}

static int write_checked(struct binding_writer *w, const char *path, const char *value)
{
        int r;

        if ((w->stop && *w->stop) ||
            (w->deadline_usec > 0 && clock_usec(CLOCK_BOOTTIME) >= w->deadline_usec))
                return -ECANCELED;
        w->writes++;
        r = write_attribute_at(w->root->fd, path, value);
        return r;
}

/* now follows what is written. */
static int set_override(struct binding_writer *w, const char *bdf, struct binding *now, const char *to)
{
        path_t path;
        int r;

        if (streq(now->override, to))
                return 0;
        /* An empty write is none; a newline clears (drivers/base/driver.c, driver_set_override). */
        r = write_checked(w, attribute(bdf, "driver_override", path), *to ? to : "\n");
        if (r >= 0)
                strcpy(now->override, to);
        return r;
}

/* Not read back: what follows does. */
static int leave_driver(struct binding_writer *w, const char *bdf, struct binding *now)
{
        path_t path;
        int r;

        if (!*now->driver)
                return 0;
        snprintf(path, sizeof(path), DRIVERS "%s/unbind", now->driver);
        r = write_checked(w, path, bdf);
        if (r >= 0)
                now->driver[0] = '\0';
        if (r != -ENODEV)
                return r;
        /* It has left the host; or somebody else was quicker, and it has no driver already. */
        r = binding_read(w->root, bdf, now);
        return r >= 0 && *now->driver ? -EIO : r;
}

static int probe(struct binding_writer *w, const char *bdf, struct binding *now)
{
        int r = write_checked(w, "sys/bus/pci/drivers_probe", bdf);

        /* It says 0 also where no driver took the function, or another did. */
        return r < 0 ? r : binding_read(w->root, bdf, now);
}

/* now is read back after the last write. */
static int change_driver(struct binding_writer *w, const char *bdf, struct binding *now,
                         const struct binding *to)
{
        int r = 0;

        /* First the override: from then on no other driver that comes along can take the function. */
        if (*to->driver)
                r = set_override(w, bdf, now, to->override);
        if (r >= 0)
                r = leave_driver(w, bdf, now);
        if (r >= 0 && !*to->driver)
                return binding_read(w->root, bdf, now);
        if (r >= 0)
                r = probe(w, bdf, now);
        if (r < 0 || streq(now->driver, to->driver) || streq(to->override, to->driver))
                return r;

        /* The kernel by itself prefers another: it got its driver by name, as it does now. */
        r = set_override(w, bdf, now, to->driver);
        if (r >= 0)
                r = leave_driver(w, bdf, now);
        return r < 0 ? r : probe(w, bdf, now);
}

int binding_bring(struct binding_writer *w, const char *bdf, const struct binding *to)
{
        struct binding now;
        unsigned writes;
        int r;

        r = binding_read(w->root, bdf, &now);
        if (r >= 0 && !streq(now.driver, to->driver))
                r = change_driver(w, bdf, &now, to);
        writes = w->writes;
        if (r >= 0)
                r = set_override(w, bdf, &now, to->override);
        if (r >= 0 && w->writes > writes)
                r = binding_read(w->root, bdf, &now);
        if (r >= 0)
                return binding_equal(&now, to) ? 0 : -ENOTUNIQ;
        /* What vanished half-way answers with whatever it likes; what is there may say that it is not. */
        if (r == -ECANCELED)
                return r;
        return binding_read(w->root, bdf, &now) == -ENODEV ? -ENODEV : r == -ENODEV ? -EIO : r;
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
                int r = read_line_at(root->fd, attribute(bdf, settings[i].name, path), &value);

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
        for (size_t i = 0; i < ELEMENTSOF(settings) && r >= 0; i++) {
                const char *old = (const char *) &now + settings[i].offset,
                           *new = (const char *) to + settings[i].offset;
                path_t path;

                if (*old && *new && !streq(old, new))
                        r = write_checked(w, attribute(bdf, settings[i].name, path), new);
        }
        return r;
}

static int open_config(const struct root *root, const char *bdf)
{
        path_t path;
        int fd = open_at(root->fd, attribute(bdf, "config", path), O_RDONLY);

        return fd == -ENOENT && !exists_at(root->fd, attribute(bdf, "", path)) ? -ENODEV : fd;
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
        /* All of it: a virtual function has all ones as its vendor and device (SR-IOV, 9.3.4.1.1). */
        for (ssize_t i = 0; i < n; i++)
                if (header[i] != 0xff)
                        return 0;
        return n > 0 ? -EHOSTDOWN : -EIO;
}

int binding_read_serial(const struct root *root, const char *bdf, char ret[static 24])
{
        _cleanup_close_ int fd = open_config(root, bdf);
        unsigned offset = EXTENDED_CONFIG;
        uint8_t s[8];

        if (fd < 0)
                return fd;
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
