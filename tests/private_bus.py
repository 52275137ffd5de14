# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus of our own in place of the system's, and vfioalignd on it: nothing of the host is touched."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

# How much slower all is than usual: under sanitizers it is, and what tests wait for may take so much longer.
SLOWER = int(os.environ.get("TESTS_SLOWER", "1"))

POLICY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../systemd/org.vfioalign1.conf")

# As a distribution's system bus: nothing is allowed but what a service's own policy adds.
CONFIG = """<busconfig>
  <listen>unix:path={dir}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{dir}/services</servicedir>
  <limit name="service_start_timeout">500</limit>
  {more}
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
    <allow own="org.freedesktop.systemd1"/>
    <allow send_destination="org.freedesktop.systemd1"/>
  </policy>
  <include>{dir}/policy.conf</include>
</busconfig>
"""

F_ADD_SEALS = 1033
SEALS = 0x2 | 0x4 | 0x8  # shrink, grow, write


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds * SLOWER
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


class Bus:
    def __init__(self, activates=None, more="", policy=None):
        """activates: a name that the bus can start; activated() tells whether it did. more: of its configuration.
        policy: what changes the text of the shipped one."""
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-bus-")
        self.path = self.dir.name + "/bus"
        config = self.dir.name + "/bus.conf"
        with open(config, "w") as file:
            file.write(CONFIG.format(dir=self.dir.name, more=more))
        with open(POLICY) as shipped, open(self.dir.name + "/policy.conf", "w") as file:
            # whoever runs the tests stands for root
            text = shipped.read().replace('user="root"', f'user="{os.getuid()}"')
            file.write(policy(text) if policy else text)
        os.mkdir(self.dir.name + "/services")
        if activates:
            with open(f"{self.dir.name}/services/{activates}.service", "w") as file:
                file.write(f"[D-BUS Service]\nName={activates}\nExec=/bin/touch {self.dir.name}/activated\n")
        self.address = "unix:path=" + self.path
        self.env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address, LC_ALL="C.UTF-8")
        self.env.pop("NOTIFY_SOCKET", None)
        with open(self.dir.name + "/bus.log", "w") as log:
            self.process = subprocess.Popen(["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                                             "--config-file=" + config], stderr=log)
        wait_for(self.listens, "the bus")

    def listens(self):
        """Its socket is there a moment earlier."""
        with socket.socket(socket.AF_UNIX) as peer:
            return peer.connect_ex(self.path) == 0

    def activated(self):
        return os.path.exists(self.dir.name + "/activated")

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()


class Daemon:
    """vfioalignd on that bus, after its first audit; its log is in `log`."""

    def __init__(self, program, bus, env=None, prefix=()):
        """env: more variables. prefix: a command that runs the program."""
        self.log_path = bus.dir.name + "/log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([*prefix, program, "--debug"], env={**bus.env, **(env or {})}, stderr=log,
                                            stdin=subprocess.DEVNULL)

        def audited():
            if self.process.poll() is not None:
                raise RuntimeError(f"vfioalignd ended with {self.process.returncode}: {self.log}")
            run = subprocess.run(["busctl", "--address=" + bus.address, "get-property", "org.vfioalign1",
                                  "/org/vfioalign1", "org.vfioalign1.Manager", "Generation"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            return run.stdout.startswith("t ") and run.stdout != "t 0\n"

        wait_for(audited, "the first audit")

    @property
    def log(self):
        with open(self.log_path) as log:
            return log.read()

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(20 * SLOWER)


def mock_polkit(bus, connection, answer):
    """A polkit that gives this answer ("authorized, challenge"): its process, and its object, which knows the calls."""
    process = subprocess.Popen([sys.executable, "-m", "dbusmock", "--system", "org.freedesktop.PolicyKit1",
                                "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority"],
                               env=bus.env, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: connection.name_has_owner("org.freedesktop.PolicyKit1"), "polkit")
        polkit = connection.get_object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                                       introspect=False)
        polkit.AddMethod("", "CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", f"ret = ({answer}, {{}})",
                         dbus_interface="org.freedesktop.DBus.Mock")
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return process, polkit


def memfd(data, seals=SEALS):
    fd = os.memfd_create("domain.xml", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def domain(name="guest", devices=("0000:00:00.0",), managed="yes"):
    hostdevs = ""
    for address in devices:
        domain, bus, slot, function = address.replace(".", ":").split(":")
        hostdevs += (f"<hostdev mode='subsystem' type='pci' managed='{managed}'><source><address domain='0x{domain}' "
                     f"bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source></hostdev>")
    return f"<domain type='kvm'><name>{name}</name><devices>{hostdevs}</devices></domain>".encode()
