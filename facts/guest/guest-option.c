/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-option.h"

#include <assert.h>

#include "qemu-argument.h"
#include "util/array.h"
#include "util/macro.h"
#include "util/memory.h"

void hostdev_done(struct hostdev *h)
{
        free(h->driver);
        free(h->uuid);
        free(h->network);
        free(h->parent);
        free(h->alias);
        *h = (struct hostdev){};
}

int guest_add_hostdev(struct guest *g, struct hostdev *h)
{
        struct hostdev *slot;

        assert(g);
        assert(h);

        if (g->n_hostdevs == GUEST_HOSTDEVS_MAX) {
                hostdev_done(h);
                return -EFBIG;
        }
        slot = array_append(g->hostdevs, g->n_hostdevs);
        if (!slot) {
                hostdev_done(h);
                return -ENOMEM;
        }
        *slot = TAKE(*h, (struct hostdev){});
        return 0;
}

int words_add(struct words *w, const char *text, size_t n)
{
        char **slot, *word;

        assert(w);
        assert(text);

        word = strndup(text, n);
        if (!word)
                return -ENOMEM;
        slot = array_append(w->words, w->n);
        if (!slot) {
                free(word);
                return -ENOMEM;
        }
        *slot = word;
        return 0;
}

void words_done(struct words *w)
{
        for (size_t i = 0; i < w->n; i++)
                free(w->words[i]);
        free(w->words);
        *w = (struct words){};
}

/* -device */
static int read_device_option(struct guest *g, const char *arg)
{
        struct hostdev h = { .kind = HOSTDEV_ARGUMENT };
        char device[64], id[256];

        if (!qemu_argument_is_vfio(arg) || !qemu_argument_device(arg, device, sizeof(device)))
                return 0;
        if (bdf_parse(device, h.bdf) < 0) {
                if (!is_uuid(device))
                        return 0;
                h.uuid = strdup(device);
                if (!h.uuid)
                        return -ENOMEM;
        }
        h.no_mmap = qemu_argument_is_on(arg, "x-no-mmap");
        h.iommufd = qemu_argument_get(arg, "iommufd", id, sizeof(id));
        if (qemu_argument_get(arg, "id", id, sizeof(id)))
                h.alias = memory_note(strdup(id));
        return guest_add_hostdev(g, &h);
}

/* -set device.ID.x-no-mmap=on */
static int read_set_option(struct guest *g, const char *arg)
{
        const char *id = startswith(arg, "device."), *dot = id ? strstr(id, ".x-no-mmap=") : NULL;

        if (!dot || !qemu_argument_is_on(dot + 1, "x-no-mmap"))
                return 0;
        for (size_t i = 0; i < g->n_hostdevs; i++) {
                struct hostdev *h = &g->hostdevs[i];

                if (h->kind != HOSTDEV_NVME && h->alias && strlen(h->alias) == (size_t) (dot - id) &&
                    startswith(id, h->alias))
                        h->no_mmap = true;
        }
        return 0;
}

/* -global vfio-pci.x-no-mmap=on */
static int read_global_option(struct guest *g, const char *arg)
{
        const char *property = startswith(arg, "vfio-pci.");

        if (!property || !startswith(property, "x-no-mmap=") || !qemu_argument_is_on(property, "x-no-mmap"))
                return 0;
        for (size_t i = 0; i < g->n_hostdevs; i++)
                if (g->hostdevs[i].kind != HOSTDEV_NVME)
                        g->hostdevs[i].no_mmap = true;
        return 0;
}

/* -fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=65536 */
static int read_fw_cfg_option(struct guest *g, const char *arg)
{
        char value[64];

        if (!qemu_argument_is_efi_window(arg))
                return 0;
        if (qemu_argument_get(arg, "string", value, sizeof(value)))
                (void) efi_window_parse(value, &g->efi_window);
        else
                g->efi_window_unread = true;
        return 0;
}

static int read_option(struct guest *g, const struct words *w, const char *name,
                       int (*read_value)(struct guest *g, const char *value))
{
        for (size_t i = 1; i < w->n; i++) {
                const char *before = w->words[i - 1];
                int r;

                if (!streq(before + strspn(before, "-"), name))
                        continue;
                r = read_value(g, w->words[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int guest_read_options(struct guest *g, const struct words *w)
{
        /* In this order: -set and -global also apply to devices that follow them. */
        static const struct {
                const char *name;
                int (*read_value)(struct guest *g, const char *value);
        } options[] = {
                { "device", read_device_option },
                { "set", read_set_option },
                { "global", read_global_option },
                { "fw_cfg", read_fw_cfg_option },
        };

        assert(g);
        assert(w);

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                int r = read_option(g, w, options[i].name, options[i].read_value);

                if (r < 0)
                        return r;
        }
        return 0;
}
