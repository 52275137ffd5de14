/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/input-event-codes.h>

#include "device-use-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"

#define INPUT "sys/class/input/"

struct keyboards {
        char **names;
        size_t n;
        struct functions functions; /* those that all of them are below */
};

static void keyboards_done(struct keyboards *k)
{
        for (size_t i = 0; i < k->n; i++)
                free(k->names[i]);
        free(k->names);
        functions_done(&k->functions);
}

/* bitmap: words of 64 bits in hex, the lowest last (drivers/input/input.c). Power buttons, mice and remote
 * controls have keys as well, but only what people type with has letters. */
static bool has_typing_keys(const char *bitmap)
{
        static const unsigned keys[] = { KEY_ENTER, KEY_A, KEY_SPACE };
        const char *word = strrchr(bitmap, ' ');
        uint64_t bits;

        if (parse_u64(word ? word + 1 : bitmap, 16, &bits) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (!(bits >> keys[i] & 1))
                        return false;
        return true;
}

/* Keeps the functions that both have. */
static void functions_intersect(struct functions *f, const struct functions *other)
{
        size_t n = 0;

        for (size_t i = 0; i < f->n; i++)
                for (size_t k = 0; k < other->n; k++)
                        if (f->indices[i] == other->indices[k]) {
                                f->indices[n++] = f->indices[i];
                                break;
                        }
        f->n = n;
}

static int add_keyboard(struct use_reader *reader, struct keyboards *k, const char *event,
                        const char *target)
{
        _cleanup_(functions_done) struct functions f = {};
        _cleanup_free_ char *path = NULL, *name = NULL;
        char **slot;

        if (functions_of_path(reader, target, &f) < 0 || asprintf(&path, INPUT "%s/device/name", event) < 0)
                return -ENOMEM;
        if (read_line_at(reader->root->fd, path, &name) < 0 || !*name) {
                free(name);
                name = strdup("keyboard");
        }
        slot = name ? array_append(k->names, k->n) : NULL;
        if (!slot)
                return -ENOMEM;
        *slot = TAKE_PTR(name);
        if (k->n == 1)
                SWAP(k->functions, f);
        else
                functions_intersect(&k->functions, &f);
        return 0;
}

static int read_event(struct use_reader *reader, struct keyboards *k, const char *event)
{
        _cleanup_free_ char *path = NULL, *link = NULL, *bitmap = NULL, *target = NULL;

        if (asprintf(&path, INPUT "%s/device/capabilities/key", event) < 0 ||
            asprintf(&link, INPUT "%s", event) < 0)
                return -ENOMEM;
        /* What a program makes up (uinput) is not a keyboard that somebody sits at. */
        if (read_line_at(reader->root->fd, path, &bitmap) < 0 || !has_typing_keys(bitmap) ||
            read_link_at(reader->root->fd, link, &target) < 0 || strstr(target, "/virtual/"))
                return 0;
        return add_keyboard(reader, k, event, target);
}

int uses_read_input(struct use_reader *reader)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_(keyboards_done) struct keyboards k = {};

        (void) list_dir_at(reader->root->fd, "sys/class/input", &names);
        for (size_t i = 0; i < names.n; i++)
                if (startswith(names.names[i], "event") && read_event(reader, &k, names.names[i]) < 0)
                        return -ENOMEM;
        for (size_t i = 0; i < k.functions.n; i++) {
                const struct functions f = { .indices = &k.functions.indices[i], .n = 1 };

                if (reader->devices->devices[k.functions.indices[i]].driver_is_vfio)
                        continue;
                for (size_t n = 0; n < k.n; n++)
                        if (use_add(reader, &f, USE_KEYBOARD, 0, k.names[n]) < 0)
                                return -ENOMEM;
        }
        return 0;
}
