/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints vfioalignd.catalog at build time, so that the table of findings stays the one source of their
 * texts. */
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
                MESSAGE_GUEST_REFUSED,
                "Guest @VFIOALIGN_GUEST@ was not started",
                "A device of the guest would get smaller pages than it could have, and OnUnaligned=refuse in\n"
                "vfioalignd.conf(5) or in the guest's own <metadata> says that it must not start so. The message says\n"
                "what helps; OnUnaligned=warn lets it start as it is.",
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
        {
                MESSAGE_GROUP_BOUND,
                "IOMMU group @VFIOALIGN_GROUP@ is in VFIO's hands",
                "Its functions were taken from their drivers for: @VFIOALIGN_OWNER@. \"vfioalignctl unbind\" gives them\n"
                "back.",
        },
        {
                MESSAGE_GROUP_RETURNED,
                "IOMMU group @VFIOALIGN_GROUP@ was given back",
                "Each of its functions has the driver again that it had before.",
        },
        {
                MESSAGE_GROUP_GONE,
                "IOMMU group @VFIOALIGN_GROUP@ has left the host",
                "None of its functions is there any more, so that there is nothing to give back.",
        },
        {
                MESSAGE_GROUP_REFUSED,
                "IOMMU group @VFIOALIGN_GROUP@ was not touched",
                "What was asked for would have taken something from the host or from a guest. Nothing was written.\n"
                "The finding @VFIOALIGN_FINDING@ says why; vfioalignctl(1) tells more of it.",
        },
        {
                MESSAGE_GROUP_FAILED,
                "IOMMU group @VFIOALIGN_GROUP@ could not be brought where it should go",
                "The kernel did not do what was asked. All functions are with the drivers that they had before. The\n"
                "kernel's log (journalctl -k) says more.",
        },
        {
                MESSAGE_GROUP_QUARANTINED,
                "IOMMU group @VFIOALIGN_GROUP@ is neither with VFIO nor back with its drivers",
                "It could not be brought back either. Nobody touches it by itself any more; \"vfioalignctl unbind\"\n"
                "tries again.",
        },
        {
                MESSAGE_GROUP_STUCK,
                "A task hangs in the kernel with IOMMU group @VFIOALIGN_GROUP@",
                "A driver does not let go of its device. The message names the process, which cannot be killed. The\n"
                "daemon and all other devices go on; the group is free again after a reboot.",
        },
        {
                MESSAGE_WORKER_FAILED,
                "vfioalign-worker did not do its work",
                "The program that hands devices over could not be started, did not end in its time, or ended before\n"
                "it was through. What it left half done is settled by the next one, or when vfioalignd starts.",
        },
};

static void print_entry(const char *message_id, const char *subject, const char *text)
{
        printf("\n-- %s\nSubject: %s\nDefined-By: vfioalign\nDocumentation: man:vfioalignctl(1)\n\n%s\n",
               message_id, subject, text);
}

int main(void)
{
        puts("# SPDX-License-Identifier: LGPL-2.1-or-later");
        for (enum finding_id id = 0; id < _FINDING_MAX; id++) {
                const struct finding_type *type = finding_type(id);
                _cleanup_free_ char *remedy = finding_type_remedy(type);
                char text[1024];

                snprintf(
                        text, sizeof(text),
                        "The finding is %s, its severity is \"%s\". vfioalignctl(1) tells more of it.\n\nWhat helps: %s.",
                        finding_to_string(id), severity_to_string(type->severity), remedy ?: type->remedy);
                print_entry(type->message_id, type->text, text);
        }
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                print_entry(messages[i].message_id, messages[i].subject, messages[i].text);
        return ferror(stdout) || fflush(stdout) != 0;
}
