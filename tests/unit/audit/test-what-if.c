/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/what-if.h"

#include <string.h>

#include "audit/emulator-fit.h"
#include "fixture.h"
#include "sample-host.h"
#include "test.h"
#include "util/file-observer.h"
#include "util/file.h"
#include "util/macro.h"

static struct guest new_guest(struct hostdev *hostdev, const char *bdf)
{
        strcpy(hostdev->bdf, bdf);
        return (struct guest){ .name = (char *) "guest", .hostdevs = hostdev, .n_hostdevs = 1 };
}

#define PAGE_FIXES (FIX_BIT(FIX_MODULE) | FIX_BIT(FIX_EMULATOR) | FIX_BIT(FIX_PRELOAD) | FIX_BIT(FIX_THP))

/* The names of a set, as "module+thp"; "none". */
static const char *names(unsigned fixes)
{
        static char text[64];

        strcpy(text, fixes ? "" : "none");
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (fixes & FIX_BIT(id)) {
                        strcat(text, *text ? "+" : "");
                        strcat(text, fix_id_to_string(id));
                }
        return text;
}

/* What to do first. g: NULL: for the host. */
static const char *found(const struct host *h, const struct guest *g)
{
        struct help help = g ? help_guest(h, g, NULL) : help_host(h);

        return names(help_choose(&help, PAGE_FIXES));
}

static const struct emulator *better_emulator(const struct host *h, const struct guest *g)
{
        return help_guest(h, g, NULL).emulator;
}

static void test_host(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct device unseen = devices[1];

        assert_string_equal(found(&h, NULL), "module");
        h.module.loadable.value = FACT_NO;
        assert_string_equal(found(&h, NULL), "preload");

        h = new_host(&f->root);
        h.module.loaded.value = h.module.enabled.value = FACT_YES;
        assert_string_equal(found(&h, NULL), "none");

        /* 6.12 with the module, and THP in the way */
        h.kernel.thp = THP_MADVISE;
        h.kernel.thp_exempt.value = FACT_NO;
        assert_string_equal(found(&h, NULL), "preload"); /* which asks for huge pages itself */

        /* 7.3 with THP=madvise: whether the kernel heeds that cannot be seen, and the module lifts what can
         */
        h = new_host(&f->root);
        h.kernel.thp = THP_MADVISE;
        assert_string_equal(found(&h, NULL), "module");

        /* Nothing that a guest could get has a BAR that gains. */
        h = new_host(&f->root);
        h.devices.devices = &devices[3];
        h.devices.n_devices = 1;
        assert_string_equal(found(&h, NULL), "none");
        h.devices.devices = &devices[0]; /* the bridge */
        assert_string_equal(found(&h, NULL), "none");
        h.devices.devices = &unseen;
        assert_string_equal(found(&h, NULL), "module");
        for (size_t i = 0; i < unseen.n_bars; i++)
                unseen.bars[i].unseen = true; /* a framebuffer may have a part of it */
        assert_string_equal(found(&h, NULL), "none");

        /* 6.1 */
        h = new_host(&f->root);
        h.kernel.huge_pmd.value = h.kernel.huge_pud.value = FACT_NO;
        assert_string_equal(found(&h, NULL), "none");
}

static struct guest_cost cost(const struct host *h, const struct guest *g)
{
        return guest_cost(&h->devices, g, &h->kernel, &h->module, guest_placer(h, g), 0);
}

/* How the BARs of a device are mapped for DMA, and what that costs a guest's start: by kernel and emulator.
 */
static void test_iommufd(void **state)
{
        static const struct {
                enum fact_value dma_buf;
                enum emulator_generation generation;
                bool exports; /* the emulator's binary names the event */
                enum dma_route route;
        } cases[] = {
                { FACT_NO, GENERATION_PER_REGION, true, DMA_ROUTE_NONE },     /* up to 6.18 */
                { FACT_NO, GENERATION_UNKNOWN, false, DMA_ROUTE_NONE },       /* the same */
                { FACT_YES, GENERATION_PER_REGION, true, DMA_ROUTE_DMA_BUF }, /* QEMU 11 */
                { FACT_YES, GENERATION_PER_AREA, false, DMA_ROUTE_NONE },     /* QEMU 10 */
                { FACT_YES, GENERATION_NONE, false, DMA_ROUTE_NONE },         /* QEMU 9.0 */
                { FACT_YES, GENERATION_PER_REGION, false, DMA_ROUTE_UNKNOWN },
                { FACT_YES, GENERATION_UNKNOWN, false, DMA_ROUTE_UNKNOWN },
                { FACT_UNKNOWN, GENERATION_PER_REGION, true, DMA_ROUTE_UNKNOWN },
                { FACT_UNKNOWN, GENERATION_PER_AREA, false, DMA_ROUTE_NONE },
        };
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct emulator e = { .path = (char *) "/opt/qemu" };
        struct hostdev hostdevs[3] = {};
        struct guest g = new_guest(hostdevs, "0000:00:05.0");
        struct guest_cost type1, iommufd;

        h.emulators = (struct emulator_facts){ .emulators = &e, .n_emulators = 1 };
        g.emulator = e.path;
        e.generation = GENERATION_NONE;
        type1 = cost(&h, &g);
        assert_true(type1.faults > 0 && type1.pin_steps > 0);
        assert_int_equal(guest_dma_route(&h, &g, &hostdevs[0]), DMA_ROUTE_TYPE1);

        hostdevs[0].iommufd = true;
        iommufd = cost(&h, &g);
        assert_int_equal(iommufd.faults, 0);
        assert_int_equal(iommufd.pin_steps, 0);
        assert_int_equal(iommufd.worst.page_size, type1.worst.page_size); /* which the guest still gets */
        assert_int_equal(iommufd.worst.limit, type1.worst.limit);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_write_bytes(f, "opt/qemu",
                                    cases[i].exports ? "\0vfio_region_dmabuf\0" : "\0vfio_region\0",
                                    cases[i].exports ? 20 : 14);
                h.kernel.dma_buf.value = cases[i].dma_buf;
                e.generation = cases[i].generation;
                assert_int_equal(guest_dma_route(&h, &g, &hostdevs[0]), cases[i].route);
        }
        fixture_remove(f, "opt/qemu");
        h.kernel.dma_buf.value = FACT_YES;
        e.generation = GENERATION_PER_AREA;
        assert_int_equal(guest_dma_route(&h, &g, &hostdevs[0]), DMA_ROUTE_UNKNOWN);
        hostdevs[0].no_mmap = true;
        assert_int_equal(guest_dma_route(&h, &g, &hostdevs[0]), DMA_ROUTE_NONE);
}

/* A process that has the device by iommufd: what it maps was not filled for DMA. */
static void test_iommufd_process(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct mapping m = { .pid = 7, .start = GIB(7) + KIB(4), .size = GIB(2), .bdf = "0000:00:05.0" };
        struct vfio_holder holders[] = { { .pid = 7, .group = -1, .cdev = 0, .iommufd = true },
                                         { .pid = 8, .group = 4, .cdev = -1, .container = true } };
        struct guest_cost c;

        h.mappings = (struct mapping_facts){
                .mappings = &m, .n_mappings = 1, .holders = holders, .n_holders = 2
        };
        c = process_cost(&h, 7);
        assert_int_equal(c.n_bars, 1);
        assert_int_equal(c.worst.page_size, KIB(4));
        assert_int_equal(c.faults, 0);
        assert_int_equal(c.pin_steps, 0);
        m.pid = 8;
        c = process_cost(&h, 8);
        assert_int_equal(c.faults, 524288);
        holders[0].container = true; /* both: type1 may have filled it */
        m.pid = 7;
        c = process_cost(&h, 7);
        assert_int_equal(c.faults, 524288);
}

static void test_guest(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct emulator e = { .path = (char *) "/opt/qemu", .generation = GENERATION_NONE };
        struct hostdev hostdevs[3] = {};
        struct guest g = new_guest(hostdevs, "0000:00:05.0");
        struct guest_cost v;

        /* An emulator that is not there is an unknown one. */
        v = cost(&h, &g);
        assert_string_equal(v.bdf, "0000:00:05.0");
        assert_int_equal(v.best_page_size, GIB(1));
        assert_int_equal(v.worst.limit, CONDITION_UNKNOWN);
        assert_string_equal(found(&h, &g), "module");

        fixture_write(f, "opt/qemu", "");
        assert_ok(emulator_read(&e, &f->root, "/opt/qemu"));
        e.generation = GENERATION_NONE;
        h.emulators = (struct emulator_facts){ .emulators = &e, .n_emulators = 1 };
        g.emulator = (char *) "/opt/qemu";
        v = cost(&h, &g);
        assert_int_equal(v.worst.page_size, KIB(4));
        assert_true(v.worst.chance);
        assert_string_equal(found(&h, &g), "module");

        e.generation = GENERATION_PER_AREA;
        v = cost(&h, &g);
        assert_int_equal(v.worst.page_size, GIB(1));
        assert_string_equal(found(&h, &g), "none");

        /* The BAR that falls furthest short stands for the guest. */
        e.generation = GENERATION_NONE;
        g.n_hostdevs = 3;
        strcpy(hostdevs[0].bdf, "0000:00:06.0");
        strcpy(hostdevs[1].bdf, "0000:00:07.0");
        strcpy(hostdevs[2].bdf, "0000:00:05.0");
        v = cost(&h, &g);
        assert_string_equal(v.bdf, "0000:00:05.0");

        /* Nothing to gain, and devices that are not there */
        g.n_hostdevs = 2;
        strcpy(hostdevs[0].bdf, "0000:99:00.0");
        v = cost(&h, &g);
        assert_string_equal(v.bdf, "");
        assert_string_equal(found(&h, &g), "none");
        emulator_done(&e);
}

/* Another QEMU that is installed is better than a library under the one that the guest has. */
static void test_emulator(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct emulator e[] = {
                { .path = (char *) "/usr/bin/qemu", .generation = GENERATION_NONE, .distribution = true },
                { .path = (char *) "/opt/qemu", .generation = GENERATION_PER_REGION, .libvirt = true },
        };
        struct hostdev hostdev = {};
        struct guest g = new_guest(&hostdev, "0000:00:05.0");

        h.emulators = (struct emulator_facts){ .emulators = e, .n_emulators = 2 };
        h.module.loadable.value = FACT_NO;
        g.arch = (char *) "x86_64";
        assert_string_equal(found(&h, &g), "emulator");
        assert_ptr_equal(better_emulator(&h, &g), &e[1]);

        /* What only a process runs, or what others can change, is not offered. */
        e[1].libvirt = false;
        assert_null(better_emulator(&h, &g));
        e[1].libvirt = e[1].changeable = true;
        assert_null(better_emulator(&h, &g));
        e[1].changeable = false;

        /* Another VMM cannot run a guest of QEMU. */
        e[1].program = PROGRAM_OPENVMM;
        assert_null(better_emulator(&h, &g));
        e[1].program = PROGRAM_QEMU;
        assert_ptr_equal(better_emulator(&h, &g), &e[1]);

        /* One that cannot run the guest is none: of another architecture, or without its machine type. */
        g.arch = (char *) "aarch64";
        assert_null(better_emulator(&h, &g));
        g.arch = (char *) "x86_64";
        e[1].path = (char *) "/opt/qemu-system-aarch64";
        assert_null(better_emulator(&h, &g));
        e[1].path = (char *) "/opt/qemu";
        g.machine = (char *) "pc-q35-7.2";
        fixture_write_bytes(f, "opt/qemu", "pc-q35-10.0-machine", sizeof("pc-q35-10.0-machine"));
        assert_null(better_emulator(&h, &g));
        assert_string_equal(found(&h, &g), "preload");
        g.machine = (char *) "pc-q35-10.0";
        assert_ptr_equal(better_emulator(&h, &g), &e[1]);
        g.machine = NULL;
        assert_string_equal(found(&h, NULL), "preload"); /* of one guest, not of the host */
        e[1].generation = GENERATION_UNKNOWN;
        assert_string_equal(found(&h, &g), "preload");
        e[1].generation = GENERATION_PER_AREA;
        e[1].replaced = true;
        assert_string_equal(found(&h, &g), "preload");

        /* The guest has the good one; another has nothing mapped, so that nothing helps. */
        e[1].replaced = false;
        g.emulator = (char *) "/opt/qemu";
        assert_string_equal(found(&h, &g), "none");
        g.emulator = NULL;
        hostdev.no_mmap = true;
        assert_string_equal(found(&h, &g), "none");
}

static void keep_answer(enum file_kind kind, const char *path, const char *data, size_t size, void *userdata)
{
        if (kind == FILE_ANSWER)
                fprintf(userdata, "%s\t%s\n", path, data);
        else
                assert_int_equal(size, 0); /* that the binary is there, and nothing of what is in it */
}

/* A recorded host has the answer, and not the binary. */
static void test_recorded_emulator(void **state)
{
        struct fixture *f = *state;
        const struct emulator e = { .path = (char *) "/opt/qemu", .generation = GENERATION_PER_REGION };
        static const char *const texts[] = { "pc-q35-7.2-machine", "pc-q35-99-machine" };
        _cleanup_free_ char *answers = NULL;
        struct root again;
        size_t size;
        FILE *out;

        fixture_write_bytes(f, "opt/qemu", "\0pc-q35-7.2-machine", sizeof("\0pc-q35-7.2-machine"));
        out = open_memstream(&answers, &size);
        file_observe(keep_answer, out);
        assert_int_equal(emulator_has_text(&f->root, &e, texts[0]).value, FACT_YES);
        assert_int_equal(emulator_has_text(&f->root, &e, texts[1]).value, FACT_NO);
        file_observe(NULL, NULL);
        fclose(out);

        fixture_remove(f, "opt/qemu");
        assert_int_equal(emulator_has_text(&f->root, &e, texts[0]).value, FACT_UNKNOWN);
        fixture_write(f, "vfioalign/answers", answers);
        assert_ok(root_open(&again, f->dir));
        assert_int_equal(emulator_has_text(&again, &e, texts[0]).value, FACT_YES);
        assert_int_equal(emulator_has_text(&again, &e, texts[1]).value, FACT_NO);
        root_close(&again);
}

/* What each fix is, by what it changes. */
static void test_area(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        const struct area whole = { .region_size = GIB(2), .size = GIB(2) };
        struct verdict v;

        assert_true(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_MODULE), &v));
        assert_int_equal(v.page_size, GIB(1));
        assert_true(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_PRELOAD), &v));
        assert_int_equal(v.page_size, GIB(1));
        assert_false(what_if_area(&h, (struct placer){ .generation = GENERATION_PER_AREA }, &whole,
                                  FIX_BIT(FIX_PRELOAD), &v));
        assert_false(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_THP), &v)); /* always */
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++)
                if (!(PAGE_FIXES & FIX_BIT(id)))
                        assert_false(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(id), &v));

        h.kernel.thp = THP_UNKNOWN;
        assert_false(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_THP), &v));
        h.kernel.thp = THP_MADVISE;
        h.kernel.thp_exempt.value = FACT_YES;
        assert_false(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_THP), &v));
        h.kernel.thp_exempt.value = FACT_NO;
        assert_true(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_THP), &v));
        assert_int_equal(v.limit, CONDITION_PLACEMENT);
        assert_true(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_THP) | FIX_BIT(FIX_MODULE), &v));
        assert_int_equal(v.page_size, GIB(1));
        assert_int_equal(v.faults, 2);

        /* The module: forbidden, switched off, at work */
        h.module.loadable.value = FACT_NO;
        assert_false(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_MODULE), &v));
        h = new_host(&f->root);
        h.module.loaded.value = FACT_YES;
        assert_true(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_MODULE), &v));
        h.module.enabled.value = FACT_YES;
        assert_false(what_if_area(&h, PLACER_PROGRAM, &whole, FIX_BIT(FIX_MODULE), &v));
}

/* Neither the module nor the setting helps a program alone where both hold it back. */
static void test_together(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct help help;

        h.kernel.thp = THP_NEVER;
        h.kernel.thp_exempt.value = FACT_NO;
        help = help_host(&h);
        assert_string_equal(names(help.alone), "none");
        assert_true(help.together);
        assert_string_equal(names(help_all(&help)), "module+thp");
        assert_string_equal(found(&h, NULL), "module+thp");
        assert_string_equal(names(help_choose(&help, FIX_BIT(FIX_MODULE))), "none");
        assert_string_equal(names(help_choose(&help, FIX_BIT(FIX_THP) | FIX_BIT(FIX_PRELOAD))), "none");

        /* 6.12 aligns to 2 MiB: the setting alone does something. */
        h.kernel.places_pmd.value = FACT_YES;
        assert_string_equal(found(&h, NULL), "thp");
        assert_false(help_host(&h).together);
}

/* 6.12 with THP=madvise and QEMU 8.2: the guests decide for the host, not a program that nobody runs. */
static void test_users(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct emulator e = { .path = (char *) "/usr/bin/qemu",
                              .generation = GENERATION_NONE,
                              .distribution = true };
        struct hostdev hostdev = {};
        struct libvirt_guest guest = { .xml = new_guest(&hostdev, "0000:00:05.0"), .defined = true };
        struct help help;

        h.kernel.thp = THP_MADVISE;
        h.kernel.thp_exempt.value = FACT_NO;
        h.kernel.places_pmd.value = FACT_YES;
        h.emulators = (struct emulator_facts){ .emulators = &e, .n_emulators = 1 };
        h.libvirt =
                (struct libvirt_facts){ .installed = YES, .readable = YES, .guests = &guest, .n_guests = 1 };
        help = help_host(&h);
        assert_string_equal(names(help_all(&help)), "module+preload");
        assert_int_equal(help.here, help_all(&help));
        assert_string_equal(found(&h, NULL), "module");
        assert_string_equal(found(&h, &guest.xml), "module");

        /* Where the module is forbidden, it still shows what it would do. */
        h.module.loadable = (struct fact){ .value = FACT_NO, .why = "a blacklist" };
        assert_string_equal(found(&h, NULL), "preload");
        help = help_host_unless_forbidden(&h);
        assert_string_equal(names(help.here), "module+preload");
        assert_int_equal(h.module.loadable.value, FACT_NO);
        h.module.loadable.value = FACT_YES;

        /* Without the guest, for whatever may come: nobody is there who waits for it. */
        h.libvirt.n_guests = 0;
        help = help_host(&h);
        assert_string_equal(names(help_all(&help)), "module+preload+thp");
        assert_int_equal(help.here, 0);
        h.libvirt.readable.value = FACT_UNKNOWN; /* then there may be one */
        assert_string_equal(names(help_host(&h).here), "module+preload");
        h.libvirt.readable.value = FACT_YES;
        h.mappings.complete.value = FACT_UNKNOWN; /* or another program */
        assert_string_equal(names(help_host(&h).here), "module+preload");
        h.mappings.complete.value = FACT_YES;

        /* What goes through libvirt does not reach a guest of Proxmox. */
        h.libvirt.n_guests = 1;
        help = help_guest(&h, &guest.xml, NULL);
        assert_string_equal(names(help_all(&help)), "module+preload");
        guest.xml.manager = GUEST_OF_PROXMOX;
        help = help_guest(&h, &guest.xml, NULL);
        assert_string_equal(names(help_all(&help)), "module");
        guest.xml.manager = GUEST_OF_LIBVIRT;

        /* Its QEMU aligns: the module is for nobody. */
        h.libvirt.n_guests = 1;
        e.generation = GENERATION_PER_AREA;
        assert_string_equal(found(&h, NULL), "none");

        /* Which function of a pool it gets is not known yet: it can be any. */
        e.generation = GENERATION_NONE;
        hostdev = (struct hostdev){ .kind = HOSTDEV_NETWORK };
        assert_string_equal(found(&h, NULL), "module");
        hostdev.kind = HOSTDEV_MDEV;
        assert_string_equal(found(&h, NULL), "none");
}

/* A process that libvirt does not know, as it would map again. */
static void test_mappings(void **state)
{
        struct fixture *f = *state;
        struct host h = new_host(&f->root);
        struct mapping m = { .pid = 4, .start = GIB(7), .size = GIB(2), .bdf = "0000:00:05.0", .region = 1 };
        struct mapping_process p = { .pid = 4, .thp = YES };
        struct hostdev hostdev = {};
        struct libvirt_guest guest = { .xml = new_guest(&hostdev, "0000:00:06.0"),
                                       .running = true,
                                       .pid = 4 };

        h.mappings =
                (struct mapping_facts){ .mappings = &m, .n_mappings = 1, .processes = &p, .n_processes = 1 };
        assert_string_equal(found(&h, NULL), "module"); /* by luck it is well where it is now */
        assert_string_equal(names(help_host(&h).here), "module+preload");

        /* The library reaches what libvirt has started, here with a device that was plugged in later, or may
         * have started. */
        h.libvirt = (struct libvirt_facts){ .installed = YES, .readable = YES };
        assert_string_equal(names(help_host(&h).here), "module");
        h.libvirt.guests = &guest;
        h.libvirt.n_guests = 1;
        guest.xml.n_hostdevs = 0;
        assert_string_equal(names(help_host(&h).here), "module+preload");
        guest.xml.manager = GUEST_OF_PROXMOX;
        assert_string_equal(names(help_host(&h).here), "module");
        guest.xml.manager = GUEST_OF_LIBVIRT;
        guest.xml.n_hostdevs = 1;
        h.libvirt = (struct libvirt_facts){};

        h.module.enabled.value = h.module.loaded.value = FACT_YES;
        assert_string_equal(found(&h, NULL), "none");

        /* It has huge pages switched off for itself: no setting of the host changes that. */
        h.kernel.thp = THP_MADVISE;
        h.kernel.thp_exempt.value = FACT_NO;
        h.module.loadable.value = FACT_NO;
        p.thp.value = FACT_NO;
        assert_string_equal(names(help_mapping(&h, &m).alone), "none");

        /* A guest's own process: the guest stands for it, with what its domain says. */
        h = new_host(&f->root);
        p.thp.value = FACT_YES;
        h.mappings =
                (struct mapping_facts){ .mappings = &m, .n_mappings = 1, .processes = &p, .n_processes = 1 };
        guest.xml.preload = (char *) "/usr/lib/libvfioalign-preload.so";
        h.libvirt =
                (struct libvirt_facts){ .installed = YES, .readable = YES, .guests = &guest, .n_guests = 1 };
        assert_string_equal(found(&h, NULL), "none");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_host, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_iommufd, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_iommufd_process, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_guest, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_emulator, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_recorded_emulator, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_area, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_together, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_users, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_mappings, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
