/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/guest-window.h"
#include "bind/worker-order.h"
#include "config/config.h"
#include "ctl/host-archive.h"
#include "ctl/unpacked.h"
#include "facts/bind-record.h"
#include "facts/boot-loader.h"
#include "facts/claims.h"
#include "facts/device/vfio-driver.h"
#include "facts/emulator/elf-calls.h"
#include "facts/emulator/emulator-wrapper.h"
#include "facts/evidence.h"
#include "facts/guest/facts-libvirt.h"
#include "facts/guest/facts-mapping.h"
#include "facts/guest/guest-scan.h"
#include "facts/guest/proxmox.h"
#include "facts/guest/qemu-argument.h"
#include "facts/kernel/dkms.h"
#include "facts/kernel/kernel-symbols.h"
#include "facts/kernel/module-index.h"
#include "facts/start.h"
#include "fix/domain-edit.h"
#include "fix/unit-variable.h"
#include "fleet/documents.h"
#include "fleet/print.h"
#include "record/redact.h"
#include "trace/report.h"
#include "util/macro.h"

#define BDF "0000:00:05.0"
#define RELEASE "7.3.4"

static struct root fuzz_root = { .fd = -EBADF };
static char root_path[64];

/* A claim that has to hold for every input: what fails is reported as a crash. */
#define must(expression) \
        do { \
                if (!(expression)) { \
                        fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #expression); \
                        abort(); \
                } \
        } while (0)

static char *text_of(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);

        must(text);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        return text;
}

static void run_domain(const struct root *root, const uint8_t *data, size_t size)
{
        struct guest g;

        if (guest_parse(&g, (const char *) data, size) < 0)
                return;
        must(g.n_hostdevs <= GUEST_HOSTDEVS_MAX);
        (void) guest_window_fits(&g, GIB(64), GIB(32), 46);
        (void) guest_read_networks(&g, root);
        guest_done(&g);
}

static bool is_pool(const char *name, size_t length, void *userdata)
{
        (void) name, (void) length, (void) userdata;
        return false;
}

/* What the parser finds is found by the scan as well. */
static void run_scan(const struct root *root, const uint8_t *data, size_t size)
{
        bool found = guest_scan_has_vfio((const char *) data, size, is_pool, NULL);
        struct guest g;

        (void) root;
        if (found || guest_parse(&g, (const char *) data, size) < 0)
                return;
        must(g.n_hostdevs == 0);
        guest_done(&g);
}

static void run_domain_status(const struct root *root, const uint8_t *data, size_t size)
{
        struct guest g;
        pid_t pid = -1;

        (void) root;
        if (guest_parse_status(&g, (const char *) data, size, &pid) < 0)
                return;
        must(pid >= 0);
        guest_done(&g);
}

/* What is reverted is what it was before, byte for byte. */
static void check_edit(const char *xml, size_t size, enum domain_place place, const char *key,
                       const char *value)
{
        struct domain_changes changes = {};
        _cleanup_free_ char *edited = NULL, *back = NULL;

        must(domain_changes_add(&changes, place, key, value) >= 0);
        if (domain_edit_state(xml, size, "preload") == DOMAIN_EDIT_NONE &&
            domain_edit_apply(xml, size, "preload", &changes, &edited) >= 0 && edited) {
                must(domain_edit_state(edited, strlen(edited), "preload") == DOMAIN_EDIT_APPLIED);
                must(domain_edit_revert(edited, strlen(edited), "preload", &back) >= 0);
                must(back && strlen(back) == size && memcmp(back, xml, size) == 0);
        }
        domain_changes_done(&changes);
}

static void run_domain_edit(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_free_ char *xml = text_of(data, size), *back = NULL;

        (void) root;
        if (strlen(xml) != size)
                return;
        check_edit(xml, size, PLACE_EMULATOR, "", "/usr/bin/qemu & <co>");
        check_edit(xml, size, PLACE_PRELOAD, "", "/usr/lib/preload.so");
        check_edit(xml, size, PLACE_ALIAS, BDF, "ua-one");
        check_edit(xml, size, PLACE_IOMMUFD, BDF, "yes");
        check_edit(xml, size, PLACE_NO_MMAP, "ua-one", "on");
        (void) domain_edit_revert(xml, size, NULL, &back);
}

static void run_config(const struct root *root, const uint8_t *data, size_t size)
{
        struct config c = config_default();

        (void) data, (void) size;
        if (config_read(&c, root, NULL, NULL) >= 0) {
                (void) config_find_device(&c, BDF, 0x10de, 0x2330, 0x030200, "nvidia");
                (void) config_guest_policy(&c, "train-a");
        }
        config_done(&c);
}

/* The input is maps; behind a line "--" what fdinfo, and behind another what the command line says. */
static void run_mappings(const struct root *root, const uint8_t *data, size_t size)
{
        static const char *const files[] = { "proc/7/maps", "proc/7/fdinfo/3", "proc/7/cmdline" };
        struct bar bar = { .index = 2, .address = GIB(64), .size = GIB(2) };
        struct device device = { .bdf = BDF, .bars = { bar }, .n_bars = 1 };
        struct device_facts devices = { .devices = &device, .n_devices = 1 };
        struct mapping_facts facts = {};

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                const uint8_t *end = size > 0 ? memmem(data, size, "\n--\n", 4) : NULL;
                size_t n = end ? (size_t) (end - data) + 1 : size;
                _cleanup_close_ int fd = openat(root->fd, files[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                                                0600);

                must(fd >= 0 && (n == 0 || write(fd, data, n) == (ssize_t) n));
                data = end ? end + 4 : data + n;
                size -= end ? n + 3 : n;
        }
        (void) mapping_facts_read_process(&facts, root, 7, &devices, NULL, 0);
        for (size_t i = 0; i < facts.n_mappings; i++)
                must(facts.mappings[i].size > 0 && facts.mappings[i].region < 64);
        mapping_facts_done(&facts);
}

static void run_elf(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);
        struct elf_image *image;
        _cleanup_free_ char *id = NULL;
        const uint8_t *code;
        uint64_t address;
        size_t n;

        (void) root;
        must(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t) size));
        if (elf_image_open(fd, &image) < 0)
                return;
        if (elf_image_function(image, "vfio_region_mmap", &code, &n, &address) >= 0)
                (void) elf_image_count_calls(image, code, n, address, "mmap64");
        (void) elf_image_has_text(image, "overlapping sparse mmap regions detected");
        (void) elf_image_build_id(image, &id);
        elf_image_close(image);
}

static void run_symbols(const struct root *root, const uint8_t *data, size_t size)
{
        static const char *const names[] = { "vfio_pci_mmap_huge_fault", "vfio_device_fops", NULL };
        struct kernel_symbols *s;
        _cleanup_free_ char *name = NULL, *module = NULL;
        uint64_t address, n;

        (void) data, (void) size;
        if (kernel_symbols_open(root, "vfio_pci_core", names, &s) < 0)
                return;
        (void) kernel_symbols_has_function(s, names[0]);
        (void) kernel_symbols_has_member(s, "vfio_device", "refcount");
        (void) kernel_symbols_has_enum(s, "MMF_DISABLE_THP");
        (void) kernel_symbols_offset(s, "file_operations", "get_unmapped_area", &address);
        if (kernel_symbols_address(s, names[1], &address) >= 0) {
                (void) kernel_symbols_size(s, address, &n);
                (void) kernel_symbols_at(s, address, &name, &module);
        }
        kernel_symbols_close(s);
}

static void run_drivers(const struct root *root, const uint8_t *data, size_t size)
{
        struct vfio_drivers *drivers;
        struct fact seen;

        (void) data, (void) size;
        if (vfio_drivers_read(root, RELEASE, &drivers, &seen) < 0)
                return;
        must(vfio_drivers_best(drivers, "pci:v000015B3d0000101Esv000015B3sd00000001bc02sc00i00"));
        vfio_drivers_free(drivers);
}

static void run_modules(const struct root *root, const uint8_t *data, size_t size)
{
        struct module_index *index;

        (void) data, (void) size;
        if (module_index_open(root, RELEASE, &index) < 0)
                return;
        (void) module_index_has(index, "vfio_pci");
        module_index_close(index);
}

/* What is read as a record can be written, and is the same then. */
static void run_bind_record(const struct root *root, const uint8_t *data, size_t size)
{
        struct bind_records records;
        _cleanup_free_ char *bad = NULL;

        (void) data, (void) size;
        if (bind_records_read(&records, root, &bad) < 0)
                return;
        for (size_t i = 0; i < records.n_records; i++) {
                _cleanup_free_ char *text = bind_record_format(&records.records[i]);

                must(text);
        }
        bind_records_done(&records);
}

static void run_evidence(const struct root *root, const uint8_t *data, size_t size)
{
        struct evidence e = {};
        _cleanup_free_ char *text = NULL;

        (void) data, (void) size;
        if (evidence_read(&e, root) >= 0) {
                must(e.n_sightings <= EVIDENCE_MAX);
                text = evidence_format(&e);
                must(text);
        }
        evidence_done(&e);
}

/* What is named is one of those that are installed, or none. The input is GRUB's settings and environment.
 */
static void run_boot(const struct root *root, const uint8_t *data, size_t size)
{
        struct next_boot b;

        (void) data, (void) size;
        next_boot_read(&b, root);
        must(!*b.release || kernel_release_is_valid(b.release));
        must(b.known.value != FACT_YES || *b.release);
        must(b.known.why);
}

static void run_dkms_log(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_free_ char *error = dkms_error_read(root, "0.1.0", RELEASE);

        (void) data, (void) size;
        must(!error || (*error && strlen(error) <= 200));
}

#define START_FILE "train\\x2da-00001764524400000000.json"

static void run_start(const struct root *root, const uint8_t *data, size_t size)
{
        struct starts starts;

        (void) data, (void) size;
        must(starts_read_guest(&starts, root, "train-a") >= 0);
        must(starts.n_starts + starts.n_damaged == 1);
        for (size_t i = 0; i < starts.n_starts; i++) {
                must(starts.starts[i].n_bars <= START_BARS_MAX);
                must(starts.starts[i].n_devices <= START_DEVICES_MAX);
                must(starts.starts[i].n_sentences <= START_SENTENCES_MAX);
        }
        starts_done(&starts);
}

static void run_worker_order(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = text_of(data, size);
        struct worker_order order = {};
        const char *why = NULL;

        (void) root;
        if (worker_order_parse(&order, text, &why) < 0)
                must(why);
        else
                must(order.n_devices <= ORDER_DEVICES_MAX);
        worker_order_done(&order);
}

static void run_unit(const struct root *root, const uint8_t *data, size_t size)
{
        struct unit_variable v;

        (void) data, (void) size;
        if (unit_variable_read(&v, root, "libvirtd.service", "LD_PRELOAD", "zz-vfioalign-preload.conf") >= 0)
                unit_variable_done(&v);
}

/* Nothing gets out of the directory, or takes its place. */
static void run_archive(const struct root *root, const uint8_t *data, size_t size)
{
        char path[sizeof(root_path) + sizeof("/host.tar")], dir[sizeof(root_path) + sizeof("/unpacked")];
        const char *why = NULL;
        struct stat before, after;
        int fd, r;

        (void) root, (void) data, (void) size;
        snprintf(path, sizeof(path), "%s/host.tar", root_path);
        snprintf(dir, sizeof(dir), "%s/unpacked", root_path);
        must(mkdir(dir, 0700) >= 0);
        fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        must(fd >= 0 && fstat(fd, &before) >= 0);
        r = archive_unpack(path, fd, &why);
        must(r >= 0 || why);
        must(lstat(dir, &after) >= 0 && before.st_ino == after.st_ino && S_ISDIR(after.st_mode));
        close(fd);
        remove_tree(dir);
}

static void run_wrapper(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = text_of(data, size), *program = NULL;

        (void) root;
        if (emulator_wrapper_parse(text, size, &program) >= 0)
                must(program && (*program == '/' || (*program && !strchr(program, '/'))));
}

static void run_argument(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = text_of(data, size);
        char value[64];

        (void) root;
        (void) qemu_argument_is_vfio(text);
        (void) qemu_argument_is_on(text, "x-no-mmap");
        (void) qemu_argument_device(text, value, sizeof(value));
        if (qemu_argument_get(text, "host", value, sizeof(value)))
                must(strlen(value) < sizeof(value));
}

/* A domain is the same without what is left out of it. */
static void check_redacted_domain(const char *xml, size_t size, const char *redacted, size_t n)
{
        struct guest before, after;
        int r = guest_parse(&before, xml, size);

        must(guest_parse(&after, redacted, n) == r);
        if (r < 0)
                return;
        must(streq(before.name, after.name) && before.memory == after.memory);
        must(before.n_hostdevs == after.n_hostdevs && before.efi_window == after.efi_window &&
             before.efi_window_unread == after.efi_window_unread);
        for (size_t i = 0; i < before.n_hostdevs; i++)
                must(streq(before.hostdevs[i].bdf, after.hostdevs[i].bdf));
        guest_done(&before);
        guest_done(&after);
}

/* So is a guest of Proxmox. */
static void check_redacted_proxmox(const struct root *root, const char *conf, const char *redacted,
                                   bool pending)
{
        const struct proxmox_mappings none = {};
        struct guest before = {}, after = {};
        bool a = false, b = false;
        int r = proxmox_guest_parse(&before, "100", conf, &none, root, pending, &a);

        must(proxmox_guest_parse(&after, "100", redacted, &none, root, pending, &b) == r && a == b);
        must(before.n_hostdevs == after.n_hostdevs && before.efi_window == after.efi_window);
        must(before.memory == after.memory && before.firmware == after.firmware);
        must(before.phys_bits == after.phys_bits && before.host_phys_bits == after.host_phys_bits);
        for (size_t i = 0; i < before.n_hostdevs; i++)
                must(streq(before.hostdevs[i].bdf, after.hostdevs[i].bdf) &&
                     before.hostdevs[i].kind == after.hostdevs[i].kind &&
                     before.hostdevs[i].no_mmap == after.hostdevs[i].no_mmap);
        guest_done(&before);
        guest_done(&after);
}

static void run_redact(const struct root *root, const uint8_t *data, size_t size)
{
        const enum redaction how = size > 0 ? (enum redaction)(REDACT_ARGUMENTS +
                                                               data[0] % (_REDACTION_MAX - 1))
                                            : REDACT_NOTHING;
        _cleanup_free_ char *once = NULL, *twice = NULL, *copy = NULL;
        size_t n, n_twice;

        if (size < 1)
                return;
        /* Without a NUL behind it, as files come. */
        copy = malloc(size - 1 ?: 1);
        must(copy);
        memcpy(copy, data + 1, size - 1);
        must(redact(how, copy, size - 1, &once, &n) >= 0);
        must(redact(how, once, n, &twice, &n_twice) >= 0);
        must(n == n_twice && memcmp(once, twice, n) == 0); /* what is left out once needs no more of it */
        if (how == REDACT_XML)
                check_redacted_domain(copy, size - 1, once, n);
        if (how == REDACT_PROXMOX) {
                _cleanup_free_ char *text = text_of(data + 1, size - 1);

                check_redacted_proxmox(root, text, once, false);
                check_redacted_proxmox(root, text, once, true);
        }
}

static void run_proxmox(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = text_of(data, size);
        struct proxmox_mappings m;
        bool autostart = false;
        struct guest g;

        must(proxmox_mappings_parse(
                     &m, "gpu\n\tmap node=a,path=0000:41:00.0\nany\n\tmap path=1:0\n\tmap path=2:0\n",
                     "a") >= 0);
        if (proxmox_guest_parse(&g, "100", text, &m, root, size % 2, &autostart) > 0) {
                must(g.n_hostdevs <= GUEST_HOSTDEVS_MAX && g.emulator && g.machine);
                guest_done(&g);
        }
        proxmox_mappings_done(&m);
}

static void run_proxmox_mappings(const struct root *root, const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = text_of(data, size);
        struct proxmox_mappings m;

        (void) root;
        must(proxmox_mappings_parse(&m, text, "pve1") >= 0);
        for (size_t i = 0; i < m.n; i++)
                must(*m.mappings[i].name && *m.mappings[i].path);
        proxmox_mappings_done(&m);
}

static void run_claims(const struct root *root, const uint8_t *data, size_t size)
{
        struct claims c = {};

        (void) data, (void) size;
        (void) claims_read(&c, root, NULL);
        claims_done(&c);
}

/* Whatever the records of the ring say, the account is bounded, and can be printed. */
static void run_trace(const struct root *root, const uint8_t *data, size_t size)
{
        static const struct trace_selection all = {};
        const struct trace_watched watched = { .kernel = RELEASE };
        struct trace_account account = { .page_size = KIB(4) };
        _cleanup_fclose_ FILE *out = fopen("/dev/null", "w");
        struct trace_process *p;
        struct trace_event e;
        json_object *report;

        (void) root;
        must(out);
        for (; size >= sizeof(e); data += sizeof(e), size -= sizeof(e)) {
                memcpy(&e, data, sizeof(e));
                must(trace_account_add(&account, &e, &p) != -ENOMEM);
                if (p)
                        trace_print_event(p, &e, out);
        }
        must(account.n_processes <= TRACE_PROCESSES_MAX && account.n_hooks <= TRACE_HOOKS_MAX);
        for (size_t i = 0; i < account.n_processes; i++) {
                struct trace_phases f;

                trace_svg_print(&account, &account.processes[i], out);
                f = trace_phases_of(&account, &account.processes[i]);

                must(f.begin <= f.end && f.other <= f.end - f.begin);
                must(account.processes[i].n_bars <= TRACE_BARS_MAX);
                must(account.processes[i].n_spans <= TRACE_SPANS_MAX);
                must(account.processes[i].n_devices <= TRACE_DEVICES_MAX);
        }
        report = trace_report_new(&account, &all, &watched);
        must(trace_report_print(report, out) >= 0);
        json_object_put(report);
        trace_account_done(&account);
}

static int add_report(json_object *document, void *userdata)
{
        return fleet_add(userdata, document);
}

/* So many bytes at a time, as a pipe or a compression may give them. */
static void read_fleet(struct fleet *f, const uint8_t *data, size_t size, size_t step)
{
        struct documents d;

        must(fleet_open(f) >= 0 && documents_open(&d, add_report, f) >= 0);
        for (size_t n; size > 0; data += n, size -= n) {
                n = size < step ? size : step;
                must(documents_feed(&d, (const char *) data, n) >= 0);
        }
        must(documents_end(&d) >= 0 && fleet_sort(f) >= 0);
        documents_done(&d);
}

/* Nothing that a terminal would act upon. */
static void check_output(const char *text)
{
        for (; *text; text++)
                must((unsigned char) *text >= ' ' || *text == '\n' || *text == '\r');
}

/* Reports of many hosts: however the bytes come, they are the same hosts, and all that is printed is text.
 */
static void run_fleet(const struct root *root, const uint8_t *data, size_t size)
{
        const struct fleet_view view = { .by = { WORD_NEED, WORD_KERNEL, WORD_HOST }, .n_by = 3 };
        _cleanup_free_ char *text = NULL, *page = NULL;
        struct fleet whole, pieces;
        size_t n;
        FILE *out = open_memstream(&text, &n), *page_out = open_memstream(&page, &n);

        (void) root;
        must(out && page_out);
        read_fleet(&whole, data, size, SIZE_MAX);
        read_fleet(&pieces, data, size, 1);
        must(whole.n_hosts == pieces.n_hosts && whole.n_unread == pieces.n_unread);
        must(whole.n_unnamed == pieces.n_unnamed && whole.n_older == pieces.n_older);
        must(fleet_print_text(&whole, &view, out) >= 0);
        must(fleet_print_json(&whole, &view, JSON_SHORT, out) >= 0);
        must(fleet_print_csv(&whole, &view, out) >= 0);
        (void) fleet_print_hosts(&whole, "none", out);
        must(fleet_print_page(&whole, &view, page_out) >= 0);
        must(fclose(out) == 0 && fclose(page_out) == 0);
        check_output(text);
        check_output(page);
        must(!strstr(page, "<script"));
        fleet_done(&whole);
        fleet_done(&pieces);
}

const struct fuzz_target fuzz_targets[] = {
        { "domain", NULL, run_domain },
        { "domain-scan", NULL, run_scan },
        { "domain-status", NULL, run_domain_status },
        { "domain-edit", NULL, run_domain_edit },
        { "config", "etc/vfioalignd.conf", run_config },
        { "mappings", NULL, run_mappings },
        { "elf", NULL, run_elf },
        { "kallsyms", "proc/kallsyms", run_symbols },
        { "btf", "sys/kernel/btf/vmlinux", run_symbols },
        { "modules-alias", "lib/modules/" RELEASE "/modules.alias", run_drivers },
        { "modules-dep", "lib/modules/" RELEASE "/modules.dep", run_modules },
        { "bind-record", "run/vfioalign/bind/" BDF, run_bind_record },
        { "evidence", EVIDENCE_FILE, run_evidence },
        { "start", STARTS_DIR "/" START_FILE, run_start },
        { "worker-order", NULL, run_worker_order },
        { "unit", "etc/systemd/system/libvirtd.service.d/10-site.conf", run_unit },
        { "archive", "host.tar", run_archive },
        { "wrapper", NULL, run_wrapper },
        { "argument", NULL, run_argument },
        { "redact", NULL, run_redact },
        { "proxmox", NULL, run_proxmox },
        { "proxmox-mappings", NULL, run_proxmox_mappings },
        { "trace", NULL, run_trace },
        { "fleet", NULL, run_fleet },
        { "modprobe", "etc/modprobe.d/vfio.conf", run_claims },
        { "grub", "etc/default/grub", run_boot },
        { "grubenv", "boot/grub2/grubenv", run_boot },
        { "boot-entry", "boot/loader/entries/0f-" RELEASE ".conf", run_boot },
        { "dkms-log", "var/lib/dkms/vfio-align/0.1.0/build/make.log", run_dkms_log },
};
const size_t n_fuzz_targets = ELEMENTSOF(fuzz_targets);

const struct fuzz_target *fuzz_target_find(const char *name)
{
        for (size_t i = 0; i < n_fuzz_targets; i++)
                if (streq(fuzz_targets[i].name, name))
                        return &fuzz_targets[i];
        return NULL;
}

static void make_parents(const char *path)
{
        char parent[128];

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(parent, sizeof(parent), "%.*s", (int) (slash - path), path);
                must(mkdirat(fuzz_root.fd, parent, 0700) >= 0 || errno == EEXIST);
        }
}

static void write_input(const char *path, const uint8_t *data, size_t size)
{
        _cleanup_close_ int fd = openat(fuzz_root.fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        must(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t) size));
}

/* What the targets find around their input. */
static const struct {
        const char *path, *text;
} around[] = {
        { "proc/7/fdinfo/3", "" },
        { "proc/sys/kernel/osrelease", RELEASE "\n" },
        { "usr/lib/systemd/system/libvirtd.service", "[Service]\nExecStart=/usr/sbin/libvirtd\n" },
        { "lib/modules/" RELEASE "/modules.dep", "kernel/drivers/vfio/vfio.ko:\n" },
        { "lib/modules/" RELEASE "/modules.builtin", "" },
        { "boot/vmlinuz-" RELEASE, "" },
        { "boot/vmlinuz-6.1.0-38-amd64", "" },
        { "boot/grub2/grub.cfg", "" },
        { "boot/loader/entries/0f-6.1.0-38-amd64.conf", "version 6.1.0-38-amd64\n" },
        { "etc/default/grub.d/bls.cfg", "GRUB_ENABLE_BLSCFG=true\n" },
        { "etc/libvirt/qemu/networks/pool.xml", "<network><name>pool</name></network>" },
};

void fuzz_root_make(void)
{
        snprintf(root_path, sizeof(root_path), "%s/vfioalign-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) >= 0 ? "/dev/shm" : "/tmp");
        must(mkdtemp(root_path));
        must(root_open(&fuzz_root, root_path) >= 0);
        for (size_t i = 0; i < n_fuzz_targets; i++)
                if (fuzz_targets[i].file)
                        make_parents(fuzz_targets[i].file);
        for (size_t i = 0; i < ELEMENTSOF(around); i++) {
                make_parents(around[i].path);
                write_input(around[i].path, (const uint8_t *) around[i].text, strlen(around[i].text));
        }
}

void fuzz_root_remove(void)
{
        remove_tree(root_path);
        root_close(&fuzz_root);
}

void fuzz_target_run(const struct fuzz_target *target, const uint8_t *data, size_t size)
{
        if (target->file)
                write_input(target->file, data, size);
        target->run(&fuzz_root, data, size);
        if (target->file)
                must(unlinkat(fuzz_root.fd, target->file, 0) >= 0);
}
