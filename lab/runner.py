# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs scenarios on their hosts, some machines at a time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import arm64
import images
import kernels
import machine
import modules
import product
import scenario
from machine import Machine

AGAIN_MAX = 4  # more failures than that are no accident
SPLIT_SECONDS = 100  # what a host has left to do is shared with a second machine from there on: a boot costs 30

_print_lock = threading.Lock()


def show(line):
    with _print_lock:
        print(line, flush=True)


def all_at_once(calls):
    """Has each of these run, as many at a time as they want; raises the first error."""
    with ThreadPoolExecutor(max(len(calls), 1)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()


def prepare(hosts, packages=False, extra=(), suites=()):
    """Builds what machines on these hosts need: "IMAGE/KERNEL". extra: kernels whose extra modules are needed, too. suites:
    of which all packages are."""
    pairs = [h.split("/") for h in hosts]
    names = sorted({k for _, k in pairs})
    all_at_once([lambda k=k: kernels.kernel(k) for k in names])
    all_at_once([lambda i=i: images.image(i) for i in sorted({i for i, _ in pairs})])
    native, foreign = set(names) - set(arm64.KERNELS), set(names) & set(arm64.KERNELS)
    all_at_once([*([product.build_install, product.build_tools, machine.accelerator] if native else []),
                 *([product.arm64_product] if foreign else []),
                 *([product.build_packages] if packages else []),
                 *(lambda s=s: product.all_packages(s) for s in sorted(suites)),
                 *([images.btrfs_pair] if extra else []),
                 *(lambda k=k: kernels.extra_modules(k) for k in sorted(extra)),
                 *(lambda k=k, f=f: f(k) for k in names for f in (modules.module, modules.tool_modules))])


def prepare_for(pairs):
    """What these (scenario, host) pairs need."""
    prepare({host for _, host in pairs}, any(s.packages == "yes" for s, _ in pairs),
            {host.split("/")[1] for s, host in pairs if s.modules},
            {host.split("/")[0] for s, host in pairs if s.packages == "all"})


class Group:
    """The scenarios that share boots of one host."""

    def __init__(self, host, boot):
        self.host, self.boot = host, boot
        self.left, self.machines, self.boots, self.modules = [], 0, 0, False

    def seconds(self):
        return sum(s.seconds for s in self.left)


class Queue:
    """What is left to do. Machines take from it, the longest first."""

    def __init__(self, todo):
        groups = {}
        for s, host in todo:
            group = groups.setdefault((host, s.boot()), Group(host, s.boot()))
            group.left.append(s)
            group.modules |= s.modules
        self.groups, self.lock = list(groups.values()), threading.Lock()
        for g in self.groups:
            g.left.sort(key=lambda s: -s.seconds)

    def open(self):
        """The group that most needs one more machine; None where none does."""
        with self.lock:
            need = [g for g in self.groups if g.left and (not g.machines or g.seconds() > SPLIT_SECONDS and len(g.left) > 1)]
            group = max(need, key=lambda g: g.seconds() / (g.machines + 1), default=None)
            if group:
                group.machines += 1
                group.boots += 1
            return group

    def take(self, group):
        with self.lock:
            return group.left.pop(0) if group.left else None

    def drain(self, group):
        with self.lock:
            left, group.left = group.left, []
            return left

    def close(self, group):
        with self.lock:
            group.machines -= 1


class Runner:
    """choices: {(scenario, host): lines}, of a scenario that is to run only some of its rows. kept: where results are kept;
    use_kept: and what is there need not run again."""

    def __init__(self, jobs=2, show=show, choices=None, kept=None, use_kept=False):
        self.jobs, self.show, self.choices, self.kept, self.use_kept = jobs, show, choices or {}, kept, use_kept
        self.results, self.boots = [], []

    def run(self, todo):
        """todo: (scenario, host) pairs. Returns their results."""
        before = len(self.results)
        if self.use_kept:
            todo = [pair for pair in todo if not self.take_kept(*pair)]
        queue = Queue(todo)
        pool = ThreadPoolExecutor(self.jobs)
        try:
            for job in [pool.submit(self.work, queue) for _ in range(self.jobs)]:
                job.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return self.results[before:]

    def take_kept(self, s, host):
        result = self.kept.find(s, host)
        if result:
            self.show(f"# {host} {s.name}: ran before on the same code: {result.summary()}")
            self.results.append(result)
        return result

    def work(self, queue):
        while group := queue.open():
            try:
                self.run_boot(queue, group)
            finally:
                queue.close(group)

    def run_boot(self, queue, group):
        """One machine, until nothing is left for it or a scenario brings it down."""
        first = queue.take(group)
        if not first:
            return
        image, kernel = group.host.split("/")
        name = group.boot if group.boots == 1 else f"{group.boot}-{group.boots}"
        m = Machine(image, kernel, name, devices=first.devices, cpus=first.cpus, packages=first.packages,
                    modules=group.modules)
        m.scenarios = first.folder
        try:
            m.start(first.seed)
            boot = self.boot(m, group.host, first)
            if not boot:
                self.results += [scenario.Result(s.name, group.host, failed=1, problems=["the host did not boot"])
                                 for s in (first, *queue.drain(group))]
                return
            s = first
            while s:
                if not self.run_scenario(m, s, boot["scale"]):
                    return
                s = queue.take(group)
            m.send("-", 0, 1)
            m.wait(scenario.GRACE_SECONDS)
        finally:
            m.stop()

    def boot(self, m, host, s):
        """What the boot was; None where it did not come to its end."""
        begin = time.monotonic()
        booted = m.wait_for_boot()
        seconds = round(time.monotonic() - begin, 1)
        if not booted:
            self.show(f"# {host}: did not boot; console:\n{scenario.comment(m.console_tail())}")
            return None
        boot = {"host": host, "name": m.name, "seconds": seconds, "cpu_seconds": m.cpu_seconds(),
                "scale": scenario.scale_of(seconds, s.has_systemd())}
        slow = f"; limits are {boot['scale']} times as long here" if boot["scale"] > 1 else ""
        self.show(f"# {host}: booted in {seconds:.0f} s ({boot['cpu_seconds']:.0f} s of processor){slow}")
        self.boots.append(boot)
        return boot

    def run_scenario(self, m, s, scale):
        """True where the host can run another."""
        choice = self.choices.get((s.name, f"{m.image}/{m.kernel}"))
        if choice is not None:
            (m.share / "choice" / s.name).write_text("".join(f"{line}\n" for line in choice))
        result = scenario.run_on(m, s, scale, self.show)
        self.results.append(result)
        if self.kept and choice is None:
            self.kept.add(s, result)
        return m.out(f"{s.name}.done").exists()

    def run_again(self):
        """What failed while machines ran side by side runs once more, alone: an emulated host on a busy machine can be too
        slow for deadlines that are part of what is tested. The second run counts, and is shown as what it is. A host
        that went down or hung is no such accident."""
        failed = [r for r in self.results if r.failed]
        if not 0 < len(failed) <= AGAIN_MAX or any("the host" in p for r in failed for p in r.problems):
            return
        alone = Runner(1, self.show, self.choices, self.kept)
        for r in failed:
            self.show(f"# failed: {r.scenario} on {r.host}: {r.summary()}; once more, alone")
            (again,) = alone.run([(scenario.load(r.scenario), r.host)])
            if not again.failed:
                self.show(f"# second run: {r.scenario} on {r.host} passed; see the first above")
            again.first_run = r.summary()
            self.results[self.results.index(r)] = again
        self.boots += alone.boots
