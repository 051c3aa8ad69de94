"""`audiobatchctl audit`: which values of other tools are wrong, and, where that is wished, having them measured again.

The records are read here, whether a service works on the dataset or not. Measuring is the service's, or that of a pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field

from audiobatchd.cli.local import worker_settings_here
from audiobatchd.cli.named import dataset_of
from audiobatchd.cli.retriers import retrier
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.progress import ProgressLine
from audiobatchd.cli.terminal.text import as_json, shortened, wrapped
from audiobatchd.config.file import Config
from audiobatchd.control.client import ControlClient
from audiobatchd.core.asked import features_of, unknown_among, why_unknown
from audiobatchd.core.audit import Auditor, FlawKind
from audiobatchd.errors import UsageError
from audiobatchd.scan.audit import Audited, audit_disk
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import counted, size_in_bytes
from audiobatchd.worker import questions

_EXAMPLES = 3
_COLUMNS, _LINES = 80, 6

_TITLES = {
    FlawKind.TYPE: "Of the wrong type",
    FlawKind.RANGE: "Out of range",
    FlawKind.PLACEHOLDER: "Placeholders: they stand where nothing was measured",
    FlawKind.MEANING: "Of another meaning",
    FlawKind.METHOD: "Computed in another way",
}


def audit(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show what is wrong with adopted values. Exit code 1 where anything is, or there is nothing to look at."""
    settings, dataset = dataset_of(arguments)
    auditor = _auditor(arguments.features, settings)
    limit = size_in_bytes(settings.record_limit)
    total = Total()
    with retrier(arguments, client, dataset.path) as again:
        for each in _with_progress(audit_disk(dataset.path, auditor, dataset.ignore, limit)):
            total.add(each)
            if each.findings and again:
                again.add(each.folder, tuple(found.feature for found in each.findings))
        if not arguments.json:
            for line in total.told():
                say(printable(line))
        retried = again.finish(say) if again else None
    if arguments.json:
        say(as_json({"dataset": shown(dataset.path), **total.as_keys(), "retried": retried}))
    return 0 if total.is_clean else 1


def _auditor(words: list[str] | None, settings: Config) -> Auditor:
    """Make an auditor of all features, or of these. Raises UsageError for a word that nothing knows."""
    offers = questions.names(worker_settings_here(settings))
    if words is None:
        return Auditor(offers)
    if unknown := unknown_among(words, offers):
        installed = questions.names(worker_settings_here(settings), installed=True)
        raise UsageError(why_unknown(unknown, offers, installed))
    return Auditor(offers, features_of(words, offers))


@dataclass
class _Group:
    """Findings of one kind in one feature, for one reason."""

    count: int = 0
    """Number of folders."""
    examples: list[tuple[str, str]] = field(default_factory=list)
    """A few folders, each with the value there."""


@dataclass
class Total:
    """Result of an audit; a few examples of each kind of finding are kept, and the others are counted."""

    folders: int = 0
    """Number of track folders that were looked at."""
    adopted: int = 0
    """Number of their values that nothing here has measured."""
    troubles: _Group = field(default_factory=_Group)
    """Folders that cannot be read, with the reason."""
    groups: dict[tuple[FlawKind, str, str], _Group] = field(default_factory=dict)
    """By kind, feature and reason."""

    @property
    def is_clean(self) -> bool:
        """Tell whether something was looked at, all of it, and nothing was found."""
        return self.folders > 0 and not self.troubles.count and not self.groups

    def add(self, audited: Audited) -> None:
        """Count one folder in."""
        self.folders += 1
        self.adopted += audited.adopted
        if audited.trouble:
            _count(self.troubles, audited.folder, audited.trouble)
        for each in audited.findings:
            group = self.groups.setdefault((each.kind, each.feature, each.reason), _Group())
            _count(group, audited.folder, each.value)

    def told(self) -> Iterator[str]:
        """Yield the lines of the answer."""
        if not self.folders:
            yield "No track folder was found: there is nothing to audit."
            return
        yield f"{counted(self.folders, 'track folder')}, {counted(self.adopted, 'value')} of other tools."
        for kind in FlawKind:
            groups = [(key, group) for key, group in self.groups.items() if key[0] is kind]
            if groups:
                yield from ("", f"{_TITLES[kind]}:")
            for (_, feature, reason), group in sorted(groups, key=lambda each: each[0][1]):
                yield from _folded(f"{feature}, {counted(group.count, 'folder')}: {reason}", 2)
                yield from (shortened(f"    {value}  {folder}", _COLUMNS) for folder, value in group.examples)
        if self.troubles.count:
            yield from ("", f"Cannot be read: {counted(self.troubles.count, 'folder')}")
            yield from (f"    {folder}: {reason}" for folder, reason in self.troubles.examples)
        if self.is_clean:
            yield "Nothing is wrong with them." if self.adopted else "All that is there was measured by audiobatchd."

    def as_keys(self) -> dict[str, object]:
        """Give the answer as keys of JSON."""
        findings = [
            {
                "kind": kind.value,
                "feature": feature,
                "count": group.count,
                "reason": reason,
                "examples": [{"folder": folder, "value": value} for folder, value in group.examples],
            }
            for (kind, feature, reason), group in sorted(self.groups.items())
        ]
        troubles = [{"folder": folder, "reason": reason} for folder, reason in self.troubles.examples]
        counts = {"folders": self.folders, "adopted": self.adopted, "unreadable": self.troubles.count}
        return {**counts, "findings": findings, "troubles": troubles}


def _count(group: _Group, folder: str, what: str) -> None:
    group.count += 1
    if len(group.examples) < _EXAMPLES:
        group.examples.append((folder, what))


def _folded(text: str, indent: int) -> list[str]:
    return [" " * indent + line for line in wrapped(text, _COLUMNS - indent, _LINES)]


def _with_progress(folders: Iterator[Audited]) -> Iterator[Audited]:
    """Pass folders on, and tell on a terminal how many there have been."""
    line = ProgressLine()
    try:
        for number, each in enumerate(folders, 1):
            line.show(f"{number:,} track folders")
            yield each
    finally:
        line.clear()
