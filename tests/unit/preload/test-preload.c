/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs with a build of the preload library for which a memfd with a certain name is a VFIO device, and which
 * looks for the switch in the working directory. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"
#include "util/macro.h"

#define DEVICE "vfio-test" /* as tests/unit/meson.build has it */
#define CDEV "/dev/shm/vfio-test-cdev"
#define STORM_USEC 700000

static int new_device(const char *name)
{
        int fd = memfd_create(name, MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t) (3 * (UINT64_C(1) << 40))), 0); /* sparse */
        return fd;
}

/* Moves the address that the kernel would choose next by an odd number of pages, so that nothing is aligned
 * by chance; too large for any hole that is there. */
static void jitter(void)
{
        void *p = mmap(NULL, GIB(16) + KIB(12), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                       0);

        assert_ptr_not_equal(p, MAP_FAILED);
}

static bool is_congruent(const void *p, uint64_t offset, uint64_t align)
{
        return ((uintptr_t) p - offset) % align == 0;
}

/* Maps twice: luck does not come two times in a row. */
static bool maps_congruent(int fd, uint64_t offset, size_t size, int flags, uint64_t align)
{
        bool all = true;

        for (unsigned i = 0; i < 2; i++) {
                void *p;

                jitter();
                p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, (off_t) offset);
                assert_ptr_not_equal(p, MAP_FAILED);
                all = all && is_congruent(p, offset, align);
        }
        return all;
}

static void test_is_loaded(void **state)
{
        Dl_info info;

        (void) state;
        assert_true(dladdr(dlsym(RTLD_DEFAULT, "mmap"), &info) != 0);
        assert_non_null(strstr(info.dli_fname, "preload"));
        assert_true(dladdr(dlsym(RTLD_DEFAULT, "mmap64"), &info) != 0);
        assert_non_null(strstr(info.dli_fname, "preload"));
}

static void test_congruent(void **state)
{
        static const struct {
                uint64_t offset, size, align;
        } cases[] = {
                { 0, GIB(2), GIB(1) },
                { 0, GIB(1), GIB(1) },
                { (UINT64_C(2) << 40), GIB(4), GIB(1) },           /* another region */
                { (UINT64_C(2) << 40) + KIB(64), GIB(2), GIB(1) }, /* starts behind an MSI-X table */
                { (UINT64_C(2) << 40) + KIB(64), GIB(1), MIB(2) }, /* no whole gigabyte is left in it */
                { 0, MIB(2), MIB(2) },
                { 0, GIB(1) - MIB(2), MIB(2) },
                { 0, MIB(2) + 1, MIB(2) }, /* a length that is no whole page */
                { MIB(1), MIB(4), MIB(2) },
        };
        int fd = new_device(DEVICE);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (!maps_congruent(fd, cases[i].offset, cases[i].size, MAP_SHARED, cases[i].align))
                        fail_msg("%#jx + %#jx", (uintmax_t) cases[i].offset, (uintmax_t) cases[i].size);
        assert_true(maps_congruent(fd, 0, GIB(1), MAP_SHARED_VALIDATE, GIB(1)));
        close(fd);
}

/* What is none of its business goes to the kernel as it is. */
static void test_others(void **state)
{
        int fd = new_device(DEVICE), file = new_device("a file");
        char *here, *p;

        (void) state;
        assert_false(maps_congruent(file, 0, GIB(2), MAP_SHARED, GIB(1)));
        assert_false(maps_congruent(fd, 0, GIB(2), MAP_PRIVATE | MAP_NORESERVE, GIB(1)));
        assert_false(maps_congruent(-1, 0, GIB(2), MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, GIB(1)));
        assert_false(maps_congruent(fd, 0, MIB(2) - KIB(4), MAP_SHARED, MIB(2)));
        assert_false(maps_congruent(fd, MIB(1), MIB(2), MAP_SHARED, MIB(2))); /* has no whole page */

        here = mmap(NULL, GIB(3), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert_ptr_not_equal(here, MAP_FAILED);
        here += KIB(4);
        p = mmap(here, GIB(2), PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
        assert_ptr_equal(p, here);
        errno = 0;
        p = mmap(here, GIB(2), PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
        assert_ptr_equal(p, MAP_FAILED);
        assert_int_equal(errno, EEXIST);
        munmap(here, GIB(2));
        p = mmap(here, GIB(1), PROT_READ, MAP_SHARED, fd, 0); /* a hint counts */
        assert_ptr_equal(p, here);
        close(file);
        close(fd);
}

static void test_failures(void **state)
{
        int fd = new_device(DEVICE), read_only;
        char path[64];

        (void) state;
        /* Not writable: the kernel's own error, and nothing that ends up mapped */
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        read_only = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(read_only >= 0);
        errno = 0;
        assert_ptr_equal(mmap(NULL, GIB(1), PROT_WRITE, MAP_SHARED, read_only, 0), MAP_FAILED);
        assert_int_equal(errno, EACCES);
        assert_true(maps_congruent(fd, 0, GIB(1), MAP_SHARED, GIB(1)));

        errno = 0;
        assert_ptr_equal(mmap(NULL, GIB(1), PROT_READ, MAP_SHARED, fd, 1), MAP_FAILED);
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_ptr_equal(mmap(NULL, SIZE_MAX - KIB(4), PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_ptr_equal(mmap(NULL, UINT64_C(1) << 60, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_ptr_equal(mmap(NULL, GIB(1), PROT_READ, MAP_SHARED, 9999, 0), MAP_FAILED);
        assert_int_equal(errno, EBADF);
        errno = 0;
        assert_ptr_equal(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
        assert_int_equal(errno, EINVAL);

        errno = ELOOP; /* success leaves it alone */
        assert_true(maps_congruent(fd, 0, GIB(1), MAP_SHARED, GIB(1)));
        assert_int_equal(errno, ELOOP);
        close(read_only);
        close(fd);
}

/* Lines of maps with that word */
static unsigned count_mappings(const char *word)
{
        FILE *maps = fopen("/proc/self/maps", "re");
        char line[512];
        unsigned n = 0;

        assert_non_null(maps);
        while (fgets(line, sizeof(line), maps))
                n += strstr(line, word) != NULL;
        fclose(maps);
        return n;
}

/* Nothing of the reservation stays, and what is mapped is the file, whole. */
static void test_trims(void **state)
{
        int fd = new_device(DEVICE);
        unsigned devices = count_mappings(DEVICE), reserved = count_mappings(" ---p ");
        char line[64], *p;

        (void) state;
        jitter();
        p = mmap(NULL, GIB(2), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(p, MAP_FAILED);
        assert_int_equal(pwrite(fd, "first", 5, 0), 5);
        assert_int_equal(pwrite(fd, "last", 4, (off_t) (GIB(2) - 4)), 4);
        assert_memory_equal(p, "first", 5);
        assert_memory_equal(p + GIB(2) - 4, "last", 4);
        p[GIB(1)] = 'x';
        assert_int_equal(pread(fd, line, 1, (off_t) GIB(1)), 1);
        assert_int_equal(line[0], 'x');

        assert_int_equal(count_mappings(DEVICE), devices + 1);
        assert_int_equal(count_mappings(" ---p "), reserved);
        snprintf(line, sizeof(line), "%jx-%jx rw-s", (uintmax_t) (uintptr_t) p,
                 (uintmax_t) (uintptr_t) (p + GIB(2)));
        assert_int_equal(count_mappings(line), 1);
        assert_int_equal(munmap(p, GIB(2)), 0);
        close(fd);
}

static void write_file(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

/* Where there is no room to look for a gigabyte, the next size; where there is none for that, the plain
 * mapping. */
static void test_no_room(void **state)
{
        const struct {
                uint64_t room, align;
        } cases[] = { { GIB(5) + MIB(64), GIB(1) },
                      { GIB(4) + MIB(64), MIB(2) },
                      { GIB(2) + MIB(64), KIB(4) } };
        int fd = new_device(DEVICE);
        struct rlimit before;

        (void) state;
        assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct rlimit now = before;
                unsigned long pages;
                FILE *statm;
                void *p;

                jitter();
                statm = fopen("/proc/self/statm", "re");
                assert_int_equal(fscanf(statm, "%lu", &pages), 1);
                fclose(statm);
                now.rlim_cur = pages * (rlim_t) sysconf(_SC_PAGESIZE) + cases[i].room;
                assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
                p = mmap(NULL, GIB(2), PROT_READ, MAP_SHARED, fd, 0);
                assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
                assert_ptr_not_equal(p, MAP_FAILED);
                if (!is_congruent(p, 0, cases[i].align) || is_congruent(p, 0, cases[i].align * 512))
                        fail_msg("%p with %#jx of room", p, (uintmax_t) cases[i].room);
        }
        close(fd);
}

/* Whether the mapping at p has been asked to have large pages. */
static bool is_advised(const void *p)
{
        FILE *smaps = fopen("/proc/self/smaps", "re");
        char line[512], start[32];
        bool here = false, advised = false;

        assert_non_null(smaps);
        snprintf(start, sizeof(start), "%jx-", (uintmax_t) (uintptr_t) p);
        while (fgets(line, sizeof(line), smaps)) {
                if (strncmp(line, start, strlen(start)) == 0)
                        here = true;
                else if (here && strncmp(line, "VmFlags:", 8) == 0) {
                        advised = strstr(line, " hg") != NULL;
                        break;
                }
        }
        fclose(smaps);
        return advised;
}

static void test_advice(void **state)
{
        int fd = new_device(DEVICE), file = new_device("a file");
        char *p, *q;

        (void) state;
        q = mmap(NULL, GIB(2), PROT_READ, MAP_SHARED, file, 0);
        assert_ptr_not_equal(q, MAP_FAILED);
        if (madvise(q, GIB(1), MADV_HUGEPAGE) < 0)
                skip();             /* a kernel without it */
        assert_true(is_advised(q)); /* so that this test sees it */
        assert_false(is_advised(q + GIB(1)));

        jitter();
        p = mmap(NULL, GIB(2), PROT_READ, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(p, MAP_FAILED);
        assert_true(is_advised(p));

        /* At a place that is good as the kernel chose it: the one that has just become free. */
        assert_int_equal(munmap(p, GIB(2)), 0);
        q = mmap(NULL, GIB(2), PROT_READ, MAP_SHARED, fd, 0);
        assert_ptr_equal(q, p);
        assert_true(is_advised(q));
        close(file);
        close(fd);
}

/* A device with a path of its own */
static void test_cdev(void **state)
{
        char path[64];
        int fd;

        (void) state;
        snprintf(path, sizeof(path), CDEV "%d", getpid());
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                skip(); /* no /dev/shm */
        unlink(path);
        assert_int_equal(ftruncate(fd, (off_t) GIB(4)), 0);
        assert_true(maps_congruent(fd, 0, GIB(2), MAP_SHARED, GIB(1)));
        close(fd);
}

static void *map_while_cancelled(void *userdata)
{
        int fd = *(int *) userdata;

        pthread_cancel(pthread_self());
        if (!maps_congruent(fd, 0, GIB(1), MAP_SHARED, GIB(1)))
                return NULL;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        return userdata;
}

/* As with the kernel's mmap(), a thread that is to end does not end in it. */
static void test_cancel(void **state)
{
        int fd = new_device(DEVICE);
        pthread_t thread;
        void *result;

        (void) state;
        write_file("cmdline", "quiet\n");
        assert_int_equal(pthread_create(&thread, NULL, map_while_cancelled, &fd), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, &fd);
        unlink("cmdline");
        close(fd);
}

static struct {
        int device, file;
        atomic_bool stop;
        atomic_uint rounds, wrong;
} storm;

static void map_device(void)
{
        char *p = mmap(NULL, GIB(1) + MIB(2), PROT_READ | PROT_WRITE, MAP_SHARED, storm.device, 0);

        if (p == MAP_FAILED || !is_congruent(p, 0, GIB(1)))
                storm.wrong++;
        else if (munmap(p, GIB(1) + MIB(2)) < 0)
                storm.wrong++;
        storm.rounds++;
}

static void on_alarm(int signal)
{
        int saved = errno;

        (void) signal;
        map_device();
        errno = saved;
}

static void *storm_devices(void *userdata)
{
        while (!storm.stop)
                map_device();
        return userdata;
}

/* As large as what is reserved, to stand where it stood if that were ever free. */
static void *storm_others(void *userdata)
{
        while (!storm.stop) {
                char *p = mmap(NULL, GIB(2), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                char *q = mmap(NULL, MIB(4), PROT_READ, MAP_SHARED, storm.file, 0);

                if (p == MAP_FAILED || q == MAP_FAILED) {
                        storm.wrong++;
                        break;
                }
                for (uint64_t at = 0; at < GIB(2); at += MIB(256))
                        p[at] = 'p'; /* would end us were it a reservation */
                for (uint64_t at = 0; at < GIB(2); at += MIB(256))
                        if (p[at] != 'p')
                                storm.wrong++;
                if (q[MIB(1)] != 0)
                        storm.wrong++;
                munmap(p, GIB(2));
                munmap(q, MIB(4));
        }
        return userdata;
}

static void *storm_forks(void *userdata)
{
        while (!storm.stop) {
                pid_t pid = fork();
                int status;

                if (pid == 0) {
                        storm.wrong = 0;
                        map_device();
                        _exit(storm.wrong != 0);
                }
                if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                        storm.wrong++;
        }
        return userdata;
}

/* Threads that map, threads that fork, and a signal handler that maps in the middle of malloc(). */
static void test_storm(void **state)
{
        void *(*const bodies[])(void *) = { storm_devices, storm_devices, storm_others, storm_forks };
        const struct itimerval tick = { { 0, 500 }, { 0, 500 } }, none = {};
        unsigned reserved = count_mappings(" ---p "), devices;
        pthread_t threads[ELEMENTSOF(bodies)];
        struct timespec start, now;
        sigset_t alarm;

        (void) state;
        storm.device = new_device(DEVICE);
        storm.file = new_device("a file");
        devices = count_mappings(DEVICE);
        sigemptyset(&alarm);
        sigaddset(&alarm, SIGALRM);
        pthread_sigmask(SIG_BLOCK, &alarm, NULL); /* for this thread alone */
        for (size_t i = 0; i < ELEMENTSOF(bodies); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], NULL), 0);
        pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
        assert_int_equal(sigaction(SIGALRM,
                                   &(struct sigaction){ .sa_handler = on_alarm, .sa_flags = SA_RESTART },
                                   NULL),
                         0);
        assert_int_equal(setitimer(ITIMER_REAL, &tick, NULL), 0);

        clock_gettime(CLOCK_MONOTONIC, &start);
        do {
                void *volatile p = malloc(KIB(300)); /* comes by mmap() */

                free(p);
                clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < STORM_USEC);

        setitimer(ITIMER_REAL, &none, NULL);
        storm.stop = true;
        for (size_t i = 0; i < ELEMENTSOF(bodies); i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(storm.wrong, 0);
        assert_true(storm.rounds > 10);
        assert_int_equal(count_mappings(DEVICE), devices);
        /* A thread's stack has a guard, and glibc keeps the stacks, and an arena for each thread. */
        assert_true(count_mappings(" ---p ") <= reserved + 2 * ELEMENTSOF(bodies));
        close(storm.device);
        close(storm.file);
}

static void test_switch(void **state)
{
        static const struct {
                const char *cmdline;
                bool off;
        } cases[] = {
                { "quiet vfioalign=off\n", true },
                { "vfioalign=off quiet\n", true },
                { "vfioalign=off", true },
                { "quiet vfioalign=offline\n", false },
                { "xvfioalign=off\n", false },
                { "vfioalign=on\n", false },
                { "xvfioalign=off vfioalign=off\n", true },
                { "", false },
        };
        int fd = new_device(DEVICE);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_file("cmdline", cases[i].cmdline);
                if (maps_congruent(fd, 0, GIB(2), MAP_SHARED, GIB(1)) == cases[i].off)
                        fail_msg("\"%s\"", cases[i].cmdline);
        }
        for (size_t i = 0; i < 2; i++) {
                const char *file = i > 0 ? "off-for-good" : "off";

                unlink("cmdline");
                write_file(file, "");
                assert_false(maps_congruent(fd, 0, GIB(2), MAP_SHARED, GIB(1)));
                unlink(file);
        }
        assert_true(maps_congruent(fd, 0, GIB(2), MAP_SHARED, GIB(1)));
        close(fd);
}

static int setup(void **state)
{
        static char dir[] = "/tmp/vfioalign-preload-XXXXXX";

        *state = dir;
        return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
        return chdir("/") == 0 && rmdir(*state) == 0 ? 0 : -1;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                /* Before there are holes into which the kernel would put small mappings. */
                cmocka_unit_test(test_others),    cmocka_unit_test(test_is_loaded),
                cmocka_unit_test(test_congruent), cmocka_unit_test(test_failures),
                cmocka_unit_test(test_trims),     cmocka_unit_test(test_switch),
                cmocka_unit_test(test_no_room),   cmocka_unit_test(test_advice),
                cmocka_unit_test(test_cdev),      cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_storm),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
