/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On libvirt's test driver, which all connections of a process share. */
#include "daemon/libvirt-thread.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <string.h>

#include "test.h"
#include "util/clock.h"
#include "util/macro.h"

#define TEST_URI "test:///default"
#define PATIENCE_MSEC ((int) test_slower() * 20000)
#define SHORT_MSEC 300

static struct libvirt_thread *thread;
static virConnectPtr connection;

static bool next(struct libvirt_news *ret, int msec)
{
        struct pollfd p = { .fd = libvirt_thread_fd(thread), .events = POLLIN };
        uint64_t end = clock_usec(CLOCK_MONOTONIC) + (uint64_t) msec * USEC_PER_MSEC, now;

        while (!libvirt_thread_take(thread, ret)) {
                now = clock_usec(CLOCK_MONOTONIC);
                if (now >= end)
                        return false;
                (void) poll(&p, 1, (int) ((end - now) / USEC_PER_MSEC) + 1);
        }
        return true;
}

static void expect(enum libvirt_event event, const char *name, const char *in_text)
{
        struct libvirt_news news;

        assert_true(next(&news, PATIENCE_MSEC));
        assert_int_equal(news.event, event);
        if (name)
                assert_string_equal(news.name, name);
        if (in_text)
                assert_non_null(strstr(news.text, in_text));
        libvirt_news_done(&news);
}

static void expect_nothing(void)
{
        struct libvirt_news news;

        assert_false(next(&news, SHORT_MSEC));
}

static virDomainPtr start_guest(const char *name)
{
        char xml[512];
        virDomainPtr domain;

        snprintf(xml, sizeof(xml),
                 "<domain type='test'><name>%s</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>"
                 "<devices>"
                 "<hostdev mode='subsystem' type='pci' managed='yes'><source>"
                 "<address domain='0' bus='1' slot='0' "
                 "function='0'/></source></hostdev></devices></domain>",
                 name);
        domain = virDomainCreateXML(connection, xml, 0);
        assert_non_null(domain);
        return domain;
}

/* Guests that run are told of at the connection, those that start later when they do, those that end never;
 * and after the last one the connection is closed. */
static void test_guests(void **state)
{
        virDomainPtr test = virDomainLookupByName(connection, "test"), late, later;

        (void) state;
        assert_ok(libvirt_thread_connect(thread, TEST_URI));
        expect(LIBVIRT_GUEST, "test", "<domain");
        expect(LIBVIRT_LISTED, NULL, NULL);
        assert_ok(libvirt_thread_connect(thread, TEST_URI));
        expect_nothing();

        late = start_guest("late");
        expect(LIBVIRT_GUEST, "late", "<hostdev");
        assert_int_equal(virDomainSuspend(late), 0);
        expect_nothing();
        assert_int_equal(virDomainResume(late), 0);
        expect(LIBVIRT_GUEST, "late", "<hostdev");

        assert_int_equal(virDomainDestroy(late), 0);
        expect_nothing();
        later = start_guest("later");
        expect(LIBVIRT_GUEST, "later", "<hostdev");

        assert_int_equal(virDomainDestroy(later), 0);
        assert_int_equal(virDomainDestroy(test), 0);
        expect_nothing();
        assert_int_equal(virDomainCreate(test), 0);
        expect_nothing(); /* nobody listens */
        assert_ok(libvirt_thread_connect(thread, TEST_URI));
        expect(LIBVIRT_GUEST, "test", "<domain");
        expect(LIBVIRT_LISTED, NULL, NULL);
        virDomainFree(later);
        virDomainFree(late);
        virDomainFree(test);
}

/* What nobody takes is not kept in copies. */
static void test_many_events(void **state)
{
        struct libvirt_news news;
        virDomainPtr busy;
        int n = 0;

        (void) state;
        assert_ok(libvirt_thread_connect(thread, TEST_URI));
        expect(LIBVIRT_GUEST, "test", NULL);
        expect(LIBVIRT_LISTED, NULL, NULL);
        busy = start_guest("busy");
        for (int i = 0; i < 40; i++) {
                assert_int_equal(virDomainSuspend(busy), 0);
                assert_int_equal(virDomainResume(busy), 0);
                (void) poll(NULL, 0, 10);
        }
        (void) poll(NULL, 0, SHORT_MSEC);
        for (; next(&news, SHORT_MSEC); n++)
                libvirt_news_done(&news);
        assert_true(n >= 1 && n <= 20);
        assert_int_equal(virDomainDestroy(busy), 0);
        virDomainFree(busy);
}

static void test_no_libvirt(void **state)
{
        (void) state;
        assert_ok(
                libvirt_thread_connect(thread, "qemu+unix:///system?mode=direct&socket=/nonexistent/sock"));
        expect(LIBVIRT_FAILED, NULL, "connect to libvirt: ");
        assert_ok(libvirt_thread_connect(thread, "no-such-driver:///"));
        expect(LIBVIRT_FAILED, NULL, "connect to libvirt: ");
        expect_nothing();
        assert_ok(libvirt_thread_connect(thread, TEST_URI));
        expect(LIBVIRT_GUEST, "test", NULL);
        expect(LIBVIRT_LISTED, NULL, NULL);
}

static int setup(void **state)
{
        (void) state;
        connection = virConnectOpen(TEST_URI);
        return connection ? libvirt_thread_new(&thread) : -1;
}

static int teardown(void **state)
{
        (void) state;
        thread = libvirt_thread_free(thread);
        virConnectClose(connection);
        return 0;
}

static void silent(void *userdata, virErrorPtr error)
{
        (void) userdata, (void) error;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_guests, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_events, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_libvirt, setup, teardown),
        };

        virSetErrorFunc(NULL, silent);
        /* The test driver wants it before its first connection. */
        if (virEventRegisterDefaultImpl() < 0)
                return EXIT_FAILURE;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
