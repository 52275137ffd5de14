/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb guest: a program of its own, since it alone takes libvirt's library, which is slow to load. */
#include <locale.h>

#include "ctl.h"

int main(int argc, char *argv[])
{
        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are written here as in the configuration */
        return argc < 2 ? CTL_USAGE : verb_guest(argc - 1, argv + 1);
}
