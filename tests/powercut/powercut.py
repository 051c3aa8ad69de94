"""Cuts the power of a machine that writes records, again and again; afterwards every record must be whole.

A guest without KVM publishes records on an ext4 file system of its own, whose disk has a volatile write cache. qemu is
killed at random moments, the file system is repaired as at a boot, and every record, companion and lock is looked at.
`--careless` writes records in place, and `--lying-disk` flushes nothing: both show that the test sees what goes wrong.
A table is printed at the end; the exit code is 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import platform
import random
import re
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from audiobatchd.disk import record
from audiobatchd.errors import AudiobatchError
from audiobatchd.locks.folder_lock import SUFFIX, FolderLock
from audiobatchd.locks.lock_file import Holder
from powercut import writer
from powercut.disk import Disk
from powercut.guest import Guest, make_guest
from support.qemu import make_image
from system.machine import CACHE

FOLDERS = [f"Artist {number:02} - Title" for number in range(50)]
BOOT_LIMIT = 120.0
"""Seconds within which the guest has to publish for the first time."""
LONGEST = 7.0
"""Seconds of publishing after which the power goes at the latest: ext4 commits by itself every 5."""
MEGABYTES = 64
RUNNING = CACHE / "powercut-running"
TOLD = 5

_PUBLISHED = re.compile(r"published (.+) (\d+)")


@dataclass(frozen=True)
class Options:
    """The command line."""

    cuts: int
    seed: int
    minutes: float
    careless: bool
    lying_disk: bool


@dataclass
class Figures:
    """Figures of the run."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    """Number of each kind of what must not be."""
    boots: list[float] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """The first few of each kind, in words."""

    def blame(self, kind: str, what: str) -> None:
        """Count something wrong; the first few of each kind are told."""
        self.wrong[kind] += 1
        if self.wrong[kind] <= TOLD:
            self.words.append(f"{kind}: {what}")


WRONG = (
    "file systems that needed more than their journal",
    "records torn, empty or gone",
    "records of two versions",
    "keys of another tool lost",
    "publishes lost that had returned",
    "companions torn, or behind their record",
    "locks that block",
)


class Test:
    """Test run: a data disk that lives on from cut to cut, until something is wrong with it."""

    def __init__(self, options: Options, guest: Guest, directory: Path) -> None:
        self.figures = Figures()
        self._options = options
        self._guest = guest
        self._directory = directory
        self._dice = random.Random(options.seed)
        self._socket = directory / "disk"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.fspath(self._socket))
        listener.listen()
        self.disk = Disk(directory / "data.ext4", listener, options.lying_disk)
        self._promised: dict[str, int] = {}
        self._make_data()

    def run(self) -> None:
        """Cut after cut, within the time that was given."""
        end = time.monotonic() + 60 * self._options.minutes
        while self.figures.counts["cuts"] < self._options.cuts and time.monotonic() < end:
            before = self.figures.wrong.total()
            self._cut()
            self._look()
            self.figures.counts["cuts"] += 1
            found = self.figures.wrong.total() - before
            _say(f"cut {self.figures.counts['cuts']}: {found or 'nothing'} wrong")
            if found:
                self._make_data()  # so that no damage is counted twice

    def _make_data(self) -> None:
        tree = self._directory / "tree"
        for name in FOLDERS:
            folder = tree / "dataset" / name
            folder.mkdir(parents=True)
            (folder / "full_mix.flac").write_bytes(b"-")
            (folder / f"{name}.INFO").write_text(json.dumps({"theirs": writer.FOREIGN}))
            with record.opened(os.fspath(folder)) as descriptor:
                entries = {"loudness": {"full_mix": writer.entry_of(0)}}
                files = {writer.COMPANION: writer.companion_of(0)}
                record.publish(f"{name}.INFO", descriptor, writer.values_of(0), entries, files=files)
        make_image(self.disk.image, tree, MEGABYTES)
        shutil.rmtree(tree)
        self._promised = dict.fromkeys(FOLDERS, 0)

    def _cut(self) -> None:
        """Boot, let it publish for a while, kill it."""
        self.disk.switch_on()
        way = "careless" if self._options.careless else "worker"
        command = self._guest.command(self._socket, str(self._dice.getrandbits(32)), way)
        start = time.monotonic()
        # It ends with this program, however that ends.
        guest = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            console, first = self._watch(guest, start + BOOT_LIMIT)
        finally:
            guest.kill()
            guest.wait()
        assert guest.stdout is not None
        with guest.stdout:
            console += guest.stdout.read()
        self.disk.power_cut(self._dice)
        self.figures.boots.append(first - start)
        for line in console.decode(errors="replace").split("\n")[:-1]:
            if told := _PUBLISHED.fullmatch(line.strip()):
                self._promised[told[1]] = int(told[2])
                self.figures.counts["publishes"] += 1

    def _watch(self, guest: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, float]:
        """Collect what the console said until the moment of the cut, and when the first publish was told."""
        assert guest.stdout is not None
        console, first = b"", 0.0
        while (now := time.monotonic()) < deadline:
            if not select.select([guest.stdout], [], [], deadline - now)[0]:
                continue
            said = os.read(guest.stdout.fileno(), 1 << 16)
            console += said
            if not said:
                break
            if not first and b"published" in console:
                first = time.monotonic()
                deadline = first + self._dice.uniform(0, LONGEST)
        if not first or guest.poll() is not None:
            message = f"the guest ended by itself, or did not begin:\n{console.decode(errors='replace')}"
            raise RuntimeError(message)
        return console, first

    def _look(self) -> None:
        """Repair the file system as a boot would, and look at all that is on it."""
        image = self.disk.image
        mended = _code("e2fsck", "-p", image)
        self.figures.counts[f"e2fsck -p ended with {mended}"] += 1
        left = _code("e2fsck", "-f", "-n", image)
        # Replaying the journal alone is no error that was mended: that would be 1.
        if mended or left:
            self.figures.blame(WRONG[0], f"e2fsck -p ended with {mended}, a full check after it with {left}")
            return
        with tempfile.TemporaryDirectory(dir=self._directory) as tree:
            # Read without mounting: that would take loop devices.
            subprocess.run(["debugfs", "-R", f"rdump /dataset {tree}", image], check=True, capture_output=True)
            for name in FOLDERS:
                self._look_at(Path(tree) / "dataset" / name)

    def _look_at(self, folder: Path) -> None:
        blame, counts = self.figures.blame, self.figures.counts
        counts["records"] += 1
        if not folder.is_dir():
            blame(WRONG[1], f"{folder.name}: no such folder")
            return
        promised = self._promised[folder.name]
        number = None
        try:
            with record.opened(os.fspath(folder)) as descriptor:
                number = self._read(folder.name, record.read(f"{folder.name}.INFO", descriptor))
        except (AudiobatchError, msgspec.MsgspecError, LookupError, OSError) as error:
            blame(WRONG[1], f"{folder.name}: {error!r}")
        if number is not None and number < promised:
            blame(WRONG[4], f"{folder.name}: {number}, and {promised} had returned")
        companion = folder / f"{folder.name}{writer.COMPANION}"
        # It is published before the record: it may be one ahead.
        least = promised if number is None else number
        allowed = [writer.companion_of(least), writer.companion_of(least + 1)]
        if not companion.exists() or companion.read_text() not in allowed:
            blame(WRONG[5], folder.name)
        counts["temporary files"] += sum(record.is_temporary(name) for name in os.listdir(folder))
        counts["locks"] += folder.with_name(folder.name + SUFFIX).exists()
        lock = FolderLock(os.fspath(folder), 1.0)
        try:
            lock.acquire()
            counts["holders"] += isinstance(lock.predecessor, Holder)
        except (AudiobatchError, OSError):
            content = Path(lock.path).read_bytes()
            blame(WRONG[6], f"{folder.name}: {len(content)} bytes that begin with {content[:4]!r}")
        lock.release()

    def _read(self, name: str, found: record.Record) -> int:
        """The number in a record. Raises what stands above where it lacks a part."""
        values = {key: msgspec.json.decode(raw) for key, raw in found.values.items()}
        number = int(values["number"])
        entry = found.provenance.entry("loudness", "full_mix")
        if values["curve"] != writer.values_of(number)["curve"] or entry != writer.entry_of(number):
            self.figures.blame(WRONG[2], name)
        if values.get("theirs") != writer.FOREIGN:
            self.figures.blame(WRONG[3], name)
        return number


def main() -> int:
    """The exit code of a run."""
    options = _options()
    way = " --careless" * options.careless + " --lying-disk" * options.lying_disk
    _say(f"--cuts {options.cuts} --seed {options.seed}{way}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "powercut.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one run at a time; the next one waits
        shutil.rmtree(RUNNING, ignore_errors=True)  # what a killed run left
        RUNNING.mkdir()
        try:
            guest = make_guest(RUNNING)
            test = Test(options, guest, RUNNING)
            test.run()
        finally:
            shutil.rmtree(RUNNING)
    for words in test.figures.words:
        _say(words)
    _print_table(test, guest)
    return 1 if test.figures.wrong else 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="./dev test-powercut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=100, help="how many power cuts (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of moments and of what is lost")
    parser.add_argument("--minutes", type=float, default=60.0, help="no further cut after that (%(default)s)")
    parser.add_argument("--careless", action="store_true", help="write in place, without fsync; is to fail")
    parser.add_argument("--lying-disk", action="store_true", help="a disk that flushes nothing; is to fail")
    return Options(**vars(parser.parse_args()))


def _print_table(test: Test, guest: Guest) -> None:
    figures, disk = test.figures, test.disk.counts
    median = statistics.median(figures.boots)
    rows = [
        ("power cuts", figures.counts["cuts"]),
        ("seconds from the start to the first publish, median", f"{median:.1f}"),
        ("publishes that had returned", figures.counts["publishes"]),
        ("flushes of the disk's cache", disk.flushes),
        ("blocks in the cache when the power went, and lost of them", f"{disk.pending}, {disk.lost}"),
        *((what, count) for what, count in sorted(figures.counts.items()) if what.startswith("e2fsck")),
        ("records looked at", figures.counts["records"]),
        ("temporary files left behind", figures.counts["temporary files"]),
        (
            "locks left behind, and those that name their holder",
            f"{figures.counts['locks']}, {figures.counts['holders']}",
        ),
        *((kind, figures.wrong[kind]) for kind in WRONG),
    ]
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    guest_is = f"guest: Linux {guest.version}, ext4"
    print(f"\nHost: Linux {platform.release()}, {qemu.splitlines()[0]}; {guest_is}\n")  # noqa: T201
    print("| | |\n| --- | --- |")  # noqa: T201
    for what, figure in rows:
        print(f"| {what} | {figure} |")  # noqa: T201


def _code(*command: object) -> int:
    return subprocess.run([str(each) for each in command], capture_output=True, check=False).returncode


def _say(text: str) -> None:
    sys.stderr.write(f"powercut: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
