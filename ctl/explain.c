/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/fix-command.h"
#include "audit/what-if.h"
#include "ctl.h"
#include "facts/guest/libvirt-paths.h"
#include "fix/decision.h"
#include "pager.h"
#include "report/filter.h"
#include "report/rulers.h"
#include "report/text.h"
#include "snapshot.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/near.h"
#include "util/parse.h"
#include "util/print.h"
#include "util/shell.h"
#include "verbs.h"

/* A number with an optional suffix K, M or G. */
static int parse_bytes(const char *s, size_t n, uint64_t *ret)
{
        static const char suffixes[] = "KMG";
        char text[32];
        const char *suffix;
        uint64_t v;
        int shift = 0;

        if (n == 0 || n >= sizeof(text))
                return -EINVAL;
        snprintf(text, sizeof(text), "%.*s", (int) n, s);
        suffix = strchr(suffixes, text[n - 1]);
        if (suffix) {
                shift = 10 * (int) (suffix - suffixes + 1);
                text[n - 1] = '\0';
        }
        if (parse_u64(text, 0, &v) < 0 || v > UINT64_MAX >> shift)
                return -EINVAL;
        *ret = v << shift;
        return 0;
}

/* BAR:OFFSET+LENGTH: an area in whole pages of that BAR of the device. */
static int parse_area(const char *s, const struct snapshot *snapshot, const struct device *d,
                      struct area *ret)
{
        uint64_t page = snapshot->host.kernel.page_size, index;
        size_t colon = strcspn(s, ":"), plus = strcspn(s, "+");
        struct area a = {};

        if (!s[colon] || !s[plus] || colon > plus || parse_bytes(s, colon, &index) < 0 ||
            parse_bytes(s + colon + 1, plus - colon - 1, &a.offset) < 0 ||
            parse_bytes(s + plus + 1, strlen(s + plus + 1), &a.size) < 0) {
                print_line(stderr, "vfioalignctl: --area %s: expected BAR:OFFSET+LENGTH, like 2:512M+1G", s);
                return -EINVAL;
        }
        for (size_t i = 0; i < d->n_bars; i++)
                if (d->bars[i].index == index)
                        a.region_size = d->bars[i].size;
        if (a.region_size == 0 || a.offset % page || a.size % page || a.size == 0 ||
            a.offset >= a.region_size || a.size > a.region_size - a.offset) {
                print_line(stderr, "vfioalignctl: --area %s: not whole pages of a BAR of %s", s, d->bdf);
                return -EINVAL;
        }
        *ret = a;
        return 0;
}

/* Returns an exit code. */
static int print_json(json_object *o, enum json_style style)
{
        int r = report_print_json_as(o, style, 0, stdout);

        if (r < 0) {
                log_error(r, "Failed to print the answer: %m");
                return CTL_FAILED;
        }
        return CTL_OK;
}

static int explain_area(const struct snapshot *s, json_object *head, const struct device *d,
                        const struct options *o)
{
        json_object *answer;
        int code = CTL_OK;
        struct area area;

        if (parse_area(o->area, s, d, &area) < 0)
                return CTL_USAGE;
        answer = json_new_object();
        json_add(answer, "placements", report_placements(&s->host, &area));
        if (o->json)
                code = print_json(answer, o->json);
        else
                report_explain_area(head, json_get(answer, "placements"), stdout);
        json_object_put(answer);
        return code;
}

/* A guest can be called like a finding or a device, which comes first. guest: that one, or NULL. */
static void say_namesake(json_object *guest)
{
        _cleanup_free_ char *argument = guest ? shell_argument(json_get_text(guest, "name")) : NULL;

        if (argument)
                print_line(stdout, "There is a guest of this name as well: vfioalignctl explain --guest %s",
                           argument);
}

/* The mappings of BARs: of the device where bdf is given, else of the process. */
static size_t find_mappings(const struct host *h, const char *bdf, pid_t pid,
                            const struct mapping *ret[RULERS_MAX])
{
        size_t n = 0;

        for (size_t i = 0; i < h->mappings.n_mappings && n < RULERS_MAX; i++) {
                const struct mapping *m = &h->mappings.mappings[i];

                if (m->region <= 5 && (bdf ? streq(m->bdf, bdf) : m->pid == pid))
                        ret[n++] = m;
        }
        return n;
}

static int draw_rulers(const struct host *h, const char *bdf, pid_t pid, const char *path)
{
        const struct mapping *mappings[RULERS_MAX];
        size_t n = find_mappings(h, bdf, pid, mappings);
        _cleanup_fclose_ FILE *f = NULL;

        if (n == 0) {
                print_line(stderr, "vfioalignctl: there is nothing to draw, because %s",
                           bdf ? "nobody maps a BAR of this device now" : "this guest maps no BAR now");
                return CTL_FAILED;
        }
        f = fopen(path, "we");
        if (f)
                report_rulers_print(h, mappings, n, f);
        if (f && fflush(f) == 0 && !ferror(f))
                return CTL_OK;
        log_error(-errno, "Failed to write '%s': %m", path);
        return CTL_FAILED;
}

/* guest: one that has the same name, or NULL. */
static int explain_device(const struct snapshot *s, json_object *head, const struct device *d,
                          const struct options *o, json_object *guest)
{
        struct devices devices;
        json_object *device;
        int code = CTL_OK;

        if (o->area)
                return explain_area(s, head, d, o);
        devices_open(&devices, &s->host);
        device = devices_get(&devices, (size_t) (d - s->host.devices.devices));
        if (o->json) {
                code = print_json(device, o->json);
        } else {
                report_explain_device(head, device, stdout);
                say_namesake(guest);
        }
        json_object_put(device);
        devices_close(&devices);
        if (code != CTL_OK || !o->svg)
                return code;
        return draw_rulers(&s->host, d->bdf, 0, o->svg);
}

/* guest: one that has the same name, or NULL. */
static int explain_finding(json_object *head, enum finding_id id, const struct options *o,
                           json_object *guest)
{
        json_object *findings = json_get(head, "findings"), *found;
        int code;

        if (!o->json) {
                report_explain_finding(head, id, stdout);
                say_namesake(guest);
                return CTL_OK;
        }
        found = json_new_array();
        for (size_t i = 0; i < json_length(findings); i++) {
                json_object *f = json_object_array_get_idx(findings, i);

                if (streq(json_get_text(f, "id"), finding_to_string(id)))
                        json_append(found, json_object_get(f));
        }
        code = print_json(found, o->json);
        json_object_put(found);
        return code;
}

/* What a table has under LIMITED-BY. A guest of that name comes first. */
static int explain_limit(json_object *head, enum condition limit, const struct options *o)
{
        json_object *guests = json_get(head, "guests"), *found;
        int code;

        if (!o->json) {
                report_explain_limit(head, limit, stdout);
                return CTL_OK;
        }
        found = json_new_array();
        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);

                if (streq(json_get_text(g, "limit") ?: "", condition_to_string(limit)))
                        json_append(found, json_object_get(g));
        }
        code = print_json(found, o->json);
        json_object_put(found);
        return code;
}

/* What the host does with a function that libvirt takes from its driver when the guest starts, or NULL. */
static const struct device_use *find_taken(const struct host *h, const struct libvirt_guest *g)
{
        for (size_t i = 0; i < g->xml.n_hostdevs && !g->running; i++) {
                const struct device *d = device_facts_find(&h->devices, g->xml.hostdevs[i].bdf);
                const struct device_use *use;

                if (!d || d->driver_is_vfio || !g->xml.hostdevs[i].managed)
                        continue;
                use = device_uses_host(&h->uses, d->bdf);
                if (use)
                        return use;
        }
        return NULL;
}

/* A function that the guest needs and that is not there, or NULL. */
static const char *find_missing(const struct host *h, const struct libvirt_guest *g)
{
        for (size_t i = 0; i < g->xml.n_hostdevs && !g->running; i++) {
                const char *bdf = g->xml.hostdevs[i].bdf;

                if (*bdf && h->devices.listed.value == FACT_YES && !device_facts_find(&h->devices, bdf))
                        return bdf;
        }
        return NULL;
}

static const char *decision_word(const struct decision *d, const struct device_use *taken)
{
        if (!d->allowed)
                return "refused";
        if (taken)
                return taken->kind == USE_UNKNOWN ? "possibly harmful, although the policy allows it"
                                                  : "harmful, although the policy allows it";
        return d->warn ? "allowed, with a warning" : "allowed";
}

/* Whether the policy of this host would let the guest start, and each fix that would help, with its price.
 */
static void say_decision(const struct snapshot *s, const struct libvirt_guest *guest)
{
        const struct device_use *taken = find_taken(&s->host, guest);
        const struct guest *g = &guest->xml;
        const char *missing = find_missing(&s->host, guest),
                   *taker = g->manager == GUEST_OF_PROXMOX ? "Proxmox" : "libvirt";
        struct config c = config_default();
        struct help help = help_guest(&s->host, g, NULL);
        struct decision d;

        (void) config_read(&c, &s->root, NULL, NULL);
        d = decision_make(&s->host, &c, g);
        fputc('\n', stdout);
        if (missing)
                print_line(stdout, "A start now would fail: %s is not on this host.", missing);
        else if (g->manager == GUEST_OF_LIBVIRT)
                print_line(stdout, "A start now would be %s: %s.", decision_word(&d, taken), d.text);
        else
                print_line(stdout, "vfioalignd has no say in its start: only libvirt's system daemon asks "
                                   "before it starts a guest.");
        if (taken && taken->kind == USE_UNKNOWN)
                print_line(stdout, "  %s would take %s from its driver, and it may be in use: %s.", taker,
                           taken->bdf, taken->what);
        else if (taken)
                print_line(stdout, "  %s would take %s from its driver, but it is in use (%s): %s.", taker,
                           taken->bdf, use_kind_to_string(taken->kind), taken->what);
        for (enum fix_id id = 0; id < _FIX_ID_MAX; id++) {
                _cleanup_free_ char *command = NULL, *text = NULL;

                if (!(help_all(&help) & FIX_BIT(id)))
                        continue;
                command = fix_command(FIX_BIT(id), g->name);
                if (!command || asprintf(&text, "%s: %s. Trade-off: %s.", fix_id_to_string(id),
                                         fix_type(id)->does, fix_type(id)->price) < 0)
                        continue;
                print_wrapped(stdout, 2, text);
                print_line(stdout, "    -> %s", command);
        }
        config_done(&c);
}

static int say_starts(const struct root *root, const char *guest)
{
        struct starts starts;
        int r;

        r = starts_read_guest(&starts, root, guest);
        if (r < 0)
                return r;
        r = report_explain_starts(&starts, stdout);
        starts_done(&starts);
        return r;
}

static json_object *find_guest(json_object *head, const char *name)
{
        json_object *guests = json_get(head, "guests");

        for (size_t i = 0; i < json_length(guests); i++) {
                json_object *g = json_object_array_get_idx(guests, i);

                if (streq(json_get_text(g, "name") ?: "", name))
                        return g;
        }
        return NULL;
}

static int explain_guest(const struct snapshot *s, json_object *head, json_object *guest,
                         const struct options *o)
{
        const char *name = json_get_text(guest, "name");
        const struct libvirt_guest *g = NULL;

        for (size_t i = 0; i < s->host.libvirt.n_guests; i++)
                if (streq(s->host.libvirt.guests[i].xml.name, name))
                        g = &s->host.libvirt.guests[i];
        if (o->json) {
                int code = print_json(guest, o->json);

                if (code != CTL_OK)
                        return code;
        } else {
                int r;

                report_explain_guest(head, guest, stdout);
                if (g)
                        say_decision(s, g);
                r = say_starts(&s->root, name);
                if (r < 0) {
                        log_error(r, "Failed to print the starts of '%s': %m", name);
                        return CTL_FAILED;
                }
        }
        return o->svg ? draw_rulers(&s->host, NULL, g && g->running ? g->pid : 0, o->svg) : CTL_OK;
}

/* libvirt names the file of a guest after the guest. */
static const char *find_damaged(const struct libvirt_facts *l, const char *guest)
{
        for (size_t i = 0; i < l->n_damaged; i++) {
                const char *path = l->damaged[i], *name = startswith(path, "/" LIBVIRT_DEFINED_DIR "/");
                const char *end;

                name = name ?: startswith(path, "/" LIBVIRT_RUNNING_DIR "/");
                end = name ? startswith(name, guest) : NULL; /* a network's has another folder before it */
                if (end && streq(end, ".xml"))
                        return path;
        }
        return NULL;
}

/* What may have been meant. */
static const char *guess_subject(const struct host *h, const char *subject, near_t buffer)
{
        struct near near = { .word = subject };

        for (enum finding_id id = 0; id < _FINDING_MAX; id++)
                near_offer(&near, finding_to_string(id));
        for (size_t i = 0; i < h->libvirt.n_guests; i++)
                near_offer(&near, h->libvirt.guests[i].xml.name);
        for (size_t i = 0; i < h->devices.n_devices; i++) {
                near_offer(&near, h->devices.devices[i].bdf);
                near_offer(&near, filter_short_address(h->devices.devices[i].bdf));
        }
        return near_question(&near, buffer);
}

static void say_not_found(const struct host *h, const char *subject)
{
        near_t question;
        const struct libvirt_facts *l = &h->libvirt;
        const char *damaged = find_damaged(l, subject);
        const char *unread = NULL;

        if (damaged) {
                print_line(stderr,
                           "vfioalignctl: the guest '%s' is unknown, because its file %s is damaged: "
                           "vfioalignctl explain guest-damaged",
                           subject, damaged);
                return;
        }
        if (l->readable.value == FACT_UNKNOWN)
                unread = h->root->live && geteuid() != 0 ? "run this as root" : l->readable.why ?: "unknown";
        print_line(stderr,
                   "vfioalignctl: '%s' is neither a finding, nor a PCI address, nor a guest with VFIO "
                   "devices of this host (%s%s)%s",
                   subject, unread ? "guests could not be read: " : "not looked for: " SESSIONS_UNREAD,
                   unread ?: "", guess_subject(h, subject, question));
}

/* subject: a PCI address, the id of a finding, or the name of a guest. */
static int explain_subject(const struct snapshot *s, json_object *head, const char *subject,
                           const struct options *o)
{
        enum finding_id id = finding_from_string(subject);
        enum condition limit = condition_from_string(subject);
        const struct device *d = NULL;
        json_object *guest;
        bdf_t bdf;

        guest = find_guest(head, subject);
        if (!o->guest && bdf_parse(subject, bdf) >= 0)
                d = device_facts_find(&s->host.devices, bdf);
        if (o->area && !d) {
                print_line(stderr,
                           "vfioalignctl: --area is about a BAR, so it needs the address of a device");
                return CTL_USAGE;
        }
        if (o->svg && (o->area || (!d && id >= 0 && !o->guest))) {
                print_line(stderr, "vfioalignctl: --svg draws what is mapped of a device or by a guest");
                return CTL_USAGE;
        }
        if (d)
                return explain_device(s, head, d, o, guest);
        if (id >= 0 && !o->guest)
                return explain_finding(head, id, o, guest);
        if (guest)
                return explain_guest(s, head, guest, o);
        if (limit >= 0 && !o->guest)
                return explain_limit(head, limit, o);
        say_not_found(&s->host, subject);
        return CTL_FAILED;
}

static int explain_on_host(const struct snapshot *s, const char *subject, const struct options *o)
{
        json_object *head = report_head(&s->host, &s->findings);
        int code, r;

        pager_open(o->no_pager);
        if (head && !o->json)
                report_print_switch(s->host.switched_off_by, stdout);
        code = head ? explain_subject(s, head, subject, o) : CTL_FAILED;
        json_object_put(head);
        r = pager_flush();
        pager_close();
        if (r < 0) {
                log_error(r, "Failed to print the explanation: %m");
                return CTL_FAILED;
        }
        return code;
}

int verb_explain(int argc, char *argv[])
{
        struct options o;
        struct snapshot s;
        int word, r;

        word = options_parse(argc, argv, OPTION_JSON | OPTION_ROOT | OPTION_AREA | OPTION_GUEST | OPTION_SVG,
                             1, 1, &o);
        if (word < 0)
                return -word;
        r = snapshot_read(&s, &o) < 0 ? CTL_FAILED : explain_on_host(&s, argv[word], &o);
        snapshot_done(&s);
        return r;
}
