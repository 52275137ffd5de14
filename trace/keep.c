/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "facts/start.h"
#include "report/json.h"
#include "util/array.h"
#include "util/file-write.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/unit-name.h"

int trace_take_slot(const struct root *root)
{
        _cleanup_close_ int dir = -EBADF;

        assert(root);

        dir = open_at(root->fd, STARTS_DIR, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return dir;
        for (unsigned i = 0; i < TRACE_SLOTS; i++) {
                _cleanup_close_ int fd = -EBADF;
                char name[24];

                snprintf(name, sizeof(name), "slot-%u", i);
                fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd < 0)
                        return -errno;
                if (flock(fd, LOCK_EX | LOCK_NB) >= 0)
                        return TAKE_FD(fd);
                if (errno != EWOULDBLOCK)
                        return -errno;
        }
        return -EBUSY;
}

struct kept {
        const char *name;
        size_t length; /* of the guest's name at its beginning */
        uint64_t time_usec, size;
};

/* The newest first. */
static int compare_kept(const void *a, const void *b)
{
        const struct kept *x = a, *y = b;

        return (x->time_usec < y->time_usec) - (x->time_usec > y->time_usec) ?: strcmp(x->name, y->name);
}

static size_t count_of_guest(const struct kept *kept, size_t n, const struct kept *of)
{
        size_t count = 0;

        for (size_t i = 0; i < n; i++)
                count += kept[i].length == of->length && strncmp(kept[i].name, of->name, of->length) == 0;
        return count;
}

static void remove_beyond_bounds(int dir, struct kept *kept, size_t n)
{
        uint64_t size = 0;
        size_t n_kept = 0;

        if (n > 0)
                qsort(kept, n, sizeof(*kept), compare_kept);
        for (size_t i = 0; i < n; i++)
                if (n_kept < STARTS_MAX && kept[i].size <= STARTS_SIZE_MAX - size &&
                    count_of_guest(kept, n_kept, &kept[i]) < STARTS_OF_GUEST_MAX) {
                        size += kept[i].size;
                        kept[n_kept++] = kept[i];
                } else {
                        (void) unlinkat(dir, kept[i].name, 0);
                }
}

static bool is_temporary(const char *name)
{
        size_t n = strlen(name);

        return n > 0 && name[n - 1] == '~';
}

/* What does not look like ours stays. */
static int starts_prune(int dir)
{
        _cleanup_(names_done) struct names names = {};
        _cleanup_free_ struct kept *kept = NULL;
        size_t n = 0;
        int r;

        r = list_dir_at(dir, "", &names);
        if (r < 0)
                return r;
        for (size_t i = 0; i < names.n; i++) {
                struct kept k = { .name = names.names[i] }, *slot;
                struct stat st;

                /* Of a writer that was killed: who writes now waits for us. */
                if (is_temporary(k.name))
                        (void) unlinkat(dir, k.name, 0);
                if (!start_file_parse(k.name, &k.length, &k.time_usec) ||
                    fstatat(dir, k.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                k.size = (uint64_t) st.st_size;
                slot = array_append(kept, n);
                if (!slot)
                        return -ENOMEM;
                *slot = k;
        }
        remove_beyond_bounds(dir, kept, n);
        return 0;
}

int trace_keep(const struct root *root, const char *guest, uint64_t time_usec, json_object *document)
{
        _cleanup_free_ char *escaped = NULL;
        _cleanup_close_ int dir = -EBADF;
        char file[START_FILE_MAX];
        const char *text;
        int r;

        assert(root);
        assert(guest && *guest);

        escaped = unit_name_escape(guest);
        text = json_text(document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!escaped || !text)
                return -ENOMEM;
        if (strlen(escaped) > START_NAME_MAX)
                return -ENAMETOOLONG;
        if (strlen(text) > START_SIZE_MAX)
                return -EFBIG;
        start_file_format(file, escaped, time_usec);
        dir = open_at(root->fd, STARTS_DIR, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
                return dir;
        if (flock(dir, LOCK_EX) < 0)
                return -errno;
        r = write_file_at(dir, file, text, strlen(text), 0600);
        if (r < 0)
                return r;
        return starts_prune(dir);
}
