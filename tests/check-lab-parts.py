#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's own parts that no scenario would miss: its cache, its queue, its limits, its reading of a build's log.

check-lab-parts.py SOURCE_ROOT"""

import multiprocessing
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

LAB = Path(sys.argv.pop(1)) / "lab"
sys.path.insert(0, str(LAB))

import cache
import initrd
import modules
import runner
import scenario
from common import LabError


def get_in_process(place, delay, answers):
    os.environ["LAB_CACHE"] = place

    def build(work):
        time.sleep(delay)
        (work / "by").write_text(str(os.getpid()))
    path = cache.get("thing", "k1", build)
    answers.put((path / "by").read_text())


def hold_in_process(place, ready, leave):
    os.environ["LAB_CACHE"] = place
    cache.get("held", "k", lambda work: (work / "data").write_text("x"))
    ready.set()
    leave.wait(60)


class Cache(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name).resolve()
        os.environ["LAB_CACHE"] = str(self.place)
        for known in (cache._held, cache._threads, cache.built, cache.used):
            known.clear()

    def tearDown(self):
        self.let_go()
        self.folder.cleanup()

    def let_go(self):
        """As if this process had ended."""
        for lock in cache._held.values():
            lock.close()
        cache._held.clear()

    def fill(self, name, size, age):
        path = cache.get(name, "k", lambda work: (work / "data").write_bytes(b"x" * size))
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def test_two_checkouts_build_once(self):
        answers = multiprocessing.Queue()
        both = [multiprocessing.Process(target=get_in_process, args=(str(self.place), 0.3, answers)) for _ in range(2)]
        for p in both:
            p.start()
        for p in both:
            p.join(60)
        self.assertEqual(answers.get(), answers.get())

    def test_another_recipe_stands_beside(self):
        one, two = (cache.get("thing", key, lambda work: None) for key in ("k1", "k2"))
        self.assertNotEqual(one, two)
        self.assertTrue(one.is_dir() and two.is_dir())

    def test_an_interrupted_build_leaves_none(self):
        def build(work):
            (work / "half").touch()
            raise LabError("interrupted")
        with self.assertRaises(LabError):
            cache.get("thing", "k", build)
        path = cache.get("thing", "k", lambda work: (work / "whole").touch())
        self.assertEqual([p.name for p in path.iterdir()], ["whole"])

    def test_what_was_built_and_what_was_there(self):
        self.fill("one", 1, 0)
        self.assertEqual((list(cache.built), cache.used), (["one"], set()))
        cache.built.clear()
        self.let_go()
        self.fill("one", 1, 0)
        self.assertEqual((list(cache.built), cache.used), ([], {"one"}))

    def test_prune_takes_the_longest_unused(self):
        old, new = self.fill("old", 1 << 20, 1000), self.fill("new", 1 << 20, 10)
        self.let_go()
        left = cache.prune(3 << 19, show=lambda line: None)
        self.assertEqual((old.exists(), new.exists()), (False, True))
        self.assertLessEqual(left, 3 << 19)

    def test_prune_spares_what_is_used(self):
        ready, leave = multiprocessing.Event(), multiprocessing.Event()
        user = multiprocessing.Process(target=hold_in_process, args=(str(self.place), ready, leave))
        user.start()
        self.assertTrue(ready.wait(60))
        cache.prune(0, show=lambda line: None)
        self.assertTrue((self.place / "held-k").is_dir())
        leave.set()
        user.join(60)
        cache.prune(0, show=lambda line: None)
        self.assertFalse((self.place / "held-k").exists())

    def test_prune_removes_what_interrupted_builds_left(self):
        (self.place / ".thing-k.new").mkdir()
        cache.prune(1 << 40, show=lambda line: None)
        self.assertEqual(list(self.place.glob(".*.new")), [])

    def test_sizes(self):
        self.assertEqual([cache.parse_size(t) for t in ("0", "17", "2K", "3m", "20G")],
                         [0, 17, 2048, 3 << 20, 20 << 30])
        for text in ("", "G", "-1", "1.5G", "20GB"):
            with self.assertRaises(LabError, msg=text):
                cache.parse_size(text)


class Warnings(unittest.TestCase):
    OWN = ["/var/lib/dkms/vfio-align/0.1.0/build/vfio_align.c:95:5: warning: unused variable 'x' [-Wunused-variable]",
           "vfio_align.o: warning: objtool: align+0x4: unreachable instruction",
           "WARNING: modpost: vfio_align.o: section mismatch"]
    KERNEL = ["In file included from /var/lib/dkms/vfio-align/0.1.0/build/vfio_align.c:5:",
              "/usr/src/linux-headers-7.2.12-common/include/linux/slab.h:9:1: warning: attribute ignored [-Wattributes]",
              "warning: the compiler differs from the one used to build the kernel"]

    def test_own_ones_count(self):
        self.assertEqual(modules.own_warnings("\n".join(self.KERNEL + self.OWN)), self.OWN)


class LoadOrder(unittest.TestCase):
    DEPENDS = """kernel/fs/btrfs/btrfs.ko.xz: kernel/lib/xor.ko.xz kernel/lib/raid6-pq.ko.xz
kernel/lib/xor.ko.xz:
kernel/lib/raid6-pq.ko.xz: kernel/lib/xor.ko.xz
kernel/fs/ext4/ext4.ko.xz:
"""

    def order(self, *names):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "modules.dep").write_text(self.DEPENDS)
            return [p.name.partition(".")[0] for p in initrd.load_order(Path(folder), names)]

    def test_each_comes_behind_what_it_needs_and_once(self):
        self.assertEqual(self.order("btrfs", "ext4", "raid6_pq"), ["xor", "raid6-pq", "btrfs", "ext4"])

    def test_what_is_built_in_is_left_out(self):
        self.assertEqual(self.order("virtio_pci", "ext4"), ["ext4"])


def made_up(name, seconds, **more):
    return scenario.Scenario(name, ["i/k"], ["i/k"], seconds=seconds, **more)


class Queue(unittest.TestCase):
    def drained(self, queue):
        """[(boot, [names])], as one machine after the other would take them."""
        taken = []
        while group := queue.open():
            names = []
            while s := queue.take(group):
                names.append(s.name)
            taken.append((group.boot, names))
        return taken

    def test_all_of_a_host_share_a_boot_the_longest_first(self):
        queue = runner.Queue([(made_up("short", 1), "i/k"), (made_up("long", 9), "i/k"), (made_up("own", 2, own_boot=True), "i/k")])
        self.assertEqual(self.drained(queue), [("shared", ["long", "short"]), ("own", ["own"])])

    def test_one_that_needs_more_modules_has_them_in_a_boot_that_it_shares(self):
        queue = runner.Queue([(made_up("long", 9), "i/k"), (made_up("with", 1, modules=True), "i/k"), (made_up("last", 1), "i/k"),
                              (made_up("short", 1), "i/l")])
        self.assertEqual([(g.host, g.modules) for g in queue.groups], [("i/k", True), ("i/l", False)])

    def test_a_long_queue_gets_a_second_machine(self):
        queue = runner.Queue([(made_up(f"s{i}", runner.SPLIT_SECONDS), "i/k") for i in range(4)])
        first = queue.open()
        queue.take(first)
        self.assertIs(queue.open(), first)

    def test_a_short_one_does_not(self):
        queue = runner.Queue([(made_up(f"s{i}", 10), "i/k") for i in range(4)])
        queue.take(queue.open())
        self.assertIsNone(queue.open())


class Boots(unittest.TestCase):
    def test_who_leaves_a_host_to_others(self):
        """Only where others may come after it has a scenario to leave the host as it was."""
        shares = {name: made_up(name, 1, **more).shares_boot() for name, more in {
            "plain": {}, "bare": {"seed": "without-systemd"}, "autostart": {"seed": "autostart"}, "own": {"own_boot": True},
            "many": {"devices": 64}, "installed": {"packages": True}}.items()}
        self.assertEqual([name for name, does in shares.items() if does], ["plain", "bare"])


class Limits(unittest.TestCase):
    def test_they_grow_with_the_boot_and_never_shrink(self):
        usual = scenario.BOOT_SECONDS[True]
        self.assertEqual([scenario.scale_of(s) for s in (1, usual, usual + 1, 6 * usual)], [1, 1, 2, 6])


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")  # newer versions of Python have another
    unittest.main()
