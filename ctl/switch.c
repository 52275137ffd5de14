/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs off and on. Whatever step they are cut off at, the same verb completes them. */
#include "util/switch.h"

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
#include "verbs.h"

#define PARAMETER "sys/module/" VFIO_ALIGN_MODULE "/parameters/enabled"

#define RUNTIME_DIRECTORY "run/vfioalign"
#define STATE_DIRECTORY "var/lib/vfioalign"

/* In one of the files where it was "off" that disabled the module, and not somebody before: "on" enables no
 * other. */
#define MODULE_DISABLED "module\n"

struct switching {
        const char *verb;
        bool dry_run;
        struct root root;
};

/* For tests, like the daemon's. Whoever names a root of their own needs no other right than its files'. */
static int begin_switching(struct switching *s, int argc, char *argv[], unsigned options, struct options *o)
{
        const char *path = secure_getenv("VFIOALIGN_ROOT");
        int r;

        r = options_parse(argc, argv, options, 0, 0, o);
        if (r < 0)
                return r;
        *s = (struct switching){ .verb = argv[0], .dry_run = o->dry_run, .root = { .fd = -EBADF } };
        if (geteuid() != 0 && !path && !s->dry_run) {
                log_error(0, "Only root can switch vfioalign %s: run it as root (sudo)", s->verb);
                return -CTL_FAILED;
        }
        r = root_open(&s->root, path);
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

static int set_module(const struct switching *s, bool enabled)
{
        int r;

        if (s->dry_run) {
                print_line(stdout, "would write %d to /" PARAMETER, enabled);
                return 0;
        }
        r = write_attribute_at(s->root.fd, PARAMETER, enabled ? "1" : "0");
        if (r < 0)
                return log_error(r, "Failed to %s the loaded module " VFIO_ALIGN_MODULE ": %m",
                                 enabled ? "enable" : "disable");
        print_line(stdout,
                   "The loaded module " VFIO_ALIGN_MODULE " is %s; guests that run keep their mappings",
                   enabled ? "enabled" : "disabled");
        return 0;
}

static int create_file(const struct switching *s, const char *file, const char *directory, const char *text)
{
        int r;

        if (s->dry_run) {
                print_line(stdout, "would create /%s", file);
                return 0;
        }
        if (mkdirat(s->root.fd, directory, 0755) < 0 && errno != EEXIST)
                return log_error(-errno, "Failed to create '/%s': %m", directory);
        r = write_file_at(s->root.fd, file, text, strlen(text), 0644);
        return r < 0 ? log_error(r, "Failed to create '/%s': %m", file) : 0;
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

/* The file comes first: cut off behind it, vfioalign is off, and what is left is the module. */
static int switch_off(const struct switching *s, bool persistent)
{
        bool module = module_is(&s->root, "Y");
        const char *file;
        int r;

        /* What holds longer than asked stays. */
        persistent = persistent || exists_at(s->root.fd, SWITCH_FILE_PERSISTENT);
        file = persistent ? SWITCH_FILE_PERSISTENT : SWITCH_FILE;
        if (!exists_at(s->root.fd, file) || (module && !has_disabled_module(&s->root, file))) {
                r = create_file(s, file, persistent ? STATE_DIRECTORY : RUNTIME_DIRECTORY,
                                module ? MODULE_DISABLED : "");
                if (r < 0)
                        return r;
        }
        if (module) {
                r = set_module(s, false);
                if (r < 0)
                        return r;
        }
        if (!s->dry_run)
                print_off(&s->root);
        return 0;
}

/* A power cut does not bring it back. */
static int remove_file(const struct switching *s, const char *file, const char *directory)
{
        _cleanup_close_ int dir = -EBADF;

        if (!exists_at(s->root.fd, file))
                return 0;
        if (s->dry_run) {
                print_line(stdout, "would remove /%s", file);
                return 0;
        }
        dir = open_at(s->root.fd, directory, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return log_error(dir, "Failed to open '/%s': %m", directory);
        if ((unlinkat(s->root.fd, file, 0) < 0 && errno != ENOENT) || fsync(dir) < 0)
                return log_error(-errno, "Failed to remove '/%s': %m", file);
        return 0;
}

/* The files go last, because they say whether the module was disabled by us: cut off before, vfioalign is
 * off still, and says so. */
static int switch_on(const struct switching *s)
{
        bool boot = switched_off_at_boot(&s->root);
        int module = 0, r;

        if (!boot && module_is(&s->root, "N") &&
            (has_disabled_module(&s->root, SWITCH_FILE) ||
             has_disabled_module(&s->root, SWITCH_FILE_PERSISTENT)))
                module = set_module(s, true);
        r = remove_file(s, SWITCH_FILE_PERSISTENT, STATE_DIRECTORY);
        if (r < 0)
                return r;
        /* Confined guests know of the command line by this one. */
        if (boot)
                return log_error(
                        -EBUSY,
                        "vfioalign stays off until the host boots without vfioalign=off on the kernel "
                        "command line");
        r = remove_file(s, SWITCH_FILE, RUNTIME_DIRECTORY);
        if (r < 0)
                return r;
        if (!s->dry_run)
                print_line(stdout, "vfioalign is switched on");
        return module;
}

int verb_off(int argc, char *argv[])
{
        struct options o;
        struct switching s;
        int r;

        r = begin_switching(&s, argc, argv, OPTION_PERSISTENT | OPTION_DRY_RUN, &o);
        if (r < 0)
                return -r;
        r = switch_off(&s, o.persistent);
        root_close(&s.root);
        return r < 0 ? CTL_FAILED : CTL_OK;
}

int verb_on(int argc, char *argv[])
{
        struct options o;
        struct switching s;
        int r;

        r = begin_switching(&s, argc, argv, OPTION_DRY_RUN, &o);
        if (r < 0)
                return -r;
        r = switch_on(&s);
        root_close(&s.root);
        return r < 0 ? CTL_FAILED : CTL_OK;
}
