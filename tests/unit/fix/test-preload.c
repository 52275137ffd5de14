/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix/preload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "facts/emulator/run-confined.h"
#include "fixture.h"
#include "test.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"

#define UNIT \
        "[Unit]\nDescription=a daemon\n[Service]\n# Environment=LD_PRELOAD=/no/comment.so \\\n" \
        "Type=notify\n" \
        "Environment=LIBVIRTD_ARGS=\"--timeout 120\"\nEnvironmentFile=-/etc/default/libvirtd\n"
#define UNITS "usr/lib/systemd/system/"
#define LIBVIRTD UNITS "libvirtd.service"
#define ETC "etc/systemd/system/"
#define DROP_IN(unit) ETC unit ".service.d/" LIBVIRT_PRELOAD_DROP_IN
#define LIBRARY PRELOAD_LIBRARY
#define EMULATOR "usr/bin/qemu-system-x86_64"
#define THEIRS "home/user/qemu" /* which only some process runs, or which others can change */

static uint64_t run_timeout;
static unsigned writes_until_failure;

int __real_run_confined(const char *program, char *const argv[], char *const env[], const char *directory,
                        uint64_t timeout_usec, void *bytes, size_t size, size_t *ret_size,
                        enum run_end *ret_end);
int __wrap_run_confined(const char *program, char *const argv[], char *const env[], const char *directory,
                        uint64_t timeout_usec, void *bytes, size_t size, size_t *ret_size,
                        enum run_end *ret_end);
int __wrap_sd_bus_open_system(sd_bus **ret);
int __real_write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode);
int __wrap_write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode);

int __wrap_run_confined(const char *program, char *const argv[], char *const env[], const char *directory,
                        uint64_t timeout_usec, void *bytes, size_t size, size_t *ret_size,
                        enum run_end *ret_end)
{
        return __real_run_confined(program, argv, env, directory, run_timeout ?: timeout_usec, bytes, size,
                                   ret_size, ret_end);
}

/* The systemd of this machine has nothing to do with it. */
int __wrap_sd_bus_open_system(sd_bus **ret)
{
        (void) ret;
        return -ENOENT;
}

int __wrap_write_file_at(int dirfd, const char *path, const char *text, size_t size, mode_t mode)
{
        if (writes_until_failure > 0 && --writes_until_failure == 0)
                return -ENOSPC;
        return __real_write_file_at(dirfd, path, text, size, mode);
}

/* Everything; of a file, that it is the very one and has not been written to. */
static char *snapshot(const struct fixture *f)
{
        static const char command[] = "cd '%s' && find . -type d -printf '%%p %%m\\n' | sort &&"
                                      "find . ! -type d -printf '%%p %%y %%m %%l %%i %%T@\\n' | sort";
        _cleanup_free_ char *line = NULL;
        char *text = NULL;
        size_t size;
        FILE *out;

        assert_true(asprintf(&line, command, f->dir) > 0);
        out = popen(line, "r");
        assert_non_null(out);
        assert_ok(read_fd(fileno(out), MIB(1), &text, &size));
        assert_int_equal(pclose(out), 0);
        assert_true(size > 100);
        return text;
}

static int setup(void **state)
{
        struct fixture *f;

        if (fixture_setup(state) < 0)
                return -1;
        f = *state;
        f->root.live = true; /* its programs are run */
        run_timeout = writes_until_failure = 0;
        if (chmod(f->dir, 0755) < 0) /* for nobody */
                return -1;
        fixture_write(f, LIBVIRTD, UNIT);
        fixture_write(f, ETC "other.service", "");
        fixture_copy(f, "usr/sbin/libvirtd", "/bin/true");
        fixture_copy(f, EMULATOR, "/bin/true");
        fixture_copy(f, LIBRARY + 1, BUILT_LIBRARY);
        fixture_write(f, "proc/1/comm", "systemd\n");
        return 0;
}

static void add_virtqemud(struct fixture *f)
{
        fixture_write(f, UNITS "virtqemud.service", UNIT);
        fixture_copy(f, "usr/sbin/virtqemud", "/bin/true");
}

/* environ: each string with its own NUL behind it; NULL: it cannot be read */
static void run_daemon(struct fixture *f, const char *environ, size_t size)
{
        fixture_write(f, "proc/500/comm", "libvirtd\n");
        fixture_write(f, "run/libvirtd.pid", "500\n");
        if (environ)
                fixture_write_bytes(f, "proc/500/environ", environ, size);
}

static struct host read_host(struct fixture *f)
{
        static struct emulator emulators[] = {
                { .path = (char *) "/" EMULATOR, .distribution = true },
                { .path = (char *) "/" THEIRS },
                { .path = (char *) "/" THEIRS, .distribution = true, .changeable = true },
                { .path = (char *) "/in/a/container", .container = true },
                { .path = (char *) "/usr/bin/gone" },
        };
        struct host h = { .root = &f->root,
                          .emulators = { .emulators = emulators, .n_emulators = ELEMENTSOF(emulators) } };

        assert_ok(libvirt_facts_read(&h.libvirt, &f->root));
        return h;
}

static enum fix_state state_of(struct fixture *f)
{
        struct host h = read_host(f);
        enum fix_state s = fix_preload_state(&h);

        libvirt_facts_done(&h.libvirt);
        return s;
}

static int do_fix(struct fixture *f, enum fix_action action, bool dry_run, struct fix_plan *plan)
{
        struct host h = read_host(f);
        int r;

        fix_plan_done(plan);
        r = fix_preload(&h, action, dry_run, plan);
        libvirt_facts_done(&h.libvirt);
        return r;
}

static void assert_has(const char *text, const char *word)
{
        if (!text || !strstr(text, word))
                fail_msg("\"%s\" is not in \"%s\"", word, text ?: "nothing");
}

static void assert_content(struct fixture *f, const char *path, const char *value)
{
        _cleanup_free_ char *text = NULL, *wanted = NULL;
        size_t size;

        assert_true(asprintf(&wanted, "\n[Service]\nEnvironment=\"LD_PRELOAD=%s\"\n", value) > 0);
        assert_ok(read_file_at(f->root.fd, path, MIB(1), &text, &size));
        assert_has(text, wanted);
}

/* Applies: that many steps, and no refusal */
static void assert_applies(struct fixture *f, size_t n_steps)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};

        assert_ok(do_fix(f, FIX_APPLY, false, &plan));
        if (plan.refusal)
                fail_msg("refused: %s", plan.refusal);
        assert_int_equal(plan.n_steps, n_steps);
}

static void assert_reverts(struct fixture *f, size_t n_steps)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};

        assert_ok(do_fix(f, FIX_REVERT, false, &plan));
        assert_null(plan.refusal);
        assert_int_equal(plan.n_steps, n_steps);
}

/* Refuses with those words, and changes nothing. */
static void assert_refuses(struct fixture *f, const char *why)
{
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        _cleanup_free_ char *before = snapshot(f), *after = NULL;

        assert_ok(do_fix(f, FIX_APPLY, true, &plan));
        assert_has(plan.refusal, why);
        assert_ok(do_fix(f, FIX_APPLY, false, &plan));
        assert_has(plan.refusal, why);
        assert_int_equal(plan.n_steps, 0);
        after = snapshot(f);
        assert_string_equal(before, after);
}

static void test_apply_and_revert(void **state)
{
        _cleanup_free_ char *before = NULL, *applied = NULL, *after = NULL;
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        struct fixture *f = *state;

        add_virtqemud(f);
        fixture_write(f, ETC "virtqemud.service.d/site.conf", "[Service]\nNice=1\n");
        before = snapshot(f);
        assert_int_equal(state_of(f), FIX_ABSENT);
        assert_reverts(f, 0);

        assert_ok(do_fix(f, FIX_APPLY, true, &plan));
        assert_null(plan.refusal);
        assert_int_equal(plan.n_steps, 2);
        assert_string_equal(plan.steps[0], "write /" DROP_IN("libvirtd") ": LD_PRELOAD=" LIBRARY);
        assert_has(plan.note, "systemctl restart libvirtd.service");
        after = snapshot(f);
        assert_string_equal(before, after);

        assert_ok(do_fix(f, FIX_APPLY, false, &plan));
        assert_null(plan.refusal);
        assert_int_equal(plan.n_steps, 2);
        assert_has(plan.note, "daemon-reload"); /* no systemd runs in there */
        assert_content(f, DROP_IN("libvirtd"), LIBRARY);
        assert_content(f, DROP_IN("virtqemud"), LIBRARY);
        assert_int_equal(state_of(f), FIX_APPLIED);

        applied = snapshot(f);
        assert_applies(f, 0);
        free(TAKE_PTR(after));
        after = snapshot(f);
        assert_string_equal(applied, after);

        assert_ok(do_fix(f, FIX_REVERT, true, &plan));
        assert_int_equal(plan.n_steps, 2);
        free(TAKE_PTR(after));
        after = snapshot(f);
        assert_string_equal(applied, after);

        assert_reverts(f, 2);
        assert_int_equal(state_of(f), FIX_ABSENT);
        free(TAKE_PTR(after));
        after = snapshot(f);
        assert_string_equal(before, after);
        assert_reverts(f, 0);
}

static void test_running(void **state)
{
        static const char without[] = "PATH=/bin\0HOME=/",
                          with[] = "PATH=/bin\0LD_PRELOAD=/a.so:" LIBRARY "\0HOME=/";
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        struct fixture *f = *state;

        run_daemon(f, without, sizeof(without));
        assert_int_equal(state_of(f), FIX_ABSENT);
        assert_applies(f, 1);
        assert_int_equal(state_of(f), FIX_PARTIAL);
        assert_ok(do_fix(f, FIX_APPLY, false, &plan));
        assert_int_equal(plan.n_steps, 0);
        assert_has(plan.note, "systemctl restart libvirtd.service"); /* still */

        fixture_write_bytes(f, "proc/500/environ", with, sizeof(with));
        assert_int_equal(state_of(f), FIX_APPLIED);
        assert_ok(do_fix(f, FIX_APPLY, false, &plan));
        assert_int_equal(plan.n_steps, 0);
        assert_null(plan.note);

        fixture_write(f, "run/vfioalign/off", "");
        assert_ok(do_fix(f, FIX_APPLY, false, &plan));
        assert_has(plan.note, "/run/vfioalign/off");

        fixture_remove(f, "proc/500/environ");
        fixture_link(f, "proc/500/environ", "environ"); /* as a recorded host has what may not be read */
        assert_int_equal(state_of(f), FIX_UNKNOWN);
        fixture_remove(f, "proc/500/environ");
        fixture_write_bytes(f, "proc/500/environ", with, sizeof(with));

        assert_ok(do_fix(f, FIX_REVERT, false, &plan));
        assert_int_equal(plan.n_steps, 1);
        assert_has(plan.note, "systemctl restart libvirtd.service");
        assert_has(plan.note, LIBRARY);
        assert_int_equal(state_of(f), FIX_PARTIAL);
        fixture_write_bytes(f, "proc/500/environ", without, sizeof(without));
        assert_int_equal(state_of(f), FIX_ABSENT);
}

static void test_extends(void **state)
{
        static const struct {
                const char *path, *text, *value; /* of the variable, before ours */
        } cases[] = {
                { LIBVIRTD, "[Service]\nEnvironment=LD_PRELOAD=/a.so\n", "/a.so:" },
                { LIBVIRTD, "[Service]\nEnvironment = A=1 \"LD_PRELOAD=/a.so /b.so\" 'B=2'\n",
                  "/a.so /b.so:" },
                { LIBVIRTD, "[Service]\nEnvironment=A=1 \\\n  LD_PRELOAD=/a.so \\\n  B=2\nType=simple\n",
                  "/a.so:" },
                { LIBVIRTD, "[Service]\nEnvironment=LD_PRELOAD=/a.so\nEnvironment=\n", "" },
                { LIBVIRTD, "[Service]\nEnvironment=LD_PRELOAD=\n", "" },
                { LIBVIRTD,
                  "[Install]\nEnvironment=LD_PRELOAD=/a.so\n[Service]\nXEnvironment=LD_PRELOAD=/a.so\n",
                  "" },
                { LIBVIRTD, "[Service]\n# \\\nEnvironment=LD_PRELOAD=/a.so\nEnvironment=LD_PRELOADX=/b.so",
                  "/a.so:" },
                { ETC "libvirtd.service", "[Service]\nEnvironment=LD_PRELOAD=/etc.so\n", "/etc.so:" },
                { ETC "libvirtd.service.d/override.conf", "[Service]\nEnvironment=LD_PRELOAD=/o.so\n",
                  "/o.so:" },
                /* of one name the first, of two the last */
                { "run/systemd/system/libvirtd.service.d/override.conf",
                  "[Service]\nEnvironment=LD_PRELOAD=/r.so\n", "/o.so:" },
                { "run/systemd/system/libvirtd.service.d/a.conf",
                  "[Service]\nEnvironment=LD_PRELOAD=/r.so\n", "/o.so:" },
                { "run/systemd/system/libvirtd.service.d/p.conf",
                  "[Service]\nEnvironment=LD_PRELOAD=/p.so\n", "/p.so:" },
                { UNITS "service.d/q.conf", "[Service]\nEnvironment=LD_PRELOAD=/q.so\n", "/q.so:" },
                { UNITS "service.d/q.config", "[Service]\nEnvironment=LD_PRELOAD=/z.so\n", "/q.so:" },
                { "etc/default/libvirtd", "# LD_PRELOAD=/x.so\nMY_LD_PRELOAD=/x.so\nLD_PRELOADED=1\n",
                  "/q.so:" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *before = NULL, *after = NULL, *value = NULL;

                fixture_write(f, cases[i].path, cases[i].text);
                before = snapshot(f);
                assert_true(asprintf(&value, "%s" LIBRARY, cases[i].value) > 0);
                assert_applies(f, 1);
                assert_content(f, DROP_IN("libvirtd"), value);
                assert_applies(f, 0);
                assert_int_equal(state_of(f), FIX_APPLIED);
                assert_reverts(f, 1);
                after = snapshot(f);
                assert_string_equal(before, after);
        }

        /* What it extends has changed since. */
        assert_applies(f, 1);
        fixture_write(f, UNITS "service.d/q.conf", "[Service]\nEnvironment=LD_PRELOAD=/new.so\n");
        assert_int_equal(state_of(f), FIX_PARTIAL);
        assert_applies(f, 1);
        assert_content(f, DROP_IN("libvirtd"), "/new.so:" LIBRARY);
        assert_reverts(f, 1);

        /* Somebody has put the library there already. */
        fixture_write(f, UNITS "service.d/q.conf", "[Service]\nEnvironment=LD_PRELOAD=" LIBRARY ":/b.so\n");
        assert_int_equal(state_of(f), FIX_APPLIED);
        assert_applies(f, 0);
        assert_reverts(f, 0);
}

static void test_refuses(void **state)
{
        static const struct {
                const char *path, *text, *why;
        } cases[] = {
                { "sys/fs/selinux/enforce", "1", "SELinux" },
                { "etc/default/libvirtd", "A=1\n LD_PRELOAD = /x.so\n",
                  "/etc/default/libvirtd, its EnvironmentFile=, has" },
                { LIBVIRTD, UNIT "EnvironmentFile=/etc/default/libvirt-*\n",
                  "libvirt-* cannot be followed" },
                { LIBVIRTD, UNIT "UnsetEnvironment=A LD_PRELOAD\n", "UnsetEnvironment=" },
                { LIBVIRTD, UNIT "Environment=LD_PRELOAD=/%p.so\n", "cannot be extended" },
                { LIBVIRTD, UNIT "Environment=LD_PRELOAD=/a\\x20b.so\n", "cannot be extended" },
                { ETC "libvirtd.service.d/zzz.conf", "[Service]\nEnvironment=LD_PRELOAD=/x.so\n",
                  "zzz.conf comes behind" },
                { ETC "libvirtd.service.d/zzz.conf", "[Service]\nEnvironment=\n", "zzz.conf comes behind" },
                { DROP_IN("libvirtd"), "[Service]\nEnvironment=LD_PRELOAD=/mine.so\n",
                  "has been edited, or is not ours" },
                { DROP_IN("libvirtd"), "", "has been edited, or is not ours" },
        };
        static const char foreign[] = "LD_PRELOAD=/from/nowhere.so";
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write(f, cases[i].path, cases[i].text);
                assert_refuses(f, cases[i].why);
                assert_int_equal(state_of(f),
                                 strstr(cases[i].path, LIBVIRT_PRELOAD_DROP_IN) ? FIX_PARTIAL : FIX_ABSENT);
                fixture_remove(f, cases[i].path);
                fixture_write(f, LIBVIRTD, UNIT);
        }
        run_daemon(f, foreign, sizeof(foreign));
        assert_refuses(f, "/from/nowhere.so");
        fixture_remove(f, "proc/500");

        fixture_remove(f, LIBVIRTD);
        assert_refuses(f, "no libvirt daemon");
        fixture_write(f, LIBVIRTD, UNIT);
        fixture_link(f, ETC "libvirtd.service", "/dev/null"); /* masked */
        assert_refuses(f, "no libvirt daemon");
        fixture_remove(f, ETC "libvirtd.service");
        fixture_remove(f, LIBRARY + 1);
        assert_refuses(f, LIBRARY " is not there");
        fixture_copy(f, LIBRARY + 1, BUILT_LIBRARY);
        assert_applies(f, 1);
}

static void cut_library(struct fixture *f, size_t size)
{
        _cleanup_free_ char *bytes = NULL;
        size_t whole;

        assert_ok(read_file_at(AT_FDCWD, BUILT_LIBRARY, MIB(16), &bytes, &whole));
        assert_true(size < whole);
        fixture_write_bytes(f, LIBRARY + 1, bytes, size);
}

/* What would stop the daemon, or its guests, is seen before anything is written. */
static void test_trial(void **state)
{
        static const char *const programs[] = { "usr/sbin/libvirtd", EMULATOR };
        static const size_t cuts[] = { 0, 100, 4096, 5000 };
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cuts); i++) {
                cut_library(f, cuts[i]);
                assert_refuses(f, "libvirtd");
        }
        fixture_write(
                f, LIBRARY + 1,
                "This is no library, and is longer than the header of one, so that ld.so looks at it.\n");
        assert_refuses(f, "invalid ELF header");
        f->root.live = false;
        assert_ok(do_fix(f, FIX_APPLY, true, &plan)); /* what is recorded is not run */
        assert_null(plan.refusal);
        f->root.live = true;
        fixture_copy(f, LIBRARY + 1, BUILT_LIBRARY);

        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                fixture_write(f, programs[i], "#!/bin/sh\nexit ${LD_PRELOAD:+3}\n");
                assert_refuses(f, "ends with status 3 under the library");
                fixture_write(f, programs[i], "#!/bin/sh\n[ -z \"$LD_PRELOAD\" ] || kill -SEGV $$\n");
                assert_refuses(f, "ends with status 139 under the library");
                fixture_write(f, programs[i], "#!/bin/sh\n[ -z \"$LD_PRELOAD\" ] || sleep 600\n");
                run_timeout = 2 * USEC_PER_SEC;
                assert_refuses(f, "does not end under the library");
                run_timeout = 0;
                fixture_copy(f, programs[i], "/bin/true");
        }

        /* Not run at all */
        fixture_write(f, THEIRS, "#!/bin/sh\nexit ${LD_PRELOAD:+3}\n");
        assert_ok(do_fix(f, FIX_APPLY, true, &plan));
        assert_null(plan.refusal);

        /* Broken without us */
        fixture_write(f, EMULATOR, "#!/bin/sh\nexit 4\n");
        assert_ok(do_fix(f, FIX_APPLY, true, &plan));
        assert_null(plan.refusal);
        assert_has(plan.note, "/" EMULATOR " could not be tried");

        /* It is run with --version, and has the libraries that are there already before ours. */
        fixture_write(f, LIBVIRTD, UNIT "Environment=LD_PRELOAD=/a.so\n");
        fixture_write(f, EMULATOR,
                      "#!/bin/sh\n[ \"$1 $#\" = '--version 1' ] || exit 1\n"
                      "case $LD_PRELOAD in /a.so:/*" LIBRARY " | /a.so) ;; *) exit 1 ;; esac\n"
                      "[ $LD_PRELOAD = /a.so ] && exit 2 || exit 0");
        assert_applies(f, 1);
}

static void test_edited(void **state)
{
        static const char edited[] =
                "# Written by vfioalign.\n# It was: LD_PRELOAD=/a.so\n[Service]\nNice=5\n";
        _cleanup_(fix_plan_done) struct fix_plan plan = {};
        _cleanup_free_ char *before = NULL, *after = NULL, *text = NULL;
        struct fixture *f = *state;
        size_t size;

        add_virtqemud(f);
        assert_applies(f, 2);
        assert_ok(read_file_at(f->root.fd, DROP_IN("virtqemud"), MIB(1), &text, &size));
        text = realloc(text, size + 32);
        strcat(text, "Nice=5\n");
        fixture_write(f, DROP_IN("virtqemud"), text);
        assert_int_equal(state_of(f), FIX_PARTIAL);
        assert_refuses(f, DROP_IN("virtqemud") " has been edited");
        assert_ok(do_fix(f, FIX_REVERT, false, &plan));
        assert_int_equal(plan.n_steps, 1); /* of libvirtd */
        assert_has(plan.note, DROP_IN("virtqemud") " has been edited");
        assert_false(exists_at(f->root.fd, ETC "libvirtd.service.d"));
        assert_int_equal(state_of(f), FIX_PARTIAL);

        fixture_write(f, DROP_IN("virtqemud"), edited);
        before = snapshot(f);
        assert_reverts(f, 0);
        after = snapshot(f);
        assert_string_equal(before, after);
}

/* Cut off at each write: what is left is seen, and either call finishes it. */
static void test_cut_off(void **state)
{
        _cleanup_free_ char *before = NULL;
        struct fixture *f = *state;

        add_virtqemud(f);
        before = snapshot(f);
        for (unsigned write = 1; write <= 2; write++)
                for (unsigned left_over = 0; left_over < 2; left_over++)
                        for (unsigned again = 0; again < 2; again++) {
                                _cleanup_(fix_plan_done) struct fix_plan plan = {};
                                _cleanup_free_ char *after = NULL;
                                const char *last = write == 1 ? DROP_IN("libvirtd") "~"
                                                              : DROP_IN("virtqemud") "~";

                                writes_until_failure = write;
                                assert_int_equal(do_fix(f, FIX_APPLY, false, &plan), -ENOSPC);
                                if (left_over)
                                        fixture_write(f, last, "# Written by");
                                else if (write == 1) /* made, and nothing in it yet */
                                        fixture_remove(f, ETC "libvirtd.service.d");
                                else
                                        fixture_remove(f, ETC "virtqemud.service.d");
                                assert_int_equal(state_of(f),
                                                 write == 2 || left_over ? FIX_PARTIAL : FIX_ABSENT);
                                if (again) {
                                        assert_applies(f, write == 1 ? 2 : 1);
                                        assert_int_equal(state_of(f), FIX_APPLIED);
                                        assert_false(exists_at(f->root.fd, last));
                                }
                                assert_reverts(f, again ? 2 : write - 1 + left_over);
                                assert_int_equal(state_of(f), FIX_ABSENT);
                                after = snapshot(f);
                                assert_string_equal(before, after);
                        }

        /* Cut off between the rename over an old drop-in and its end */
        assert_applies(f, 2);
        fixture_write(f, DROP_IN("libvirtd") "~", "");
        assert_int_equal(state_of(f), FIX_PARTIAL);
        assert_applies(f, 1);
        assert_int_equal(state_of(f), FIX_APPLIED);

        /* A daemon that came later; one that has gone; a library that has gone */
        fixture_remove(f, DROP_IN("virtqemud"));
        assert_int_equal(state_of(f), FIX_PARTIAL);
        assert_applies(f, 1);
        fixture_remove(f, LIBRARY + 1);
        assert_int_equal(state_of(f), FIX_PARTIAL);
        fixture_remove(f, UNITS "virtqemud.service");
        fixture_remove(f, LIBVIRTD);
        assert_int_equal(state_of(f), FIX_PARTIAL);
        assert_reverts(f, 2);
        assert_int_equal(state_of(f), FIX_ABSENT);
}

/* Daemons that are not installed count only for what is left of the fix. */
static void test_state(void **state)
{
        struct fixture *f = *state;

        /* Another file of the unit has the library. */
        fixture_write(f, ETC "libvirtd.service.d/site.conf",
                      "[Service]\nEnvironment=LD_PRELOAD=" LIBRARY "\n");
        assert_int_equal(state_of(f), FIX_APPLIED);
        add_virtqemud(f);
        assert_int_equal(state_of(f), FIX_PARTIAL);
        fixture_remove(f, UNITS "virtqemud.service");
        fixture_remove(f, LIBVIRTD);
        assert_int_equal(state_of(f), FIX_ABSENT);

        fixture_remove(f, ETC "libvirtd.service.d/site.conf");
        fixture_write(f, LIBVIRTD, UNIT);
        add_virtqemud(f);
        assert_applies(f, 2);
        fixture_remove(f, UNITS "virtqemud.service");
        assert_int_equal(state_of(f), FIX_APPLIED);
        fixture_remove(f, LIBVIRTD);
        assert_int_equal(state_of(f), FIX_PARTIAL);
        assert_reverts(f, 2);
        assert_int_equal(state_of(f), FIX_ABSENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_apply_and_revert), TEST(test_running), TEST(test_extends),
                TEST(test_refuses),          TEST(test_trial),   TEST(test_edited),
                TEST(test_cut_off),          TEST(test_state),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
