#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metrics of each recorded host through a real node_exporter and a real Prometheus, on loopback: which alerts fire is
written down (tests/hosts/alerts.txt), each panel of the dashboards has data, a daemon that is killed is found out, and a
file that is cut harms no other.

check-prometheus.py DAEMON ALERTS RULES FLEET_DASHBOARD HOST_DASHBOARD [--update]: with --update alerts.txt is written anew."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

from made_up_host import make_host
from private_bus import Bus, Daemon, wait_for

DAEMON, ALERTS, RULES, *DASHBOARDS = [os.path.abspath(path) for path in sys.argv[1:] if path != "--update"]
UPDATE = "--update" in sys.argv
del sys.argv[1:]

HOSTS = Path(__file__).parent / "hosts"
GOLDEN = HOSTS / "alerts.txt"
TEXTFILE = Path(__file__).parent.parent / "fleet/vfioalign-textfile"
STALE = 4  # seconds, instead of hours
WEB = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# Series that no recorded host has, because only a daemon counts. They grow while the test runs.
COUNTED = """# TYPE vfioalign_guest_starts_total counter
vfioalign_guest_starts_total{{result="best"}} {0}
vfioalign_guest_starts_total{{result="short"}} {1}
# TYPE vfioalign_guest_start_seconds gauge
vfioalign_guest_start_seconds{{domain="train-a"}} 19.5
# TYPE vfioalign_guest_start_bar_seconds gauge
vfioalign_guest_start_bar_seconds{{domain="train-a"}} 3.7
# TYPE vfioalign_hook_duration_seconds histogram
vfioalign_hook_duration_seconds_bucket{{le="1"}} {0}
vfioalign_hook_duration_seconds_bucket{{le="5"}} {2}
vfioalign_hook_duration_seconds_bucket{{le="+Inf"}} {2}
vfioalign_hook_duration_seconds_sum {2}
vfioalign_hook_duration_seconds_count {2}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    with WEB.open(url, timeout=20) as answer:
        return answer.read().decode()


def answers(url):
    try:
        get(url)
    except OSError:
        return False
    return True


def recorded(name, now):
    text = (HOSTS / f"{name}.prom").read_text().replace("VERSION", "0")
    text = re.sub(r"(timestamp_seconds) TIME", rf"\1 {now:.0f}", text)
    return text.replace("duration_seconds TIME", "duration_seconds 1")


class Servers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.home = Path(cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="vfioalign-prometheus-")))
        cls.instances = {}
        now = time.time()
        for path in sorted(HOSTS.glob("*.prom")):
            cls.export(path.stem, recorded(path.stem, now))
        for name, case in cls.cases(now).items():
            cls.export(name, case)
        cls.start_daemon()
        cls.start_prometheus()

    @classmethod
    def cases(cls, now):
        """What no recorded host is, made of one that is."""
        gpu, lab = recorded("eight-gpu", now), recorded("lab-7.3", now)
        return {
            "counting": gpu + COUNTED.format(1, 1, 4),
            "dead": lab.replace('state="working"} 1', 'state="working"} 0').replace('state="dead"} 0', 'state="dead"} 1'),
            "hook-inactive": lab.replace("hook_active 1", "hook_active 0"),
            "hostile": gpu.replace('domain="train-a"', r'domain="\"} 1\n{{ .Value }} <b> ä"'),
            "next-kernel": lab + "# TYPE vfioalign_finding gauge\n"
                                 'vfioalign_finding{id="next-kernel-no-module",severity="warning"} 1\n',
            "old": recorded("lab-7.3", now - 86400),
            "runs-short": gpu.replace('running{domain="train-a"} 0', 'running{domain="train-a"} 1'),
            "switched-off": lab.replace("hook_active 1", "hook_active 0").replace("vfioalign_enabled 1", "vfioalign_enabled 0"),
        }

    @classmethod
    def run_server(cls, url, *command):
        log = cls.stack.enter_context(open(cls.home / f"{len(cls.instances)}-{Path(command[0]).name}.log", "w+"))
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "GOMAXPROCS": "1"})
        cls.stack.callback(process.wait)
        cls.stack.callback(process.kill)

        def ready():
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"{command[0]} ended: {log.read()}")
            return answers(url)
        return lambda: wait_for(ready, command[0], 60)

    @classmethod
    def export(cls, name, text):
        """A host with node_exporter, and this file beside one of somebody else's."""
        directory = cls.home / name
        directory.mkdir()
        (directory / "vfioalign.prom").write_text(text)
        (directory / "other.prom").write_text("# TYPE other_total counter\nother_total 1\n")
        port = free_port()
        wait = cls.run_server(f"http://127.0.0.1:{port}/metrics", shutil.which("prometheus-node-exporter"),
                              "--collector.disable-defaults", "--collector.textfile",
                              f"--collector.textfile.directory={directory}", f"--web.listen-address=127.0.0.1:{port}")
        cls.instances[name] = (directory, port, wait)

    @classmethod
    def start_daemon(cls):
        """One that audits each second; what the path unit does, publish() does."""
        cls.root = cls.home / "root"
        cls.root.mkdir()
        make_host(cls.root)
        answers = cls.root / "vfioalign/answers"
        answers.write_text(re.sub(r"^time\t.*\n", "", answers.read_text(), flags=re.M))
        (cls.root / "etc").mkdir(exist_ok=True)
        (cls.root / "etc/vfioalignd.conf").write_text("[Export]\nAuditIntervalSec=1\n")
        (cls.root / "run/vfioalign").mkdir(parents=True, exist_ok=True)
        bus = Bus()
        cls.stack.callback(bus.close)
        cls.daemon = Daemon(DAEMON, bus, {"VFIOALIGN_ROOT": str(cls.root)})
        cls.stack.callback(cls.daemon.close)
        wait_for((cls.root / "run/vfioalign/metrics.prom").exists, "the daemon's metrics")
        cls.export("daemon", "")
        cls.publish()

    @classmethod
    def publish(cls):
        subprocess.run([TEXTFILE], env={**os.environ, "VFIOALIGN_ROOT": str(cls.root), "TEXTFILE_DIRECTORY": str(cls.home / "daemon")},
                       check=True)

    @classmethod
    def start_prometheus(cls):
        for _, _, wait in cls.instances.values():
            wait()
        alerts = Path(ALERTS).read_text()
        alerts = re.sub(r'"for": "\w+"', '"for": "0s"', alerts)
        alerts = re.sub(r"(audit_timestamp_seconds\{\}) > 10800", r"\1 > 3600", alerts)
        # Of this one the limit is seconds.
        alerts += re.sub(r"\{\} > 3600", f'{{instance=\\\\"daemon\\\\"}} > {STALE}',
                         re.search(r'  - "alert": "VfioalignStale"\n(?:    .*\n)+', alerts)[0]).replace("VfioalignStale", "StaleDaemon")
        (cls.home / "alerts.yaml").write_text(alerts)
        shutil.copy(RULES, cls.home / "rules.yaml")
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": ["alerts.yaml", "rules.yaml"],
                  "scrape_configs": [{"job_name": "node", "static_configs": [
                      {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, (_, port, _) in cls.instances.items()]}]}
        (cls.home / "prometheus.yml").write_text(json.dumps(config))
        port = free_port()
        cls.api = f"http://127.0.0.1:{port}/api/v1/"
        cls.run_server(cls.api.replace("api/v1/", "-/ready"), shutil.which("prometheus"), f"--config.file={cls.home}/prometheus.yml",
                       f"--storage.tsdb.path={cls.home}/data", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")()

    def query(self, expression):
        """[(labels, value)]"""
        answer = json.loads(get(self.api + "query?" + urllib.parse.urlencode({"query": expression})))
        self.assertEqual(answer["status"], "success")
        return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]

    def firing(self):
        alerts = json.loads(get(self.api + "alerts"))["data"]["alerts"]
        return {(a["labels"]["instance"], a["labels"]["alertname"], a["labels"].get("domain", a["labels"].get("state", "")))
                for a in alerts if a["state"] == "firing"}

    def settle(self):
        """Every host has been scraped, and the rules have been evaluated after that."""
        wait_for(lambda: len(self.query("vfioalign_build_info")) == len(self.instances), "all hosts", 60)

        def groups():
            return [g["lastEvaluation"] for g in json.loads(get(self.api + "rules"))["data"]["groups"]]

        for _ in range(2):
            before = groups()
            wait_for(lambda: all(a != b for a, b in zip(before, groups())), "an evaluation", 60)

    def test_1_alerts(self):
        self.publish()
        self.settle()
        lines = []
        fired = self.firing()
        for name in self.instances:
            of_host = sorted(f"{alert} {subject}".strip() for instance, alert, subject in fired if instance == name)
            lines.append(f"{name}: {', '.join(of_host) or 'none'}".replace("\n", r"\n"))
        text = "\n".join(lines) + "\n"
        if UPDATE:
            GOLDEN.write_text(text)
        self.assertEqual(GOLDEN.read_text(), text, "alerts.txt (check-prometheus.py --update writes it anew)")

    def test_2_healthy(self):
        """No rule has an error, and no exporter an unreadable file."""
        for group in json.loads(get(self.api + "rules"))["data"]["groups"]:
            for rule in group["rules"]:
                self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""), rule["name"])
        self.assertEqual({value for _, value in self.query("node_textfile_scrape_error")}, {0})
        domains = {labels["domain"] for labels, _ in self.query('vfioalign_guest_running{instance="hostile"}')}
        self.assertEqual(domains, {'"} 1\n{{ .Value }} <b> ä', "train-b"})

    def test_3_panels(self):
        """Each query of each panel has data."""
        text = recorded("eight-gpu", time.time()) + COUNTED.format(7, 3, 14)
        (self.home / "counting/vfioalign.prom").write_text(text)
        wait_for(lambda: self.query('vfioalign_guest_starts_total{instance="counting",result="best"} == 7'), "the second scrape", 30)
        wait_for(lambda: ("counting", "VfioalignHookSlow", "") in self.firing(), "the alert that hooks wait", 30)
        seen = 0
        for path in DASHBOARDS:
            for panel in json.loads(Path(path).read_text())["panels"]:
                for target in panel["targets"]:
                    expression = target["expr"].replace("$__rate_interval", "1m").replace("$instance", "counting")
                    self.assertTrue(self.query(expression), f"{path}: {panel['title']}: {expression}")
                    seen += 1
        self.assertGreater(seen, 20)
        for record in re.findall(r'"record": "(.+)"', Path(RULES).read_text()):
            wait_for(lambda: self.query(record), record, 20)

    def test_4_cut(self):
        """A file that is cut takes nothing from the others, and is found out."""
        path = self.home / "dead/vfioalign.prom"
        path.write_text(path.read_text()[:-200])
        wait_for(lambda: self.query('node_textfile_scrape_error{instance="dead"} == 1'), "the error", 30)
        wait_for(lambda: not self.query('vfioalign_build_info{instance="dead"}'), "the end of its series", 30)
        self.assertTrue(self.query('other_total{instance="dead"} == 1'))
        self.assertEqual(len(self.query("vfioalign_build_info")), len(self.instances) - 1)

    def test_5_stale(self):
        """A daemon that lives is never out of date; one that is killed is, though its file stays."""
        def stale():
            return any(instance == "daemon" and alert == "StaleDaemon" for instance, alert, _ in self.firing())

        end = time.monotonic() + STALE + 2
        self.publish()
        wait_for(lambda: not stale(), "its being up to date", 30)
        while time.monotonic() < end:
            self.publish()
            time.sleep(0.3)
        wait_for(lambda: not stale(), "its being up to date", 1)
        self.daemon.process.kill()
        self.daemon.process.wait()

        def published_and_stale():
            self.publish()
            return stale()

        wait_for(published_and_stale, "the alert", STALE + 20)
        self.assertTrue(self.query('vfioalign_build_info{instance="daemon"}'))


if __name__ == "__main__":
    unittest.main()
