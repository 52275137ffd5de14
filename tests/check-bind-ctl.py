#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfioalignctl bind and unbind: what they order, print and answer, with a worker that does as it is told here and touches
no device; and without root, with a daemon that does."""

import copy
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import jsonschema
from schema import Report

CTL, DAEMON, SCHEMA = sys.argv[1:4]
del sys.argv[1:4]

# Reads the order, leaves it in a file, and does what $FAKE says.
WORKER = """#!{python}
import json, os, signal, sys, time
order = json.load(sys.stdin)
with open("{dir}/order", "w") as file:
    json.dump(order, file)
def say(*lines):
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\\n")
        sys.stdout.flush()
done = {{"type": "done"}}
exec(os.environ["FAKE"])
"""


def device(address, before, after, old=None, new=None, writes=()):
    return {"address": address, "before": {"driver": before, "override": old}, "after": {"driver": after, "override": new},
            "planned_writes": [{"path": path, "value": value} for path, value in writes]}


def finding(id, subject, detail=None, forceable=False):
    return {"id": id, "severity": "warning", "subject": subject, "detail": detail, "text": "Text of " + id,
            "remedy": "Remedy of " + id, "forceable": forceable}


def group(number, outcome, *devices, findings=(), **other):
    return {"type": "group", "group": number, "outcome": outcome, "owner": "operator", "reason": None, "writes": 0,
            "seconds": 0.123, "devices": list(devices), "findings": list(findings), "pid": None, "stack": None, **other}


NVME = device("0000:01:00.0", "nvme", "vfio-pci", None, "vfio-pci")
AUDIO = device("0000:01:00.1", None, "vfio-pci", None, "vfio-pci")
SAME = device("0000:01:00.2", "vfio-pci", "vfio-pci")
BOUND = group(12, "bound", NVME, AUDIO, writes=6)


def told(*groups):
    return f"say(*{list(groups)!r}, done)"


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="vfioalign-bind-")
        self.addCleanup(self.dir.cleanup)
        self.worker = Path(self.dir.name) / "worker"
        self.worker.write_text(WORKER.format(python=sys.executable, dir=self.dir.name))
        self.worker.chmod(0o755)

    def env(self, fake, **other):
        return {**os.environ, "VFIOALIGN_WORKER": str(self.worker), "FAKE": fake, "LC_ALL": "C.UTF-8", **other}

    def run_ctl(self, fake, *args, stdout=subprocess.PIPE, **env):
        return subprocess.run([CTL, *args], env=self.env(fake, **env), stdin=subprocess.DEVNULL, stdout=stdout,
                              stderr=subprocess.PIPE, text=True, timeout=60)

    def expect(self, code, stdout, stderr, fake, *args, **env):
        run = self.run_ctl(fake, *args, **env)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (code, stdout, stderr))

    @property
    def order(self):
        return json.loads((Path(self.dir.name) / "order").read_text())


class Text(Case):
    def test_bound(self):
        self.expect(0, "0000:01:00.0  nvme -> vfio-pci\n0000:01:00.1  no driver -> vfio-pci\n"
                       "group 12: bound (2 functions, 6 writes, 0.12 s)\n", "", told(BOUND), "bind", "0000:01:00.0")
        part = group(12, "bound", NVME, SAME, writes=1)
        self.expect(0, "0000:01:00.0  nvme -> vfio-pci\n0000:01:00.2 is bound to vfio-pci already\n"
                       "group 12: bound (2 functions, 1 write, 0.12 s)\n", "", told(part), "bind", "0000:01:00.0")

    def test_returned(self):
        """The way back is the other way round."""
        back = group(12, "returned", NVME, AUDIO, writes=5)
        self.expect(0, "0000:01:00.0  vfio-pci -> nvme\n0000:01:00.1  vfio-pci -> no driver\n"
                       "group 12: returned (2 functions, 5 writes, 0.12 s)\n", "", told(back), "unbind", "0000:01:00.0")

    def test_unchanged(self):
        same = group(12, "unchanged", SAME, device("0000:01:00.3", None, None))
        self.expect(0, "0000:01:00.2 is bound to vfio-pci already\n0000:01:00.3 has no driver, and gets none\n", "",
                    told(same), "bind", "0000:01:00.2")
        left = group(12, "unchanged", device("0000:01:00.3", None, None, "vfio-pci", "vfio-pci"))
        self.expect(0, "0000:01:00.3 has no driver, and gets none: its driver_override is still vfio-pci; name its "
                    "driver with --driver\n", "", told(left), "unbind", "0000:01:00.3")
        # Bound by ours before: the record has both sides.
        ours = group(12, "unchanged", NVME)
        self.expect(0, "0000:01:00.0 is bound to vfio-pci already\n", "", told(ours), "bind", "0000:01:00.0")

    def test_gone(self):
        self.expect(0, "group 12: gone, all of its functions have left the host\n", "", told(group(12, "gone", NVME)),
                    "unbind", "0000:01:00.0")

    def test_dry_run(self):
        """Shows what the worker says that it would write."""
        writes = [("/sys/one", "vfio-pci"), ("/sys/two", "0000:01:00.0"), ("/sys/three", None)]
        plan = group(12, "planned", device("0000:01:00.0", "nvme", "vfio-pci", writes=writes), AUDIO, SAME)
        self.expect(0, """0000:01:00.0  nvme -> vfio-pci
    writes vfio-pci to /sys/one
    writes 0000:01:00.0 to /sys/two
    clears /sys/three
0000:01:00.1  no driver -> vfio-pci
0000:01:00.2 is bound to vfio-pci already
group 12: would be handed over, nothing was written
""", "", told(plan), "bind", "--dry-run", "0000:01:00.0")
        self.assertIs(self.order["dry_run"], True)
        self.expect(0, """0000:01:00.0  vfio-pci -> nvme
    writes vfio-pci to /sys/one
    writes 0000:01:00.0 to /sys/two
    clears /sys/three
0000:01:00.1  vfio-pci -> no driver
0000:01:00.2 is bound to vfio-pci already
group 12: would be given back, nothing was written
""", "", told(plan), "unbind", "--dry-run", "0000:01:00.0")

    def test_refused(self):
        refused = group(12, "refused", NVME, findings=[finding("bind-in-use", "0000:01:00.0", "mount: /boot"),
                                                       finding("bind-in-use", "0000:01:00.1"),
                                                       finding("bind-console", None, forceable=True)])
        self.expect(1, "", "vfioalignctl: 0000:01:00.0: Text of bind-in-use (mount: /boot)\n"
                           "vfioalignctl: 0000:01:00.1: Text of bind-in-use\n  Remedy of bind-in-use\n"
                           "vfioalignctl: Text of bind-console\n  Remedy of bind-console\n"
                           "vfioalignctl: group 12: refused, nothing was written\n", told(refused), "bind", "1:0.0")
        unknown = group(-1, "refused", findings=[finding("bind-unassignable", "0000:01:00.0", "there is no such function")])
        self.expect(1, "", "vfioalignctl: 0000:01:00.0: Text of bind-unassignable (there is no such function)\n"
                           "  Remedy of bind-unassignable\n", told(unknown), "bind", "1:0.0")

    def test_failed(self):
        failed = group(12, "failed", NVME, writes=4, findings=[finding("bind-failed", "0000:01:00.0", "on the way to vfio-pci: No such device")])
        self.expect(1, "", "vfioalignctl: 0000:01:00.0: Text of bind-failed (on the way to vfio-pci: No such device)\n"
                           "  Remedy of bind-failed\n"
                           "vfioalignctl: group 12: failed, all of its functions are where they were before\n",
                    told(failed), "bind", "1:0.0")

    def test_quarantined(self):
        why = "0000:01:00.0: on the way to nvme: Invalid argument"
        bad = group(12, "quarantined", NVME, reason=why, findings=[finding("bind-quarantined", "0000:01:00.0", why)])
        text = (f"vfioalignctl: 0000:01:00.0: Text of bind-quarantined ({why})\n  Remedy of bind-quarantined\n"
                "vfioalignctl: group 12: quarantined\n")
        self.expect(1, "", text, told(bad), "unbind", "1:0.0")
        bad["reason"] = "another"
        self.expect(1, "", text.replace("vfioalignctl: group", "vfioalignctl: another\nvfioalignctl: group"), told(bad), "unbind", "1:0.0")

    def test_stuck(self):
        stuck = group(12, "stuck", findings=[finding("bind-quarantined", "0000:01:00.0")], pid=4711,
                      stack="[<0>] msleep+0x2d/0x40\n[<0>] pci_unbind+0x1\n")
        text = ("vfioalignctl: 0000:01:00.0: Text of bind-quarantined\n  Remedy of bind-quarantined\n"
                "  Process 4711 hangs in the kernel:\n    [<0>] msleep+0x2d/0x40\n    [<0>] pci_unbind+0x1\n"
                "vfioalignctl: group 12: stuck, a task hangs in the kernel with it\n")
        self.expect(1, "", text, told(stuck), "bind", "1:0.0")
        stuck["stack"] = None
        text = re.sub(r"kernel:\n.*1\n", "kernel; its stack cannot be read\n", text, flags=re.S)
        self.expect(1, "", text, told(stuck), "bind", "1:0.0")

    def test_several(self):
        """One that is refused takes nothing from the others."""
        other = group(13, "bound", device("0000:02:00.0", "e1000e", "vfio-pci", None, "vfio-pci"), writes=3)
        refused = group(14, "refused", findings=[finding("bind-busy", "0000:03:00.0")])
        run = self.run_ctl(told(BOUND, refused, other), "bind", "1:0.0", "2:0.0", "3:0.0")
        self.assertEqual((run.returncode, run.stdout.count("\n")), (1, 5))
        self.assertIn("group 13: bound (1 function, 3 writes, 0.12 s)\n", run.stdout)
        self.assertIn("group 14: refused", run.stderr)

    def test_forced_past(self):
        forced = group(12, "bound", NVME, writes=3, findings=[finding("bind-claimed", "0000:01:00.0", forceable=True)])
        self.expect(0, "0000:01:00.0  nvme -> vfio-pci\ngroup 12: bound (1 function, 3 writes, 0.12 s)\n",
                    "vfioalignctl: 0000:01:00.0: Text of bind-claimed\n  Remedy of bind-claimed\n", told(forced), "bind", "--force", "1:0.0")

    def test_no_escapes(self):
        """A process can have any name; the terminal does not act on it."""
        evil = group(12, "refused", findings=[finding("bind-in-use", "0000:01:00.0", "process: \x1b[2J\r\n\u009bä€")])
        run = self.run_ctl(told(evil), "bind", "1:0.0")
        self.assertIn(r"(process: \x1b[2J\x0d\x0a\xc2\x9bä€)" "\n", run.stderr)
        raw = """sys.stdout.buffer.write(json.dumps(%r, ensure_ascii=False).encode("latin-1") + b"\\n"); say(done)"""
        run = self.run_ctl(raw % group(12, "refused", findings=[finding("bind-in-use", "0000:01:00.0", "\u00e4\u009b")]), "bind", "1:0.0")
        self.assertIn(r"(\xe4\x9b)" "\n", run.stderr)


class Order(Case):
    def order_of(self, *args, fake=told(BOUND)):
        self.assertEqual(self.run_ctl(fake, *args).returncode, 0)
        return self.order

    def test_defaults(self):
        order = self.order_of("bind", "0000:01:00.0")
        self.assertEqual((order["operation"], order["devices"], order["driver"], order["owner"], order["dry_run"], order["force"]),
                         ("bind", ["0000:01:00.0"], None, "operator", False, False))
        self.assertEqual(order["deadline_usec"], 0)
        self.assertGreater(order["timeout_usec"], 0)

    def test_options(self):
        order = self.order_of("unbind", "--force", "--dry-run", "--driver", "nvme", "01:00.1", "0000:01:00.0",
                              fake=told(group(12, "planned", NVME, AUDIO)))
        self.assertEqual((order["operation"], order["devices"], order["driver"], order["dry_run"], order["force"]),
                         ("unbind", ["0000:01:00.1", "0000:01:00.0"], "nvme", True, True))
        self.assertEqual(self.order_of("bind", "--driver=auto", "1:0.0")["driver"], None)

    def test_spellings(self):
        """One function, however often and however it is spelt."""
        self.assertEqual(self.order_of("bind", "0000:01:00.0", "1:0.0", "01:00.0", "0:01:00.1")["devices"],
                         ["0000:01:00.0", "0000:01:00.1"])

    def test_many(self):
        addresses = [f"0000:{bus:02x}:{slot:02x}.0" for bus in range(64) for slot in range(32)]
        fake = f"""say(*[{group(0, 'unchanged')!r} | {{"devices": [{SAME!r} | {{"address": a}}]}} for a in order["devices"]], done)"""
        self.assertEqual(self.order_of("bind", *addresses, fake=fake)["devices"], addresses)

    def test_usage(self):
        for args, words in [
            (["bind"], "needs an argument"),
            (["unbind"], "needs an argument"),
            (["bind", "gpu"], "'gpu' is not a PCI address"),
            (["bind", "1:0.0", "1:0"], "'1:0' is not a PCI address"),
            (["bind", "1:0.0", "../../x"], "is not a PCI address"),
            (["bind", ""], "'' is not a PCI address"),
            (["bind", "--driver", "a/b", "1:0.0"], "--driver a/b: expected auto or the name of a driver"),
            (["bind", "--driver", "", "1:0.0"], "--driver : expected"),
            (["bind", "--driver", "..", "1:0.0"], "--driver ..: expected"),
            (["bind", "--driver", "a b", "1:0.0"], "--driver a b: expected"),
            (["bind", "--driver", 64 * "x", "1:0.0"], "x: expected"),
            (["bind", "--driver"], "requires an argument"),
            (["bind", "--root", "/", "1:0.0"], "unrecognized option"),
        ]:
            run = self.run_ctl(told(BOUND), *args)
            self.assertEqual((run.returncode, run.stdout), (2, ""), args)
            self.assertIn(words, run.stderr)
        self.assertFalse((Path(self.dir.name) / "order").exists())


class Json(Case):
    def setUp(self):
        super().setUp()
        self.schema = Report(SCHEMA)

    def test_document(self):
        refused = group(14, "refused", findings=[finding("bind-busy", "0000:03:00.0")], writes=0)
        run = self.run_ctl(told(BOUND, refused), "bind", "--json", "1:0.0", "3:0.0")
        self.assertEqual((run.returncode, run.stderr), (1, ""))
        report = self.schema.check(run.stdout)
        expected = [{k: v for k, v in g.items() if k != "type"} for g in (BOUND, refused)]
        self.assertEqual(report, {"schema_version": 1, "operation": "bind", "dry_run": False, "groups": expected})

        plan = group(3, "planned", device("0000:01:00.0", "nvme", "vfio-pci", writes=[("/sys/one", "x"), ("/sys/two", None)]))
        run = self.run_ctl(told(plan), "unbind", "-j", "--dry-run", "1:0.0")
        report = self.schema.check(run.stdout)
        self.assertEqual((run.returncode, report["operation"], report["dry_run"]), (0, "unbind", True))

    def test_every_outcome(self):
        with open(SCHEMA) as file:
            outcomes = json.load(file)["$defs"]["group"]["properties"]["outcome"]["enum"]
        for outcome in outcomes:
            run = self.run_ctl(told(group(12, outcome, NVME, pid=7, stack="x\n")), "bind", "--json", "1:0.0")
            self.schema.check(run.stdout)
            good = outcome in ("unchanged", "planned", "bound", "returned", "gone")
            self.assertEqual(run.returncode, 0 if good else 1, outcome)

    def test_partial(self):
        """What is known is printed, and that it is not all is said."""
        run = self.run_ctl(f"say({BOUND!r}); sys.exit(3)", "bind", "--json", "1:0.0")
        self.assertEqual((run.returncode, len(self.schema.check(run.stdout)["groups"])), (1, 1))
        self.assertIn("worker ended before it was through, with exit status 3\n", run.stderr)

    def test_schema_bites(self):
        good = json.loads(self.run_ctl(told(BOUND), "bind", "--json", "1:0.0").stdout)

        def broken(change):
            report = copy.deepcopy(good)
            change(report)
            with self.assertRaises(jsonschema.ValidationError):
                self.schema.check(json.dumps(report))

        broken(lambda r: r.pop("operation"))
        broken(lambda r: r.update(schema_version=2))
        broken(lambda r: r["groups"][0].update(outcome="perhaps"))
        broken(lambda r: r["groups"][0].update(surprise=1))
        broken(lambda r: r["groups"][0].update(group=-2))
        broken(lambda r: r["groups"][0]["devices"][0].update(address="01:00.0"))
        broken(lambda r: r["groups"][0]["devices"][0]["before"].update(driver=""))

    def test_full_disk(self):
        for args in ["--json"], []:
            with open("/dev/full", "w") as full:
                run = self.run_ctl(told(BOUND), "bind", *args, "1:0.0", stdout=full)
            self.assertEqual(run.returncode, 1)
            self.assertIn("No space left", run.stderr)


class BadWorker(Case):
    def failed(self, fake, *words, **env):
        run = self.run_ctl(fake, "bind", "1:0.0", **env)
        self.assertEqual(run.returncode, 1)
        for word in words:
            self.assertIn(word, run.stderr)
        return run

    def test_missing(self):
        run = self.failed("", "Failed to start /no/such/worker: No such file or directory\n", VFIOALIGN_WORKER="/no/such/worker")
        self.assertEqual(run.stdout, "")

    def test_killed(self):
        """What a killed worker left on its way is settled by another one, unless nothing was to be written."""
        fake = "settles = order['operation'] == 'settle'; say(done) if settles else os.kill(os.getpid(), signal.SIGKILL)"
        run = self.failed(fake, "ended before it was through, by signal 9\nvfioalignctl: Settling what it left\n")
        self.assertEqual((self.order["operation"], self.order["dry_run"], run.stderr.count("\n")), ("settle", False, 2))
        run = self.run_ctl(fake, "bind", "--dry-run", "1:0.0")
        self.assertEqual((run.returncode, self.order["operation"]), (1, "bind"))
        self.assertNotIn("Settling", run.stderr)
        self.failed("os.kill(os.getpid(), signal.SIGKILL)", "is settled when vfioalignd starts, or by the next bind or unbind")

    def test_dies(self):
        self.failed("sys.exit(7)", "worker ended before it was through, with exit status 7\n")
        self.failed("os.kill(os.getpid(), signal.SIGKILL)", "worker ended before it was through, by signal 9\n")
        run = self.failed(f"say({BOUND!r}); sys.exit(0)", "worker ended before it was through, with exit status 0\n")
        self.assertIn("group 12: bound", run.stdout)
        # in the middle of a line
        self.failed("sys.stdout.write('{\"type\": \"done\"}'); sys.stdout.flush(); sys.exit(0)", "ended before it was through")

    def test_says_error(self):
        run = self.failed("say({'type': 'error', 'message': 'the order is wrong'}); sys.exit(1)", "vfioalignctl: the order is wrong\n")
        self.assertEqual(run.stderr.count("\n"), 1)
        self.failed("say({'type': 'error', 'message': 'one is wrong'}, done)", "vfioalignctl: one is wrong\n")

    def test_junk(self):
        for junk in ["", "nonsense", "[]", "7", "null", "{}", '{"type": 3}', '{"type": "group"}', '{"type": "group", "outcome": 1}',
                     '{"type": "done"} x', '{"type": "grou', 20 * '{"a":' + "1" + 20 * "}", "\\0", "\\xff\\xfe",
                     json.dumps(dict(BOUND, devices={})), json.dumps(dict(BOUND, devices=[1])),
                     json.dumps(dict(BOUND, findings=None)), json.dumps(dict(BOUND, findings=["x"])), json.dumps(dict(BOUND, group="12"))]:
            fake = f"sys.stdout.write({junk!r} + '\\n'); say({BOUND!r}, done)".replace("\\\\", "\\")
            run = self.failed(fake, "worker: unexpected output, ignoring\n")
            self.assertEqual(run.stderr.count("\n"), 1, junk)
            # What is good is taken all the same.
            self.assertIn("group 12: bound", run.stdout, junk)

    def test_long_line(self):
        fake = f"say(dict({BOUND!r}, reason=(9 << 20) * 'x'), {BOUND!r}, done)"
        run = self.failed(fake, "worker: a line of more than 8 MiB, ignoring\n")
        self.assertEqual((run.stdout.count("group 12: bound"), len(run.stderr) < 1000), (1, True))
        fake = f"""say({group(12, "refused", findings=[finding("bind-in-use", "0000:01:00.0", "LONG")])!r}, done)"""
        self.assertIn(600000 * "x", self.failed(fake.replace("'LONG'", "600000 * 'x'")).stderr)

    def test_not_told(self):
        """No word on a function is no success."""
        run = self.run_ctl(told(BOUND), "bind", "1:0.0", "2:0.0")
        self.assertEqual((run.returncode, run.stderr), (1, "vfioalignctl: No result was reported for 0000:02:00.0\n"))
        self.failed("say(done)", "No result was reported for 0000:01:00.0")

    def test_unknown_outcome(self):
        self.failed(told(group(12, "transcended", NVME)), "worker: unexpected output, ignoring\n")

    def test_output_held_open(self):
        """A process that hangs keeps the worker's output; the worker has ended."""
        start = time.monotonic()
        self.failed(f"say({BOUND!r})\nif os.fork() == 0:\n    os.close(2); time.sleep(30)\nos._exit(5)", "with exit status 5")
        self.assertLess(time.monotonic() - start, 20)

    def test_does_not_end(self):
        """Told of as done is done, and that worker is not waited for."""
        start = time.monotonic()
        self.assertEqual(self.run_ctl(f"os.close(2); {told(BOUND)}; time.sleep(30)", "bind", "1:0.0").returncode, 0)
        self.assertLess(time.monotonic() - start, 20)

    def test_bytes(self):
        """Lines come in any pieces."""
        text = json.dumps(BOUND) + "\n" + '{"type": "done"}\n'
        fake = f"for c in {text!r}:\n    sys.stdout.write(c); sys.stdout.flush()"
        self.assertEqual(self.run_ctl(fake, "bind", "1:0.0").returncode, 0)

    def test_first_word_early(self):
        """A group is shown when it is through, not when all are."""
        go = Path(self.dir.name) / "go"
        os.mkfifo(go)
        other = group(13, "bound", device("0000:02:00.0", None, "vfio-pci"))
        process = subprocess.Popen([CTL, "bind", "1:0.0", "2:0.0"], stdout=subprocess.PIPE, text=True,
                                   env=self.env(f"say({BOUND!r}); open({str(go)!r}).read(); say({other!r}, done)"))
        self.addCleanup(process.stdout.close)
        self.assertEqual([process.stdout.readline() for _ in range(3)][2], "group 12: bound (2 functions, 6 writes, 0.12 s)\n")
        with open(go, "w"):
            pass
        self.assertIn("group 13: bound", process.stdout.read())
        self.assertEqual(process.wait(20), 0)

    def test_stopped(self):
        """The first ^C lets it roll back, and what it says then is still shown."""
        fake = ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); open(%r, 'w').close(); signal.sigwait([signal.SIGTERM]); "
                "say(%r, done)" % (self.dir.name + "/ready",
                                   group(12, "failed", NVME, findings=[finding("bind-failed", "0000:01:00.0", "stopped")])))
        os.mkfifo(self.dir.name + "/ready")
        process = subprocess.Popen([CTL, "bind", "1:0.0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env(fake))
        with open(self.dir.name + "/ready"):
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, out), (-signal.SIGINT, ""))
        self.assertIn("Stopping: changes under way are rolled back\n", err)
        self.assertIn("Text of bind-failed (stopped)", err)

    def test_progress(self):
        """On a terminal, and off it again before the result."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        os.mkfifo(self.dir.name + "/go")
        process = subprocess.Popen([CTL, "bind", "1:0.0"], stdout=subprocess.DEVNULL, stderr=slave,
                                   env=self.env(f"open({self.dir.name + '/go'!r}).read(); {told(BOUND)}"))
        os.close(slave)
        seen = b""
        while not re.search(rb"through.*\x1b\[K", seen) and select.select([master], [], [], 20)[0]:
            seen += os.read(master, 4096)
        self.assertRegex(seen, rb"\rbind: 0 groups through, \d+ s\x1b\[K")
        with open(self.dir.name + "/go", "w"):
            pass
        self.assertEqual(process.wait(20), 0)
        try:
            while select.select([master], [], [], 1)[0] and (more := os.read(master, 4096)):
                seen += more
        except OSError:
            pass  # its other end is closed
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen)


def can_overlay():
    run = subprocess.run(["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc:/usr", "/etc"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run.returncode == 0


@unittest.skipUnless(can_overlay(), "no overlay on /etc")
class Configured(Case):
    """In a mount namespace: /etc stays as it is."""

    def configured(self, text):
        place = Path(self.dir.name) / "etc/vfioalignd.conf.d"
        place.mkdir(parents=True, exist_ok=True)
        (place / "99-test.conf").write_text(text)
        return ["unshare", "--mount", "sh", "-c",
                f"mount -t overlay overlay -o lowerdir={self.dir.name}/etc:/etc /etc && exec \"$@\"", "sh", CTL]

    def test_time_limit(self):
        run = subprocess.run([*self.configured("[Bind]\nDeadlineSec=2.5\n"), "bind", "1:0.0"], env=self.env(told(BOUND)),
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.assertEqual((run.returncode, run.stderr, self.order["timeout_usec"]), (0, "", 2500000))
        run = subprocess.run([*self.configured("[Bind]\nDeadlineSec=0\n"), "bind", "1:0.0"], env=self.env(told(BOUND)),
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.assertEqual((run.returncode, self.order["timeout_usec"]), (0, 30000000))
        self.assertIn("99-test.conf:2: DeadlineSec=0: expected seconds from 1 to 600; going by the defaults", run.stderr)

    def test_switched_off(self):
        """What is with VFIO can be given back all the same."""
        command = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs run /run && mkdir /run/vfioalign && "
                   "touch /run/vfioalign/off && exec \"$@\"", "sh", CTL]
        for verb, code, error in ("bind", 1, "vfioalignctl: Switched off by /run/vfioalign/off\n"), ("unbind", 0, ""):
            run = subprocess.run([*command, verb, "1:0.0"], env=self.env(told(BOUND)), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
            self.assertEqual((run.returncode, run.stderr), (code, error))

    def test_hangs(self):
        """It is waited for as long as it may take, and no longer; then it is left alone."""
        hung = "open(%r, 'w').write(str(os.getpid())); os.close(2); signal.signal(signal.SIGTERM, lambda *a: os._exit(9)); %s time.sleep(300)"
        start, processes = time.monotonic(), []
        command = [*self.configured("[Bind]\nDeadlineSec=1\n"), "bind", "1:0.0"]
        for i, first in enumerate(["", f"say({BOUND!r});", "os.close(1);"]):
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                              env=self.env(hung % (f"{self.dir.name}/pid{i}", first))))
        for i, process in enumerate(processes):
            out, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 1)
            self.assertEqual(err, f"vfioalignctl: {self.worker} does not end, leaving it behind\n")
            self.assertEqual("group 12: bound" in out, i == 1)
            pid = int((Path(self.dir.name) / f"pid{i}").read_text())
            os.kill(pid, signal.SIGKILL)  # it lived on
        took = time.monotonic() - start
        self.assertTrue(31 < took < 90, took)


BUS = """<busconfig>
  <listen>unix:path={dir}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>"""

NOBODY = 65534


@unittest.skipUnless(shutil.which("dbus-daemon"), "no dbus-daemon")
class Unprivileged(Case):
    def setUp(self):
        super().setUp()
        self.schema = Report(SCHEMA)
        os.chmod(self.dir.name, 0o755)
        # Where it was built, nobody may look.
        self.ctl = shutil.copy(CTL, self.dir.name + "/vfioalignctl")
        shutil.copy(os.path.dirname(CTL) + "/vfioalignctl-main", self.dir.name)
        self.address = f"unix:path={self.dir.name}/bus"
        config = Path(self.dir.name) / "bus.conf"
        config.write_text(BUS.format(dir=self.dir.name))
        bus = subprocess.Popen(["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", f"--config-file={config}", "--print-address"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.end, bus)
        self.assertIn(self.address, bus.stdout.readline())

    def end(self, process):
        process.terminate()
        process.wait()
        process.stdout.close()

    def daemon(self, reply="", error="org.freedesktop.DBus.Error.Failed"):
        process = subprocess.Popen([DAEMON, self.address, reply, error], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def ask(self, *args, address=None):
        env = {"DBUS_SYSTEM_BUS_ADDRESS": address or self.address, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run([self.ctl, *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60, cwd="/", **user)

    @staticmethod
    def document(operation, *groups, dry_run=False):
        return json.dumps({"schema_version": 1, "operation": operation, "dry_run": dry_run, "groups": groups})

    def test_call(self):
        daemon = self.daemon(self.document("bind", BOUND))
        run = self.ask("bind", "1:0.0", "0000:01:00.0", "1:0.1")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(run.stdout, "0000:01:00.0  nvme -> vfio-pci\n0000:01:00.1  no driver -> vfio-pci\n"
                                     "group 12: bound (2 functions, 6 writes, 0.12 s)\n")
        # A daemon that was stopped stays stopped; whoever sits there may be asked for a password.
        self.assertEqual(daemon.stdout.readline(), "Bind 0000:01:00.0 0000:01:00.1 '' 0 interactive\n")
        for args, call in (["--dry-run"], "'' 1"), (["--force"], "'' 2"), (["--force", "--dry-run", "--driver", "x"], "'x' 3"):
            self.ask("bind", *args, "1:0.0")
            self.assertEqual(daemon.stdout.readline(), f"Bind 0000:01:00.0 {call} interactive\n")

    def test_unbind(self):
        daemon = self.daemon(self.document("unbind", group(12, "returned", NVME, writes=3)))
        run = self.ask("unbind", "1:0.0")
        self.assertEqual((run.returncode, run.stdout),
                         (0, "0000:01:00.0  vfio-pci -> nvme\ngroup 12: returned (1 function, 3 writes, 0.12 s)\n"))
        self.assertEqual(daemon.stdout.readline(), "Unbind 0000:01:00.0 '' 0 interactive\n")

    def test_json(self):
        """The same document as a worker's."""
        self.daemon(self.document("bind", BOUND))
        run = self.ask("bind", "--json", "1:0.0")
        self.schema.check(run.stdout)
        self.assertEqual(run.stdout, self.run_ctl(told(BOUND), "bind", "--json", "1:0.0").stdout)

    def test_refused(self):
        self.daemon(self.document("bind", group(12, "refused", findings=[finding("bind-in-use", "0000:01:00.0")])))
        run = self.ask("bind", "1:0.0")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("Remedy of bind-in-use", run.stderr)

    def test_not_told(self):
        self.daemon(self.document("bind", BOUND))
        run = self.ask("bind", "1:0.0", "2:0.0")
        self.assertEqual((run.returncode, run.stderr), (1, "vfioalignctl: No result was reported for 0000:02:00.0\n"))

    def test_no_daemon(self):
        run = self.ask("bind", "1:0.0")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertEqual(run.stderr, "vfioalignctl: Only root can do this without vfioalignd, which is not running: run it as "
                                     "root, or systemctl start vfioalignd\n")
        run = self.ask("bind", "1:0.0", address="unix:path=/no/such/bus")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("Only root can do this without vfioalignd, and there is no system bus", run.stderr)

    def test_errors(self):
        for error, words in [
            ("org.freedesktop.DBus.Error.AccessDenied", "Not authorized, run it as root (sudo): because it says so\n"),
            ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "Not authorized, run it as root (sudo): because it says so\n"),
            ("org.freedesktop.DBus.Error.InvalidArgs", "vfioalignd refused: because it says so\n"),
        ]:
            daemon = self.daemon(error=error)
            run = self.ask("bind", "1:0.0")
            self.assertEqual((run.returncode, run.stdout, run.stderr), (1, "", "vfioalignctl: " + words))
            daemon.terminate()
            daemon.wait()

    def test_junk(self):
        for reply in "junk", "{}", "[]", '{"groups": 1}', '{"groups": [1]}', '{"groups": [{}]}', '{"groups": [{"outcome": "bound"}]}':
            daemon = self.daemon(reply)
            run = self.ask("bind", "1:0.0")
            self.assertEqual((run.returncode, run.stdout, run.stderr),
                             (1, "", "vfioalignctl: Failed to read vfioalignd's answer: Bad message\n"), reply)
            daemon.terminate()
            daemon.wait()

    def test_usage(self):
        self.assertEqual(self.ask("bind", "gpu").returncode, 2)


if __name__ == "__main__":
    unittest.main()
