/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "emulator-probe.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>

#include "emulator-internal.h"
#include "fake-vfio.h"
#include "run-confined.h"
#include "util/macro.h"

#define TIMEOUT_USEC (5 * USEC_PER_SEC) /* of one run; it takes a tenth of a second */
#define REPORTS_MAX 64
#define FIRMWARE_SIZE KIB(64) /* zeros: none of it runs, but the emulator requires a file */

/* Areas for which the generations differ: each aligned to its own size, or congruent with the region. */
static const struct probe_bar calibration = {
        .size = MIB(64),
        .areas = { { KIB(64), MIB(16) }, { MIB(32) + KIB(64), MIB(16) } },
        .n_areas = 2,
};

/* The files of one run. */
struct stage {
        char directory[PATH_MAX];
        int fd;
};

static void stage_done(struct stage *s)
{
        if (s->fd >= 0) {
                (void) unlinkat(s->fd, FAKE_DEVICE "/iommu_group", 0);
                (void) unlinkat(s->fd, FAKE_DEVICE, AT_REMOVEDIR);
                (void) unlinkat(s->fd, "firmware", 0);
                close(s->fd);
        }
        if (s->directory[0])
                (void) rmdir(s->directory);
}

static const char *temporary_directory(void)
{
        /* As root the emulator runs as nobody, who may not be able to read root's TMPDIR. */
        const char *directory = geteuid() == 0 ? NULL : getenv("TMPDIR");

        /* A comma would end QEMU's option, and a newline an answer. */
        if (!directory || *directory != '/' || strpbrk(directory, ",\n"))
                return "/tmp";
        return directory;
}

/* Makes a directory that everybody can read. For QEMU's "sysfsdev" a device is a directory with a link to
 * its group. */
static int stage_make(struct stage *s)
{
        _cleanup_close_ int firmware = -EBADF;
        int n;

        s->fd = -EBADF;
        n = snprintf(s->directory, sizeof(s->directory), "%s/vfioalign-probe-XXXXXX", temporary_directory());
        if (n >= (int) sizeof(s->directory)) {
                s->directory[0] = '\0';
                return -ENAMETOOLONG;
        }
        if (!mkdtemp(s->directory)) {
                s->directory[0] = '\0';
                return -errno;
        }
        s->fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->fd < 0 || fchmod(s->fd, 0755) < 0 || mkdirat(s->fd, FAKE_DEVICE, 0755) < 0 ||
            fchmodat(s->fd, FAKE_DEVICE, 0755, 0) < 0 ||
            symlinkat(FAKE_GROUP, s->fd, FAKE_DEVICE "/iommu_group") < 0)
                return -errno;
        firmware = openat(s->fd, "firmware", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (firmware < 0 || ftruncate(firmware, FIRMWARE_SIZE) < 0 || fchmod(firmware, 0644) < 0)
                return -errno;
        return 0;
}

/* "VARIABLE=3 SIZE:OFFSET+SIZE,... SIZE" */
static int format_variable(const struct probe_bar *const bars[], size_t n, char *text, size_t size)
{
        FILE *f = fmemopen(text, size, "w");
        bool full;

        if (!f)
                return -ENOMEM;
        fprintf(f, FAKE_VARIABLE "=%d", CONFINED_PIPE);
        for (size_t i = 0; i < n; i++) {
                fprintf(f, " %llx", (unsigned long long) bars[i]->size);
                for (size_t k = 0; k < bars[i]->n_areas; k++)
                        fprintf(f, "%c%llx+%llx", k == 0 ? ':' : ',',
                                (unsigned long long) bars[i]->areas[k].offset,
                                (unsigned long long) bars[i]->areas[k].size);
        }
        full = fflush(f) != 0;
        fclose(f);
        return full ? -E2BIG : 0;
}

/* Runs one process with up to FAKE_BARS_MAX BARs, which makes *ret_n reports. */
static int run_once(const struct emulator *e, const char *library, const struct probe_bar *const bars[],
                    size_t n, struct fake_report reports[REPORTS_MAX], size_t *ret_n, enum run_end *ret_end)
{
        _cleanup_(stage_done) struct stage stage = { .fd = -EBADF };
        char variable[1024], preload[PATH_MAX + 16], device[PATH_MAX + 64], firmware[PATH_MAX + 16];
        char *env[] = { variable,
                        preload,
                        (char *) "PATH=/usr/bin:/bin",
                        (char *) "LC_ALL=C",
                        (char *) "HOME=/nonexistent",
                        NULL };
        const char *machine = strstr(e->target ?: e->path, "aarch64") ? "virt" : "q35";
        /* Nothing runs in the guest, so a small cache of translated code is enough, or no accelerator in a
         * build without TCG. */
        const char *argv[] = { e->path,           "-M",       machine, "-accel", "tcg,tb-size=16",
                               "-accel",          "qtest",    "-m",    "64",     "-nodefaults",
                               "-no-user-config", "-display", "none",  "-S",     "-bios",
                               firmware,          "-device",  device,  NULL };
        size_t size = 0;
        int r;

        r = stage_make(&stage);
        if (r < 0)
                return r;
        r = format_variable(bars, n, variable, sizeof(variable));
        if (r < 0)
                return r;
        snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
        snprintf(device, sizeof(device), "vfio-pci,sysfsdev=%s/" FAKE_DEVICE, stage.directory);
        snprintf(firmware, sizeof(firmware), "%s/firmware", stage.directory);
        r = run_confined(e->path, (char *const *) argv, env, stage.directory, TIMEOUT_USEC, reports,
                         REPORTS_MAX * sizeof(*reports), &size, ret_end);
        *ret_n = size / sizeof(*reports);
        return r;
}

static uint64_t alignment_of(uint64_t n)
{
        return n ? n & -n : UINT64_C(1) << 63;
}

/* Sorts the reports of one BAR by area; others are ignored. */
static void take_reports(const struct probe_bar *bar, size_t index, const struct fake_report *reports,
                         size_t n, struct probe_result *ret)
{
        const struct probe_area whole = { 0, bar->size }, *areas = bar->n_areas ? bar->areas : &whole;

        *ret = (struct probe_result){};
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < (bar->n_areas ?: 1); k++) {
                        const struct fake_report *report = &reports[i];

                        if (report->bar != index || report->offset != areas[k].offset ||
                            report->size != areas[k].size)
                                continue;
                        ret->areas[k] = (struct probe_seen){
                                .seen = true,
                                .fixed = report->fixed,
                                .address = report->hint,
                                .alignment = report->fixed ? alignment_of(report->hint - report->offset) : 0,
                        };
                }
}

static enum emulator_generation judge_generation(const struct probe_result *seen, const char **ret_why)
{
        bool fixed = true, plain = true, per_area = true, per_region = true;

        for (size_t i = 0; i < calibration.n_areas; i++) {
                const struct probe_seen *a = &seen->areas[i];

                if (!a->seen)
                        return GENERATION_UNKNOWN;
                fixed = fixed && a->fixed;
                plain = plain && !a->fixed && a->address == 0;
                per_area = per_area && a->address % calibration.areas[i].size == 0;
                per_region = per_region && a->alignment >= calibration.size;
        }
        if (plain)
                return GENERATION_NONE;
        if (fixed && per_area != per_region)
                return per_area ? GENERATION_PER_AREA : GENERATION_PER_REGION;
        *ret_why = emulator_why(WHY_PROBE_OTHER);
        return GENERATION_UNKNOWN;
}

static const char *why_ended(enum run_end end)
{
        static const enum emulator_why whys[] = {
                [RUN_EXITED] = WHY_PROBE_NOT_MAPPED,
                [RUN_REFUSED] = WHY_PROBE_NOT_STARTED,
                [RUN_CRASHED] = WHY_PROBE_CRASHED,
                [RUN_LATE] = WHY_PROBE_LATE,
        };

        return emulator_why(whys[end]);
}

/* QEMU exits at a BAR whose size is not a power of two, once it has mapped it. */
static bool is_odd(const struct probe_bar *bar)
{
        return bar->size & (bar->size - 1);
}

static int run_all(const struct emulator *e, const char *library, const struct probe_bar *bars,
                   size_t n_bars, struct probe_result *results, enum emulator_generation *ret_generation,
                   const char **ret_why)
{
        size_t at = 0, first = 1; /* in the first run, slot 0 is the calibration's */

        do {
                const struct probe_bar *chosen[FAKE_BARS_MAX] = { &calibration };
                struct fake_report reports[REPORTS_MAX];
                size_t n = first, n_reports = 0;
                enum run_end end;
                int r;

                while (n < FAKE_BARS_MAX && at < n_bars && (n == 0 || !is_odd(chosen[n - 1])))
                        chosen[n++] = &bars[at++];
                r = run_once(e, library, chosen, n, reports, &n_reports, &end);
                if (r < 0)
                        return r;
                for (size_t i = first; i < n; i++)
                        take_reports(chosen[i], i, reports, n_reports, &results[chosen[i] - bars]);
                if (first) {
                        struct probe_result seen;

                        take_reports(&calibration, 0, reports, n_reports, &seen);
                        *ret_generation = judge_generation(&seen, ret_why);
                        if (!seen.areas[0].seen || !seen.areas[1].seen)
                                *ret_why = why_ended(end);
                        if (*ret_generation == GENERATION_UNKNOWN)
                                return 0;
                }
                first = 0;
        } while (at < n_bars);
        return 0;
}

static void adopt_generation(struct emulator *e, enum emulator_generation g)
{
        e->contradicted = e->generation != GENERATION_UNKNOWN && e->generation != g;
        e->generation = g;
        e->source = SOURCE_EMULATOR_PROBE;
        e->why = NULL;
}

/* These return 1 where the generation was observed, 0 where not (*ret_why), or a negative errno. */
static int probe_live(struct emulator *e, const struct root *root, const char *library,
                      const struct probe_bar *bars, size_t n_bars, struct probe_result *results,
                      const char **ret_why)
{
        enum emulator_generation g = GENERATION_UNKNOWN;
        int r;

        r = run_all(e, library, bars, n_bars, results, &g, ret_why);
        if (r < 0)
                return r;
        emulator_note(root, "emulator-probe", e->path, *ret_why ?: emulator_generation_to_string(g));
        if (g == GENERATION_UNKNOWN)
                return 0;
        adopt_generation(e, g);
        return 1;
}

static int probe_recorded(struct emulator *e, const struct root *root, const char **ret_why)
{
        _cleanup_free_ char *answer = emulator_ask(root, "emulator-probe", e->path);
        enum emulator_generation g;

        if (!answer)
                return -EOPNOTSUPP;
        g = emulator_generation_from_string(answer);
        if (g <= GENERATION_UNKNOWN) {
                *ret_why = emulator_why_from_text(answer);
                return 0;
        }
        adopt_generation(e, g);
        return 1;
}

static bool is_sane(const struct probe_bar *bars, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                uint64_t end = 0;

                if (bars[i].size < 4096 || bars[i].size % 4096 || bars[i].size > UINT64_C(1) << 39 ||
                    bars[i].n_areas > PROBE_AREAS_MAX)
                        return false;
                for (size_t k = 0; k < bars[i].n_areas; k++) {
                        const struct probe_area *a = &bars[i].areas[k];

                        if (a->offset < end || a->size == 0 || a->offset > bars[i].size ||
                            a->size > bars[i].size - a->offset || (a->offset | a->size) % 4096)
                                return false;
                        end = a->offset + a->size;
                }
        }
        return n <= PROBE_BARS_MAX;
}

int emulator_probe(struct emulator *e, const struct root *root, const char *library,
                   const struct probe_bar *bars, size_t n_bars, struct probe_result *ret_results,
                   const char **ret_why)
{
        struct probe_result results[PROBE_BARS_MAX] = {};
        const char *why = NULL;
        int r;

        assert(e);
        assert(root);
        assert(library);
        assert(bars || n_bars == 0);
        assert(ret_why);

        if (!is_sane(bars, n_bars) || *library != '/' || strpbrk(library, " :") ||
            strlen(library) >= PATH_MAX)
                return -EINVAL;
        if (e->container || e->replaced)
                return -EOPNOTSUPP;
        if (root->live && geteuid() == 0 && e->changeable)
                return -EPERM;
        if (!emulator_may_be_qemu(e)) {
                *ret_why = emulator_why(WHY_PROBE_IS_FOR_QEMU);
                return 0;
        }
        r = root->live ? probe_live(e, root, library, bars, n_bars, results, &why)
                       : probe_recorded(e, root, &why);
        if (r < 0)
                return r;
        if (r == 0) {
                *ret_why = why;
                if (e->generation == GENERATION_UNKNOWN)
                        e->why = why;
        }
        if (ret_results && n_bars > 0)
                memcpy(ret_results, results, n_bars * sizeof(*results));
        return r;
}
