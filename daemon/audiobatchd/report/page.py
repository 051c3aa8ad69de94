"""The page of a report: HTML of one file, with its pictures, its styles and its script inside."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import jinja2
import msgspec
from markupsafe import Markup

from audiobatchd import __version__
from audiobatchd.control.history import Span
from audiobatchd.control.results import Summary, Value
from audiobatchd.pictures import drawing
from audiobatchd.pictures.scale import told
from audiobatchd.report.findings import MOST_FOLDERS, Findings
from audiobatchd.report.history import by_day, in_a_row, total
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.quantities import duration

_MOST_DAYS = 90
"""Days of the history, the last ones."""
_BARS = 30
"""Bars of one picture: a page that is printed breaks between pictures."""


def written(
    dataset: str,
    made: str,
    findings: Findings,
    duplicates: Sequence[Sequence[str]] | None,
    where: str = "",
    spans: Sequence[Span] | None = None,
) -> str:
    """Write the page.

    `dataset` is the path as it is shown, `made` the time as people read it; `duplicates` are groups of folders with the
    same full mix, None where they were not looked for; `spans` are the dataset's history, None where no service has it.
    """
    days = in_a_row(by_day(spans or ()), _MOST_DAYS)
    return _template().render(
        dataset=dataset,
        made=made,
        where=where,
        version=__version__,
        findings=findings,
        duplicates=duplicates,
        most=MOST_FOLDERS,
        days=[each for each in days if each.done or each.failed] if spans is not None else None,
        past=total(spans or ()),
        over_time=Markup(  # noqa: S704
            drawing.columns([(each.name, each.done) for each in days], "Folders done by day", "folders")
        ),
        style=Markup(_file("report.css")),  # noqa: S704  # our own files
        script=Markup(_file("report.js")),  # noqa: S704  # likewise
        coverage=[
            Markup(drawing.bars(findings.coverage[start : start + _BARS], "Coverage", findings.total))  # noqa: S704  # escaped
            for start in range(0, len(findings.coverage), _BARS)
        ],
        pictures=[(each, Markup(_picture(each))) for each in findings.distributions],  # noqa: S704  # escaped
        scatters=[
            (x, y, found, Markup(drawing.scatter(found, x, y)))  # noqa: S704  # escaped
            for x, y, found in findings.scatters
            if found.count
        ],
    )


def _template() -> jinja2.Template:
    """Load the page's layout; whatever is put into it is escaped, but for what is marked as our own."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["bins"] = lambda found: zip(found.edges, found.edges[1:], found.counts, strict=False)
    environment.filters["value"] = _said
    environment.filters["number"] = told
    environment.filters["printable"] = printable
    environment.filters["duration"] = duration
    environment.tests["quantity"] = lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    return environment.from_string(_file("report.html.j2"))


def _picture(each: Summary) -> str:
    if each.histogram is not None and each.quartiles is not None:
        return drawing.histogram(each.histogram, each.column.name, each.column.unit)
    return drawing.bars([(label.label, label.count) for label in each.frequent], each.column.name)


def _said(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return told(value)
        case dict():
            return msgspec.json.encode(value).decode()
    return printable(value)


def _file(name: str) -> str:
    return files("audiobatchd.report").joinpath(name).read_text(encoding="utf-8")
