/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dkms.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>

#include "kernel-release.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define DKMS_DIR "var/lib/dkms/" DKMS_MODULE
#define ERROR_MAX 200

/* What can be in the version of a package, and so in a path and in a command. */
static bool is_version(const char *s)
{
        static const char characters[] = "0123456789abcdefghijklmnopqrstuvwxyz.+~-";

        return isdigit((unsigned char) *s) && s[strspn(s, characters)] == '\0';
}

/* Beside the versions, DKMS has a link for each kernel there ("kernel-RELEASE-ARCH"). */
void dkms_version_read(const struct root *root, char ret[static DKMS_VERSION_SIZE])
{
        _cleanup_(names_done) struct names names = {};

        assert(root);
        assert(ret);

        *ret = '\0';
        (void) list_dir_at(root->fd, DKMS_DIR, &names);
        for (size_t i = 0; i < names.n; i++) {
                const char *name = names.names[i];

                if (is_version(name) && strlen(name) < DKMS_VERSION_SIZE &&
                    (!*ret || kernel_release_compare(name, ret) > 0))
                        snprintf(ret, DKMS_VERSION_SIZE, "%s", name);
        }
}

/* What says why make failed. */
static bool is_error(const char *line)
{
        return strstr(line, "error:") || strstr(line, "ERROR:") || strstr(line, " Error ");
}

/* A build that failed leaves its log where the next one begins. The first line says for which kernel it was:
 * "DKMS make.log for vfio-align-0.1.0 for kernel 6.12.48-amd64 (x86_64)", or "DKMS (3.2.2) make.log for
 * vfio-align/0.1.0 for ...". */
char *dkms_error_read(const struct root *root, const char *version, const char *release)
{
        static const char *const words[] = { "make.log for", "error:", "ERROR:", " Error ", NULL };
        _cleanup_free_ char *text = NULL;
        char path[sizeof(DKMS_DIR) + DKMS_VERSION_SIZE + 32], *save = NULL, *line;

        assert(root);
        assert(version);
        assert(release);

        snprintf(path, sizeof(path), DKMS_DIR "/%s/build/make.log", version);
        if (grep_file_at(root->fd, path, words, &text) < 0)
                return NULL;
        line = strtok_r(text, "\n", &save);
        if (!line || !strstr(line, "make.log for") ||
            !kernel_release_find(line, (char *const[]){ (char *) release }, 1))
                return NULL;
        while ((line = strtok_r(NULL, "\n", &save)))
                if (is_error(line))
                        return memory_note(strndup(line, ERROR_MAX));
        return NULL;
}
