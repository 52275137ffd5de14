/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints vfioalignd.catalog at build time, so the table of findings stays the only source of their texts. */
#include <stdio.h>

#include "audit/finding.h"
#include "daemon/messages.h"

static const struct {
        const char *message_id, *subject, *text;
} messages[] = {
        {
                MESSAGE_GUEST_PREPARED,
                "Guest @VFIOALIGN_GUEST@ was checked before its start",
                "libvirt is about to start a guest with VFIO devices. The message says what page\n"
                "size its devices will get, what limits it, and what would help.",
        },
        {
                MESSAGE_GUEST_REFUSED,
                "Guest @VFIOALIGN_GUEST@ was not started",
                "A device of the guest would get smaller pages than it could have, and\n"
                "OnUnaligned=refuse in vfioalignd.conf(5) or in the guest's own <metadata>\n"
                "forbids such a start. The message says what helps; OnUnaligned=warn lets the\n"
                "guest start as it is.",
        },
        {
                MESSAGE_GUEST_VERIFIED,
                "Guest @VFIOALIGN_GUEST@ runs, and its mappings were read",
                "The page size is that of the mapping which falls furthest short of what its size\n"
                "allows: @VFIOALIGN_PAGE_SIZE@ bytes (0: unknown). A mapping stays as it is until\n"
                "the guest is shut down and started again; \"vfioalignctl mappings\" shows all of\n"
                "them.",
        },
        {
                MESSAGE_GUEST_RELEASED,
                "Guest @VFIOALIGN_GUEST@ has ended",
                "Its devices are free again.",
        },
        {
                MESSAGE_START_EXCEEDED,
                "Guest @VFIOALIGN_GUEST@ took more page faults at its start than predicted",
                "Its start was measured (Measure= in vfioalignd.conf(5)): its BARs took\n"
                "@VFIOALIGN_FAULTS@ page faults where @VFIOALIGN_FAULTS_PREDICTED@ were predicted, and the\n"
                "guest waited for them. \"vfioalignctl explain\" with its name says where the seconds\n"
                "of that start went, and what limits the pages of its BARs.",
        },
        {
                MESSAGE_GROUP_BOUND,
                "IOMMU group @VFIOALIGN_GROUP@ is bound to VFIO",
                "Its functions were taken from their drivers for: @VFIOALIGN_OWNER@.\n"
                "\"vfioalignctl unbind\" gives them back.",
        },
        {
                MESSAGE_GROUP_RETURNED,
                "IOMMU group @VFIOALIGN_GROUP@ was given back",
                "Each of its functions has its former driver again.",
        },
        {
                MESSAGE_GROUP_GONE,
                "IOMMU group @VFIOALIGN_GROUP@ has left the host",
                "None of its functions exists any more, so there is nothing to give back.",
        },
        {
                MESSAGE_GROUP_REFUSED,
                "IOMMU group @VFIOALIGN_GROUP@ was not touched",
                "The request would have taken something from the host or from a guest. Nothing\n"
                "was written. The finding @VFIOALIGN_FINDING@ says why; vfioalignctl(1) describes\n"
                "it.",
        },
        {
                MESSAGE_GROUP_FAILED,
                "IOMMU group @VFIOALIGN_GROUP@ could not be bound or given back",
                "The kernel did not do what was asked. All functions are with their former\n"
                "drivers. The kernel log (journalctl -k) says more.",
        },
        {
                MESSAGE_GROUP_QUARANTINED,
                "IOMMU group @VFIOALIGN_GROUP@ is stuck between VFIO and its drivers",
                "It could not be brought back either. vfioalign does not touch it again unless\n"
                "asked; \"vfioalignctl unbind\" tries again.",
        },
        {
                MESSAGE_GROUP_STUCK,
                "A task hangs in the kernel with IOMMU group @VFIOALIGN_GROUP@",
                "A driver does not let go of its device. The message names the process, which\n"
                "cannot be killed. The daemon and all other devices go on; the group is free\n"
                "again after a reboot.",
        },
        {
                MESSAGE_ROW,
                "The state of this host, on one line",
                "VFIOALIGN_ROW has it as JSON (row.schema.json), for whoever collects the journals of\n"
                "many hosts. It is here where something has changed, and each hour.",
        },
        {
                MESSAGE_WORKER_FAILED,
                "vfioalign-worker did not complete its work",
                "The program that binds devices could not be started, did not finish in time, or\n"
                "exited early. What it left half done is settled by the next one, or when\n"
                "vfioalignd starts.",
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

                snprintf(text, sizeof(text),
                         "The finding is %s, its severity is \"%s\". vfioalignctl(1) describes it.\n\n"
                         "What helps: %s.",
                         finding_to_string(id), severity_to_string(type->severity), remedy ?: type->remedy);
                print_entry(type->message_id, type->text, text);
        }
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                print_entry(messages[i].message_id, messages[i].subject, messages[i].text);
        return ferror(stdout) || fflush(stdout) != 0;
}
