/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb hook, which libvirt calls. It is a program of its own because it runs several times in each start
 * of a guest: it loads libsystemd and nothing else. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <systemd/sd-bus.h>

#include "config/bus-names.h"
#include "config/config.h"
#include "ctl.h"
#include "facts/guest/facts-guest.h"
#include "facts/guest/guest-scan.h"
#include "facts/guest/libvirt-paths.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/print.h"
#include "util/process-start.h"
#include "util/switch.h"
#include "verbs.h"

/* libvirt waits for its hook without a time limit and acts on its exit status: in `prepare` a failure stops
 * the start, in `reconnect` it kills a running guest. So only `prepare` waits for the daemon and can refuse;
 * everything else is reported to the daemon, if it is there, and succeeds whatever happens. */
enum phase {
        PHASE_OTHER, /* nothing of ours */
        PHASE_PREPARE,
        PHASE_STARTED, /* also after a restart of libvirt's daemon: the guest runs, our daemon may be new */
        PHASE_RELEASE,
};

static struct {
        const char *guest;
        enum phase phase;
        struct config config;
        char *xml; /* of the domain, as libvirt writes it to our standard input */
        size_t xml_size;
} hook;

static enum phase parse_phase(const char *operation, const char *sub)
{
        if (streq(operation, "prepare") && streq(sub, "begin"))
                return PHASE_PREPARE;
        if ((streq(operation, "started") || streq(operation, "reconnect")) && streq(sub, "begin"))
                return PHASE_STARTED;
        if (streq(operation, "release") && streq(sub, "end"))
                return PHASE_RELEASE;
        return PHASE_OTHER;
}

static bool must_refuse(void)
{
        return hook.phase == PHASE_PREPARE && hook.config.on_unreachable == ON_UNREACHABLE_REFUSE;
}

/* libvirt shows the last line of a failed hook to whoever started the guest. */
#define REFUSAL \
        "vfioalign: vfioalignd gave no answer in time, and OnUnreachable=refuse is set in vfioalignd.conf\n"

static void on_alarm(int signal)
{
        (void) signal;
        if (must_refuse() && write(STDERR_FILENO, REFUSAL, strlen(REFUSAL)) < 0)
                _exit(CTL_REFUSED);
        _exit(must_refuse() ? CTL_REFUSED : CTL_OK);
}

/* Bounds everything that follows, including the connection to the bus, which no bus timeout covers. */
static void set_alarm(uint64_t usec)
{
        const struct itimerval timer = {
                .it_value = { .tv_sec = (time_t) (usec / USEC_PER_SEC),
                              .tv_usec = (suseconds_t) (usec % USEC_PER_SEC) },
        };
        const struct sigaction action = { .sa_handler = on_alarm };

        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &timer, NULL);
}

static int end_unreachable(const char *why)
{
        if (must_refuse()) {
                print_line(stderr, "vfioalign: %s, and OnUnreachable=refuse is set in vfioalignd.conf", why);
                return CTL_REFUSED;
        }
        log_notice("Guest '%s', unchecked: %s", hook.guest, why);
        return CTL_OK;
}

/* Whether the network hands out functions of a device. False where there is no network of that name; true
 * where nobody can say: the daemon, which really parses the XML, then decides. */
static bool is_pool(const char *name, size_t length, void *userdata)
{
        static const char *const directories[] = LIBVIRT_NETWORK_DIRS;
        const struct root *root = userdata;
        char path[PATH_MAX];

        if (length > NAME_MAX || memchr(name, '&', length)) /* & begins an escaped character */
                return true;
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *xml = NULL;
                int r;

                snprintf(path, sizeof(path), "%s/%.*s.xml", directories[i], (int) length, name);
                r = read_file_at(root->fd, path, GUEST_XML_MAX, &xml, NULL);
                if (r == -ENOENT)
                        continue;
                if (r < 0 || strstr(xml, "hostdev"))
                        return true;
        }
        return false;
}

/* The XML as a sealed memfd: the daemon can read it without waiting for us and without trusting us. */
static int xml_to_memfd(void)
{
        _cleanup_close_ int fd = memfd_create("domain.xml", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        for (size_t done = 0; done < hook.xml_size;) {
                ssize_t n = write(fd, hook.xml + done, hook.xml_size - done);

                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int new_call(sd_bus *bus, const char *method, sd_bus_message **ret)
{
        int r = sd_bus_message_new_method_call(bus, ret, BUS_NAME, BUS_PATH, BUS_INTERFACE, method);

        /* A daemon that the operator stopped stays stopped. */
        return r < 0 ? r : sd_bus_message_set_auto_start(*ret, false);
}

/* Returns 0 with the daemon's answer; or a negative errno, with *error set where the bus gave one. */
static int call_prepare_guest(sd_bus *bus, uint64_t deadline_usec, sd_bus_error *error,
                              sd_bus_message **ret_reply)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_close_ int fd = xml_to_memfd();
        uint64_t now;
        int r;

        if (fd < 0)
                return fd;
        r = new_call(bus, "PrepareGuest", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "sht", hook.guest, fd, deadline_usec);
        if (r < 0)
                return r;
        now = clock_usec(CLOCK_BOOTTIME);
        if (deadline_usec <= now)
                return -ETIMEDOUT;
        return sd_bus_call(bus, call, deadline_usec - now, error, ret_reply);
}

/* Asks the daemon whether the guest may start. Returns the exit code. */
static int prepare_guest(sd_bus *bus, uint64_t deadline_usec)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *message;
        int r, allowed;

        r = call_prepare_guest(bus, deadline_usec, &error, &reply);
        if (sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
            sd_bus_error_has_name(&error, SD_BUS_ERROR_SERVICE_UNKNOWN))
                return end_unreachable("vfioalignd is not running");
        if (r == -ETIMEDOUT)
                return end_unreachable("vfioalignd gave no answer in time");
        if (r < 0)
                return end_unreachable(error.message ?: strerror(-r));
        r = sd_bus_message_read(reply, "bs", &allowed, &message);
        if (r < 0)
                return end_unreachable(strerror(-r));
        if (allowed)
                return CTL_OK;
        print_line(stderr, "vfioalign: guest '%s' refused: %s", hook.guest, message);
        return CTL_REFUSED;
}

/* Reports a guest that has started or ended, and waits for no answer. */
static int send_notice(sd_bus *bus)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = new_call(bus, hook.phase == PHASE_STARTED ? "GuestStarted" : "GuestReleased", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", hook.guest);
        if (r < 0)
                return r;
        if (hook.phase == PHASE_STARTED) {
                fd = xml_to_memfd();
                if (fd < 0)
                        return fd;
                r = sd_bus_message_append(call, "h", fd);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_set_expect_reply(call, false);
        if (r < 0)
                return r;
        r = sd_bus_send(bus, call, NULL);
        return r < 0 ? r : sd_bus_flush(bus);
}

static int notify_daemon(sd_bus *bus)
{
        int r = send_notice(bus);

        return r < 0 ? end_unreachable(strerror(-r)) : CTL_OK;
}

static int run_hook(const char *guest, const char *operation, const char *sub)
{
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_(root_close) struct root root = { .fd = -EBADF };
        const struct config_reader reader = { .partly = true };
        uint64_t deadline, now;
        int r;

        hook.guest = guest;
        hook.phase = parse_phase(operation, sub);
        hook.config = config_default();
        /* This comes first because what follows can already block. */
        set_alarm(hook.config.hook_deadline_usec);
        if (hook.phase == PHASE_OTHER || root_open(&root, secure_getenv("VFIOALIGN_ROOT")) < 0)
                return CTL_OK;
        if (switched_off(&root))
                return CTL_OK;
        /* The daemon reports problems of the files. Here an error in one line must not undo the others: who
         * had a start refused without an answer, or gave it more time, still does. */
        (void) config_read_by(&hook.config, &root, &reader);
        /* The deadline holds for the guest's start as a whole. Loading this program counts, because it can
         * take long on a busy host; a tenth is for the shell before us and for our exit. */
        now = clock_usec(CLOCK_BOOTTIME);
        deadline = (own_start_boottime_usec() ?: now) + hook.config.hook_deadline_usec / 10 * 9;
        set_alarm(deadline > now ? deadline - now : 1);
        log_open_journal(true);

        r = read_fd(STDIN_FILENO, GUEST_XML_MAX, &hook.xml, &hook.xml_size);
        if (r < 0)
                return end_unreachable(r == -EFBIG ? "its XML is larger than 4 MiB"
                                                   : "its XML cannot be read");
        /* Most guests have no device that goes through VFIO. Their starts do not concern us, whatever state
         * the daemon is in. */
        if (!guest_scan_has_vfio(hook.xml, hook.xml_size, is_pool, &root))
                return CTL_OK;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return end_unreachable("the system bus cannot be reached");
        return hook.phase == PHASE_PREPARE
                       ? prepare_guest(bus, deadline - hook.config.hook_deadline_usec / 10)
                       : notify_daemon(bus);
}

int verb_hook(int argc, char *argv[])
{
        if (argc != 5) {
                print_line(stderr,
                           "vfioalignctl: hook is called by libvirt as: hook GUEST OPERATION SUB-OPERATION "
                           "EXTRA");
                return CTL_USAGE;
        }
        return run_hook(argv[1], argv[2], argv[3]);
}

int main(int argc, char *argv[])
{
        return argc < 2 ? CTL_USAGE : verb_hook(argc - 1, argv + 1);
}
