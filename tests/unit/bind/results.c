/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int results_write(const char *path, json_object *results)
{
        char directory[4096];
        int r;

        snprintf(directory, sizeof(directory), "%s", path);
        for (char *s = directory; (s = strchr(s + 1, '/'));) {
                *s = '\0';
                (void) mkdir(directory, 0755);
                *s = '/';
        }
        r = json_object_to_file_ext(path, results, JSON_C_TO_STRING_PRETTY);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
        json_object_put(results);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
