/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mapping-process.h"

#include <fcntl.h>
#include <inttypes.h>

#include "util/file.h"
#include "util/macro.h"
#include "util/parse.h"

/* A table fills one base page with entries of 8 bytes, one for each base page that it covers. */
struct page_table {
        uint64_t size;   /* bytes: 4 KiB on x86; 4, 16 or 64 KiB on arm64 */
        uint64_t covers; /* 2, 32 or 512 MiB */
};

/* Each CPU counts resident pages by itself first, so the sum lags behind (mm/percpu_counter.c). */
#define COUNTER_SLACK MIB(512)

struct memory {
        uint64_t page_tables; /* VmPTE */
        uint64_t anonymous;   /* RssAnon and VmSwap: each 2 MiB has a table; a huge page keeps a spare one */
        uint64_t hugetlb;     /* HugetlbPages: these have no table */
        int thp;              /* THP_enabled, or -1 */
        bool complete;        /* all of the above was there */
};

static bool status_kib(const char *status, const char *key, uint64_t *ret)
{
        const char *p = strstr(status, key);

        if (!p || (p > status && p[-1] != '\n') || sscanf(p + strlen(key), " %" SCNu64 " kB", ret) != 1 ||
            *ret > UINT64_MAX >> 11)
                return false;
        *ret <<= 10;
        return true;
}

static void read_memory(int fd, struct memory *m)
{
        static const char *const words[] = { "VmPTE:",        "RssAnon:",     "VmSwap:",
                                             "HugetlbPages:", "THP_enabled:", NULL };
        _cleanup_free_ char *status = NULL;
        uint64_t swap;
        const char *thp;

        *m = (struct memory){ .thp = -1 };
        if (grep_file_at(fd, "status", words, &status) < 0)
                return;
        thp = strstr(status, "THP_enabled:\t");
        if (thp)
                m->thp = thp[strlen("THP_enabled:\t")] == '1';
        if (!status_kib(status, "VmPTE:", &m->page_tables))
                return;
        m->complete = status_kib(status, "RssAnon:", &m->anonymous) && status_kib(status, "VmSwap:", &swap);
        if (m->complete)
                m->anonymous += swap;
        if (!status_kib(status, "HugetlbPages:", &m->hugetlb))
                m->hugetlb = 0; /* a kernel without them */
}

/* Counts how many tables the process can have at most, besides those of VFIO mappings' base pages: one for
 * each 2 MiB (with pages of 4 KiB) in which anything else has addresses, and for all mappings the levels
 * above, one for each GiB and each 512 GiB. Only the sum is kept as an answer, so a recorded host does not
 * have the names of all that a process maps. */
struct table_counter {
        struct page_table table;
        uint64_t tables;
        uint64_t next[3]; /* of each level, the first range not counted yet */
        char line[160];   /* its beginning */
        size_t n;
};

static void count_level(struct table_counter *c, unsigned level, uint64_t start, uint64_t end)
{
        const unsigned bits = (unsigned) __builtin_ctzll(c->table.size / sizeof(uint64_t)) * level;
        uint64_t first = start / c->table.covers >> bits, last = (end - 1) / c->table.covers >> bits;

        if (first < c->next[level])
                first = c->next[level];
        if (last < first)
                return;
        c->tables += last - first + 1;
        c->next[level] = last + 1;
}

static void count_line(struct table_counter *c)
{
        uint64_t start, end;
        struct mapping m;

        c->line[c->n] = '\0';
        c->n = 0;
        if (sscanf(c->line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2 || end <= start)
                return;
        for (unsigned level = mapping_parse(c->line, &m) ? 1 : 0; level < 3; level++)
                count_level(c, level, start, end);
}

static int count_other_tables(const struct root *root, const struct process *p, int fd,
                              struct page_table table, uint64_t *ret)
{
        _cleanup_free_ char *maps = NULL;
        struct table_counter c = { .table = table };
        size_t size;
        int r;

        r = process_read_private(root, p, fd, "maps", FILE_MAX_SIZE, &maps, &size);
        if (r < 0)
                return r;
        for (size_t i = 0; i < size; i++)
                if (maps[i] == '\n')
                        count_line(&c);
                else if (c.n < sizeof(c.line) - 1)
                        c.line[c.n++] = maps[i];
        *ret = c.tables;
        return 0;
}

static bool get_other_tables(const struct root *root, const struct process *p, int fd,
                             struct page_table table, uint64_t *ret)
{
        char question[64], answer[32];
        _cleanup_free_ char *recorded = NULL;

        snprintf(question, sizeof(question), "page-tables-elsewhere %d", p->pid);
        recorded = root_answer(root, question);
        if (recorded)
                return parse_u64(recorded, 10, ret) >= 0;
        if (count_other_tables(root, p, fd, table, ret) < 0)
                return false;
        snprintf(answer, sizeof(answer), "%" PRIu64, *ret);
        root_note(root, question, answer);
        return true;
}

/* False if a record does not say what its host's pages were. */
static bool get_page_table(const struct root *root, struct page_table *ret)
{
        uint64_t page = root_page_size(root);

        *ret = (struct page_table){ .size = page, .covers = page * (page / sizeof(uint64_t)) };
        return page > 0;
}

static uint64_t subtract_u64(uint64_t a, uint64_t b)
{
        return a > b ? a - b : 0;
}

/* How much of the process's mappings is on base pages, from the tables that are left when all other memory
 * has as many as it can have, and as few as it must. */
static void bound_small_pages(struct mapping_process *p, const struct memory *m, struct page_table table,
                              uint64_t others)
{
        uint64_t have = p->page_tables / table.size;
        uint64_t elsewhere_max = subtract_u64(others, m->hugetlb / table.covers);
        uint64_t elsewhere_min = subtract_u64(m->anonymous, COUNTER_SLACK) / table.covers;

        p->small_min = subtract_u64(have, elsewhere_max) * table.covers;
        p->small_max = subtract_u64(have, elsewhere_min) * table.covers;
        if (p->small_min > p->mapped)
                p->small_min = p->mapped;
        if (p->small_max > p->mapped)
                p->small_max = p->mapped;
}

static struct fact judge_huge(const struct mapping_process *p, struct page_table table)
{
        struct fact f = { .source = SOURCE_PROC };

        if (p->mapped < 2 * table.covers)
                return fact_unknown("too little is mapped for its page tables to show");
        if (p->small_min >= p->mapped / 2) {
                f.value = FACT_NO;
                f.why = "more page tables than everything else in the process can have";
        } else if (p->small_max < p->mapped / 8) {
                f.value = FACT_YES;
                f.why = "too few page tables for small pages; what nobody has touched yet needs none";
        } else {
                f = fact_unknown("the page tables can be the BARs' or those of the guest's memory");
        }
        return f;
}

static void read_exe(struct mapping_process *p, int fd)
{
        static const char deleted[] = " (deleted)";
        size_t n;

        if (read_link_at(fd, "exe", &p->exe) < 0)
                return;
        n = strlen(p->exe);
        p->exe_deleted = n > strlen(deleted) && streq(p->exe + n - strlen(deleted), deleted);
        if (p->exe_deleted)
                p->exe[n - strlen(deleted)] = '\0';
}

void mapping_process_read(struct mapping_process *p, const struct root *root, const struct process *process,
                          int fd)
{
        struct page_table table;
        struct memory m;
        uint64_t others;

        p->pid = process->pid;
        (void) read_line_at(fd, "comm", &p->command);
        read_exe(p, fd);
        read_memory(fd, &m);
        p->page_tables = m.page_tables;
        p->small_max = p->mapped;
        p->thp = m.thp < 0 ? fact_unknown("the kernel shows no THP_enabled") : fact_is(m.thp, SOURCE_PROC);
        if (!m.page_tables || !m.complete)
                p->huge = fact_unknown("the size of its page tables cannot be read");
        else if (!get_page_table(root, &table))
                p->huge = fact_unknown("the size of the host's pages was not recorded");
        else if (!get_other_tables(root, process, fd, table, &others))
                p->huge = fact_unknown("the process's mappings cannot be read");
        else {
                bound_small_pages(p, &m, table, others);
                p->huge = judge_huge(p, table);
        }
}
