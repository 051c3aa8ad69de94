"""Conditions that must hold when the chaos is over, and their check."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from stress.ground import Ground, Track, size_of
from stress.keeper import Keeper
from stress.witness import GAP, Witness, sites_of
from support.raw_records import raw_values
from support.service import leftovers, run

QUIET = 600.0
"""Seconds within which all must be complete: backoffs grow to minutes."""

_WALKS = 2
_CLEAN = 30.0
_PASS = 900.0
_NEVER_LOGGED = ("Traceback", " helper-broke ", " request-failed ", " watch-event ")
_SHORT = re.compile(r" folder-(blocked|failed|backoff) .*(Too many open files|Cannot allocate memory)")


@dataclass
class Verdict:
    """Faults that were found, by folder (empty: the whole), and how long after the chaos there was quiet."""

    faults: list[tuple[str, str]] = field(default_factory=list)
    seconds_to_quiet: float = 0.0

    def wait(self, keeper: Keeper, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until it is so; whether it came to be in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            keeper.tick()
            time.sleep(0.1)
        return True

    def come_to_rest(self, keeper: Keeper, ground: Ground, since: float) -> None:
        """Wait until every folder is complete, and then for two more walks, which may find nothing to do."""
        if not self.wait(keeper, lambda: _is_quiet(keeper, ground), QUIET):
            self.faults += _why_not_quiet(keeper, ground)
        self.seconds_to_quiet = time.monotonic() - since
        for _ in range(_WALKS):
            last = _last_walks(keeper)
            self.wait(keeper, partial(_has_walked, keeper, last), _CLEAN)
        if not self.faults and not _is_quiet(keeper, ground):
            self.faults.append(("", f"did not stay quiet: {_states(keeper)}"))

    def follow(self, keeper: Keeper, ground: Ground) -> None:
        """Have the link lead to the other place for good: what became stale there meanwhile is done now, and only that.

        Before this, a file that was put there while the link led elsewhere is newer than its record, as it should be.
        """
        second = ground.places[1]
        said = f" root-changed dataset={ground.link} target={second} "
        before = _logged(keeper, said)
        ground.lead(second)
        is_followed = self.wait(keeper, lambda: _logged(keeper, said) > before, _CLEAN)
        if not is_followed or not self.wait(keeper, lambda: _is_quiet(keeper, ground), QUIET):
            self.faults.append(("", f"the link was {'followed' if is_followed else 'not followed'} to {second}"))
            self.faults += _why_not_quiet(keeper, ground)

    def end(self, keeper: Keeper, ground: Ground) -> None:
        """Check that nothing is left, neither while the daemon runs nor after it."""
        self.wait(keeper, lambda: not _leftovers(ground), _CLEAN)
        self.faults += [(_folder_of(name), f"left while the daemon ran: {name}") for name in _leftovers(ground)]
        if not self.wait(keeper, lambda: not keeper.zombies(), 5.0):
            self.faults.append(("", f"zombies: {keeper.zombies()}"))
        keeper.stop()
        self.faults += [(_folder_of(name), f"left at the end: {name}") for name in _leftovers(ground)]
        self.faults += [("", fault) for fault in _never_to_be_logged(keeper)]

    def compare(self, ground: Ground, witness: Witness, undisturbed: Path) -> None:
        """Hold every record against that of an undisturbed pass over the same files."""
        for track in ground.all_tracks:
            expected = undisturbed / track.path.relative_to(ground.place)
            for fault in _differences(track, expected / track.record.name, witness):
                self.faults.append((track.path.name, f"in {track.path.parent.name}: {fault}"))


def measure_undisturbed(ground: Ground, target: Path, config: Path, env: Mapping[str, str]) -> None:
    """Measure a copy of the files as they are now, in one pass."""
    ground.copy_without_records(target)
    code, out, err = run("audiobatchd", "--config", config, "--once", target, env=env, timeout=_PASS)
    if code != 0:
        message = f"the undisturbed pass ended with code {code}: {out}{err}"
        raise RuntimeError(message)


def _is_quiet(keeper: Keeper, ground: Ground) -> bool:
    return _states(keeper) == {"complete": len(ground.served)}


def _states(keeper: Keeper) -> dict[str, int]:
    status = keeper.status()
    if status is None:
        return {}
    counts: Counter[str] = Counter()
    for dataset in status.datasets:
        counts.update({state.value: number for state, number in dataset.folders.items() if number})
    return dict(counts)


def _last_walks(keeper: Keeper) -> list[str]:
    status = keeper.status()
    return [dataset.last_walk for dataset in status.datasets] if status else []


def _logged(keeper: Keeper, what: str) -> int:
    """How often the daemons have said this."""
    return keeper.log_path.read_text(errors="replace").count(what)


def _has_walked(keeper: Keeper, last: list[str]) -> bool:
    """Tell whether every dataset has been walked since."""
    now = _last_walks(keeper)
    return len(now) == len(last) and all(each not in ("", before) for before, each in zip(last, now, strict=True))


def _leftovers(ground: Ground) -> list[str]:
    """Locks and temporary files in all datasets."""
    mounted = [name for name in leftovers(ground.behind) if size_of(ground.behind / name)]  # empty locks stay there
    return [*leftovers(ground.root), *(name for place in ground.places for name in leftovers(place)), *mounted]


def _why_not_quiet(keeper: Keeper, ground: Ground) -> Iterator[tuple[str, str]]:
    status = keeper.status()
    remarks = [f"{each.state} {each.remark}" for each in status.datasets] if status else ["no daemon answers"]
    yield "", f"not quiet within {QUIET:.0f} s: {_states(keeper)} of {len(ground.served)}; {'; '.join(remarks)}"
    for trouble in status.troubles if status else []:
        yield Path(trouble.folder).name, f"{trouble.state.value}: {trouble.reason}"


def _never_to_be_logged(keeper: Keeper) -> Iterator[str]:
    """Yield the lines of the log for which no fault is an excuse."""
    yield from keeper.died_unhurt()
    for line in keeper.log_path.read_text(errors="replace").splitlines():
        if any(part in line for part in _NEVER_LOGGED) or _SHORT.search(line):
            yield line


def _folder_of(name: str) -> str:
    """The folder that something left in or beside it belongs to."""
    path = Path(name)
    return path.name.removesuffix(".lock") if path.suffix == ".lock" else path.parent.name


def _differences(track: Track, expected: Path, witness: Witness) -> Iterator[str]:
    ours, theirs = _values(track.record), _values(expected)
    if not ours:
        yield "there is no record, or none that can be understood"
        return
    foreign = {key: value for key, value in raw_values(track.record).items() if key.startswith("chaos_")}
    for key, value in track.foreign.items():
        came = track.rivals.get(key)
        in_gap = came is not None and witness.published_within(track.path, came, GAP)
        if foreign.get(key) != value and not in_gap:
            yield f"the key {key} of another tool is {foreign.get(key)!r}, not {value!r}"
    numbers = {key: value for key, value in ours.items() if key not in foreign and key != "_audiobatch"}
    del theirs["_audiobatch"]
    if numbers != theirs:
        differing = {key for key in numbers | theirs if numbers.get(key) != theirs.get(key)}
        yield "; ".join(f"{key} is {numbers.get(key)}, not {theirs.get(key)}" for key in sorted(differing))
    ours_of, theirs_of = (sites_of(path.read_bytes()) or {} for path in (track.record, expected))
    if {site: now.fingerprint[3] for site, now in ours_of.items()} != {
        site: now.fingerprint[3] for site, now in theirs_of.items()
    }:
        yield "the record's provenance names other files than there are"


def _values(record: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(record.read_bytes()))
    except (OSError, ValueError):
        return {}
