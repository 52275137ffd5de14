/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdio.h>

/* Prints a paragraph, broken at spaces into lines of at most 79 columns (of up to 119 on a wide terminal),
 * each indented by so many spaces. It is escaped as print() does. */
void print_wrapped(FILE *out, int indent, const char *text);

/* In the colour of its severity, where there are colours (util/terminal.h). */
void print_severity(FILE *out, const char *severity);

/* With a link to the manual, which explains all findings, where the terminal can. */
void print_finding_id(FILE *out, const char *id);
/* The same with a label before the first line, for which it makes room where it is longer than the indent.
 */
void print_labelled(FILE *out, const char *label, int indent, const char *text);

/* The same where the label is a severity, which has its colour. */
void print_judged(FILE *out, const char *severity, int indent, const char *text);
