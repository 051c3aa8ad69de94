"""The record on disk: what is kept of others' values, whose rights it has, and that nothing tears it."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import resource
import socket
import stat
import struct
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.core.provenance import KEY, Entry
from audiobatchd.disk import record, rights
from audiobatchd.disk.rights import Rights
from audiobatchd.errors import LockLostError, RecordError
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.files import Fingerprint
from support.raw_records import raw_values, tight

NAME = "Song.INFO"
NOBODY = 65534
OLD = b'{"mine": 1.10}'
ENTRY = Entry(fingerprint=Fingerprint("full_mix.flac", 1000, 1, "blake2b:00"), version=1)
LOUDNESS: Mapping[str, Value] = {"lufs": -14.2}
ROOT = os.geteuid() == 0


class Folder:
    """A track folder with the descriptor that its record is reached by."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.record = path / NAME

    def publish(
        self,
        values: Mapping[str, Value] = LOUDNESS,
        *,
        drop: Collection[str] = (),
        first_mode: int = 0o644,
        gate: Callable[[], None] = lambda: None,
    ) -> None:
        """Publish, with an entry of ours."""
        entries = {"loudness": {"full_mix": ENTRY}}
        record.publish(NAME, self.fd, values, entries, drop=drop, first=Rights(first_mode, -1), gate=gate)

    def raw(self) -> dict[str, bytes]:
        """Every value as it stands in the file, without the white space between its parts."""
        return raw_values(self.record)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


def descriptors() -> list[str]:
    """The open files of this process."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "Song")
    yield made
    os.close(made.fd)


def acl(*entries: tuple[int, int, int]) -> bytes:
    """A POSIX ACL as the kernel takes it: (tag, permissions, id) each."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


_NO_ID = 0xFFFFFFFF
OTHERS_MAY_READ = acl((1, 6, _NO_ID), (2, 4, 12345), (4, 4, _NO_ID), (0x10, 4, _NO_ID), (0x20, 0, _NO_ID))
"""The user 12345 may read, whatever the mode says of others."""


def has_acl(path: Path) -> bool:
    return "system.posix_acl_access" in os.listxattr(path)


def set_acl(path: Path, kind: str = "access") -> None:
    try:
        os.setxattr(path, f"system.posix_acl_{kind}", OTHERS_MAY_READ)
    except OSError:
        pytest.skip("no ACLs on this file system")


# Values of others


@pytest.mark.parametrize(
    "value",
    [
        b"1.10",
        b"-0",
        b"-0.0",
        b"1E+5",
        b"1e400",
        b"12345678901234567890123",
        b"9" * 5000,
        b'"\\u0041\\/\\b\\ud83d\\ude00"',
        '"é \u2028 日本"'.encode(),
        b'"caf\xe9, of no encoding"',
        b'"\x7f"',
        b"null",
        b"true",
        b'[1.10, [], {}, {"a": {"b": [1e400, null]}}]',
        b'{"b": 1, "a": 2, "b": 3.0}',
        b'{"\xff": "a key of no encoding"}',
        b"[" * 900 + b"]" * 900,
        b"[" * 50_000 + b"]" * 50_000,
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b'[NaN, {"a": [-Infinity, {"b": Infinity}]}]',
        b'"\\ud800"',
        b'{"\\udce9": "\\ud83d"}',
        b'"' + b"\\n" * 5000 + b'"',
        b"[" + b"1.50, " * 5000 + b"NaN]",
    ],
    ids=lambda value: value[:24].decode(errors="backslashreplace"),
)
def test_foreign_values_come_out_byte_for_byte(folder: Folder, value: bytes) -> None:
    folder.record.write_bytes(b'{"theirs" :\t' + value + b"\r\n}")
    folder.publish()
    assert folder.raw()["theirs"] == tight(value)
    assert folder.raw()["lufs"] == b"-14.2"


def test_order_stays_and_new_keys_come_behind(folder: Folder) -> None:
    folder.record.write_bytes(b'{"z": 1, "_audiobatch": null, "lufs": 0, "a": 2, "": 3}')
    folder.publish({"lra": 4.1, "lufs": -14.2})
    assert list(folder.raw()) == ["z", "lufs", "a", "", "lra", KEY]
    assert folder.raw()["lufs"] == b"-14.2"


def test_a_key_that_stands_twice_counts_as_its_last(folder: Folder) -> None:
    folder.record.write_bytes(b'{"theirs": 1.10, "lufs": 1, "theirs": 2.20, "lufs": 2}')
    folder.publish({"lra": 1.0})
    assert folder.raw()["theirs"] == b"2.20"
    assert folder.raw()["lufs"] == b"2"


def test_a_key_may_be_spelt_with_escapes(folder: Folder) -> None:
    folder.record.write_bytes(b'{"l\\u0075fs": 0, "\\u00e9": 1.10}')
    folder.publish()
    assert folder.raw() == {"lufs": b"-14.2", "é": b"1.10", KEY: folder.raw()[KEY]}


def test_dropped_keys_go_and_nothing_else(folder: Folder) -> None:
    folder.record.write_bytes(b'{"lra": 4.1, "lra_drums": 5.0, "lufs": 0}')
    folder.publish(drop=["lra", "lufs", "never there"])
    assert folder.raw().keys() == {"lra_drums", "lufs", KEY}
    assert folder.raw()["lufs"] == b"-14.2"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (-14.2, b"-14.2"),
        (-70.0, b"-70.0"),
        (3, b"3"),
        (True, b"true"),
        ('C "major"', b'"C \\"major\\""'),
        ({"Rock": 0.61, "É---b": 1}, '{"Rock":0.61,"É---b":1}'.encode()),
    ],
)
def test_our_values_are_plain_json(folder: Folder, value: Value, written: bytes) -> None:
    folder.publish({"ours": value})
    assert folder.raw()["ours"] == written


@pytest.mark.parametrize(
    "before", [b'{"Pop": 0.9, "Rock": 0.1}', b"{}", b"0.5", b'"Pop"', b"null", b"NaN", b'{"Pop": NaN}', b'[["Pop", 1]]']
)
def test_mapping_replaces_whatever_was_there_as_a_whole(folder: Folder, before: bytes) -> None:
    folder.record.write_bytes(b'{"first": {"Rock": 1.10}, "mood": ' + before + b', "mood": 1, "last": {}}')
    folder.publish({"mood": {"Rock": 0.61, "Jazz": 0.2}})
    raw = folder.raw()
    assert list(raw) == ["first", "mood", "last", KEY]
    assert list(json.loads(raw["mood"]).items()) == [("Rock", 0.61), ("Jazz", 0.2)]
    assert (raw["first"], raw["last"]) == (b'{"Rock":1.10}', b"{}")
    assert folder.record.read_bytes().count(b'"mood"') == 1


def test_dropped_mapping_goes_as_a_whole(folder: Folder) -> None:
    folder.record.write_bytes(b'{"mood": {"Pop": 0.9}, "theirs": {"Pop": 0.90}}')
    folder.publish(drop=["mood"])
    assert folder.raw().keys() == {"theirs", "lufs", KEY}
    assert folder.raw()["theirs"] == b'{"Pop":0.90}'


@pytest.mark.parametrize("value", [b"{}", b'{"Pop": 0.9}', b'{"Pop": NaN}', b'{"Pop": {"a": null}}'])
def test_mapping_of_another_tool_counts_as_present(folder: Folder, value: bytes) -> None:
    folder.record.write_bytes(b'{"mood": ' + value + b"}")
    assert record.read(NAME, folder.fd).present() == {"mood"}


def test_null_counts_as_missing(folder: Folder) -> None:
    folder.record.write_bytes(b'{"lufs": null, "lra": 0, "key": "", "tags": []}')
    assert record.read(NAME, folder.fd).present() == {"lra", "key", "tags"}


NOT_FINITE = (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1E+400", b"1.5e999999999", b"9" * 400, b"-" + b"9" * 5000)


@pytest.mark.parametrize("value", NOT_FINITE, ids=lambda value: value[:12].decode())
def test_a_number_that_is_not_finite_counts_as_missing(folder: Folder, value: bytes) -> None:
    folder.record.write_bytes(b'{"lufs": ' + value + b', "lra": 4.1}')
    assert record.read(NAME, folder.fd).present() == {"lra"}
    folder.publish()
    assert folder.raw()["lufs"] == b"-14.2"


@pytest.mark.parametrize("value", [b"1e308", b"-0", b"1e-400", b'"NaN"', b'"1e400"', b"[NaN]", b"9" * 300])
def test_what_is_finite_or_no_number_is_there(folder: Folder, value: bytes) -> None:
    folder.record.write_bytes(b'{"lufs": ' + value + b"}")
    assert record.read(NAME, folder.fd).present() == {"lufs"}


def test_values_and_keys_of_others_keep_their_white_space(folder: Folder) -> None:
    theirs = b'"l\\u00e9a" : [1.10 ,NaN,\n {"b":  2}\t]'.split(b" : ")
    folder.record.write_bytes(b"{" + b" : ".join(theirs) + b' , "lufs": NaN}')
    folder.publish({"lufs": -14.2})
    assert folder.record.read_bytes().startswith(b"{\n  " + b": ".join(theirs) + b',\n  "lufs": -14.2,\n')


def test_a_foreign_key_that_stands_twice_stays_twice(folder: Folder) -> None:
    folder.record.write_bytes(b'{"theirs": 1.10, "lufs": 1, "theirs": 2.20, "lufs": 2}')
    folder.publish({"lufs": -14.2})
    pairs = json.loads(folder.record.read_bytes(), object_pairs_hook=list)
    assert pairs[:3] == [("theirs", 1.1), ("lufs", -14.2), ("theirs", 2.2)]
    assert [key for key, _ in pairs[3:]] == [KEY]


# Nothing is left of it


@pytest.mark.parametrize("content", [b"", b" \r\n\t", b"\0" * 512, b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_no_record(folder: Folder, content: bytes) -> None:
    folder.record.write_bytes(content)
    folder.record.chmod(0o664)
    assert record.read(NAME, folder.fd).present() == frozenset()
    folder.publish()
    assert list(folder.raw()) == ["lufs", KEY]
    assert stat.S_IMODE(folder.record.stat().st_mode) == 0o664


def test_a_byte_order_mark_is_read_and_not_kept(folder: Folder) -> None:
    folder.record.write_bytes(b'\xef\xbb\xbf{"theirs": 1.10}')
    assert record.read(NAME, folder.fd).present() == {"theirs"}
    folder.publish()
    assert folder.record.read_bytes().startswith(b'{\n  "theirs": 1.10,')


# Bounds


def test_the_limit_is_to_the_byte(folder: Folder) -> None:
    folder.record.write_bytes(b'{"theirs": 1.10}')
    size = folder.record.stat().st_size
    assert record.read(NAME, folder.fd, size).present() == {"theirs"}
    with pytest.raises(RecordError, match=f"its {size} bytes are more than the {size - 1} bytes allowed"):
        record.read(NAME, folder.fd, size - 1)


def test_a_record_is_not_made_larger_than_what_is_read(folder: Folder) -> None:
    folder.record.write_bytes(b'{"theirs": 1.10}')
    with pytest.raises(RecordError, match=r"its [0-9]{2} bytes would be more than the 20 bytes allowed"):
        record.publish(NAME, folder.fd, LOUDNESS, {}, limit=20)
    assert folder.record.read_bytes() == b'{"theirs": 1.10}'
    assert folder.names() == [NAME]


def test_a_hundred_thousand_keys_are_read_and_kept(folder: Folder) -> None:
    members = b", ".join(b'"k%d": %d.50' % (number, number) for number in range(100_000))
    folder.record.write_bytes(b"{" + members + b"}")
    assert len(record.read(NAME, folder.fd).present()) == 100_000
    folder.publish()
    kept = folder.raw()
    assert (len(kept), kept["k0"], kept["k99999"], kept["lufs"]) == (100_002, b"0.50", b"99999.50", b"-14.2")


def test_no_record_reads_as_an_empty_one(folder: Folder) -> None:
    assert record.read(NAME, folder.fd).present() == frozenset()


def test_entries_are_merged_over_those_of_others(folder: Folder) -> None:
    theirs = b'{"full_mix":{"version":"of their own","n":1.10}}'
    folder.record.write_bytes(b'{"_audiobatch": {"format": 1, "analyzers": {"key": ' + theirs + b"}}}")
    folder.publish()
    assert record.read(NAME, folder.fd).provenance.entry("loudness", "full_mix") == ENTRY
    assert b'"key":' + theirs in folder.raw()[KEY]


# Texts


def _numbers() -> st.SearchStrategy[str]:
    return st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)


def _texts(max_size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)


def _strings() -> st.SearchStrategy[str]:
    return st.builds(json.dumps, _texts(12), ensure_ascii=st.booleans())


def _blanks() -> st.SearchStrategy[str]:
    return st.text(" \t\r\n", max_size=2)


def _containers(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.builds(lambda blank, items: f"[{blank}{','.join(items)}{blank}]", _blanks(), st.lists(parts, max_size=4))
    pairs = st.lists(st.tuples(_strings(), _blanks(), parts), max_size=4)
    objects = pairs.map(lambda items: "{" + ",".join(f"{key}{blank}:{value}" for key, blank, value in items) + "}")
    return lists | objects


_VALUES = st.recursive(_numbers() | _strings() | st.sampled_from(["true", "false", "null"]), _containers, max_leaves=12)
_OUR_NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_OURS: st.SearchStrategy[dict[str, Value]] = st.dictionaries(
    st.sampled_from(["lufs", "lra", "key", "é", "a"]),
    st.booleans() | _OUR_NUMBERS | _texts(8) | st.dictionaries(_texts(12), _OUR_NUMBERS, max_size=12),
)


@settings(max_examples=80, deadline=None)
@given(
    theirs=st.dictionaries(_texts(6), _VALUES, max_size=6),
    ours=_OURS,
    blank=_blanks(),
)
def test_whatever_the_record_holds_stays(theirs: dict[str, str], ours: dict[str, Value], blank: str) -> None:
    theirs.pop(KEY, None)
    pairs = [f"{json.dumps(key)}{blank}:{blank}{value}" for key, value in theirs.items()]
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place) / "Song")
        try:
            folder.record.write_text("{" + ",".join(pairs) + blank + "}" + blank, encoding="utf-8", newline="")
            folder.publish(ours)
            raw = folder.raw()
        finally:
            os.close(folder.fd)
    kept = {key: tight(value.encode()) for key, value in theirs.items() if key not in ours}
    assert {key: value for key, value in raw.items() if key in kept} == kept
    assert {key: json.loads(raw[key]) for key in ours} == ours
    for key, value in ours.items():
        if isinstance(value, dict):
            assert list(json.loads(raw[key])) == list(value)
    assert list(raw) == [*theirs, *(key for key in ours if key not in theirs), KEY]


# Not to be understood, never overwritten


NO_JSON_OBJECT = "^cannot understand the record: ."


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not JSON", "line 1: expected an object in braces; mend it or move the file away"),
        (b"{'lufs': 1}", "line 1: expected a key in double quotes"),
        (b'{"lufs": 1', "line 1, key 'lufs': it ends in the middle"),
        (b'{"lufs" 1}', "line 1, key 'lufs': expected ':'"),
        (b'{"lufs": 1,}', "line 1, key 'lufs': expected a key in double quotes"),
        (b'{"lufs": 1} {}', "line 1: something follows the object"),
        (b'{"lufs": 1}\0', "line 1: something follows the object"),
        (b'{\n  "lufs": 1,\n  "bpm": fast\n}', "line 3, key 'bpm': expected a value; mend it or move the file away"),
        (b'{"lufs": -NaN}', "line 1, key 'lufs': expected a value"),
        (b'{"lufs": 01}', "line 1, key 'lufs': expected ',' or '}'"),
        (b'{"list": [1, 2,]}', "line 1, key 'list': expected a value"),
        (b'{"list": [{"a": 1}}', "line 1, key 'list': expected ',' or ']'"),
        (b'{"text": "a\nb"}', "line 1, key 'text': a text has a character or an escape that JSON does not know"),
        (b'{"text": "\\x"}', "line 1, key 'text': a text has a character or an escape"),
        (b'{"\\ud800": ?}', r"line 1, key '\?': expected a value"),
        (b'{"' + b"k" * 100 + b'": ?}', "line 1, key 'k{60}...': expected a value"),
        (b'{"\xff": 1}', r'the key "\\xff" is not UTF-8'),
        ('{"lufs": 1}'.encode("utf-16"), "line 1: it is UTF-16; save it as UTF-8 or move the file away"),
        ('{"lufs": 1}'.encode("utf-16-be"), "it is UTF-16"),
        (b"[1, 2]", "line 1: expected an object in braces"),
        (b"null", "line 1: expected an object in braces"),
        (b"1", "line 1: expected an object in braces"),
        (b'{"deep": ' + b"[" * 100_000 + b"}", "line 1, key 'deep': expected ',' or '\\]'|expected a value"),
        (b'{"_audiobatch": 5}', "cannot understand _audiobatch: .*mend it or move the record away"),
        (b'{"_audiobatch": {"format": 2}}', "a later audiobatchd"),
        (b'{"_audiobatch": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "cannot understand _audiobatch: "),
        (
            b'{"_audiobatch": {"x": "' + b"x" * (1 << 20) + b'"}}',
            "cannot understand _audiobatch: its 1,048,585 bytes are more than the 1 MiB allowed",
        ),
    ],
    ids=lambda value: value[:24].decode(errors="backslashreplace") if isinstance(value, bytes) else "",
)
def test_what_is_no_record_is_refused_and_left_alone(folder: Folder, content: bytes, why: str) -> None:
    folder.record.write_bytes(content)
    with pytest.raises(RecordError, match=why):
        record.read(NAME, folder.fd)
    with pytest.raises(RecordError, match=why):
        folder.publish()
    assert folder.record.read_bytes() == content
    assert folder.names() == [NAME]


def test_every_depth_is_either_kept_or_refused(folder: Folder) -> None:
    def fate(depth: int) -> str:
        deep = b"[" * depth + b"]" * depth
        folder.record.write_bytes(b'{"_audiobatch": {"analyzers": {"key": {"full_mix": ' + deep + b"}}}}")
        try:
            folder.publish()
        except RecordError:
            return "refused"
        assert deep in folder.raw()[KEY]
        return "kept"

    first_refused = bisect_left(range(1000), "refused", key=fate)
    assert first_refused > 800
    # Hereabouts lies what can be read and cannot be written.
    fates = [fate(first_refused + step) for step in (-2, -1, 0, 1, 2)]
    assert fates == ["kept", "kept", "refused", "refused", "refused"]


def _directory(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 50_000_000_000)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "error", "why"),
    [
        (_directory, RecordError, "it is a directory"),
        (_fifo, RecordError, "it is not a regular file"),
        (_socket, RecordError, "it is not a regular file"),
        (_zeros, RecordError, "it is not a regular file"),
        (
            _sparse,
            RecordError,
            "its 50,000,000,000 bytes are more than the 16 MiB allowed; move the file away",
        ),
        (_dangling, RecordError, "it is a dangling link"),
        (_loop, OSError, os.strerror(errno.ELOOP)),
    ],
)
def test_what_is_no_file_is_refused_at_once(
    folder: Folder, make: Callable[[Path], None], error: type[Exception], why: str
) -> None:
    make(folder.record)
    before = descriptors()
    with pytest.raises(error, match=why):
        record.read(NAME, folder.fd)
    with pytest.raises(error, match=why):
        folder.publish()
    assert descriptors() == before
    assert folder.names() == [NAME]


@pytest.mark.parametrize(
    ("mode", "refused"), [(0o444, True), (0o400, True), (0o000, True), (0o644, False), (0o200, False), (0o464, False)]
)
def test_a_write_protected_record_is_refused(folder: Folder, mode: int, refused: bool) -> None:
    folder.record.write_bytes(OLD)
    folder.record.chmod(mode)
    if not ROOT and not mode & 0o200:
        refused = True
    if refused:
        with pytest.raises(RecordError, match="it is read-only"):
            record.refuse_unwritable(NAME, folder.fd)
    else:
        record.refuse_unwritable(NAME, folder.fd)


@pytest.mark.skipif(not ROOT, reason="becoming another user takes root")
def test_record_of_another_user_is_refused(folder: Folder) -> None:
    folder.record.write_bytes(OLD)
    folder.record.chmod(0o644)
    record.refuse_unwritable(NAME, folder.fd)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(RecordError, match="it is read-only"):
            record.refuse_unwritable(NAME, folder.fd)
    finally:
        os.seteuid(0)


def test_absent_record_is_not_write_protected(folder: Folder) -> None:
    record.refuse_unwritable(NAME, folder.fd)
    _dangling(folder.record)
    record.refuse_unwritable(NAME, folder.fd)


# Rights


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o646, 0o4755, 0o604])
def test_mode_is_that_of_the_record_before(folder: Folder, mode: int) -> None:
    folder.record.write_bytes(OLD)
    folder.record.chmod(mode)
    folder.publish(first_mode=0o604)
    assert stat.S_IMODE(folder.record.stat().st_mode) == mode


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o664])
def test_a_first_record_has_the_mode_that_was_asked_for(folder: Folder, mode: int, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder.publish(first_mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.record.stat().st_mode) == mode


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ({"full_mix.flac": 0o644, "drums.flac": 0o600}, 0o644),
        ({"full_mix.flac": 0o777}, 0o644),
        ({"full_mix.flac": 0o640, "drums.flac": 0o644}, 0o640),
        ({"full_mix.flac": 0o400}, 0o600),
        ({"drums.flac": 0o604}, 0o604),
        ({}, 0o600),
    ],
)
def test_who_may_read_the_mix_may_read_a_first_record(folder: Folder, modes: dict[str, int], expected: int) -> None:
    for name, mode in modes.items():
        (folder.path / name).touch()
        (folder.path / name).chmod(mode)
    if "full_mix.flac" not in modes:
        (folder.path / "full_mix.flac").symlink_to("nowhere")
    assert record.rights_like(folder.fd, ["full_mix.flac", "drums.flac"]).mode == expected


@pytest.mark.skipif(not ROOT, reason="giving files away takes root")
@pytest.mark.parametrize(("record_s", "expected"), [(None, 4242), (4343, 4343)])
def test_group_is_that_of_the_record_before_else_of_the_folder(
    folder: Folder, record_s: int | None, expected: int
) -> None:
    os.chown(folder.path, -1, 4242)
    if record_s is not None:
        folder.record.write_bytes(OLD)
        os.chown(folder.record, -1, record_s)
    folder.publish()
    assert folder.record.stat().st_gid == expected
    assert folder.record.stat().st_uid == os.geteuid()


def test_group_that_cannot_be_given_is_no_error(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, user: int, group: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    folder.record.write_bytes(OLD)
    folder.record.chmod(0o640)
    monkeypatch.setattr(os, "fchown", refuse)
    folder.publish()
    assert stat.S_IMODE(folder.record.stat().st_mode) == 0o640
    assert folder.raw()["lufs"] == b"-14.2"


def test_acl_is_that_of_the_record_before(folder: Folder) -> None:
    folder.record.write_bytes(OLD)
    set_acl(folder.record)
    folder.publish()
    assert os.getxattr(folder.record, "system.posix_acl_access") == OTHERS_MAY_READ


def test_default_acl_is_not_given_to_record_without_acl(folder: Folder) -> None:
    folder.record.write_bytes(OLD)
    folder.record.chmod(0o640)
    set_acl(folder.path, "default")
    folder.publish()
    assert not has_acl(folder.record)
    assert stat.S_IMODE(folder.record.stat().st_mode) == 0o640


def test_a_first_record_is_granted_what_the_folder_grants(folder: Folder) -> None:
    set_acl(folder.path, "default")
    folder.publish(first_mode=0o640)
    assert has_acl(folder.record)


def test_link_is_replaced_and_its_target_stays(folder: Folder, tmp_path: Path) -> None:
    behind = tmp_path / "elsewhere.INFO"
    behind.write_bytes(OLD)
    behind.chmod(0o604)
    folder.record.symlink_to(behind)
    folder.publish()
    assert not folder.record.is_symlink()
    assert folder.raw()["mine"] == b"1.10"
    assert stat.S_IMODE(folder.record.stat().st_mode) == 0o604
    assert behind.read_bytes() == OLD


def test_another_name_of_the_record_keeps_what_it_was(folder: Folder, tmp_path: Path) -> None:
    folder.record.write_bytes(OLD)
    (tmp_path / "backup").hardlink_to(folder.record)
    folder.publish()
    assert (tmp_path / "backup").read_bytes() == OLD


# In one step


@contextmanager
def traced(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is synced and renamed, in order; at each sync of a file, that it is whole and has its rights."""
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def syncing(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path == folder.path:
            steps.append("sync the folder")
        else:
            whole = path.read_bytes().endswith(b"}\n") and json.loads(path.read_bytes())["lufs"] == -14.2
            mode = stat.S_IMODE(path.stat().st_mode)
            steps.append(f"sync {'a whole' if whole else 'half a'} {path.suffix} of mode {mode:o}")
        fsync(descriptor)

    def renaming(source: str, target: str, **where: int) -> None:
        steps.append(f"rename to {target}")
        rename(source, target, **where)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", syncing)
        patch.setattr(os, "rename", renaming)
        yield steps


def test_content_is_synced_before_rename_and_folder_after(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.record.write_bytes(OLD)
    folder.record.chmod(0o640)
    with traced(folder, monkeypatch) as steps:
        folder.publish(gate=lambda: steps.append("gate"))
    assert steps == ["sync a whole .tmp of mode 640", "gate", f"rename to {NAME}", "sync the folder"]


def test_temporary_file_is_private_before_it_has_its_rights(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    fchown = os.fchown

    def owning(descriptor: int, user: int, group: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fchown(descriptor, user, group)

    monkeypatch.setattr(os, "fchown", owning)
    before = os.umask(0)
    try:
        folder.publish(first_mode=0o644)
    finally:
        os.umask(before)
    assert set(modes) == {0o600}


@pytest.mark.skipif(not ROOT, reason="giving files away takes root")
@pytest.mark.parametrize(("record_s", "mix_s", "expected"), [(None, 4242, 4242), (4343, 4242, 4343)])
def test_record_keeps_owner_and_first_one_has_the_mixs(
    folder: Folder, record_s: int | None, mix_s: int, expected: int
) -> None:
    """Else root takes a private record away from its owner."""
    (folder.path / "full_mix.flac").touch()
    os.chown(folder.path / "full_mix.flac", mix_s, -1)
    if record_s is not None:
        folder.record.write_bytes(OLD)
        os.chown(folder.record, record_s, -1)
        folder.record.chmod(0o600)
    entries = {"loudness": {"full_mix": ENTRY}}
    first = record.rights_like(folder.fd, ["full_mix.flac"])
    record.publish(NAME, folder.fd, LOUDNESS, entries, first=first)
    assert folder.record.stat().st_uid == expected


def test_a_record_that_is_a_link_is_left_alone(folder: Folder) -> None:
    elsewhere = folder.path / "elsewhere.json"
    elsewhere.write_bytes(OLD)
    folder.record.symlink_to(elsewhere)
    with pytest.raises(RecordError, match="it is a symbolic link"):
        record.refuse_unwritable(NAME, folder.fd)
    assert record.read(NAME, folder.fd).present() == set(json.loads(OLD)), "it can be read all the same"


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b'{"theirs": 2.20}')
    other.rename(path)


def _rewritten(path: Path) -> None:
    path.write_bytes(b'{"theirs": 2.20}')


def _removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("before", "meanwhile", "kept"),
    [
        (OLD, _replaced, {"theirs": b"2.20"}),
        (OLD, _rewritten, {"theirs": b"2.20"}),
        (OLD, _removed, {}),
        (None, _rewritten, {"theirs": b"2.20"}),
        (None, _replaced, {"theirs": b"2.20"}),
    ],
)
def test_a_record_that_moves_before_the_rename_is_merged_again(
    folder: Folder, before: bytes | None, meanwhile: Callable[[Path], None], kept: dict[str, bytes]
) -> None:
    calls: list[int] = []

    def gate() -> None:
        calls.append(1)
        if len(calls) == 1:
            meanwhile(folder.record)

    if before is not None:
        folder.record.write_bytes(before)
    folder.publish(gate=gate)
    assert len(calls) == 2
    raw = folder.raw()
    assert raw.pop("lufs") == b"-14.2"
    del raw[KEY]
    assert raw == kept
    assert folder.names() == [NAME]


def test_record_that_goes_before_its_rights_is_merged_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    take_rights = rights.take

    def taking(descriptor: int, folder_fd: int, replaces: str | None, first: Rights) -> None:
        folder.record.unlink(missing_ok=True)
        take_rights(descriptor, folder_fd, replaces, first)

    folder.record.write_bytes(OLD)
    folder.record.chmod(0o604)
    monkeypatch.setattr(rights, "take", taking)
    folder.publish(first_mode=0o640)
    assert folder.raw().keys() == {"lufs", KEY}
    assert stat.S_IMODE(folder.record.stat().st_mode) == 0o640
    assert folder.names() == [NAME]


def test_a_record_that_keeps_moving_is_given_up(folder: Folder) -> None:
    folder.record.write_bytes(OLD)
    sizes = iter(range(100))

    def gate() -> None:
        folder.record.write_bytes(b"{}" + b" " * next(sizes))

    with pytest.raises(RecordError, match="another program keeps writing it"):
        folder.publish(gate=gate)
    assert folder.record.read_bytes().strip() == b"{}"
    assert folder.names() == [NAME]


def test_record_that_becomes_another_kind_is_left_alone(folder: Folder) -> None:
    def gate() -> None:
        folder.record.unlink()
        folder.record.mkdir()

    folder.record.write_bytes(OLD)
    with pytest.raises(RecordError, match="it is a directory"):
        folder.publish(gate=gate)
    assert folder.record.is_dir()
    assert folder.names() == [NAME]


@pytest.mark.parametrize("error", [LockLostError("lost"), OSError(errno.EIO, "lost"), KeyboardInterrupt("lost")])
@pytest.mark.parametrize("before", [OLD, None])
def test_the_gate_forbids(folder: Folder, before: bytes | None, error: BaseException) -> None:
    def gate() -> None:
        raise error

    if before is not None:
        folder.record.write_bytes(before)
    with pytest.raises(type(error), match="lost"):
        folder.publish(gate=gate)
    assert folder.names() == ([NAME] if before else [])
    if before is not None:
        assert folder.record.read_bytes() == before


# What goes wrong


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 64 bytes: a disk that is full in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def failing(call: str, number: int) -> Iterator[None]:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, fail)
        yield


@pytest.mark.parametrize(
    ("trouble", "number"),
    [
        (small_files, errno.EFBIG),
        (lambda: failing("fsync", errno.ENOSPC), errno.ENOSPC),
        (lambda: failing("fsync", errno.EIO), errno.EIO),
        (lambda: failing("fchmod", errno.EROFS), errno.EROFS),
        (lambda: failing("rename", errno.EROFS), errno.EROFS),
    ],
    ids=["write", "fsync, full", "fsync, broken", "chmod", "rename"],
)
@pytest.mark.parametrize("before", [OLD, None])
def test_failing_leaves_all_as_it_was(
    folder: Folder, before: bytes | None, trouble: Callable[[], Any], number: int
) -> None:
    if before is not None:
        folder.record.write_bytes(before)
    with trouble(), pytest.raises(OSError, match=re.escape(os.strerror(number))) as raised:
        folder.publish({f"feature_{place}": 0.5 for place in range(20)})
    assert raised.value.errno == number
    assert folder.names() == ([NAME] if before else [])
    if before is not None:
        assert folder.record.read_bytes() == before


@pytest.mark.parametrize("number", [errno.EIO, errno.EPERM, errno.EROFS])
def test_stuck_temporary_file_does_not_undo_a_record(folder: Folder, number: int) -> None:
    with failing("unlink", number):
        folder.publish()
    assert folder.raw()["lufs"] == b"-14.2"
    assert folder.names() == [NAME]


def test_stuck_temporary_file_does_not_hide_the_error(folder: Folder) -> None:
    with failing("unlink", errno.EIO), failing("rename", errno.ENOSPC), pytest.raises(OSError) as raised:  # noqa: PT011
        folder.publish()
    assert raised.value.errno == errno.ENOSPC


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT])
def test_failing_disk_does_not_shut_out_first_readers(folder: Folder, number: int) -> None:
    (folder.path / "full_mix.flac").touch()
    with failing("stat", number), pytest.raises(OSError, match=re.escape(os.strerror(number))):
        record.rights_like(folder.fd, ["full_mix.flac"])


class ShortWriter(io.FileIO):
    """A file that takes seven bytes at a time."""

    def write(self, data: Any) -> int:  # noqa: ANN401  # its base class asks for any buffer
        return super().write(memoryview(data)[:7])


def test_short_writes_go_on(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def opening(descriptor: int, mode: str, *, buffering: int = -1, closefd: bool = True) -> io.FileIO:
        return (ShortWriter if mode == "wb" else io.FileIO)(descriptor, mode, closefd)

    folder.record.write_bytes(OLD)
    monkeypatch.setattr(record, "open", opening, raising=False)
    folder.publish()
    assert folder.raw().keys() == {"mine", "lufs", KEY}


def test_a_folder_that_is_gone_is_told(folder: Folder) -> None:
    folder.path.rmdir()
    with pytest.raises(FileNotFoundError):
        folder.publish()


def test_a_folder_that_was_moved_keeps_its_record(folder: Folder, tmp_path: Path) -> None:
    folder.record.write_bytes(OLD)
    folder.path.rename(tmp_path / "moved")
    folder.publish()
    assert json.loads((tmp_path / "moved" / NAME).read_bytes())["lufs"] == -14.2


# Names


@pytest.mark.parametrize(
    ("name", "swept"),
    [
        (".audiobatch-0123456789ab.tmp", True),
        (".audiobatch-.tmp", True),
        ("audiobatch-0123456789ab.tmp", False),
        (".audiobatch-0123456789ab", False),
        (".audiobatch-0123456789ab.tmp.flac", False),
        (".full_mix.flac.tmp", False),
        ("Song.INFO", False),
        ("full_mix.flac", False),
    ],
)
def test_sweep_removes_what_is_ours(folder: Folder, name: str, swept: bool) -> None:
    (folder.path / name).write_bytes(b"half")
    assert record.is_temporary(name) == swept
    record.sweep(folder.fd)
    assert folder.names() == ([] if swept else [name])


def test_sweep_removes_links_not_targets_nor_directories(folder: Folder, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (folder.path / ".audiobatch-link.tmp").symlink_to(precious)
    (folder.path / ".audiobatch-directory.tmp").mkdir()
    (folder.path / ".audiobatch-x.tmp").touch()
    record.sweep(folder.fd)
    assert folder.names() == [".audiobatch-directory.tmp"]
    assert precious.read_bytes() == b"precious"


def test_leftovers_of_killed_writer_are_swept(folder: Folder) -> None:
    def gate() -> None:
        raise LockLostError("killed")

    with failing("unlink", errno.ENOENT), pytest.raises(LockLostError):
        folder.publish(gate=gate)
    assert len(folder.names()) == 1
    record.sweep(folder.fd)
    assert folder.names() == []


def test_publishing_sweeps_what_killed_writers_left(folder: Folder) -> None:
    """Of scripts: no worker may ever come by their folder."""
    (folder.path / ".audiobatch-0123456789ab.tmp").write_bytes(b"half")
    folder.publish()
    assert folder.names() == [NAME]


def test_closed_gate_sweeps_nothing(folder: Folder) -> None:
    def gate() -> None:
        raise LockLostError("another one holds it")

    (folder.path / ".audiobatch-0123456789ab.tmp").write_bytes(b"being written by another one")
    with pytest.raises(LockLostError):
        folder.publish(gate=gate)
    assert folder.names() == [".audiobatch-0123456789ab.tmp"]


def test_files_in_the_making_are_not_swept(folder: Folder) -> None:
    def gate() -> None:
        """Another thread under the same lock."""
        record.sweep(folder.fd)

    folder.publish(gate=gate)
    assert folder.names() == [NAME]


@pytest.mark.parametrize(
    ("folder_name", "expected"),
    [
        ("/music/Song", "Song.INFO"),
        ("/music/Song/", "Song.INFO"),
        ("/music/A.B. Song", "A.B. Song.INFO"),
        ("/music/Album/../Song", "Song.INFO"),
        ("/music/caf\udce9", "caf\udce9.INFO"),
    ],
)
def test_the_record_is_called_like_its_folder(folder_name: str, expected: str) -> None:
    assert record.name_in(folder_name) == expected


def test_companions_are_written_as_they_are(folder: Folder) -> None:
    files: dict[str, str | bytes] = {".TEXT": "0.5 ä\n", ".BYTES": b"\x93NUMPY\xff\x00\r\n"}
    record.publish(NAME, folder.fd, LOUDNESS, {}, files=files)
    assert (folder.path / "Song.TEXT").read_text(encoding="utf-8") == files[".TEXT"]
    assert (folder.path / "Song.BYTES").read_bytes() == files[".BYTES"]


def test_a_name_too_long_for_a_companion_is_said_to_be(tmp_path: Path) -> None:
    name = "n" * 250 + ".INFO"
    with record.opened(str(tmp_path)) as descriptor:
        with pytest.raises(OSError, match=r"longer than its \.BEATS_GRID's name allows \(244 bytes\)") as caught:
            record.publish(name, descriptor, LOUDNESS, {}, files={".BEATS_GRID": "0.5\n"})
        assert caught.value.errno == errno.ENAMETOOLONG
        record.publish(name, descriptor, LOUDNESS, {}, drop=[".BEATS_GRID"])
    assert [path.name for path in tmp_path.iterdir()] == [name]
