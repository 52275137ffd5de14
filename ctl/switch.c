/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs off and on. Whatever step they are cut off at, the same verb completes them. */
#include "switch.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "ctl.h"
#include "facts/host.h"
#include "options.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/print.h"
#include "util/switch.h"
#include "verbs.h"

#define PARAMETER "sys/module/" VFIO_ALIGN_MODULE "/parameters/enabled"

#define RUNTIME_DIRECTORY "run/vfioalign"
#define STATE_DIRECTORY "var/lib/vfioalign"

/* In one of the files where it was "off" that disabled the module, and not somebody before: "on" enables no
 * other. */
#define MODULE_DISABLED "module\n"

/* Beyond what a load may take: its end has to be seen, too. */
#define LOCK_WAIT_USEC (SWITCH_HOLD_USEC + 5 * USEC_PER_SEC)

/* For tests, like the daemon's. Whoever names a root of their own needs no other right than its files'. */
static int begin_switching(struct root *root, int argc, char *argv[], unsigned options, struct options *o)
{
        const char *path = secure_getenv("VFIOALIGN_ROOT");
        int r;

        r = options_parse(argc, argv, options, 0, 0, o);
        if (r < 0)
                return r;
        if (geteuid() != 0 && !path && !o->dry_run) {
                log_error(0, "Only root can switch vfioalign %s: run it as root (sudo)", argv[0]);
                return -CTL_FAILED;
        }
        r = root_open(root, path);
        if (r < 0) {
                log_error(r, "Failed to open '/': %m");
                return -CTL_FAILED;
        }
        return 0;
}

static bool module_is(const struct root *root, const char *value)
{
        _cleanup_free_ char *text = NULL;

        return read_line_at(root->fd, PARAMETER, &text) >= 0 && streq(text, value);
}

static bool has_disabled_module(const struct root *root, const char *file)
{
        _cleanup_free_ char *text = NULL;

        return read_file_at(root->fd, file, FILE_MAX_SIZE, &text, NULL) >= 0 && streq(text, MODULE_DISABLED);
}

static int set_module(const struct root *root, bool enabled, bool dry_run)
{
        int r;

        if (dry_run) {
                print_line(stdout, "would write %d to /" PARAMETER, enabled);
                return 0;
        }
        r = write_attribute_at(root->fd, PARAMETER, enabled ? "1" : "0");
        if (r < 0)
                return log_error(r, "Failed to %s the loaded module " VFIO_ALIGN_MODULE ": %m",
                                 enabled ? "enable" : "disable");
        print_line(stdout,
                   "The loaded module " VFIO_ALIGN_MODULE " is %s; guests that run keep their mappings",
                   enabled ? "enabled" : "disabled");
        return 0;
}

/* A power cut does not take it along. */
static int make_directory(const struct root *root, const char *directory)
{
        _cleanup_free_ char *parent = strndup(directory, (size_t) (strrchr(directory, '/') - directory));
        _cleanup_close_ int dir = -EBADF;

        if (!parent)
                return -ENOMEM;
        if (mkdirat(root->fd, directory, 0755) < 0 && errno != EEXIST)
                return -errno;
        dir = open_at(root->fd, parent, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return dir;
        return fsync(dir) < 0 ? -errno : 0;
}

/* module: whether it says that "off" disables the module. It never says less than before. */
static int create_file(const struct root *root, bool persistent, bool module, bool dry_run)
{
        const char *file = persistent ? SWITCH_FILE_PERSISTENT : SWITCH_FILE,
                   *directory = persistent ? STATE_DIRECTORY : RUNTIME_DIRECTORY,
                   *text = module ? MODULE_DISABLED : "";
        int r;

        if (exists_at(root->fd, file) && (!module || has_disabled_module(root, file)))
                return 0;
        if (dry_run) {
                print_line(stdout, "would create /%s", file);
                return 0;
        }
        r = make_directory(root, directory);
        if (r < 0)
                return log_error(r, "Failed to create '/%s': %m", directory);
        r = write_file_at(root->fd, file, text, strlen(text), 0644);
        return r < 0 ? log_error(r, "Failed to create '/%s': %m", file) : 0;
}

/* Waits for whoever loads the module, or has the switch in hand. */
static int lock_switch(const struct root *root)
{
        int fd = switch_lock(root, 0);

        if (fd == -EAGAIN) {
                print_line(stdout, "The module " VFIO_ALIGN_MODULE
                                   " is just being loaded: waiting for the end of that");
                (void) fflush(stdout);
                fd = switch_lock(root, LOCK_WAIT_USEC);
        }
        return fd;
}

static void print_off(const struct root *root)
{
        const char *off = switched_off(root), *until = "vfioalignctl on";

        if (!exists_at(root->fd, SWITCH_FILE_PERSISTENT))
                until = "the next boot, or vfioalignctl on";
        if (switched_off_at_boot(root))
                until = "the host boots without that";
        print_line(stdout, "vfioalign is switched off by %s, until %s", off, until);
}

/* The file comes first: cut off behind it, vfioalign is off, nobody begins to load the module, and what is
 * left is one that was loaded before. */
int switch_off(const struct root *root, bool persistent, bool dry_run)
{
        _cleanup_(switch_unlock) int lock = -EBADF;
        bool module;
        int r;

        assert(root);

        /* What holds longer than asked stays. */
        persistent = persistent || exists_at(root->fd, SWITCH_FILE_PERSISTENT);
        module = module_is(root, "Y");
        r = create_file(root, persistent, module, dry_run);
        if (r < 0)
                return r;
        if (dry_run)
                return module ? set_module(root, false, true) : 0;
        lock = lock_switch(root);
        module = module_is(root, "Y");
        r = create_file(root, persistent, module, false);
        if (r < 0)
                return r;
        if (module) {
                r = set_module(root, false, false);
                if (r < 0)
                        return r;
        }
        print_off(root);
        if (lock < 0)
                return log_error(lock,
                                 "Failed to lock the switch, so a load of the module " VFIO_ALIGN_MODULE
                                 " that is under way may leave it enabled; run this again: %m");
        return 0;
}

/* A power cut does not bring it back. */
static int remove_file(const struct root *root, const char *file, const char *directory, bool dry_run)
{
        _cleanup_close_ int dir = -EBADF;

        if (!exists_at(root->fd, file))
                return 0;
        if (dry_run) {
                print_line(stdout, "would remove /%s", file);
                return 0;
        }
        dir = open_at(root->fd, directory, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return log_error(dir, "Failed to open '/%s': %m", directory);
        if ((unlinkat(root->fd, file, 0) < 0 && errno != ENOENT) || fsync(dir) < 0)
                return log_error(-errno, "Failed to remove '/%s': %m", file);
        return 0;
}

/* The files go last, because they say whether the module was disabled by us: cut off before, vfioalign is
 * off still, and says so. */
int switch_on(const struct root *root, bool dry_run)
{
        _cleanup_(switch_unlock) int lock = -EBADF;
        bool boot;
        int module = 0, r;

        assert(root);

        boot = switched_off_at_boot(root);
        if (!dry_run) {
                lock = lock_switch(root);
                if (lock < 0)
                        return log_error(lock, "Failed to lock the switch, not switching on: %m");
        }
        if (!boot && module_is(root, "N") &&
            (has_disabled_module(root, SWITCH_FILE) || has_disabled_module(root, SWITCH_FILE_PERSISTENT)))
                module = set_module(root, true, dry_run);
        r = remove_file(root, SWITCH_FILE_PERSISTENT, STATE_DIRECTORY, dry_run);
        if (r < 0)
                return r;
        /* Confined guests know of the command line by this one. */
        if (boot)
                return log_error(
                        -EBUSY,
                        "vfioalign stays off until the host boots without vfioalign=off on the kernel "
                        "command line");
        r = remove_file(root, SWITCH_FILE, RUNTIME_DIRECTORY, dry_run);
        if (r < 0)
                return r;
        if (!dry_run)
                print_line(stdout, "vfioalign is switched on");
        return module;
}

int verb_off(int argc, char *argv[])
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        struct options o;
        int r;

        r = begin_switching(&root, argc, argv, OPTION_PERSISTENT | OPTION_DRY_RUN, &o);
        if (r < 0)
                return -r;
        return switch_off(&root, o.persistent, o.dry_run) < 0 ? CTL_FAILED : CTL_OK;
}

int verb_on(int argc, char *argv[])
{
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        struct options o;
        int r;

        r = begin_switching(&root, argc, argv, OPTION_DRY_RUN, &o);
        if (r < 0)
                return -r;
        return switch_on(&root, o.dry_run) < 0 ? CTL_FAILED : CTL_OK;
}
