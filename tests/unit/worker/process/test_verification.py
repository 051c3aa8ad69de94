"""Verification of files: what kept its size and time is held against the digests that were noted."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mutagen.flac import FLAC

from audiobatchd.core.provenance import KEY
from audiobatchd.worker.process.verification import verified
from audiobatchd.worker.verification import Verification, Verified
from audiobatchd.worker.verification import verify as verified_by_process
from support.audio_files import music, write_audio

FEATURES: dict[str, dict[str, tuple[str, ...]]] = {
    "loudness": {"full_mix": ("lufs", "lra"), "drums": ("lufs_drums",)},
    "file": {"full_mix": ("duration",)},
}


def request(root: Path, after: str | None = None) -> Verification:
    return Verification(str(root), ("left",), 1 << 20, FEATURES, after)


def noted(path: Path, digest: str | None = None, **others: object) -> dict[str, Any]:
    status = path.stat()
    if digest is None:
        digest = f"blake2b:{hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()}"
    known = {"file": path.name, "size": status.st_size, "mtime_ns": status.st_mtime_ns, "digest": digest}
    return {"fingerprint": known, "version": 1, **others}


def make(root: Path, name: str, **roles: bytes) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for role, content in (roles or {"full_mix": b"RIFF" * 1000}).items():
        (folder / f"{role}.wav").write_bytes(content)
    return folder


def write(folder: Path, values: dict[str, Any], **analyzers: dict[str, Any]) -> None:
    account = {KEY: {"format": 1, "analyzers": analyzers}}
    (folder / f"{folder.name}.INFO").write_text(json.dumps({**values, **account}))


def rot(path: Path, at: int = 5) -> None:
    """Turn one bit over, and leave the size and the time as they were."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def one(root: Path) -> Verified:
    (found,) = verified(request(root))
    return found


def test_content_that_was_measured_is_intact(tmp_path: Path) -> None:
    folder = make(tmp_path, "A", full_mix=b"mix", drums=b"drums!")
    write(folder, {}, loudness={role: noted(folder / f"{role}.wav") for role in ("full_mix", "drums")})
    assert one(tmp_path) == Verified("A", intact=2, octets=9)


def test_one_bit_is_told_with_the_values_as_they_were(tmp_path: Path) -> None:
    folder = make(tmp_path, "A", full_mix=b"mix mix", drums=b"drums!")
    mix, drums = folder / "full_mix.wav", folder / "drums.wav"
    entry = noted(mix, measured="2026-11-02T10:00:00+00:00", host="nas")
    values = {"lufs": -9.50, "lra": 3.1, "lufs_drums": -20.0, "mine": 7}
    write(folder, values, loudness={"full_mix": entry, "drums": noted(drums)})
    before = entry["fingerprint"]["digest"]
    rot(mix)
    found = one(tmp_path)
    (differing,) = found.differing
    assert (found.intact, differing.file, differing.size) == (1, mix.name, 7)
    assert differing.mtime_ns == mix.stat().st_mtime_ns
    assert differing.digest == noted(mix)["fingerprint"]["digest"] != before
    (known,) = differing.noted
    assert (known.digest, known.analyzers, known.host) == (before, ("loudness",), "nas")
    assert known.measured == entry["measured"]
    assert {name: json.loads(bytes(raw)) for name, raw in differing.values.items()} == {"lufs": -9.5, "lra": 3.1}


def test_values_of_any_form_come_out_of_the_process(tmp_path: Path) -> None:
    """A mapping has line feeds in the record, as has all that another program indents; NaN is no JSON."""
    folder = make(tmp_path, "A")
    mix = folder / "full_mix.wav"
    values = {"lufs": {"Rock": 0.6}, "lra": [1, 2], "tempo": float("nan"), "odd": [float("inf")]}
    account = {KEY: {"format": 1, "analyzers": {"loudness": {"full_mix": noted(mix)}}}}
    text = json.dumps({**values, "text": "TEXT", **account}, indent=2).encode()
    (folder / "A.INFO").write_bytes(text.replace(b"TEXT", b"caf\xe9"))
    rot(mix)
    make(tmp_path, "B")
    features = {"loudness": {"full_mix": (*values, "text")}}
    one, other = verified_by_process(msgspec.structs.replace(request(tmp_path), features=features))
    assert [one.folder, other.folder] == ["A", "B"]
    (differing,) = one.differing
    assert {name: bytes(raw) for name, raw in differing.values.items()} == {
        "lufs": b'{"Rock":0.6}',
        "lra": b"[1,2]",
        "tempo": b'"NaN"',
        "odd": rb'"[\n    Infinity\n  ]"',
        "text": rb'"\"caf\\xe9\""',
    }


def test_accounts_of_the_content_before_are_told_apart(tmp_path: Path) -> None:
    """An analyzer that came later has measured the damaged file."""
    folder = make(tmp_path, "A")
    mix = folder / "full_mix.wav"
    before = noted(mix)
    rot(mix)
    write(folder, {"lufs": 1, "duration": 2}, loudness={"full_mix": before}, file={"full_mix": noted(mix)})
    (differing,) = one(tmp_path).differing
    assert [each.analyzers for each in differing.noted] == [("loudness",)]
    assert list(differing.values) == ["lufs"]


def test_file_of_a_sum_is_compared(tmp_path: Path) -> None:
    folder = make(tmp_path, "A", full_mix=b"mix", drums=b"drums!")
    mix, drums = folder / "full_mix.wav", folder / "drums.wav"
    entry = noted(mix, others={"drums": noted(drums)["fingerprint"]})
    write(folder, {"lufs": 1}, loudness={"full_mix": entry})
    rot(drums)
    found = one(tmp_path)
    assert (found.intact, [each.file for each in found.differing]) == (1, ["drums.wav"])
    assert list(found.differing[0].values) == ["lufs"]


@pytest.mark.parametrize("changed", ["time", "size", "name", "none", "no record"])
def test_another_file_is_not_compared(tmp_path: Path, changed: str) -> None:
    folder = make(tmp_path, "A")
    mix = folder / "full_mix.wav"
    write(folder, {}, loudness={"full_mix": noted(mix, "" if changed == "none" else "blake2b:00")})
    match changed:
        case "time":
            os.utime(mix, ns=(1, 1))
        case "size":
            mix.write_bytes(b"x")
        case "name":
            mix.rename(folder / "full_mix.aiff")
        case "no record":
            (folder / "A.INFO").unlink()
    assert one(tmp_path) == Verified("A", unknown=(next(folder.glob("full_mix.*")).name,))


def test_tags_of_flac_do_not_count_and_its_audio_does(tmp_path: Path) -> None:
    folder = make(tmp_path, "A", drums=b"no mix")
    mix = folder / "full_mix.flac"
    write_audio(mix, music(1.0), 44100)
    tags = FLAC(mix)
    tags["title"] = "Song"
    tags.save()
    content = mix.read_bytes()
    audio = content.index(b"\xff\xf8", 42)
    told = hashlib.blake2b(content[8:42] + content[audio:], digest_size=16).hexdigest()
    write(folder, {}, loudness={"full_mix": noted(mix, f"flac:{told}")})
    rot(mix, content.index(b"Song"))
    assert (one(tmp_path).intact, len(one(tmp_path).unknown)) == (1, 1)
    rot(mix, audio + 10)
    assert len(one(tmp_path).differing) == 1


@pytest.mark.parametrize("wrong", ["fifo", "record", "format", "folder"])
def test_what_cannot_be_read_is_told(tmp_path: Path, wrong: str) -> None:
    folder = make(tmp_path, "A")
    mix = folder / "full_mix.wav"
    write(folder, {}, loudness={"full_mix": noted(mix)})
    match wrong:
        case "fifo":
            mix.unlink()
            os.mkfifo(mix)
            entry = noted(mix, "blake2b:00")
            entry["fingerprint"]["size"] = -1
            write(folder, {}, loudness={"full_mix": entry})
        case "record":
            (folder / "A.INFO").write_text("{")
        case "format":
            (folder / "A.INFO").write_text('{"_audiobatch": {"format": 99}}')
        case "folder":
            (folder / "A.INFO").unlink()
            (folder / "A.INFO").mkdir()
    found = one(tmp_path)
    assert found.intact == 0
    assert found.troubles
    assert all(found.troubles.values())


def folders(found: Iterator[Verified]) -> list[str]:
    return [each.folder for each in found]


def test_it_goes_on_after_a_folder(tmp_path: Path) -> None:
    for name in ("A", "B/1", "B/2", "B.1", "C", "left/D"):
        make(tmp_path, name)
    every = folders(verified(request(tmp_path)))
    assert sorted(every) == ["A", "B.1", "B/1", "B/2", "C"]
    for number, name in enumerate(every):
        assert folders(verified(request(tmp_path, after=name))) == every[number + 1 :]
    assert folders(verified(request(tmp_path, after="B/1x"))) == every[every.index("B/2") :]


def test_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(verified(request(tmp_path / "gone")))
