/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

struct manager;

/* The report as the bus hands it out. Its text is made once, and again only after something in it has
 * changed; root gets all of it, and others what report_leave_out() leaves. Calls of GetReport are answered
 * while nothing else is to be done, one after another: a guest that starts does not wait for them. */

int manager_method_get_report(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* What the report is made of has changed. */
void manager_report_changed(struct manager *m);

void manager_report_close(struct manager *m);

/* Answers a call with a document; one that is too large for a bus is answered with an error, because the bus
 * would disconnect us. Returns as sd_bus_reply_method_return(). */
int reply_document(sd_bus_message *call, const char *text);
