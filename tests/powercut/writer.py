"""Program of the guest: publishes one record after the other, and tells each that it was told to be durable.

Arguments: the seed and the way, `worker` or `careless`. Every publish counts its folder's number up by one; the number
stands in several places of the record and in a companion, so that a mix of two versions shows. A line `folder number`
goes to the console once the publish has returned.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable

from audiobatchd.core.provenance import Entry
from audiobatchd.disk import record
from audiobatchd.vocabulary.files import Fingerprint
from support.at_work import at_work

DATASET = "/mnt/dataset"
FOREIGN = {"tool": "of another program", "notes": ["kept as it is"] * 100}
"""The value of another tool's key, `theirs`."""

COMPANION = ".BEATS_GRID"
LENGTH = 1200
"""Times that the number is repeated: records and companions are larger than one block of the file system."""


def values_of(number: int) -> dict[str, object]:
    """Return our features in the version `number` of a record."""
    return {"number": number, "curve": [number] * LENGTH}


def entry_of(number: int) -> Entry:
    """The provenance in that version."""
    return Entry(fingerprint=Fingerprint("full_mix.flac", number, 1, "blake2b:00"), version=1)


def companion_of(number: int) -> str:
    """The companion in that version."""
    return f"{number}\n" * LENGTH


def as_worker(folder: str) -> int:
    """Publish as `worker.process.job` does, once everything is measured; returns the number that was published."""
    with at_work(folder) as (name, descriptor, gate):
        number = int(bytes(record.read(name, descriptor).values["number"])) + 1
        entries = {"loudness": {"full_mix": entry_of(number)}}
        files = {COMPANION: companion_of(number)}
        record.publish(name, descriptor, values_of(number), entries, files=files, gate=gate)
    return number


def carelessly(folder: str) -> int:
    """Publish as many a script does: the same content in place, without a temporary file, fsync or rename."""
    path = os.path.join(folder, record.name_in(folder))
    with open(path) as file:
        content = json.load(file)
    number = int(content["number"]) + 1
    entry = {
        "fingerprint": {"file": "full_mix.flac", "size": number, "mtime_ns": 1, "digest": "blake2b:00"},
        "version": 1,
    }
    content |= values_of(number) | {"_audiobatch": {"format": 1, "analyzers": {"loudness": {"full_mix": entry}}}}
    with open(path.removesuffix(".INFO") + COMPANION, "w") as file:
        file.write(companion_of(number))
    with open(path, "w") as file:
        json.dump(content, file, indent=2)
    return number


WAYS: dict[str, Callable[[str], int]] = {"worker": as_worker, "careless": carelessly}


def main() -> None:
    """Publish until the power goes."""
    dice = random.Random(sys.argv[1])
    publish = WAYS[sys.argv[2]]
    names = sorted(name for name in os.listdir(DATASET) if not name.endswith(".lock"))
    sys.stdout.write("ready\n")
    while True:
        name = dice.choice(names)
        number = publish(os.path.join(DATASET, name))
        sys.stdout.write(f"published {name} {number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
