"""One job, from the lock to the record: lock the folder, look again, measure what is due, publish, unlock."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

import msgspec

from audiobatchd.core.assessment import Assessment, Facts, Offer, Policy, assess, judges
from audiobatchd.core.file_memory import FileMemory, adopting
from audiobatchd.core.messages import Job, Result
from audiobatchd.core.needs import files_read
from audiobatchd.core.passes import Decoding
from audiobatchd.core.provenance import Entry
from audiobatchd.disk import record
from audiobatchd.disk.filesystems import cause_of, mount_of
from audiobatchd.disk.listing import Listing, is_link_below, openness, read_folder
from audiobatchd.disk.record import Record
from audiobatchd.errors import (
    DamagedFileError,
    LockBusyError,
    LockLostError,
    RecordError,
    SourceChangedError,
    UnclearRecordError,
)
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.locks.lock_file import Empty, speaks_against_its_folder
from audiobatchd.locks.observer import holder_in_words
from audiobatchd.plugin_api import FULL_MIX, Value
from audiobatchd.vocabulary.names import folder_at, shown
from audiobatchd.vocabulary.states import Cause, Outcome
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.comparison import Comparison
from audiobatchd.worker.process.measure import FileResult
from audiobatchd.worker.process.phase import FolderPhase
from audiobatchd.worker.process.readers import Report
from audiobatchd.worker.process.results import stored_in
from audiobatchd.worker.process.signs import Signs

_NOT_THE_TRACKS_FAULT = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ENAMETOOLONG,
        errno.EISDIR,
        errno.EFBIG,
        errno.ELOOP,  # a lock file that is a symbolic link
        errno.ENXIO,  # or a socket
    }
)
_CHANGED = "it changed while it was read"
_WORST_FIRST = (Outcome.ERROR, Outcome.CHANGED, Outcome.BLOCKED, Outcome.FAILED)

Gate = Callable[[], None]


def run(job: Job, bench: Bench, report: Report) -> Result:
    """Do one job. Whatever the folder, the disk or another process brings about is in the result.

    Raises OSError where the disk fails.
    """
    # One place for the whole job: a link on the way may be pointed elsewhere while it runs.
    root = os.path.realpath(os.fsdecode(job.dataset))
    return msgspec.structs.replace(_run(job, root, bench, report), place=os.fsencode(root))


def _run(job: Job, root: str, bench: Bench, report: Report) -> Result:
    path = os.fsdecode(job.path)
    folder = folder_at(root, path)
    if is_link_below(root, path):
        return Result(job.number, Outcome.GONE)
    lock = FolderLock(folder, job.budget, alone=job.alone)
    try:
        lock.acquire()
    except LockBusyError:
        return Result(job.number, Outcome.LOCKED, reasons={"": "locked by another process"})
    except (FileNotFoundError, NotADirectoryError):
        return Result(job.number, Outcome.GONE)
    except OSError as error:
        return _refused(job, f"cannot lock the folder: {error.strerror}", error, folder)
    try:
        if not job.alone and not isinstance(lock.predecessor, Empty):
            reason = f"the process that worked on it died: {holder_in_words(lock.predecessor)}"
            counts = speaks_against_its_folder(lock.predecessor)
            return Result(job.number, Outcome.SUSPECT, reasons={"": reason}, charge=counts)
        signs = Signs(job, lock, report)
        return _locked(job, folder, lock.gate, bench, signs.stage, signs.progress)
    finally:
        lock.release()


def hindered(job: Job, error: OSError) -> Result:
    """Return the result of a job that the disk did not let come to its end."""
    folder = folder_at(os.path.realpath(os.fsdecode(job.dataset)), os.fsdecode(job.path))
    return _refused(job, error.strerror or str(error), error, folder)


def measure_all(folder: str, gate: Gate, bench: Bench, only: tuple[str, ...] | None = None) -> Result:
    """Measure all of a folder that the caller has locked, whatever its record has, as a job would. Raises OSError.

    `only`: no more than it takes to give these features.
    """
    signature = read_folder(folder).signature
    job = Job(0, os.fsencode(folder), b"", signature, Policy(overwrite=True, only=only), {}, 0.0)
    return _locked(job, folder, gate, bench, lambda _doing, _seconds: None, lambda: None)


def _locked(job: Job, folder: str, gate: Gate, bench: Bench, report: Report, on_progress: Callable[[], None]) -> Result:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Result(job.number, Outcome.GONE)
    except OSError as error:
        return _refused(job, f"cannot read the folder: {error.strerror}", error, folder)
    try:
        listing = read_folder(folder)
        if not listing.contents.is_track:
            return Result(job.number, Outcome.GONE)
        if listing.signature != job.signature:
            return Result(job.number, Outcome.CHANGED)
        name = record.name_in(folder)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise RecordError("cannot write the record: the folder is read-only")
        with contextlib.suppress(OSError):  # a leaving that cannot be removed hinders nothing
            record.sweep(descriptor)
        record.refuse_unwritable(name, descriptor)
        found = record.read(name, descriptor, bench.settings.record_limit)
        return _Work(job, folder, descriptor, gate, bench, report, on_progress, listing).do(found)
    except RecordError as error:
        return Result(
            job.number,
            Outcome.BLOCKED,
            reasons={"": str(error)},
            access=_access(folder, listing),
            unclear=isinstance(error, UnclearRecordError),
        )
    except LockLostError:
        return Result(job.number, Outcome.CHANGED)
    except (FileNotFoundError, NotADirectoryError):
        return Result(job.number, Outcome.GONE)  # it was removed while we worked in it
    finally:
        os.close(descriptor)


@dataclass
class _Work:
    """The work on one locked folder, and what has come of it so far."""

    job: Job
    folder: str
    descriptor: int
    """The open folder."""
    gate: Gate
    """Raises LockLostError where the folder may no longer be written to."""
    bench: Bench
    report: Report
    on_progress: Callable[[], None]
    listing: Listing
    results: list[tuple[str, FileResult]] = field(default_factory=list)
    """Results of each file, and of each sum of files, that was measured, with their role."""
    reasons: dict[str, str] = field(default_factory=dict)
    """By file, why it was not measured; "" where that is no single file's doing."""
    outcomes: set[Outcome] = field(default_factory=set)
    """Everything but a good end that came of any file."""
    memory: dict[str, FileMemory] = field(default_factory=dict)
    """What the catalog is to remember of each file, by role."""
    charge: bool = False
    """Whether the folder is charged with it."""
    cause: Cause = Cause.NONE
    """What stood in the way, where that is no file's."""
    entry: Callable[[str, str], Entry | None] = field(default=lambda _analyzer, _role: None)
    """Looks up what the record tells of an analyzer and a role so far."""

    def do(self, found: Record) -> Result:
        """Measure every file that is due, one after the other, then publish once."""
        present = found.present() | self.listing.companions
        self.entry = cache(found.provenance.entry)  # each is looked up again and again, and decoded once
        facts = Facts(self.listing.stamps, present, self.entry, self.job.memory)
        assessment = assess(facts, self.bench.offers, self.job.policy)
        self.memory = {role: self.job.memory[role] for role in self.listing.stamps if role in self.job.memory}
        for role, reason in assessment.failed.items():
            self._fail(self.listing.stamps[role].shown, reason, Outcome.FAILED)
        files = self.descriptor, self.listing.stamps
        comparison = Comparison(*files, self.bench, self.report, self.on_progress)
        due = comparison.left(assessment.due)
        for role, (content, whole) in comparison.alike.items():
            adopted = assessment.adopted.get(role, ())
            self.memory[role] = FileMemory(files[1][role], digest=content, adopted=adopted, whole=whole)
        stored = stored_in(self.folder, self.descriptor, found, self.listing.companions, self._cannot_read)
        folder = FolderPhase(*files, due, self.bench, stored, self.report, self.on_progress)
        for step in folder.steps:
            adopted = assessment.adopted.get(step.role, ())
            if isinstance(step, Decoding):
                self._file(step, folder, adopted)
            else:
                self._take(step.role, folder.add_up(step))
        if assessment.struck or any(result.entries for _, result in self.results):
            self._publish(assessment.struck)
        self._keep_what_was_known()
        return self._result(assessment)

    def _keep_what_was_known(self) -> None:
        """Remember what is disowned or was taken over still: what no analyzer has measured, of files that are there."""
        given = {
            name
            for role, result in self.results
            for offer in self.bench.offers
            if offer.name in result.entries
            for name in offer.features.get(role, ())
        }
        for role, before in self.job.memory.items():
            if role not in self.listing.stamps:
                continue
            now = self.memory.pop(role, FileMemory(self.listing.stamps[role]))
            left = tuple(name for name in before.disowned if name not in given)
            kept = adopting(before, msgspec.structs.replace(now, disowned=left), self._measured(role))
            if not kept.says_nothing:
                self.memory[role] = kept

    def _measured(self, role: str) -> frozenset[str]:
        """Name the analyzers that have measured the file of `role`, by itself or in a sum."""
        return frozenset(
            analyzer
            for of, result in self.results
            for analyzer in result.entries
            if of == role or role in self.bench.needs(analyzer, of).sum_of
        )

    def _file(self, step: Decoding, folder: FolderPhase, adopted: tuple[str, ...]) -> None:
        role, stamp = step.role, self.listing.stamps[step.role]
        try:
            result = folder.decode(step)
        except DamagedFileError as error:
            self._fail(stamp.shown, str(error), Outcome.FAILED)
            self.memory[role] = FileMemory(stamp, adopted=adopted, failure=str(error), judges=judges(self.bench.offers))
        except SourceChangedError:
            self._fail(stamp.shown, _CHANGED, Outcome.CHANGED)
        except OSError as error:
            self._cannot_read(stamp.shown, error)
        else:
            self._take(role, result)
            if result is not None:
                self._remember(role, result, adopted)

    def _cannot_read(self, name: str, error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            self._fail(name, _CHANGED, Outcome.CHANGED)
            return
        outcome = Outcome.BLOCKED if error.errno in _NOT_THE_TRACKS_FAULT else Outcome.ERROR
        self._fail(name, f"cannot read it: {error.strerror}", outcome)
        self.cause = cause_of(error) or self.cause

    def _take(self, role: str, result: FileResult | None) -> None:
        if result is None:
            return  # what it would be measured from could not be read
        self.results.append((role, result))
        if result.faults:
            self._fail(result.shown, "; ".join(result.faults.values()), Outcome.ERROR)
            self.charge = True

    def _remember(self, role: str, result: FileResult, adopted: tuple[str, ...]) -> None:
        """Remember what the record does not tell: that the content is as before, and what was taken over unmeasured."""
        stamp, old = self.listing.stamps[role], self.memory.pop(role, None)
        digests = (result.fingerprint.digest, result.whole) if result.unchanged else ("", "")
        # What others measured before counts by it as long as they are not measured again.
        alone = all(_is_done(offer, role, result) for offer in self.bench.offers)
        before = (old.digest, old.whole) if old is not None and old.stamp == stamp and not alone else (None, None)
        digest, whole = (now or known or None for now, known in zip(digests, before, strict=True))
        if digest or whole or adopted:
            self.memory[role] = FileMemory(stamp, digest=digest, adopted=adopted, whole=whole)

    def _fail(self, name: str, reason: str, outcome: Outcome) -> None:
        """Note the reason why the file of this name, or a part of what is measured of it, came to no good end."""
        before = self.reasons.get(name, reason)
        self.reasons[name] = reason if before == reason else f"{before}; {reason}"
        self.outcomes.add(outcome)

    def _publish(self, struck: tuple[str, ...]) -> None:
        """Write what was measured into the record, and strike out these keys."""
        self.report("writing the record", 0.0)
        values: dict[str, Value] = {}
        files: dict[str, str | bytes] = {}
        entries: dict[str, dict[str, Entry]] = {}
        for role, result in self.results:
            values |= result.values
            files |= result.files
            for analyzer, entry in result.entries.items():
                entries.setdefault(analyzer, {})[role] = entry
        dropped = (name for role, result in self.results for name in self._dropped(role, result))
        try:
            record.publish(
                record.name_in(self.folder),
                self.descriptor,
                values,
                entries,
                files=files,
                drop=[*struck, *(name for name in dropped if name not in files)],
                first=record.rights_like(self.descriptor, self._sources()),
                gate=self.gate,
                limit=self.bench.settings.record_limit,
            )
        except OSError as error:
            if error.errno not in _NOT_THE_TRACKS_FAULT:
                raise
            self.cause = cause_of(error)
            self.reasons[""] = f"cannot write the record: {error.strerror}"
            self.outcomes.add(Outcome.BLOCKED)
            self.results.clear()

    def _dropped(self, role: str, result: FileResult) -> list[str]:
        """Return the features without a value now, less those that only a limit of ours keeps from being measured.

        The latter stay where nothing says that they are of another content; and what another tool wrote where the file
        itself says nothing of it stays too: a title may come from a list, and not from a tag.
        """
        dropped = []
        for analyzer, entry in result.entries.items():
            by_a_limit = entry.beyond_limit is not None or entry.beyond_memory is not None
            if not by_a_limit or self._is_of_other_files(analyzer, role, entry):
                dropped += [name for name in entry.unmeasurable if not self._is_left_to_others(analyzer, role, name)]
            known = self.entry(analyzer, role)
            # A file that is not written any more would pass for one of what is there now.
            dropped += [
                name for name in (known.files if known else ()) if name not in {*entry.files, *entry.unmeasurable}
            ]
        return dropped

    def _is_left_to_others(self, analyzer: str, role: str, name: str) -> bool:
        """Tell whether a value, as far as there is one, is another tool's to say: of no sound, and none of ours."""
        policy, known, memory = self.job.policy, self.entry(analyzer, role), self.job.memory.get(role)
        if policy.overwrite or not policy.adopt or (memory is not None and name in memory.disowned):
            return False
        is_of_file = any(offer.whole_file for offer in self.bench.offers if offer.name == analyzer)
        return is_of_file and (known is None or name in known.unmeasurable)

    def _is_of_other_files(self, analyzer: str, role: str, now: Entry) -> bool:
        known = self.entry(analyzer, role)
        if known is not None:
            return _stamps(known) != _stamps(now)
        stamps = self.listing.stamps
        reads = files_read(self.bench.needs(analyzer, role), role, stamps)
        memories = ((self.job.memory.get(each), stamps[each]) for each in reads)
        return any(old is not None and analyzer in old.adopted and old.stamp != stamp for old, stamp in memories)

    def _sources(self) -> list[str]:
        """Return the full mix, then the files that were measured."""
        return [self.listing.contents.sources[role] for role in (FULL_MIX, *(role for role, _ in self.results))]

    def _result(self, assessment: Assessment) -> Result:
        results = [result for _, result in self.results]
        return Result(
            self.job.number,
            next((outcome for outcome in _WORST_FIRST if outcome in self.outcomes), Outcome.DONE),
            values={name: value for result in results for name, value in result.values.items()},
            unmeasurable={name: why for result in results for name, why in result.unmeasurable.items()},
            reasons=self.reasons,
            memory=self.memory,
            access=_access(self.folder, self.listing) if Outcome.BLOCKED in self.outcomes else self.listing.access,
            audio_seconds=sum(result.audio_seconds for result in results),
            costs=_together(result.costs for result in results),
            heard=_together(result.heard or dict.fromkeys(result.costs, result.audio_seconds) for result in results),
            unavailable=len(assessment.unavailable),
            charge=self.charge,
            cause=self.cause,
            where=shown(mount_of(self.folder)) if self.cause else "",
        )


def _is_done(offer: Offer, role: str, result: FileResult) -> bool:
    """Tell whether nothing that an analyzer gives by the file of `role` is older than its `result`.

    A sum is measured later, and perhaps not at all in this job: what it gave before may count still.
    """
    if any(role in needs.sum_of for needs in offer.needs.values()):
        return False
    return not offer.features.get(role) or offer.name in result.entries


def _stamps(entry: Entry) -> dict[str, tuple[int, int]]:
    """Sizes and times of the files that were read, by role; "" for the first one."""
    files = {"": entry.fingerprint, **entry.others}
    return {role: (each.size, each.mtime_ns) for role, each in files.items()}


def _together(costs: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for each in costs:
        for what, seconds in each.items():
            total[what] = total.get(what, 0.0) + seconds
    return total


def _access(folder: str, listing: Listing) -> str:
    """Return the text by which the service sees that what blocked the job may be over; `scan` makes the same one."""
    return f"{listing.access} {openness(folder)}"


def _refused(job: Job, reason: str, error: OSError, folder: str) -> Result:
    """Return the result of a job whose folder could not be locked, opened, or worked in."""
    cause = cause_of(error)
    access = ""
    with contextlib.suppress(OSError):
        access = _access(folder, read_folder(folder))
    return Result(
        job.number,
        Outcome.BLOCKED if error.errno in _NOT_THE_TRACKS_FAULT else Outcome.ERROR,
        reasons={"": reason},
        access=access,
        cause=cause,
        where=shown(mount_of(folder) or mount_of(os.fsdecode(job.dataset))) if cause else "",
    )
