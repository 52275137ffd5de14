/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fix-read-back.h"

#include <assert.h>

#include "audit/guest-cost.h"
#include "util/log.h"
#include "util/print.h"

#define NAMES_MAX 3

uint64_t *guest_pages(const struct host *h)
{
        const struct libvirt_facts *l = &h->libvirt;
        uint64_t *pages = calloc(l->n_guests + 1, sizeof(*pages));

        for (size_t i = 0; pages && i < l->n_guests; i++) {
                const struct guest *g = &l->guests[i].xml;
                struct guest_cost cost = guest_cost(&h->devices, g, &h->kernel, &h->module,
                                                    guest_placer(h, g), 0);

                pages[i] = *cost.bdf ? cost.worst.page_size : 0;
        }
        return pages;
}

json_object *fix_read_back(struct host *h, const struct fix *fix, const uint64_t *before)
{
        _cleanup_free_ uint64_t *after = NULL;
        json_object *o, *guests;
        int r;

        assert(h && fix);

        r = host_refresh(h);
        if (r < 0) {
                log_warning(r, "Failed to read back what has changed, ignoring: %m");
                return NULL;
        }
        o = json_new_object();
        guests = json_new_array();
        json_add_string(o, "state", fix_state_to_string(fix->state(h)));
        after = guest_pages(h);
        for (size_t i = 0; before && after && i < h->libvirt.n_guests; i++)
                if (after[i] > before[i])
                        json_append_string(guests, h->libvirt.guests[i].xml.name);
        json_add(o, "guests", guests);
        return o;
}

void fix_read_back_print(const char *id, json_object *read_back)
{
        json_object *guests = json_get(read_back, "guests");
        const char *state = json_get_text(read_back, "state");
        size_t n = json_length(guests);

        if (!state)
                return;
        print(stdout, "%s: read back: %s", id, state);
        for (size_t i = 0; i < n && i < NAMES_MAX; i++)
                print(stdout, "%s%s", i > 0 ? ", " : "; larger pages at the next start: ",
                      json_object_get_string(json_object_array_get_idx(guests, i)));
        if (n > NAMES_MAX)
                print(stdout, " and %zu more", n - NAMES_MAX);
        fputc('\n', stdout);
}
