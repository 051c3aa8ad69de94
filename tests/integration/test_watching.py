"""The real service with the real watch: whatever is done to a dataset, every folder is found, and none analysed twice.

What is counted is how often an analyzer of the tests' own saw a file, whatever the records and the log say.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support.audio_files import tone, write_audio
from support.plugins import install_analyzer
from support.service import TIMEOUT, Service, configuration, eventually, leftovers, record_of, service
from support.watch_rig import kernel_limit, watches_in_use

ROOT = os.geteuid() == 0
NAME = "witness"
RATE = 8000
LONG = 300.0
"""Seconds to wait for thousands of folders on a machine that has other things to do."""
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if ROOT else []
_DONE = re.compile(rf'folder-done dataset=\S+ folder=(?:"([^"]*)"|(\S+)) .*\b{NAME}=')

Mount = Callable[[Path, Path], None]


class Room:
    """An empty dataset, and what an analyzer saw of it. A track is known by its length: give each another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "dataset"
        self.root.mkdir()
        self._witness = directory / "seen"
        self._witness.touch()
        body = f"""
            with open({str(self._witness)!r}, "a") as log:
                log.write(f"{{audio.duration:.3f}}\\n")
            return self.answer(audio)
        """
        self._env = install_analyzer(directory / "plugin", NAME, body)

    def daemon(
        self, *, settle: float = 0.3, rescan: float = 3600.0, prefix: Sequence[str] = ()
    ) -> AbstractContextManager[Service]:
        """The service at work on the dataset."""
        config = configuration(
            self.directory / "c.toml", self.root, settle=settle, rescan=rescan, analyzers=[NAME], workers=2
        )
        return service(self.directory / "d", config, env=self._env, prefix=prefix)

    def elsewhere(self, name: str) -> Path:
        """A path outside the dataset."""
        return self.directory / "elsewhere" / name

    def seen(self) -> Counter[str]:
        """Count how often a track of each length was analysed, since the dataset was made."""
        return Counter(self._witness.read_text().split())

    def comes_by(self, daemon: Service, seconds: float, complete: int) -> None:
        """Have a track of this length come last of all, and wait for it: what came before is done by then, or never."""
        last = track(self.root / f"Last {seconds}", seconds)
        eventually(lambda: record_of(last), TIMEOUT, daemon.log)
        daemon.becomes(complete=complete)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """An empty dataset."""
    return Room(tmp_path)


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts a directory over another one, until the test is over at the latest."""
    if not ROOT:
        pytest.skip("mounting takes root")
    places: list[Path] = []

    def make(source: Path, place: Path) -> None:
        if subprocess.run(["mount", "--bind", source, place], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        places.append(place)

    yield make
    for place in reversed(places):
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


def track(folder: Path, seconds: float, role: str = "full_mix", extension: str = "wav") -> Path:
    """A track folder with one short file; one that is there gets another file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_audio(folder / f"{role}.{extension}", tone(seconds, RATE, 1), RATE)
    return folder


def linked_tracks(root: Path, template: Path, count: int) -> None:
    """Make many track folders quickly: all have the template's files, and a record where it has one."""
    for number in range(count):
        folder = root / f"Track {number:04d}"
        folder.mkdir(parents=True)
        for path in template.iterdir():
            name = f"{folder.name}.INFO" if path.suffix == ".INFO" else path.name
            os.link(path, folder / name)


def analysed(daemon: Service) -> Counter[str]:
    """Count how often each folder was measured, by the log, which names folders where the analyzer cannot."""
    return Counter(quoted or plain for quoted, plain in _DONE.findall(daemon.log()))


def once_each(*seconds: float) -> Counter[str]:
    """Tracks of these lengths, each analysed once."""
    return Counter(f"{each:.3f}" for each in seconds)


def remark(daemon: Service) -> str:
    """Read what status says of the dataset."""
    status = daemon.status()
    return status.datasets[0].remark if status else ""


def runs_on(daemon: Service, seconds: float) -> None:
    """Let the service run for so long."""

    def uptime() -> float:
        status = daemon.status()
        return status.uptime if status else 0.0

    until = uptime() + seconds
    eventually(lambda: uptime() > until)


# The kernel's limits


@pytest.mark.alone
@pytest.mark.timeout(2 * LONG)
def test_copy_of_3000_folders_overflows_and_all_are_found(room: Room) -> None:
    template = track(room.elsewhere("template"), 0.5)
    linked_tracks(room.elsewhere("many"), template, 3000)
    copied = room.root / "copied"
    copied.mkdir()  # it is watched before the copy begins, and sends an event for each folder
    with kernel_limit("max_queued_events", 100), room.daemon() as daemon:
        eventually(daemon.is_watched)
        os.kill(daemon.process.pid, signal.SIGSTOP)  # so that it overflows at least once, however slow the copy is
        copy = subprocess.Popen(["cp", "-rT", room.elsewhere("many"), copied])
        eventually(lambda: len(os.listdir(copied)) > 500)
        os.kill(daemon.process.pid, signal.SIGCONT)
        assert copy.wait(LONG) == 0
        daemon.becomes(complete=3000, timeout=LONG)
        assert "overflowed" in daemon.log()
        counts = analysed(daemon)
        assert daemon.stop() == 0
    assert len(counts) == 3000
    assert set(counts.values()) == {1}
    assert room.seen() == {"0.500": 3000}
    assert leftovers(room.root) == []


@pytest.mark.alone
@pytest.mark.timeout(LONG)
def test_without_watches_walks_find_all_and_status_tells(room: Room) -> None:
    template = track(room.elsewhere("template"), 0.5)
    artists = [room.root / f"Artist {number:02d}" for number in range(80)]
    for artist in artists:
        linked_tracks(artist, template, 1)
    with kernel_limit("max_user_watches", watches_in_use() + 50), room.daemon(rescan=1.0) as daemon:
        daemon.becomes(complete=80)
        advice = r"\d+ directories are not watched: fs.inotify.max_user_watches is \d+; sysctl fs.inotify.max_user_watc"
        assert re.match(advice, eventually(lambda: remark(daemon)))
        for artist in artists:
            shutil.copytree(template, artist / "New")
        daemon.becomes(complete=160)
        track(artists[-1] / "New", 0.7)
        eventually(lambda: room.seen()["0.700"])
        for artist in artists[40:]:
            shutil.rmtree(artist)
        daemon.becomes(complete=80)
    assert room.seen() == {"0.500": 160, "0.700": 1}


@pytest.mark.alone
@pytest.mark.timeout(LONG)
def test_remark_goes_when_there_is_room_for_watches(room: Room) -> None:
    for number in range(80):
        track(room.root / f"Artist {number:02d}" / "Track", 0.5)
    with room.daemon(rescan=1.0) as daemon:
        daemon.becomes(complete=80)
        with kernel_limit("max_user_watches", watches_in_use() + 50):
            (room.root / "New").mkdir()
            for number in range(60):
                track(room.root / "New" / f"Artist {number:02d}" / "Track", 0.6)
            daemon.becomes(complete=140)
            assert "sysctl fs.inotify.max_user_watches=" in eventually(lambda: remark(daemon))
        eventually(lambda: not remark(daemon))
    assert room.seen() == {"0.500": 80, "0.600": 60}


class Opened:
    """Tells whether any process opens or reads something in some directories."""

    def __init__(self, folders: Sequence[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        open_or_access = 0x20 | 0x1
        for folder in folders:
            assert libc.inotify_add_watch(self._descriptor, os.fsencode(folder), open_or_access) >= 0

    def anything(self) -> bool:
        """Tell whether there was any access; asked once."""
        try:
            return bool(os.read(self._descriptor, 1 << 16))
        except BlockingIOError:
            return False
        finally:
            os.close(self._descriptor)


@pytest.mark.timeout(LONG)
def test_8000_folders_that_are_complete_cost_nothing(room: Room) -> None:
    template = track(room.elsewhere("template"), 0.5)
    (template / "template.INFO").write_text(f'{{"{NAME}": 0.5}}')
    linked_tracks(room.root, template, 8000)
    with room.daemon() as daemon:
        daemon.becomes(complete=8000, timeout=LONG)
        eventually(daemon.is_watched)
        opened = Opened(sorted(room.root.iterdir())[::16])
        before, log = daemon.status(), daemon.log()
        runs_on(daemon, 11.0)  # two looks at the root
        after = daemon.status()
        assert not opened.anything()
        assert before is not None
        assert after is not None
        assert after.datasets[0].last_walk == before.datasets[0].last_walk
        assert after.datasets[0].last_pass == before.datasets[0].last_pass
        assert daemon.log() == log
        assert "watch-lost" not in log
        room.comes_by(daemon, 0.6, complete=8001)
    assert room.seen() == once_each(0.6)


# What comes, goes and is moved


def test_folders_are_moved_in_out_and_renamed(room: Room) -> None:
    inside = track(room.root / "Artist" / "Was here", 0.5)
    track(room.elsewhere("Artist 2") / "Album" / "One", 0.6)
    track(room.elsewhere("Two"), 0.7)
    with room.daemon() as daemon:
        daemon.becomes(complete=1)
        room.elsewhere("Artist 2").rename(room.root / "Artist 2")
        room.elsewhere("Two").rename(room.root / "Artist" / "Two")
        daemon.becomes(complete=3)
        inside.rename(room.elsewhere("Gone"))
        daemon.becomes(complete=2)
        (room.root / "Artist 2").rename(room.root / "Artist" / "Second")
        room.comes_by(daemon, 0.8, complete=3)
        room.elsewhere("Gone").rename(inside)
        room.comes_by(daemon, 0.9, complete=5)
        # What has its record keeps it wherever it is.
        assert room.seen() == once_each(0.5, 0.6, 0.7, 0.8, 0.9)
        (room.root / "Artist" / "Two").rename(room.root / "Two by another name")
        eventually(lambda: record_of(room.root / "Two by another name"))
        daemon.becomes(complete=5)
        assert daemon.stop() == 0
    assert room.seen() == once_each(0.5, 0.6, 0.7, 0.7, 0.8, 0.9)


def test_two_folders_change_places(room: Room) -> None:
    """Let each directory bring its record along, which has the other's name; what is under the name is measured."""
    one, two = track(room.root / "One", 0.5), track(room.root / "Two", 0.6)
    with room.daemon() as daemon:
        daemon.becomes(complete=2)
        one.rename(room.root / "Three")
        two.rename(one)
        (room.root / "Three").rename(two)
        eventually(lambda: record_of(one).get(NAME) == 0.6 and record_of(two).get(NAME) == 0.5)
        daemon.becomes(complete=2)
    assert set(room.seen()) == {"0.500", "0.600"}
    assert max(room.seen().values()) <= 3  # as Three, too, where the service was quicker


def test_complete_folder_can_be_removed(room: Room) -> None:
    """`rm -r` may take the record first: a new one would be in its way."""
    track(room.root / "Stays", 0.5)
    for number in range(20):
        track(room.root / "Artist" / f"Track {number}", 0.6 + number / 100)
    with room.daemon() as daemon:
        daemon.becomes(complete=21)
        for folder in sorted(room.root.glob("Artist/*")):
            (folder / f"{folder.name}.INFO").unlink()
            subprocess.run(["rm", "-r", folder], check=True)
        daemon.becomes(complete=1)
        room.comes_by(daemon, 0.9, complete=2)
    assert room.seen() == once_each(0.5, *(0.6 + number / 100 for number in range(20)), 0.9)
    assert not list(room.root.glob("Artist/*"))


@pytest.mark.timeout(LONG)
def test_another_root_is_put_in_the_place_of_the_root(room: Room) -> None:
    """The folders of the other one are called alike."""
    for number in range(5):
        track(room.root / f"Track {number}", 0.5 + number / 100)
        track(room.elsewhere("another") / f"Track {number}", 0.8 + number / 100)
    track(room.elsewhere("another") / "Deep" / "er", 0.9)
    with room.daemon() as daemon:
        daemon.becomes(complete=5)
        room.root.rename(room.elsewhere("the first"))
        room.elsewhere("another").rename(room.root)
        daemon.becomes(complete=6)
        eventually(lambda: record_of(room.root / "Track 4"))
        room.comes_by(daemon, 1.0, complete=7)
        assert "watch-lost" in daemon.log()
        room.root.rename(room.elsewhere("another"))
        room.elsewhere("the first").rename(room.root)
        daemon.becomes(complete=5)
        room.comes_by(daemon, 1.1, complete=6)
    lengths = [base + number / 100 for base in (0.5, 0.8) for number in range(5)]
    assert room.seen() == once_each(*lengths, 0.9, 1.0, 1.1)


@pytest.mark.timeout(LONG)
def test_a_mount_over_a_folder_and_its_end_are_found_by_walks(room: Room, mount: Mount) -> None:
    folder = track(room.root / "Song", 0.5)
    other = track(room.elsewhere("Song"), 0.6)
    with room.daemon(rescan=1.0) as daemon:
        daemon.becomes(complete=1)
        mount(other, folder)
        eventually(lambda: record_of(other))
        daemon.becomes(complete=1)
        subprocess.run(["umount", folder], check=True)
        room.comes_by(daemon, 0.7, complete=2)
        track(folder, 0.8)
        eventually(lambda: record_of(folder).get(NAME) == 0.8)
        daemon.becomes(complete=2)
    assert record_of(other)[NAME] == 0.6
    assert room.seen() == once_each(0.5, 0.6, 0.7, 0.8)


# Copies on their way


@pytest.mark.timeout(LONG)
def test_growing_file_is_analysed_when_it_is_whole(room: Room) -> None:
    content = memoryview((track(room.elsewhere("Slow"), 3.0) / "full_mix.wav").read_bytes())
    with room.daemon(settle=1.0) as daemon:
        eventually(daemon.is_watched)
        (room.root / "Slow").mkdir()
        with (room.root / "Slow" / "full_mix.wav").open("wb", buffering=0) as file:

            def grows() -> bool:
                """A step of every look of `eventually`: 200 of them take four seconds."""
                written = file.tell()
                file.write(content[written : written + len(content) // 200 + 1])
                return file.tell() == len(content)

            eventually(grows)
        daemon.becomes(complete=1)
        room.comes_by(daemon, 0.5, complete=2)
    assert room.seen() == once_each(3.0, 0.5)


@pytest.mark.parametrize("name", ["{}.part", "{}.tmp", ".{}.x8Yz2a", "{}.!qB"])
def test_temporary_file_holds_its_folder_however_long(room: Room, name: str) -> None:
    whole = track(room.elsewhere("Whole"), 0.6, "drums") / "drums.wav"
    content = whole.read_bytes()
    with room.daemon() as daemon:
        eventually(daemon.is_watched)
        folder = room.root / "Track"
        folder.mkdir()
        with (folder / name.format("drums.wav")).open("wb", buffering=0) as file:
            file.write(content[:1000])
            track(folder, 0.5)
            daemon.becomes(settling=1)
            runs_on(daemon, 2.0)
            assert daemon.states() == {"settling": 1}
            file.write(content[1000:])
        (folder / name.format("drums.wav")).rename(folder / "drums.wav")
        daemon.becomes(complete=1)
    assert room.seen() == once_each(0.5, 0.6)
    assert {NAME, f"{NAME}_drums"} <= record_of(folder).keys()


# Names and permissions


def test_names_outside_utf_8(room: Room) -> None:
    names = [os.fsdecode(name) for name in (b"caf\xe9", b"\xff\xfe", b"new\nline \xc3", b"\xed\xa0\x80")]
    track(room.elsewhere(names[0]), 0.5)
    with room.daemon() as daemon:
        eventually(daemon.is_watched)
        room.elsewhere(names[0]).rename(room.root / names[0])
        track(room.root / names[1] / names[2], 0.6)
        track(room.root / names[1] / names[3], 0.7)
        daemon.becomes(complete=3)
        track(room.root / names[1] / names[2], 0.8, "drums")
        eventually(lambda: f"{NAME}_drums" in record_of(room.root / names[1] / names[2]))
        daemon.becomes(complete=3)  # its lock is given back after the record is there
        (room.root / names[1]).rename(room.root / "plain")
        shutil.rmtree(room.root / "plain" / names[3])
        room.comes_by(daemon, 0.9, complete=3)
        assert daemon.stop() == 0
    assert room.seen() == once_each(0.5, 0.6, 0.7, 0.8, 0.9)
    assert leftovers(room.root) == []


@pytest.mark.parametrize("which", ["Artist", "Artist/Track", "Artist/Track/full_mix.wav"])
@pytest.mark.parametrize("early", [True, False], ids=["before the start", "while it runs"])
def test_permission_is_taken_away_and_given_back(room: Room, which: str, early: bool) -> None:
    """Wait for no walk: an event tells that they were given back."""
    track(room.root / "Other", 0.5)
    track(room.elsewhere("In") / "Artist" / "Track", 0.6)
    (room.elsewhere("In") / which).chmod(0)
    if early:
        room.elsewhere("In").rename(room.root / "In")
    with room.daemon(prefix=WITHOUT_PRIVILEGES) as daemon:
        if not early:
            daemon.becomes(complete=1)
            room.elsewhere("In").rename(room.root / "In")
        daemon.becomes(complete=1, blocked=1)
        (room.root / "In" / which).chmod(0o755)
        daemon.becomes(complete=2)
        track(room.root / "In" / "Artist" / "Second", 0.7)
        daemon.becomes(complete=3)
    assert room.seen() == once_each(0.5, 0.6, 0.7)


def test_permission_to_write_is_taken_away_and_given_back(room: Room) -> None:
    folder = track(room.root / "Artist" / "Track", 0.5)
    folder.chmod(0o555)
    with room.daemon(prefix=WITHOUT_PRIVILEGES) as daemon:
        daemon.becomes(blocked=1)
        folder.chmod(0o755)
        daemon.becomes(complete=1)
        folder.parent.chmod(0o555)  # where its lock lies
        track(folder, 0.6)
        daemon.becomes(blocked=1)
        folder.parent.chmod(0o755)
        daemon.becomes(complete=1)
    assert room.seen() == once_each(0.5, 0.6)


# The same content at another time


Change = Callable[[Room, Path], None]


def copied_over_itself(room: Room, folder: Path) -> None:
    """`cp -r` of the same files: the same inodes, written again at another time."""
    shutil.copytree(folder, room.elsewhere(folder.name), ignore=shutil.ignore_patterns("*.INFO"))
    subprocess.run(["cp", "-r", room.elsewhere(folder.name), folder.parent], check=True)


def synchronized_without_times(room: Room, folder: Path) -> None:
    """Write as `rsync` without `--times` does: under a temporary name, then renamed."""
    for path in folder.glob("*.*a*"):
        temporary = path.with_name(f".{path.name}.x8Yz2a")
        temporary.write_bytes(path.read_bytes())
        temporary.rename(path)


def restored_without_times(room: Room, folder: Path) -> None:
    """A backup is extracted over the files, which are removed before."""
    backup = room.directory / "backup.tar"
    subprocess.run(["tar", "-C", folder.parent, "-cf", backup, "--exclude=*.INFO", folder.name], check=True)
    subprocess.run(["tar", "-C", folder.parent, "-mxf", backup], check=True)


def retagged(room: Room, folder: Path) -> None:
    """Put a block of comments into the FLAC, as a tagger does; the file grows by it."""
    path = folder / "full_mix.flac"
    content = path.read_bytes()
    assert content[:4] == b"fLaC"
    assert content[4] & 0x7F == 0, "STREAMINFO comes first"
    comment = b"TITLE=another one"
    block = struct.pack("<I", 0) + struct.pack("<I", 1) + struct.pack("<I", len(comment)) + comment
    blocks, audio = metadata_of(content)
    kept = [(kind, each) for kind, each in blocks if kind != 4]
    kept.insert(1, (4, block))
    marked = [(kind | (number == len(kept) - 1) << 7, each) for number, (kind, each) in enumerate(kept)]
    head = b"".join(bytes([kind]) + len(each).to_bytes(3, "big") + each for kind, each in marked)
    path.write_bytes(b"fLaC" + head + audio)


def stamps_of(folder: Path) -> dict[Path, tuple[int, int]]:
    """The identity and the time of change of each audio file, to the nanosecond: stats compare in whole seconds."""
    stats = {path: path.stat() for path in folder.glob("*.*a*")}
    return {path: (stat.st_ino, stat.st_ctime_ns) for path, stat in stats.items()}


def metadata_of(content: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The metadata blocks of FLAC (RFC 9639, 8.1) by kind, and the audio behind them."""
    blocks, offset, last = [], 4, False
    while not last:
        last, kind = bool(content[offset] & 0x80), content[offset] & 0x7F
        size = int.from_bytes(content[offset + 1 : offset + 4], "big")
        blocks.append((kind, content[offset + 4 : offset + 4 + size]))
        offset += 4 + size
    return blocks, content[offset:]


@pytest.mark.parametrize(
    "change",
    [copied_over_itself, synchronized_without_times, restored_without_times, retagged],
    ids=lambda each: each.__name__,
)
def test_same_content_is_read_and_not_measured_again(room: Room, change: Change) -> None:
    folder = track(track(room.root / "Track", 0.5, extension="flac"), 0.6, "drums")
    with room.daemon() as daemon:
        daemon.becomes(complete=1)
        record = folder / "Track.INFO"
        before, stamps = record.stat(), stamps_of(folder)
        change(room, folder)
        assert stamps_of(folder) != stamps
        eventually(lambda: daemon.log().count("folder-done") == 2, TIMEOUT, daemon.log)
        room.comes_by(daemon, 0.7, complete=2)
        assert daemon.stop() == 0
        assert (record.stat().st_ino, record.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with room.daemon() as daemon:
        daemon.becomes(complete=2)
        room.comes_by(daemon, 0.8, complete=3)
        # What was found out is remembered: not even reading is due at the next start.
        assert daemon.log().count("folder-done") == 4
    assert room.seen() == once_each(0.5, 0.6, 0.7, 0.8)


@pytest.mark.parametrize(("kind", "read"), [("posix", 0), ("gnu", 3)])
@pytest.mark.parametrize("running", [True, False], ids=["while it runs", "while it is stopped"])
def test_a_restored_backup_costs_reading_at_most(room: Room, running: bool, kind: str, read: int) -> None:
    """Records come back with the files; whether their times come back whole goes by the kind of archive."""
    track(room.root / "Other", 0.8)  # a dataset that becomes empty would be taken for a lost mount
    for number in range(3):
        track(room.root / "Artist" / f"Track {number}", 0.5 + number / 10)
    backup = room.directory / "backup.tar"
    with room.daemon() as daemon:
        daemon.becomes(complete=4)
        subprocess.run(["tar", "-C", room.root, f"--format={kind}", "-cf", backup, "Artist"], check=True)
        if running:
            shutil.rmtree(room.root / "Artist")
            daemon.becomes(complete=1)
            subprocess.run(["tar", "-C", room.root, "-xf", backup], check=True)
            room.comes_by(daemon, 0.9, complete=5)
        daemon.stop()
    records = sorted(room.root.rglob("Artist/*/*.INFO"))
    if not running:
        shutil.rmtree(room.root / "Artist")
        subprocess.run(["tar", "-C", room.root, "-xf", backup], check=True)
        before = [path.stat().st_ino for path in records]
        with room.daemon() as daemon:
            daemon.becomes(complete=4)
            room.comes_by(daemon, 0.9, complete=5)
            daemon.stop()  # which writes the last of its log
        assert [path.stat().st_ino for path in records] == before
    assert daemon.log().count("folder-done") == 5 + read
    assert room.seen() == once_each(0.5, 0.6, 0.7, 0.8, 0.9)
