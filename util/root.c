/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "root.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "array.h"
#include "file-observer.h"
#include "file.h"
#include "guarded-file.h"
#include "macro.h"
#include "memory.h"
#include "parse.h"
#include "process-file.h"

/* They are read at the first question, and sorted by question. */
struct answers {
        bool read;
        char *text;
        struct answer {
                const char *question, *answer;
        } * answers;
        size_t n;
};

int root_open(struct root *root, const char *dir)
{
        const char *path = dir ?: "/";
        _cleanup_free_ struct answers *answers = calloc(1, sizeof(*answers));
        _cleanup_free_ char *copy = strdup(path);
        _cleanup_close_ int fd = -EBADF;
        struct guarded_files *files;
        struct process_reads *reads;

        assert(root);

        if (!copy || !answers)
                return -ENOMEM;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        files = guarded_files_new();
        reads = process_reads_new();
        if (!files || !reads) {
                guarded_files_free(files);
                process_reads_free(reads);
                return -ENOMEM;
        }

        *root = (struct root){
                .fd = TAKE_FD(fd),
                .path = TAKE_PTR(copy),
                .live = !dir,
                .answers = TAKE_PTR(answers),
                .reads = reads,
                .files = files,
        };
        return 0;
}

void root_close(struct root *root)
{
        assert(root);

        if (root->fd >= 0)
                close(root->fd);
        free(root->path);
        if (root->answers) {
                free(root->answers->text);
                free(root->answers->answers);
        }
        free(root->answers);
        process_reads_free(root->reads);
        guarded_files_free(root->files);
        *root = (struct root){ .fd = -EBADF };
}

static int compare_questions(const void *a, const void *b)
{
        return strcmp(((const struct answer *) a)->question, ((const struct answer *) b)->question);
}

static void read_answers(const struct root *root)
{
        struct answers *a = root->answers;
        char *save = NULL;
        int r;

        r = read_file_at(root->fd, ANSWERS_FILE, FILE_MAX_SIZE, &a->text, NULL);
        a->read = r != -ENOMEM;
        if (r < 0)
                return;
        for (char *line = strtok_r(a->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *tab = strchr(line, '\t');
                struct answer *slot = tab ? array_append(a->answers, a->n) : NULL;

                if (!slot)
                        continue;
                *tab = '\0';
                *slot = (struct answer){ line, tab + 1 };
        }
        if (a->n > 0)
                qsort(a->answers, a->n, sizeof(*a->answers), compare_questions);
}

char *root_answer(const struct root *root, const char *question)
{
        struct answer key = { .question = question }, *found = NULL;

        assert(root);
        assert(question);

        if (root->live)
                return NULL;
        if (!root->answers->read)
                read_answers(root);
        if (root->answers->n > 0)
                found = bsearch(&key, root->answers->answers, root->answers->n, sizeof(key),
                                compare_questions);
        if (!found)
                return NULL;
        root_note(root, question, found->answer);
        return memory_note(strdup(found->answer));
}

void root_note(const struct root *root, const char *question, const char *answer)
{
        assert(root);
        assert(question);
        assert(answer);

        file_report(FILE_ANSWER, question, answer, strlen(answer));
}

uint64_t root_page_size(const struct root *root)
{
        static const char question[] = "page-size";
        _cleanup_free_ char *recorded = NULL;
        char answer[32];
        uint64_t page;

        assert(root);

        if (root->live) {
                page = (uint64_t) sysconf(_SC_PAGESIZE);
                snprintf(answer, sizeof(answer), "%" PRIu64, page);
                root_note(root, question, answer);
                return page;
        }
        recorded = root_answer(root, question);
        if (!recorded || parse_u64(recorded, 10, &page) < 0 || page < KIB(4) || page > KIB(64) ||
            (page & (page - 1)))
                return 0;
        return page;
}
