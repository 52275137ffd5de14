/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/host-archive.h"
#include "ctl/unpacked.h"
#include "test.h"
#include "util/file.h"
#include "util/macro.h"

/* Where each test unpacks, and the archive beside it. */
struct place {
        struct unpacked home; /* gone with the test */
        char tar[PATH_MAX], dir[PATH_MAX];
        int fd;
        struct archive *out;
};

static int set_up(void **state)
{
        struct place *p = calloc(1, sizeof(*p));

        assert_ok(unpacked_open(&p->home));
        snprintf(p->tar, sizeof(p->tar), "%s/host.tar", p->home.path);
        snprintf(p->dir, sizeof(p->dir), "%s/unpacked", p->home.path);
        assert_int_equal(mkdir(p->dir, 0700), 0);
        p->fd = open(p->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        assert_true(p->fd >= 0);
        *state = p;
        return 0;
}

static int tear_down(void **state)
{
        struct place *p = *state;

        close(p->fd);
        unpacked_close(&p->home);
        free(p);
        return 0;
}

static void begin(struct place *p)
{
        p->out = archive_write_new();
        assert_int_equal(archive_write_set_format_pax_restricted(p->out), ARCHIVE_OK);
        assert_int_equal(archive_write_open_filename(p->out, p->tar), ARCHIVE_OK);
}

static void add(struct place *p, unsigned type, const char *path, const char *data)
{
        struct archive_entry *entry = archive_entry_new();

        archive_entry_set_pathname(entry, path);
        archive_entry_set_filetype(entry, type);
        archive_entry_set_perm(entry, 0755);
        if (type == AE_IFLNK)
                archive_entry_set_symlink(entry, data);
        else if (type == 0)
                archive_entry_set_hardlink(entry, data);
        archive_entry_set_size(entry, type == AE_IFREG ? (la_int64_t) strlen(data) : 0);
        assert_int_equal(archive_write_header(p->out, entry), ARCHIVE_OK);
        if (type == AE_IFREG)
                assert_int_equal(archive_write_data(p->out, data, strlen(data)), strlen(data));
        archive_entry_free(entry);
}

static int finish(struct place *p, const char **ret_why)
{
        assert_int_equal(archive_write_close(p->out), ARCHIVE_OK);
        archive_write_free(p->out);
        *ret_why = NULL;
        return archive_unpack(p->tar, p->fd, ret_why);
}

/* The directory is still the one that was made, and has as many names in it. */
static void assert_names(const struct place *p, size_t n)
{
        _cleanup_(names_done) struct names names = {};
        struct stat st, opened;

        assert_int_equal(lstat(p->dir, &st), 0);
        assert_int_equal(fstat(p->fd, &opened), 0);
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(st.st_dev, opened.st_dev);
        assert_int_equal(st.st_ino, opened.st_ino);
        assert_ok(list_dir_at(p->fd, "", &names));
        assert_int_equal(names.n, n);
}

static void test_plain(void **state)
{
        struct place *p = *state;
        _cleanup_free_ char *text = NULL, *target = NULL;
        const char *why;

        begin(p);
        add(p, AE_IFDIR, "./", ""); /* as "tar -c ." writes it */
        add(p, AE_IFDIR, "./sys/a", "");
        add(p, AE_IFREG, "./sys/a/b", "what is in an archive twice counts as it is there last");
        add(p, AE_IFREG, "./sys/a/b", "text");
        add(p, AE_IFDIR, "sys", "");
        add(p, AE_IFLNK, "sys//link", "/a");
        add(p, AE_IFREG, "proc/./1/maps", "");
        assert_ok(finish(p, &why));
        assert_names(p, 2);
        assert_ok(read_file_at(p->fd, "sys/a/b", 100, &text, NULL));
        assert_string_equal(text, "text");
        assert_ok(read_link_at(p->fd, "sys/link", &target));
        assert_string_equal(target, "/a");
        assert_true(exists_at(p->fd, "proc/1/maps"));
}

/* What a recording never has is left out. */
static void test_left_out(void **state)
{
        struct place *p = *state;
        const char *why;

        begin(p);
        add(p, AE_IFREG, "file", "x");
        add(p, 0, "hard", "/etc/passwd");
        add(p, AE_IFIFO, "fifo", "");
        add(p, AE_IFCHR, "null", "");
        add(p, AE_IFBLK, "disk", "");
        add(p, AE_IFIFO, "../fifo", "");
        assert_ok(finish(p, &why));
        assert_names(p, 1);
}

static void test_refused(void **state)
{
        struct place *p = *state;
        static const struct {
                struct {
                        unsigned type;
                        const char *path, *data;
                } entries[3];
                size_t names;
                const char *why;
        } cases[] = {
                { { { AE_IFLNK, ".", "/" } }, 0, "it would replace the directory" },
                { { { AE_IFLNK, ".//./", "/" } }, 0, "it would replace the directory" },
                { { { AE_IFLNK, "", "/" } }, 0, NULL },
                { { { AE_IFREG, ".", "x" } }, 0, "it would replace the directory" },
                { { { AE_IFREG, "..", "x" } }, 0, "has '..'" },
                { { { AE_IFREG, "../x", "x" } }, 0, "has '..'" },
                { { { AE_IFREG, "a/../../x", "x" } }, SIZE_MAX, "has '..'" },
                { { { AE_IFDIR, "a/..", "" } }, SIZE_MAX, "has '..'" },
                { { { AE_IFREG, "/x", "x" } }, 0, "is absolute" },
                { { { AE_IFDIR, "/", "" } }, 0, "is absolute" },
                { { { AE_IFLNK, "a", "/" }, { AE_IFREG, "a/tmp/x", "x" } }, 1, "below a link" },
                { { { AE_IFLNK, "a", ".." }, { AE_IFREG, "a/x", "x" } }, 1, "below a link" },
                { { { AE_IFLNK, "a", "/" }, { AE_IFDIR, "a", "" } }, 1, "below a link" },
                { { { AE_IFLNK, "a", "/x" }, { AE_IFREG, "a", "x" } }, 1, "replace another" },
                { { { AE_IFDIR, "a", "" }, { AE_IFREG, "a", "y" } }, 1, "replace another" },
                { { { AE_IFREG, "a", "x" }, { AE_IFLNK, "a", "/" } }, 1, "replace another" },
                { { { AE_IFREG, "a", "x" }, { AE_IFREG, "a/b", "/" } }, 1, "replace another" },
                { { { AE_IFDIR, "a", "" }, { AE_IFLNK, "a", "/" } }, 1, "replace another" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *why;

                begin(p);
                for (size_t k = 0; k < ELEMENTSOF(cases[i].entries) && cases[i].entries[k].path; k++)
                        add(p, cases[i].entries[k].type, cases[i].entries[k].path, cases[i].entries[k].data);
                if (finish(p, &why) != -EBADMSG)
                        fail_msg("case %zu is unpacked", i);
                if (cases[i].why && !strstr(why, cases[i].why))
                        fail_msg("case %zu: %s", i, why);
                if (cases[i].names != SIZE_MAX)
                        assert_names(p, cases[i].names);
                remove_tree(p->dir);
                close(p->fd);
                assert_int_equal(mkdir(p->dir, 0700), 0);
                p->fd = open(p->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
}

/* The archive that was found: a file, and "." as a link to "/". */
static void test_dot_link(void **state)
{
        struct place *p = *state;
        const char *why;

        assert_int_equal(archive_unpack(DOT_LINK, p->fd, &why), -EBADMSG);
        assert_non_null(strstr(why, "it would replace the directory"));
        assert_names(p, 1);
}

static void test_depth(void **state)
{
        struct place *p = *state;
        char path[256] = "";
        const char *why;

        for (size_t i = 0; i < 64; i++)
                strcat(path, "a/");
        begin(p);
        add(p, AE_IFDIR, path, "");
        assert_ok(finish(p, &why));
        begin(p);
        add(p, AE_IFDIR, strcat(path, "a"), "");
        assert_int_equal(finish(p, &why), -EFBIG);
}

/* The fields of a ustar header that count, and its checksum */
static void make_header(char h[static 512], const char *name, char type, unsigned long long size)
{
        unsigned sum = 0;

        memset(h, 0, 512);
        strcpy(h, name);
        memcpy(h + 100,
               "0000644\0"
               "0000000\0"
               "0000000\0",
               24);
        snprintf(h + 124, 12, "%011llo", size);
        memcpy(h + 136,
               "00000000000\0"
               "        ",
               20);
        h[156] = type;
        strcpy(h + 157, strchr("12", type) ? "target" : "");
        memcpy(h + 257,
               "ustar\0"
               "00",
               8);
        for (size_t i = 0; i < 512; i++)
                sum += (unsigned char) h[i];
        snprintf(h + 148, 8, "%06o", sum);
}

/* A header, and as many bytes behind it, in a few hundred KiB. */
static void write_body(const struct place *p, char type, unsigned long long size)
{
        static char body[1 << 20];
        struct archive *a = archive_write_new();
        struct archive_entry *entry = archive_entry_new();
        char header[512], pax[512] = "10 path=a\n";

        memset(body, 'x', sizeof(body));
        assert_int_equal(archive_write_add_filter_gzip(a), ARCHIVE_OK);
        assert_int_equal(archive_write_set_filter_option(a, "gzip", "compression-level", "1"), ARCHIVE_OK);
        assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
        assert_int_equal(archive_write_open_filename(a, p->tar), ARCHIVE_OK);
        archive_entry_set_pathname(entry, "data");
        archive_entry_set_filetype(entry, AE_IFREG);
        assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
        make_header(header, "pax", 'x', 10); /* in ustar, a hard link with a size may have no body */
        assert_int_equal(archive_write_data(a, header, 512), 512);
        assert_int_equal(archive_write_data(a, pax, 512), 512);
        make_header(header, "a", type, size);
        assert_int_equal(archive_write_data(a, header, 512), 512);
        for (unsigned long long i = 0; i < size; i += sizeof(body))
                assert_int_equal(archive_write_data(a, body, sizeof(body)), sizeof(body));
        assert_int_equal(archive_write_close(a), ARCHIVE_OK);
        archive_write_free(a);
        archive_entry_free(entry);
}

/* What is left out is read all the same, and counts. */
static void test_body_of_a_link(void **state)
{
        struct place *p = *state;
        const char *why;

        write_body(p, '0', MIB(260));
        assert_int_equal(archive_unpack(p->tar, p->fd, &why), -EFBIG);
        write_body(p, '1', MIB(260));
        assert_int_equal(archive_unpack(p->tar, p->fd, &why), -EFBIG);
        assert_non_null(strstr(why, "too large"));
}

static void add_sparse(struct place *p, const char *path, la_int64_t size)
{
        struct archive_entry *entry = archive_entry_new();

        archive_entry_set_pathname(entry, path);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_size(entry, size);
        archive_entry_sparse_add_entry(entry, size - 1, 1);
        assert_int_equal(archive_write_header(p->out, entry), ARCHIVE_OK);
        for (la_int64_t i = 0; i < size; i += 1 << 20) {
                static const char zeros[1 << 20];

                assert_true(archive_write_data(p->out, zeros, sizeof(zeros)) >= 0);
        }
        archive_entry_free(entry);
}

/* A hole takes no room, but whoever reads the file reads it. */
static void test_holes(void **state)
{
        struct place *p = *state;
        const char *why;
        struct stat st;

        begin(p);
        add_sparse(p, "one", MIB(100));
        assert_ok(finish(p, &why));
        assert_ok(stat_at(p->fd, "one", &st));
        assert_int_equal(st.st_size, MIB(100));
        assert_true(st.st_blocks < 1000);
        begin(p);
        add_sparse(p, "two", MIB(100));
        add_sparse(p, "three", MIB(100));
        add_sparse(p, "four", MIB(100));
        assert_int_equal(finish(p, &why), -EFBIG);
        assert_non_null(strstr(why, "too large"));
}

/* As people pack a directory by hand; but nothing within a compression is looked into. */
static void test_compressions(void **state)
{
        struct place *p = *state;
        static int (*const filters[])(struct archive *) = {
                archive_write_add_filter_gzip, archive_write_add_filter_bzip2, archive_write_add_filter_xz,
                archive_write_add_filter_zstd, archive_write_add_filter_lz4,
        };

        for (size_t i = 0; i < ELEMENTSOF(filters); i++)
                for (unsigned twice = 0; twice < 2; twice++) {
                        const char *why;
                        int r;

                        p->out = archive_write_new();
                        for (unsigned k = 0; k <= twice; k++)
                                assert_int_equal(filters[i](p->out), ARCHIVE_OK);
                        assert_int_equal(archive_write_set_format_ustar(p->out), ARCHIVE_OK);
                        assert_int_equal(archive_write_open_filename(p->out, p->tar), ARCHIVE_OK);
                        add(p, AE_IFREG, "a", "text");
                        r = finish(p, &why);
                        if (r != (twice ? -EBADMSG : 0))
                                fail_msg("compression %zu, %u more: %d, %s", i, twice, r, why ?: "");
                        assert_names(p, !twice);
                        (void) unlinkat(p->fd, "a", 0);
                }
}

static void test_no_archive(void **state)
{
        struct place *p = *state;
        static const char *const texts[] = { "", "no archive", "\x1f\x8b", "\x1f\x8b\x08\0\0\0\0\0\0\0\0" };
        const char *why;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                FILE *f = fopen(p->tar, "w");

                assert_non_null(f);
                fputs(texts[i], f);
                assert_int_equal(fclose(f), 0);
                why = NULL;
                assert_int_equal(archive_unpack(p->tar, p->fd, &why), -EBADMSG);
                assert_non_null(why);
        }
        assert_int_equal(archive_unpack("/nonexistent", p->fd, &why), -ENOENT);
        assert_names(p, 0);
}

static bool is_gone_soon(const char *path)
{
        for (unsigned i = 0; i < 1000 && access(path, F_OK) >= 0; i++)
                usleep(10000);
        return access(path, F_OK) < 0;
}

/* What a process reports that has such a directory. */
struct owner {
        pid_t keeper;
        char path[PATH_MAX];
};

static _Noreturn void own_directory(int out)
{
        struct owner owner = {};
        struct unpacked u;

        (void) setpgid(0, 0);
        if (unpacked_open(&u) < 0 || mkdirat(u.fd, "a", 0700) < 0 || symlinkat("/", u.fd, "link") < 0)
                _exit(EXIT_FAILURE);
        owner.keeper = u.pid;
        strcpy(owner.path, u.path);
        if (write(out, &owner, sizeof(owner)) != sizeof(owner))
                _exit(EXIT_FAILURE);
        for (;;)
                pause();
}

/* However the process ends, the directory goes with it: also where all of its process group are killed, and
 * where all get what ends a session or a unit. */
static void test_killed(void **state)
{
        static const struct {
                int signal;
                bool to_keeper;
        } cases[] = {
                { SIGHUP, true },   { SIGINT, true },   { SIGQUIT, true },  { SIGTERM, true },
                { SIGPIPE, false }, { SIGKILL, false }, { SIGSEGV, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct owner owner;
                int channel[2];
                pid_t pid;

                assert_int_equal(pipe2(channel, O_CLOEXEC), 0);
                pid = fork();
                if (pid == 0) {
                        (void) signal(cases[i].signal, SIG_DFL);
                        own_directory(channel[1]);
                }
                close(channel[1]);
                assert_int_equal(read(channel[0], &owner, sizeof(owner)), sizeof(owner));
                close(channel[0]);
                assert_int_equal(access(owner.path, F_OK), 0);
                if (cases[i].to_keeper)
                        assert_int_equal(kill(owner.keeper, cases[i].signal), 0);
                assert_int_equal(kill(-pid, cases[i].signal), 0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                if (!is_gone_soon(owner.path))
                        fail_msg("after signal %d '%s' is still there", cases[i].signal, owner.path);
        }
}

static void test_no_directory(void **state)
{
        _cleanup_free_ char *before = strdup(getenv("TMPDIR") ?: "");
        struct unpacked u;

        (void) state;
        setenv("TMPDIR", "/nonexistent", true);
        assert_int_equal(unpacked_open(&u), -ENOENT);
        unpacked_close(&u);
        if (*before)
                setenv("TMPDIR", before, true);
        else
                unsetenv("TMPDIR");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_plain),
                TEST(test_left_out),
                TEST(test_refused),
                TEST(test_dot_link),
                TEST(test_depth),
                TEST(test_body_of_a_link),
                TEST(test_holes),
                TEST(test_compressions),
                TEST(test_no_archive),
                cmocka_unit_test(test_killed),
                cmocka_unit_test(test_no_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
