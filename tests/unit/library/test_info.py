"""Reading a record and adding to it: whose lock guards it, what is refused, and that all else stays as it was."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from audiobatchd import FileLock, has_features, read_info, save_to_info
from audiobatchd.errors import LockBusyError, LockLostError, RecordError
from support.audio_files import path_of
from support.lock_rig import Held
from support.raw_records import raw_values
from support.service import leftovers

PROVENANCE = (
    b'{"format":1,"analyzers":{"loudness":{"full_mix":{"fingerprint":{"file":"full_mix.flac","size":1,"mtime_ns":1,'
    b'"digest":"blake2b:00"},"version":1}},"key":{"full_mix":{"version":"of their own","n":1.10}}}}'
)


def record_in(folder: Path) -> Path:
    return folder / f"{folder.name}.INFO"


def raw(folder: Path) -> dict[str, bytes]:
    """Read every value of the record as it stands in the file, but for the white space between its parts."""
    return raw_values(record_in(folder))


class Untouched:
    """Content of a folder and of what lies beside it, to be the same afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = self._look()

    def _look(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for path in self.folder.parent.rglob("*"):
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_mode, content)
        # A temporary file that came and went changes the time of the folder; all that counts is that it went.
        return {path: what for path, what in found.items() if not Path(path).is_dir()}

    def check(self) -> None:
        assert self._look() == self.before


def beside_the_rename(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let `act` happen once, in the last moment before the first record is put into its place."""
    rename, before = os.rename, [act]

    def act_and_rename(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        if before:
            before.pop()()
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", act_and_rename)


# Reading


def test_no_record_reads_as_an_empty_one(song: Path) -> None:
    assert read_info(song) == {}
    assert read_info(str(song)) == {}


def test_a_record_reads_as_json_gives_it(song: Path) -> None:
    record_in(song).write_bytes(
        b'{"lufs": -14.2, "n": null, "tags": ["a", {"b": 1}], "s": "\\u00e9\xc3\xa9", "_audiobatch": '
        + PROVENANCE
        + b"}"
    )
    assert read_info(song) == {
        "lufs": -14.2, "n": None, "tags": ["a", {"b": 1}], "s": "éé", "_audiobatch": json.loads(PROVENANCE),
    }  # fmt: skip


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, song: Path) -> None:
    for folder, error in ((tmp_path / "nowhere", FileNotFoundError), (song / "full_mix.flac", NotADirectoryError)):
        with pytest.raises(error):
            read_info(folder)
        with pytest.raises(error):
            save_to_info(folder, {"key": "C"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Song"]


SPOILED: Mapping[str, bytes] = {
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "no JSON": b"lufs: -14",
    "cut": b'{"lufs": -14.2',
    "NaN after a minus": b'{"lufs": -NaN}',
    "UTF-16": '{"lufs": -14.2}'.encode("utf-16"),
    "a key outside UTF-8": b'{"\xff": 1}',
    "a provenance of a later version": b'{"_audiobatch": {"format": 2}}',
    "a provenance that is none": b'{"_audiobatch": 3}',
}


@pytest.mark.parametrize("content", SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_record_is_neither_read_nor_written(song: Path, content: bytes) -> None:
    record_in(song).write_bytes(content)
    untouched = Untouched(song)
    with pytest.raises(RecordError, match=r"^cannot understand"):
        read_info(song)
    with pytest.raises(RecordError, match=r"^cannot understand"):
        save_to_info(song, {"key": "C"})
    untouched.check()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.mkdir, "^cannot read the record: it is a directory$"),
        (lambda path: path.symlink_to("nowhere"), "^cannot read the record: it is a dangling link$"),
        (os.mkfifo, "^cannot read the record: it is not a regular file$"),
    ],
    ids=["directory", "dangling link", "FIFO"],
)
def test_record_that_is_no_file_is_neither_read_nor_written(
    song: Path, make: Callable[[Path], None], message: str
) -> None:
    make(record_in(song))
    untouched = Untouched(song)
    with pytest.raises(RecordError, match=message):
        read_info(song)
    with pytest.raises(RecordError, match=message):
        save_to_info(song, {"key": "C"})
    untouched.check()


def test_a_record_of_50_gb_is_neither_read_nor_written(song: Path) -> None:
    record_in(song).touch()
    os.truncate(record_in(song), 50_000_000_000)
    message = "^cannot read the record: its 50,000,000,000 bytes are more than the 16 MiB allowed; move the file away"
    with pytest.raises(RecordError, match=message):
        read_info(song)
    with pytest.raises(RecordError, match=message):
        save_to_info(song, {"key": "C"})
    assert not has_features(song, ["key"])
    assert record_in(song).stat().st_size == 50_000_000_000


def test_a_link_to_an_endless_device_is_not_read(song: Path) -> None:
    record_in(song).symlink_to("/dev/zero")
    with pytest.raises(RecordError, match=r"^cannot read the record: it is not a regular file$"):
        read_info(song)
    assert not has_features(song, ["key"])


def test_a_read_only_record_is_read_and_not_written(song: Path) -> None:
    record_in(song).write_bytes(b'{"lufs": -14.2}')
    record_in(song).chmod(0o444)
    untouched = Untouched(song)
    with pytest.raises(RecordError, match=r"^cannot replace the record: it is read-only$"):
        save_to_info(song, {"key": "C"})
    untouched.check()
    assert read_info(song) == {"lufs": -14.2}


# Values of others


FOREIGN: Mapping[str, bytes] = {
    "trailing zero": b"1.10",
    "minus zero": b"-0",
    "exponent": b"1E+5",
    "long": b"12345678901234567890123",
    "escapes": b'"\\u0041\\/\\ud83d\\ude00"',
    "null": b"null",
    "nested": b'{"b":[1.10,{}],"a":[]}',
    "key twice": b'{"b":1,"b":2.0}',
}
UNREADABLE: Mapping[str, bytes] = {
    "too large": b"1e400",
    "far too long": b"9" * 5000,
    "text outside UTF-8": b'"caf\xe9"',
    "inner key outside UTF-8": b'{"caf\xe9":1}',
}


@pytest.mark.parametrize("value", [*FOREIGN.values(), *UNREADABLE.values()], ids=[*FOREIGN, *UNREADABLE])
def test_foreign_values_stay_byte_for_byte(song: Path, value: bytes) -> None:
    record_in(song).write_bytes(b'{"first": 0.10, "theirs" :\t' + value + b"\r\n}")
    save_to_info(song, {"key": "C"})
    assert raw(song) == {"first": b"0.10", "theirs": value, "key": b'"C"'}
    assert list(raw(song)) == ["first", "theirs", "key"]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"NaN", repr(math.nan)),
        (b"1e400", repr(math.inf)),
        (b"-" + b"9" * 5000, repr(-math.inf)),
        (b"9" * 400, "9" * 400),
        (b'[-Infinity, {"a": NaN}]', repr([-math.inf, {"a": math.nan}])),
        (b'"caf\xe9"', repr("caf\udce9")),
        (b'{"caf\xe9":1}', repr({"caf\udce9": 1})),
        (b'"\\ud800"', repr("\ud800")),
    ],
    ids=lambda value: value[:12].decode(errors="backslashreplace") if isinstance(value, bytes) else "",
)
def test_values_of_others_are_read_whatever_they_are(song: Path, value: bytes, read: str) -> None:
    record_in(song).write_bytes(b'{"theirs": ' + value + b"}")
    assert repr(read_info(song)["theirs"]) == read


def test_a_value_deeper_than_python_can_follow_is_told(song: Path) -> None:
    record_in(song).write_bytes(b'{"deep": ' + b"[" * 100_000 + b"]" * 100_000 + b', "lufs": 1}')
    assert has_features(song, ["deep", "lufs"])
    with pytest.raises(RecordError, match=r"^cannot understand the record: key 'deep' is nested too deeply"):
        read_info(song)


@pytest.mark.parametrize("value", [b"NaN", b"-Infinity", b"1e400"], ids=bytes.decode)
def test_a_feature_that_is_not_finite_is_missing(song: Path, value: bytes) -> None:
    record_in(song).write_bytes(b'{"lufs": ' + value + b', "lra_drums": null, "theirs": 1e400}')
    assert not has_features(song, ["lufs"])
    assert read_info(song) == {"lra_drums": None, "theirs": math.inf}
    save_to_info(song, {"key": "C"})
    assert raw(song)["lufs"] == value


@pytest.mark.parametrize("content", [b"", b" \n", b"\0" * 4096])
def test_an_empty_file_is_written_over(song: Path, content: bytes) -> None:
    record_in(song).write_bytes(content)
    assert read_info(song) == {}
    assert not has_features(song, ["key"])
    save_to_info(song, {"key": "C"})
    assert read_info(song) == {"key": "C"}


def test_a_byte_order_mark_is_read(song: Path) -> None:
    record_in(song).write_bytes(b'\xef\xbb\xbf{"theirs": 1.10}')
    save_to_info(song, {"key": "C"})
    assert raw(song) == {"theirs": b"1.10", "key": b'"C"'}


def test_a_value_is_replaced_in_its_place(song: Path) -> None:
    record_in(song).write_bytes(b'{"a": 1, "key": "C", "z": 2.0}')
    save_to_info(song, {"key": "D", "b": 3})
    assert list(raw(song).items()) == [("a", b"1"), ("key", b'"D"'), ("z", b"2.0"), ("b", b"3")]


# Provenance


def test_only_saving_makes_no_provenance(song: Path) -> None:
    save_to_info(song, {"brightness": 51.2})
    save_to_info(song, {"roughness": 3})
    assert raw(song) == {"brightness": b"51.2", "roughness": b"3"}


def test_provenance_that_is_there_stays(song: Path) -> None:
    record_in(song).write_bytes(b'{"lufs": -14.2, "_audiobatch": ' + PROVENANCE + b"}")
    save_to_info(song, {"brightness": 51.2})
    assert raw(song) == {"lufs": b"-14.2", "_audiobatch": PROVENANCE, "brightness": b"51.2"}


# Values of ours


class _Colour:
    """Type of a program's own."""


def _round_trip() -> list[object]:
    within_itself: list[object] = []
    within_itself.append(within_itself)
    return within_itself


WRITTEN: Mapping[str, tuple[object, bytes]] = {
    "int": (3, b"3"),
    "a large int": (2**70, b"1180591620717411303424"),
    "float": (51.2, b"51.2"),
    "minus zero": (-0.0, b"-0.0"),
    "bool": (True, b"true"),
    "None": (None, b"null"),
    "text": ('C "dur" é', '"C \\"dur\\" é"'.encode()),
    "nested": ({"b": [1, {"c": None}], "a": []}, b'{"b":[1,{"c":null}],"a":[]}'),
    "tuple": ((1, 2), b"[1,2]"),
    "float32": (np.float32(0.5), b"0.5"),
    "float64": (np.float64(-14.21), b"-14.21"),
    "int16": (np.int16(-3), b"-3"),
    "uint64": (np.uint64(2**64 - 1), b"18446744073709551615"),
    "bool_": (np.bool_(False), b"false"),
    "str_": (np.str_("C"), b'"C"'),
    "array of one": (np.array([1.5]), b"1.5"),
    "numpy deep inside": ({"a": [np.float64(2.5), {"b": np.int8(1)}]}, b'{"a":[2.5,{"b":1}]}'),
}


@pytest.mark.parametrize(("value", "expected"), WRITTEN.values(), ids=WRITTEN.keys())
def test_values_are_written_as_plain_json(song: Path, value: object, expected: bytes) -> None:
    save_to_info(song, {"ours": value})
    assert raw(song) == {"ours": expected}
    assert read_info(song) == {"ours": json.loads(expected)}


REFUSED: Mapping[str, object] = {
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "numpy's NaN": np.float32("nan"),
    "NaN in a list": [1.0, math.nan],
    "infinity in a tuple in an object": {"a": (1, {"b": -math.inf})},
    "numpy's infinity deep inside": {"a": [np.float64("inf")]},
    "object": _Colour(),
    "function": len,
    "complex": 1j,
    "numpy's complex": np.complex128(1j),
    "array": np.array([1.0, 2.0]),
    "long double": np.longdouble(1.5),
    "half of a character": "caf\udce9",
    "key that is half of a character": {"\ud800": 1},
    "key that is no text": {(1, 2): 3},
    "within itself": _round_trip(),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("existing", [None, b'{"lufs": -14.2}'], ids=["first", "existing"])
def test_value_beyond_json_is_refused_and_not_written(song: Path, value: object, existing: bytes | None) -> None:
    if existing is not None:
        record_in(song).write_bytes(existing)
    untouched = Untouched(song)
    with pytest.raises(ValueError, match=r"^cannot save theirs: "):
        save_to_info(song, {"fine": 1.0, "theirs": value, "also fine": 2.0})
    untouched.check()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("_audiobatch", "^cannot save _audiobatch: that key is audiobatchd's own$"),
        (np.str_("_audiobatch"), "^cannot save _audiobatch: "),
        ("caf\udce9", r"^cannot save caf\\xe9: "),
        (1, "^cannot save 1: a key is text$"),
        (None, "^cannot save None: a key is text$"),
    ],
)
def test_keys_that_are_refused(song: Path, key: str, message: str) -> None:
    record_in(song).write_bytes(b'{"1": 1.10}')
    untouched = Untouched(song)
    with pytest.raises(ValueError, match=message):
        save_to_info(song, {"fine": 1.0, key: 2.0})
    untouched.check()


# Rights


@pytest.mark.parametrize(
    ("mix", "first"),
    [(0o644, 0o644), (0o640, 0o640), (0o600, 0o600), (0o660, 0o640), (0o755, 0o644), (0o444, 0o644)],
    ids=oct,
)
def test_record_may_be_read_by_readers_of_the_mix(song: Path, mix: int, first: int) -> None:
    (song / "full_mix.flac").chmod(mix)
    save_to_info(song, {"key": "C"})
    assert stat.S_IMODE(record_in(song).stat().st_mode) == first
    record_in(song).chmod(0o664)
    save_to_info(song, {"key": "D"})
    assert stat.S_IMODE(record_in(song).stat().st_mode) == 0o664, "a later one keeps what there is"


def test_record_gets_its_mode_from_the_mix_a_stem_or_none(song: Path) -> None:
    (song / "full_mix.flac").rename(song / "bass.flac")
    (song / "bass.flac").chmod(0o640)
    save_to_info(song, {"key": "C"})
    assert stat.S_IMODE(record_in(song).stat().st_mode) == 0o640
    record_in(song).unlink()
    (song / "bass.flac").unlink()
    save_to_info(song, {"key": "C"})
    assert stat.S_IMODE(record_in(song).stat().st_mode) == 0o600


# Names


def test_names_outside_utf_8(tmp_path: Path) -> None:
    folder = path_of(tmp_path, b"caf\xe9 \\ \x01")
    folder.mkdir()
    save_to_info(folder, {"key": "C"})
    assert os.listdir(os.fsencode(folder)) == [b"caf\xe9 \\ \x01.INFO"]
    assert read_info(folder) == {"key": "C"}


@pytest.mark.parametrize(
    ("place", "spelling"),
    [("..", "Song"), ("..", "./Song/"), (".", "."), (".", "../Song"), ("inner", ".."), (".", "inner/..")],
)
def test_a_folder_is_one_however_it_is_spelt(
    song: Path, monkeypatch: pytest.MonkeyPatch, place: str, spelling: str
) -> None:
    (song / "inner").mkdir()
    monkeypatch.chdir(song / place)
    save_to_info(spelling, {"alone": 1})
    with FileLock(song) as lock:
        save_to_info(spelling, {"under its lock": 2})
        assert lock.acquired
    with FileLock(spelling) as lock:
        save_to_info(song, {"under the other's": 3})
        assert song.with_name("Song.lock").exists()
        assert lock.acquired
    assert read_info(spelling) == {"alone": 1, "under its lock": 2, "under the other's": 3}
    assert sorted(path.name for path in song.iterdir()) == ["Song.INFO", "full_mix.flac", "inner"]
    assert leftovers(song.parent) == []


# The lock


def test_save_locks_for_a_moment_and_leaves_no_file(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def look() -> None:
        with FileLock(song) as other:
            seen.append(other.acquired)

    beside_the_rename(monkeypatch, look)
    save_to_info(song, {"key": "C"})
    assert seen == [False]
    assert read_info(song) == {"key": "C"}
    assert leftovers(song.parent) == []


def test_a_lock_that_is_held_here_is_used_and_stays(song: Path) -> None:
    with FileLock(song) as lock:
        before = song.with_name("Song.lock").stat().st_ino
        save_to_info(song, {"key": "C"})
        save_to_info(song, {"scale": "minor"})
        assert lock.acquired
        assert song.with_name("Song.lock").stat().st_ino == before
        with FileLock(song) as other:
            assert not other.acquired
    assert read_info(song) == {"key": "C", "scale": "minor"}
    assert leftovers(song.parent) == []


def _remove(lock: Path) -> None:
    lock.unlink()


def _replace(lock: Path) -> None:
    content = lock.read_bytes()
    lock.unlink()
    lock.write_bytes(content)


def _replace_folder(lock: Path) -> None:
    folder = lock.with_suffix("")
    folder.rename(folder.with_name("Moved"))
    folder.mkdir()


@pytest.mark.parametrize("harm", [_remove, _replace, _replace_folder])
def test_a_lost_lock_forbids_to_write(song: Path, harm: Callable[[Path], None]) -> None:
    record_in(song).write_bytes(b'{"lufs": -14.2}')
    with FileLock(song) as lock:
        assert lock.acquired
        harm(song.with_name("Song.lock"))
        with pytest.raises(LockLostError):
            save_to_info(song, {"key": "C"})
    records = {path: path.read_bytes() for path in song.parent.rglob("*.INFO")}
    assert list(records.values()) == [b'{"lufs": -14.2}']
    assert [name for name in leftovers(song.parent) if name.endswith(".tmp")] == []


def test_a_lock_of_another_process_forbids_to_write(song: Path, held_elsewhere: Held) -> None:
    record_in(song).write_bytes(b'{"lufs": -14.2}')
    with held_elsewhere(song):
        with pytest.raises(LockBusyError):
            save_to_info(song, {"key": "C"})
        assert read_info(song) == {"lufs": -14.2}
    save_to_info(song, {"key": "C"})
    assert read_info(song) == {"lufs": -14.2, "key": "C"}
    assert leftovers(song.parent) == []


def test_a_file_that_is_no_lock_forbids_to_write(song: Path) -> None:
    song.with_name("Song.lock").write_text("data")
    untouched = Untouched(song)
    with pytest.raises(PermissionError):
        save_to_info(song, {"key": "C"})
    untouched.check()


def test_a_forked_child_has_no_part_in_its_parent_s_lock(song: Path) -> None:
    program = """
import os, sys
from audiobatchd import FileLock, save_to_info
from audiobatchd.errors import LockBusyError
with FileLock(sys.argv[1]):
    child = os.fork()
    if child == 0:
        try:
            save_to_info(sys.argv[1], {"key": "C"})
        except LockBusyError:
            os._exit(0)
        os._exit(1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program, song], check=True)
    assert not record_in(song).exists()


# Threads


class Thread:
    """A thread that saves, and what came of it."""

    def __init__(self, song: Path, results: Mapping[str, object]) -> None:
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._save, args=(song, results))
        self._thread.start()

    def _save(self, song: Path, results: Mapping[str, object]) -> None:
        try:
            save_to_info(song, results)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test tells
            self.error = error

    def ends(self, within: float = 30.0) -> bool:
        """Tell whether it comes to its end in this time."""
        self._thread.join(within)
        return not self._thread.is_alive()


def test_threads_that_share_a_lock_lose_nothing_of_each_other(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[Thread] = []

    def let_another_try() -> None:
        others.append(Thread(song, {"bass": 2}))
        assert not others[0].ends(within=0.2), "it must wait for the one before"

    beside_the_rename(monkeypatch, let_another_try)
    with FileLock(song):
        save_to_info(song, {"drums": 1})
        assert others[0].ends()
    assert others[0].error is None
    assert read_info(song) == {"drums": 1, "bass": 2}


def test_many_threads_under_one_lock(song: Path) -> None:
    with FileLock(song):
        threads = [Thread(song, {f"part {number}": number}) for number in range(40)]
        assert [thread for thread in threads if not thread.ends()] == []
    assert [thread.error for thread in threads if thread.error] == []
    assert read_info(song) == {f"part {number}": number for number in range(40)}


def test_thread_has_no_part_in_another_threads_brief_lock(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[Thread] = []

    def let_another_try() -> None:
        others.append(Thread(song, {"bass": 2}))
        assert others[0].ends()

    beside_the_rename(monkeypatch, let_another_try)
    save_to_info(song, {"drums": 1})
    assert isinstance(others[0].error, LockBusyError)
    assert read_info(song) == {"drums": 1}
    save_to_info(song, {"bass": 2})
    assert read_info(song) == {"drums": 1, "bass": 2}


def test_forked_child_does_not_wait_for_a_parents_thread(tmp_path: Path, song: Path) -> None:
    other = tmp_path / "Other"
    other.mkdir()
    program = """
import os, signal, sys, threading
from audiobatchd import save_to_info
inside, rename = threading.Event(), os.rename
def linger(*names, **descriptors):
    inside.set()
    threading.Event().wait(0.3)  # so long that the fork falls into it
    rename(*names, **descriptors)
os.rename = linger
thread = threading.Thread(target=save_to_info, args=(sys.argv[1], {"key": "C"}))
thread.start()
inside.wait()
os.rename = rename
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        save_to_info(sys.argv[2], {"key": "D"})
        os._exit(0)
    finally:
        os._exit(1)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", program, song, other], check=True)
    assert (read_info(song), read_info(other)) == ({"key": "C"}, {"key": "D"})


def test_a_folder_behind_a_link_is_that_folder(song: Path) -> None:
    """Two names would mean two locks, and two records."""
    link = song.with_name("link")
    link.symlink_to(song.name)
    with FileLock(link) as lock, FileLock(song) as other:
        assert (lock.acquired, other.acquired) == (True, False)
        save_to_info(link, {"brightness": 0.5})
        save_to_info(song, {"roughness": 0.25})
    assert read_info(song) == read_info(link)
    assert {"brightness", "roughness"} <= read_info(song).keys()
    assert sorted(path.name for path in song.parent.glob("*.lock")) == []
    assert not (song / "link.INFO").exists()


# Names that are too long

TOO_LONG = r"longer than its record's name allows \(250 bytes\)"


@pytest.mark.parametrize("name", ["n" * 251, "n" * 255, "ü" * 126])
def test_a_name_too_long_for_a_record_is_said_to_be(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(OSError, match=TOO_LONG):
        read_info(folder)
    with pytest.raises(OSError, match=TOO_LONG):
        save_to_info(folder, {"lufs": -14.0})
    with pytest.raises(OSError, match=TOO_LONG):
        FileLock(folder).acquire()
    assert list(tmp_path.rglob("*")) == [folder]


def test_a_name_of_250_bytes_is_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path / ("n" * 250)
    folder.mkdir()
    save_to_info(folder, {"lufs": -14.0})
    assert read_info(folder) == {"lufs": -14.0}
