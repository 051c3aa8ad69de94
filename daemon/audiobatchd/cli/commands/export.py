"""`audiobatchctl export`: the values of a dataset as a table, or as a dataset that training programs load."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from audiobatchd.cli.named import dataset_of, refuse_inside
from audiobatchd.cli.results import Source, nothing_found, results_of
from audiobatchd.cli.terminal.output import Say, Utf8Output
from audiobatchd.cli.terminal.progress import ProgressBar
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.control.client import ControlClient
from audiobatchd.control.results import Query, Row
from audiobatchd.errors import UsageError
from audiobatchd.exports import forms, parquet, publish
from audiobatchd.exports.forms import Wanted
from audiobatchd.exports.ranges import range_of
from audiobatchd.exports.tracks import Table, fields_of, has_numbers_alone, path_of, roles_of, tracks_of
from audiobatchd.results.query import mentions_state
from audiobatchd.scan.values import FOLDER, STATE, WHY
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted

_STANDARD_OUTPUT = "-"
_COMPLETE = f"{STATE} = 'complete'"


def export(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Write the values of the folders that meet a condition. Exit code 1 where there is none, or one was left out."""
    is_shown = arguments.output == _STANDARD_OUTPUT
    wanted = Wanted(arguments.format, Path(arguments.output), arguments.with_audio)
    settings, dataset = dataset_of(arguments)
    _refuse(wanted, is_shown=is_shown)
    if not is_shown:
        refuse_inside(wanted.target.absolute(), dataset.path, settings, client)
    where = " AND ".join(f"({each})" for each in (arguments.where, _COMPLETE * arguments.complete_only) if each.strip())
    bar = ProgressBar()
    taken = _Taken(bar)
    words = (*(arguments.columns or ()), where)
    with results_of(
        arguments,
        client,
        states=mentions_state(words),
        slowly=wanted.with_audio or is_shown,
        told=lambda count: bar.show(f"{counted(count, 'record')} read"),
    ) as source:
        taken.total = next(iter(source.summary((FOLDER,), where))).count
        if not taken.total:
            say(nothing_found(source, words, where))
            return 1
        table = _table(arguments, dataset.path, source, where, taken)
        if is_shown:
            forms.TEXTS[wanted.form](table, Utf8Output())
            return 0
        left = forms.write(wanted, table)
    bar.clear()
    written = taken.count - left  # a folder that has gone since they were counted is not there
    code = 1 if left or not written else 0
    if arguments.json:
        say(as_json({"folders": written, "output": shown(str(wanted.target)), "left_out": left}))
        return code
    say(f"{counted(written, 'folder')} exported to {shown(str(wanted.target))}")
    if left:
        lacking = "no full mix, or not all stems" if arguments.stems else "no full mix"
        say(f"{counted(left, 'folder')} left out: {lacking}")
    return code


def _table(
    arguments: argparse.Namespace,
    dataset: str,
    source: Source,
    where: str,
    taken: Callable[[Iterable[Row]], Iterator[Row]],
) -> Table:
    """Make the table; its rows are taken by way of `taken`."""
    known = {column.name: column for column in source.columns()}
    names = arguments.columns or [name for name in known if name not in (STATE, WHY)]
    roles = roles_of(stems=arguments.stems)
    # A key of a record may have the name of a field that tells where the audio is: that field is there in any case.
    names = [name for name in dict.fromkeys((FOLDER, *names)) if name not in map(path_of, roles)]
    columns = [known[name] for name in names if name in known]
    if len(columns) < len(names):
        next(source.rows(Query(tuple(names))))  # says which there is not
    labelled = [
        column.name
        for column in columns
        if column.kind == "mapping" and has_numbers_alone(row[0] for row in source.rows(Query((column.name,), where)))
    ]
    fields = fields_of(columns, labelled, roles)
    ranges = {name: bounds for name in names if arguments.clamp and (bounds := range_of(name))}
    rows = taken(source.rows(Query(tuple(names), where)))
    return Table(dataset, fields, roles, tracks_of(dataset, fields, rows, roles, ranges))


class _Taken:
    """Counts the rows that are taken, and draws how far they are."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar
        self.total = 0
        """Number of rows that are expected."""
        self.count = 0
        """Number of rows that were taken."""

    def __call__(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows."""
        for row in rows:
            self.count += 1
            self._bar("Exporting", self.count, self.total, str(row[0]))
            yield row


def _refuse(wanted: Wanted, *, is_shown: bool) -> None:
    """Raise UsageError or AudiobatchError for what cannot be exported, before anything is read."""
    if wanted.with_audio and wanted.form not in forms.AUDIO_SETS:
        message = f"--with-audio goes with {', '.join(forms.AUDIO_SETS)}: a table only refers to audio"
        raise UsageError(message)
    if wanted.form == forms.PARQUET:
        parquet.refuse_without_library()
    if is_shown:
        if wanted.form not in forms.TEXTS:
            message = f"only {', '.join(forms.TEXTS)} go to standard output: give {wanted.form} a path by -o"
            raise UsageError(message)
        return
    publish.refuse_existing(wanted.target.absolute())
