/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vfioalign keeps on a disk, at each system call that changes something there: the call fails, or takes
 * only a part; the process is killed behind it; the power goes behind it. What is there then is whole, the
 * old or the new; where the operation has succeeded it is the new. Once more, the operation comes to its
 * end. write-faults RESULTS */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/journal.h"
#include "ctl/switch.h"
#include "ctl/unpacked.h"
#include "disk.h"
#include "facts/evidence.h"
#include "facts/host.h"
#include "fix/fix-record.h"
#include "fix/fix-thp.h"
#include "fix/preload.h"
#include "tests/unit/bind/results.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/switch.h"

#define BDF "0000:01:00.0"
#define UNITS "usr/lib/systemd/system/"
#define UNIT "[Service]\nExecStart=/usr/sbin/daemon\n"

enum side {
        SIDE_OLD,
        SIDE_BETWEEN, /* of several files some; each is whole */
        SIDE_NEW,
        SIDE_BROKEN,
};

struct operation {
        const char *name;
        const struct disk_file *files;
        int (*run)(const struct root *root);
        enum side (*look)(const struct root *root);
        bool in_memory; /* below /run or /sys: nothing outlives a power cut */
};

static char dir[64];
static unsigned long injected, bad;

/* Of what is undone. */
static enum side opposite_side(enum side side)
{
        static const enum side opposite[] = { SIDE_NEW, SIDE_BETWEEN, SIDE_OLD, SIDE_BROKEN };

        return opposite[side];
}

/* --- The page sizes that were seen */

static const char *const sightings[] = {
        "{\"sightings\":[]}\n",
        "{\"sightings\":[{\"emulator\":\"e\",\"release\":\"r\",\"module\":true,\"preload\":false,"
        "\"thp\":\"always\","
        "\"bar_size\":1073741824,\"page_size\":2097152,\"count\":1,\"time_usec\":1}]}\n",
};

static const struct disk_file evidence_files[] = {
        { "var", NULL },
        { "var/lib", NULL },
        { "var/lib/vfioalign", NULL },
        { EVIDENCE_FILE, "{\"sightings\":[]}\n" },
        {},
};

static int run_evidence(const struct root *root)
{
        return write_file_at(root->fd, EVIDENCE_FILE, sightings[1], strlen(sightings[1]), 0644);
}

static enum side look_evidence(const struct root *root)
{
        struct evidence e;
        enum side side;

        if (evidence_read(&e, root) < 0)
                return SIDE_BROKEN;
        side = e.n_sightings > 0 ? SIDE_NEW : SIDE_OLD;
        evidence_done(&e);
        return side;
}

/* --- The record of a bind */

#define FUNCTION \
        "\"address\": \"" BDF "\", \"vendor\": 1, \"device\": 2, \"subsystem_vendor\": 3," \
        " \"subsystem_device\": 4, \"serial\": null"
#define SETTINGS "{\"control\": \"on\", \"d3cold_allowed\": null, \"sriov_drivers_autoprobe\": null}"
#define RECORD(state) \
        "{\"boot_id\": \"5d3f6a0e-3c1b-4b52-9f43-1f5f3f8f0c77\", \"state\": \"" state "\"," \
        " \"owner\": \"operator\", \"reason\": null, \"time_usec\": 1, \"group\": 1," \
        " \"members\": [{" FUNCTION ", \"before\": {\"driver\": \"a\", \"override\": null}," \
        " \"after\": {\"driver\": \"vfio-pci\", \"override\": \"vfio-pci\"}," \
        " \"settings\": " SETTINGS "}]}\n"

static const struct disk_file record_files[] = {
        { "run", NULL },
        { "run/vfioalign", NULL },
        { BIND_RECORDS, NULL },
        { BIND_RECORDS "/" BDF, RECORD("binding") },
        {},
};

static int run_record(const struct root *root)
{
        struct bind_record record;
        int r;

        r = bind_record_read(&record, root, BDF);
        if (r < 0)
                return r;
        r = journal_write(root, &record, BIND_STATE_BOUND, NULL);
        bind_record_done(&record);
        return r;
}

/* A start finds nothing in the folder that it cannot read. */
static bool records_are_whole(const struct root *root)
{
        _cleanup_free_ char *bad = NULL;
        struct bind_records records;

        must(bind_records_read(&records, root, &bad) >= 0);
        bind_records_done(&records);
        return !bad;
}

static enum side look_record(const struct root *root)
{
        struct bind_record record;
        enum side side;

        if (!records_are_whole(root) || bind_record_read(&record, root, BDF) < 0)
                return SIDE_BROKEN;
        side = record.state == BIND_STATE_BOUND ? SIDE_NEW : SIDE_OLD;
        bind_record_done(&record);
        return side;
}

static int run_record_remove(const struct root *root)
{
        struct bind_member member = { .bdf = BDF };
        const struct bind_record record = { .members = &member, .n_members = 1 };

        return journal_remove(root, &record);
}

static enum side look_record_remove(const struct root *root)
{
        if (!exists_at(root->fd, BIND_RECORDS "/" BDF))
                return records_are_whole(root) ? SIDE_NEW : SIDE_BROKEN;
        return look_record(root);
}

/* --- A fix that is held off */

static const struct disk_file run_files[] = { { "run", NULL }, {} };

static int run_hold(const struct root *root)
{
        return fix_hold_off(root, FIX_THP);
}

static enum side look_hold(const struct root *root)
{
        return fix_is_held_off(root, FIX_THP) ? SIDE_NEW : SIDE_OLD;
}

/* --- What transparent_hugepage was before us */

#define SETTING "sys/kernel/mm/transparent_hugepage/enabled"

#define SETTING_FOLDERS \
        { "run", NULL }, { "sys", NULL }, { "sys/kernel", NULL }, { "sys/kernel/mm", NULL }, \
        { \
                "sys/kernel/mm/transparent_hugepage", NULL \
        }

/* The last write to the setting stands at the end of the file. */
static const struct disk_file thp_files[] = { SETTING_FOLDERS, { SETTING, "" }, {} };
static const struct disk_file thp_set_files[] = {
        SETTING_FOLDERS,
        { SETTING, "always" },
        { "run/vfioalign", NULL },
        { FIX_RECORDS, NULL },
        { FIX_RECORDS "/thp", "madvise\n" },
        {},
};

static enum thp_mode read_setting(const struct root *root)
{
        _cleanup_free_ char *text = NULL;

        size_t size;

        must(read_file_at(root->fd, SETTING, KIB(4), &text, &size) >= 0);
        return size >= strlen("always") && streq(text + size - strlen("always"), "always") ? THP_ALWAYS
                                                                                           : THP_MADVISE;
}

static int run_thp(const struct root *root, enum fix_action action)
{
        struct fix_plan plan = {};
        struct host h = { .root = root };
        int r;

        h.kernel.thp = read_setting(root);
        h.kernel.thp_exempt = fact_is(false, SOURCE_NONE);
        r = fix_thp(&h, action, false, &plan);
        must(!plan.refusal);
        fix_plan_done(&plan);
        return r;
}

static int run_thp_apply(const struct root *root)
{
        return run_thp(root, FIX_APPLY);
}

static int run_thp_revert(const struct root *root)
{
        return run_thp(root, FIX_REVERT);
}

/* The setting is never changed without a record of what it was. */
static enum side look_thp(const struct root *root)
{
        bool is_set = read_setting(root) == THP_ALWAYS;
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_line_at(root->fd, FIX_RECORDS "/thp", &text);
        if (r == -ENOENT)
                return is_set ? SIDE_BROKEN : SIDE_OLD;
        if (r < 0 || !streq(text, "madvise"))
                return SIDE_BROKEN;
        return is_set ? SIDE_NEW : SIDE_BETWEEN;
}

static enum side look_thp_revert(const struct root *root)
{
        return opposite_side(look_thp(root));
}

/* --- The drop-ins of libvirt's daemons */

#define DROP_IN(unit) "etc/systemd/system/" unit ".service.d/" LIBVIRT_PRELOAD_DROP_IN

#define PRELOAD_FILES \
        { "etc", NULL }, { "etc/systemd", NULL }, { "etc/systemd/system", NULL }, \
                { "etc/systemd/system/other.service", "" }, { "usr", NULL }, { "usr/lib", NULL }, \
                { "usr/lib/systemd", NULL }, { "usr/lib/systemd/system", NULL }, \
                { UNITS "libvirtd.service", UNIT }, \
        { \
                UNITS "virtqemud.service", UNIT \
        }

static char library[sizeof(PRELOAD_LIBRARY)];
static struct disk_file apply_files[32] = { PRELOAD_FILES }, revert_files[32] = { PRELOAD_FILES };
static char drop_ins[2][4096]; /* as they are when they are whole */
static const char *const drop_in_paths[] = { DROP_IN("libvirtd"), DROP_IN("virtqemud") };

static int run_preload(const struct root *root, enum fix_action action)
{
        struct fix_plan plan = {};
        struct host h = { .root = root };
        int r;

        r = libvirt_facts_read(&h.libvirt, root);
        if (r < 0)
                return r;
        r = fix_preload(&h, action, false, &plan);
        if (r >= 0 && plan.refusal) {
                fprintf(stderr, "%s\n", plan.refusal);
                r = -EPERM;
        }
        fix_plan_done(&plan);
        libvirt_facts_done(&h.libvirt);
        return r;
}

static int run_apply(const struct root *root)
{
        return run_preload(root, FIX_APPLY);
}

static int run_revert(const struct root *root)
{
        return run_preload(root, FIX_REVERT);
}

/* How many of the drop-ins are there; -1: one that is not whole. */
static int count_drop_ins(const struct root *root)
{
        int n = 0;

        for (size_t i = 0; i < ELEMENTSOF(drop_in_paths); i++) {
                _cleanup_free_ char *text = NULL;
                int r;

                r = read_file_at(root->fd, drop_in_paths[i], KIB(4), &text, NULL);
                if (r == -ENOENT)
                        continue;
                if (r < 0 || !streq(text, drop_ins[i]))
                        return -1;
                n++;
        }
        return n;
}

static enum side look_apply(const struct root *root)
{
        switch (count_drop_ins(root)) {
        case 0:
                return SIDE_OLD;
        case 1:
                return SIDE_BETWEEN;
        case 2:
                return SIDE_NEW;
        default:
                return SIDE_BROKEN;
        }
}

static enum side look_revert(const struct root *root)
{
        return opposite_side(look_apply(root));
}

/* Adds the library, which is wherever this build has it, and what an applied fix has left. */
static void make_preload_files(void)
{
        static char parents[8][sizeof(library)];
        size_t n = 0, n_parents = 0;
        struct root root;

        strcpy(library, PRELOAD_LIBRARY + 1);
        while (apply_files[n].path)
                n++;
        for (char *slash = strchr(library, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(parents[n_parents], sizeof(library), "%.*s", (int) (slash - library), library);
                if (!streq(parents[n_parents], "usr") && !streq(parents[n_parents], "usr/lib"))
                        apply_files[n++] = (struct disk_file){ parents[n_parents++], NULL };
        }
        apply_files[n++] = (struct disk_file){ library, "" };
        memcpy(revert_files, apply_files, sizeof(apply_files));

        must(root_open(&root, dir) >= 0);
        disk_reset(dir, apply_files);
        must(run_apply(&root) >= 0);
        for (size_t i = 0; i < ELEMENTSOF(drop_in_paths); i++) {
                _cleanup_free_ char *text = NULL;

                must(read_file_at(root.fd, drop_in_paths[i], KIB(4), &text, NULL) >= 0);
                strcpy(drop_ins[i], text);
        }
        revert_files[n++] = (struct disk_file){ "etc/systemd/system/libvirtd.service.d", NULL };
        revert_files[n++] = (struct disk_file){ drop_in_paths[0], drop_ins[0] };
        revert_files[n++] = (struct disk_file){ "etc/systemd/system/virtqemud.service.d", NULL };
        revert_files[n++] = (struct disk_file){ drop_in_paths[1], drop_ins[1] };
        root_close(&root);
}

/* --- The switch, with a module that is loaded. The last write to the parameter stands at the end of the
 * file; a kernel has Y and N for 1 and 0. */

#define PARAMETER_DIR "sys/module/" VFIO_ALIGN_MODULE "/parameters"
#define PARAMETER PARAMETER_DIR "/enabled"

#define MODULE_FILES(enabled) \
        { "sys", NULL }, { "sys/module", NULL }, { "sys/module/" VFIO_ALIGN_MODULE, NULL }, \
                { PARAMETER_DIR, NULL }, { PARAMETER, enabled }, { "run", NULL }, { "var", NULL }, \
        { \
                "var/lib", NULL \
        }

static const struct disk_file on_files[] = { MODULE_FILES("Y"), {} };
static const struct disk_file off_files[] = {
        MODULE_FILES("N"),
        { "run/vfioalign", NULL },
        { SWITCH_FILE, "module\n" },
        { "var/lib/vfioalign", NULL },
        { SWITCH_FILE_PERSISTENT, "module\n" },
        {},
};

static bool module_is_enabled(const struct root *root)
{
        _cleanup_free_ char *text = NULL;

        must(read_line_at(root->fd, PARAMETER, &text) >= 0);
        return strchr("Y1", text[strlen(text) - 1]);
}

/* How many of the switch's files are there; -1: one that does not say that the module was disabled. */
static int count_switches(const struct root *root)
{
        static const char *const files[] = { SWITCH_FILE, SWITCH_FILE_PERSISTENT };
        int n = 0;

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *text = NULL;
                int r;

                r = read_line_at(root->fd, files[i], &text);
                if (r == -ENOENT)
                        continue;
                if (r < 0 || !streq(text, "module"))
                        return -1;
                n++;
        }
        return n;
}

static int run_off(const struct root *root)
{
        return switch_off(root, false, false);
}

static int run_off_persistent(const struct root *root)
{
        return switch_off(root, true, false);
}

/* The module is never disabled without a file that says so. */
static enum side look_off(const struct root *root)
{
        int n = count_switches(root);

        if (n < 0 || (n == 0 && !module_is_enabled(root)))
                return SIDE_BROKEN;
        if (n == 0)
                return SIDE_OLD;
        return module_is_enabled(root) ? SIDE_BETWEEN : SIDE_NEW;
}

/* The module does not outlive a power cut. */
static enum side look_off_persistent(const struct root *root)
{
        enum side side = look_off(root);

        return side == SIDE_BETWEEN ? SIDE_NEW : side;
}

/* Where the kernel does not take it, `on` says so, and all else is on. */
static bool refused;

static int run_on(const struct root *root)
{
        bool is_off = switched_off(root);
        int r;

        r = switch_on(root, false);
        if (is_off)
                refused = r < 0;
        return r;
}

static enum side look_on(const struct root *root)
{
        switch (count_switches(root)) {
        case -1:
                return SIDE_BROKEN;
        case 0:
                return module_is_enabled(root) || refused ? SIDE_NEW : SIDE_BROKEN;
        default:
                return module_is_enabled(root) ? SIDE_BETWEEN : SIDE_OLD;
        }
}

static const struct operation operations[] = {
        { "evidence", evidence_files, run_evidence, look_evidence },
        { "record", record_files, run_record, look_record },
        { "record-remove", record_files, run_record_remove, look_record_remove },
        { "hold", run_files, run_hold, look_hold, true },
        { "thp-apply", thp_files, run_thp_apply, look_thp, true },
        { "thp-revert", thp_set_files, run_thp_revert, look_thp_revert, true },
        { "preload-apply", apply_files, run_apply, look_apply },
        { "preload-revert", revert_files, run_revert, look_revert },
        { "off", on_files, run_off, look_off, true },
        { "off-persistent", on_files, run_off_persistent, look_off_persistent },
        { "on", off_files, run_on, look_on, true },
};

/* --- One after the other */

static void complain(const struct operation *op, unsigned at, const char *how, const char *what)
{
        bad++;
        fprintf(stderr, "%s, step %u (%s), %s: %s\n", op->name, at, disk_step_name(at), how, what);
}

/* What is there is whole; then the operation is run again. */
static void look(const struct operation *op, const struct root *root, unsigned at, const char *how,
                 bool done)
{
        enum side side = op->look(root);

        injected++;
        if (side == SIDE_BROKEN)
                complain(op, at, how, "what is there is broken");
        else if (done && side != SIDE_NEW)
                complain(op, at, how, "it had succeeded, and is lost");
        if (side == SIDE_BROKEN)
                return;
        if (op->run(root) < 0)
                complain(op, at, how, "it does not come to its end afterwards");
        else if (op->look(root) != SIDE_NEW)
                complain(op, at, how, "it says that it came to its end afterwards, and did not");
}

static void try_ends(const struct operation *op, const struct root *root)
{
        static const char *const losses[] = { "killed", "power cut", "power cut that takes names along" };
        unsigned n;

        disk_reset(dir, op->files);
        disk_arm(DISK_NONE, 0, 0);
        if (op->run(root) < 0)
                complain(op, 0, "without a fault", "it fails");
        n = disk_disarm();
        for (enum disk_loss loss = 0; loss < _DISK_LOSS_MAX; loss++)
                for (unsigned at = 0; at <= n && (loss == DISK_KILLED || !op->in_memory); at++) {
                        disk_end_at(at, loss);
                        look(op, root, at, losses[loss], at == n);
                }
}

static void try_faults(const struct operation *op, const struct root *root)
{
        static const int errors[] = { ENOSPC, EIO, EROFS, EDQUOT, EINTR, 0 }; /* 0: only a part */

        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                for (unsigned at = 1;; at++) {
                        const char *how = errors[i] ? strerror(errors[i]) : "only a part";
                        int r;

                        disk_reset(dir, op->files);
                        disk_arm(errors[i] ? DISK_ERRNO : DISK_SHORT, at, errors[i]);
                        r = op->run(root);
                        if (disk_disarm() < at)
                                break;
                        if (!disk_has_failed())
                                continue;
                        if (r < 0 && r != -(errors[i] ?: EIO))
                                complain(op, at, how, strerror(-r));
                        look(op, root, at, how, r >= 0);
                }
}

int main(int argc, char *argv[])
{
        json_object *results = json_object_new_object();
        struct root root;
        FILE *out;

        if (argc != 2) {
                fprintf(stderr, "usage: write-faults RESULTS\n");
                return 2;
        }
        snprintf(dir, sizeof(dir), "%s/vfioalign-faults-XXXXXX",
                 access("/dev/shm", W_OK) >= 0 ? "/dev/shm" : "/tmp");
        must(mkdtemp(dir) && root_open(&root, dir) >= 0);
        /* What verbs print is not this program's. */
        must((out = fdopen(dup(STDOUT_FILENO), "w")) && freopen("/dev/null", "w", stdout));
        make_preload_files();
        for (size_t i = 0; i < ELEMENTSOF(operations); i++) {
                const struct operation *op = &operations[i];
                unsigned long before = injected;

                try_ends(op, &root);
                try_faults(op, &root);
                fprintf(out, "%-15s %5lu faults\n", op->name, injected - before);
                json_object_object_add(results, op->name, json_object_new_uint64(injected - before));
        }
        root_close(&root);
        remove_tree(dir);
        fprintf(out, "%lu faults, %lu of them badly answered\n", injected, bad);
        fclose(out);
        json_object_object_add(results, "injected", json_object_new_uint64(injected));
        json_object_object_add(results, "bad", json_object_new_uint64(bad));
        if (results_write(argv[1], results) != EXIT_SUCCESS)
                return EXIT_FAILURE;
        return bad > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
