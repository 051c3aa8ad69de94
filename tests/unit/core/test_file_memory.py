"""What is remembered of a file: how it decodes, what is added to it, and what of it outlives the file."""

from __future__ import annotations

import msgspec

from audiobatchd.core.file_memory import FileMemory, adopting, disowning, outdated
from audiobatchd.vocabulary.files import FileStamp

DIGEST = "blake2b:1"
OLD, NEW = FileStamp(b"full_mix.flac", 1000, 1), FileStamp(b"full_mix.flac", 2000, 2)


def test_memory_of_before_whole_files_decodes() -> None:
    kept = msgspec.msgpack.encode({"stamp": [b"full_mix.flac", 1000, 1], "digest": DIGEST})
    assert msgspec.msgpack.decode(kept, type=FileMemory) == FileMemory(OLD, digest=DIGEST)


def test_digest_of_all_bytes_is_another_than_that_of_the_content() -> None:
    memory = FileMemory(OLD, digest=DIGEST, whole="blake2b:2")
    assert (memory.known(whole_file=False), memory.known(whole_file=True)) == (DIGEST, "blake2b:2")


def test_a_stamp_alone_says_nothing() -> None:
    assert FileMemory(OLD).says_nothing
    assert not FileMemory(OLD, disowned=("lufs",)).says_nothing


def test_disowning_adds_to_what_is_remembered() -> None:
    old = FileMemory(OLD, digest=DIGEST, adopted=("mood",), disowned=("lra",))
    made = disowning({"full_mix": old}, {"full_mix": ("lufs", "lra"), "drums": ("lufs_drums",)})
    assert made["full_mix"] == msgspec.structs.replace(old, disowned=("lra", "lufs"))
    assert made["drums"].disowned == ("lufs_drums",)


def test_what_was_taken_over_from_a_file_before_is_outdated() -> None:
    memory = FileMemory(OLD, adopted=("mood",), outdated=("rhythm",))
    assert outdated(memory, OLD) == ("rhythm",)
    assert outdated(memory, NEW) == ("rhythm", "mood")


def test_outdated_keys_stay_so_until_they_are_measured() -> None:
    old = FileMemory(OLD, adopted=("mood", "rhythm"))
    assert adopting(old, FileMemory(NEW)).outdated == ("mood", "rhythm")
    assert adopting(old, FileMemory(NEW), frozenset({"mood"})).outdated == ("rhythm",)


def test_keys_taken_over_from_the_same_file_stay_adopted() -> None:
    old = FileMemory(OLD, adopted=("mood",))
    assert adopting(old, FileMemory(OLD, adopted=("rhythm",))).adopted == ("mood", "rhythm")
    assert adopting(None, FileMemory(OLD)) == FileMemory(OLD)
