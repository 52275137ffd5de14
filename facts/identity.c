/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include <assert.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "util/file.h"
#include "util/macro.h"

#define ID_QUESTION "host-id"

/* From it and the machine-id comes the id of a host. With another one all hosts would look new. */
#define APPLICATION_ID SD_ID128_MAKE(5e, 8b, 0c, 3f, 2d, 7a, 46, 91, a6, 1c, d4, 90, 7b, 52, e8, 1f)

/* Text that is not an id leaves it unknown. */
static void set_id(char id[static 33], const char *text)
{
        sd_id128_t value;

        if (text && sd_id128_from_string(text, &value) >= 0)
                sd_id128_to_string(value, id);
}

static void read_live(struct identity *i, const struct root *root)
{
        sd_id128_t id;

        if (gethostname(i->name, sizeof(i->name)) < 0)
                *i->name = '\0';
        i->name[sizeof(i->name) - 1] = '\0';
        if (sd_id128_get_machine_app_specific(APPLICATION_ID, &id) < 0)
                return;
        sd_id128_to_string(id, i->id);
        root_note(root, ID_QUESTION, i->id);
}

void identity_read(struct identity *i, const struct root *root)
{
        _cleanup_free_ char *answer = NULL, *boot_id = NULL;

        assert(i);
        assert(root);

        *i = (struct identity){};
        if (root->live)
                read_live(i, root);
        else {
                answer = root_answer(root, ID_QUESTION);
                set_id(i->id, answer);
        }
        (void) read_line_at(root->fd, "proc/sys/kernel/random/boot_id", &boot_id);
        set_id(i->boot_id, boot_id);
}
