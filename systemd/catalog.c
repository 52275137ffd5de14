/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints vfioalignd.catalog at build time, so that the table of findings stays the one source of their texts. */
#include <stdio.h>

#include "audit/finding.h"
#include "daemon/messages.h"

static const struct {
        const char *message_id, *subject, *text;
} messages[] = {
        {
                MESSAGE_GUEST_PREPARED,
                "Guest @VFIOALIGN_GUEST@ was looked at before its start",
                "libvirt is about to start a guest with VFIO devices. The message says what page size its devices\n"
                "will get, what limits it, and what would help.",
        },
        {
                MESSAGE_GUEST_VERIFIED,
                "Guest @VFIOALIGN_GUEST@ runs, and its mappings were read",
                "The page size is that of the mapping which falls furthest short of what its size allows:\n"
                "@VFIOALIGN_PAGE_SIZE@ bytes (0: unknown). A mapping stays as it is until the guest is started anew;\n"
                "\"vfioalignctl mappings\" shows all of them.",
        },
        {
                MESSAGE_GUEST_RELEASED,
                "Guest @VFIOALIGN_GUEST@ has ended",
                "Its devices are free again.",
        },
};

static void print_entry(const char *message_id, const char *subject, const char *text)
{
        printf("\n-- %s\nSubject: %s\nDefined-By: vfioalign\nDocumentation: man:vfioalignctl(1)\n\n%s\n", message_id,
               subject, text);
}

int main(void)
{
        puts("# SPDX-License-Identifier: LGPL-2.1-or-later");
        for (enum finding_id id = 0; id < _FINDING_MAX; id++) {
                const struct finding_type *type = finding_type(id);
                char text[1024];

                snprintf(text, sizeof(text),
                         "The finding is %s, its severity is \"%s\". vfioalignctl(1) tells more of it.\n\nWhat helps: %s.",
                         finding_to_string(id), severity_to_string(type->severity), type->remedy);
                print_entry(type->message_id, type->text, text);
        }
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                print_entry(messages[i].message_id, messages[i].subject, messages[i].text);
        return ferror(stdout) || fflush(stdout) != 0;
}
