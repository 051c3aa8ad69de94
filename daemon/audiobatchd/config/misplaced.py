"""Keys of the configuration that stand where they do not belong: where they do, or what they are in truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from audiobatchd.vocabulary.analyzer_sets import OPTIONS
from audiobatchd.vocabulary.expectations import Misfit
from audiobatchd.vocabulary.suggestions import did_you_mean, same

_ELSEWHERE = {
    "config": "the file is named on the command line: --config FILE",
    "socket": "that is said on the command line, --socket PATH, or by AUDIOBATCHD_SOCKET",
    "state_dir": "that is said on the command line: --state-dir DIR",
    "state_directory": "that is said on the command line: --state-dir DIR",
    "once": "one pass is asked for on the command line: audiobatchd --once DATASET",
    "dry_run": "that goes with one pass, on the command line: audiobatchd --once DATASET --dry-run",
    "overwrite": "that goes with one pass, on the command line: audiobatchd --once DATASET --overwrite",
    "features": "what is measured follows from `analyzers`; features are named on the command line: "
    "audiobatchd --once DATASET --features FEATURE ...",
}
"""Cures for keys that belong elsewhere than in the file, by the names under which people may write them."""


ONCE = frozenset({"web", "schedule"})
"""The headings of the tables of which there is one, in single brackets."""

_ALIKE = 3
"""Letters at the beginning of a key that the heading has as well which was meant."""


def hint(found: Misfit, whole: type[Struct], tables: Mapping[str, type[Struct]]) -> str:
    """Say what was probably meant by what is wrong in a configuration; empty where that is not known.

    `whole` is the type of the configuration, `tables` those of what stands under a heading of its own, by that.
    """
    if found.unknown:
        return _of_key(found, whole, tables)
    match found.place:
        case [str() as name, *_] if name in tables:
            is_none = found.text.startswith(("expected a list of tables", "expected a table"))
            if not is_none:
                return ""
            one = f"{name} is a table" if name in ONCE else f"each {name} is a table of its own"
            return f"{one}, under the heading {_heading(name)}"
        case ["analyzers"]:
            return "options of an analyzer stand under [analyzer.NAME]" if found.text.endswith("a table") else ""
        case ["analyzer", str() as name] if owners := _owners(name):
            return f"{_named(same(name, OPTIONS), name)} belongs under {owners}"
    return ""


def of_option(
    key: str, known: Iterable[str], analyzer: str, whole: type[Struct], tables: Mapping[str, type[Struct]]
) -> str:
    """Say what was probably meant by a `key` that is no option of this `analyzer`, which has those that are `known`."""
    options = tuple(known)
    if meant := did_you_mean(key, options, "`"):
        return meant
    if (owners := _owners(key)) and f"[analyzer.{analyzer}]" not in owners:
        return f"{_named(same(key, OPTIONS), key)} belongs under {owners}"
    return next(_elsewhere(key, "analyzer", whole, tables), "")


def _of_key(found: Misfit, whole: type[Struct], tables: Mapping[str, type[Struct]]) -> str:
    key = found.unknown
    # The innermost heading: [dataset.schedule] has the keys of [schedule].
    here = next((str(each) for each in reversed(found.place) if each in tables), str(next(iter(found.place), "")))
    own = tables.get(here, whole).__struct_fields__
    if (meant := same(key, own)) is not None:
        return f"did you mean `{meant}`?"
    if owners := _owners(key):
        return f"{_named(same(key, OPTIONS), key)} belongs under {owners}"
    if belongs := next(_elsewhere(key, here, whole, tables), ""):
        return belongs
    analyzers = {name for names in OPTIONS.values() for name in names}
    if (meant := same(key, analyzers)) is not None:
        return f"options of an analyzer stand under [analyzer.{meant}]"
    if (meant := same(key, _ELSEWHERE)) is not None:
        return _ELSEWHERE[meant]
    nearest = (
        f"{meant} That belongs {_where(other)}"
        for other, kind in _others(here, whole, tables)
        if (meant := did_you_mean(key, _likely(key, kind.__struct_fields__, tables), "`"))
    )
    return did_you_mean(key, _likely(key, own, tables), "`") or next(nearest, "")


def _likely(key: str, names: Iterable[str], tables: Iterable[str]) -> list[str]:
    """Leave out headings that do not begin alike: a key that has a value is seldom meant for one."""
    return [name for name in names if name not in tables or name[:_ALIKE] == key[:_ALIKE]]


def _elsewhere(key: str, here: str, whole: type[Struct], tables: Mapping[str, type[Struct]]) -> Iterator[str]:
    """Say where a key belongs, for each other place that has one of its name, or would but for its spelling."""
    for other, kind in _others(here, whole, tables):
        if (meant := same(key, kind.__struct_fields__)) is not None:
            yield f"{_named(meant, key)} belongs {_where(other)}"


def _others(here: str, whole: type[Struct], tables: Mapping[str, type[Struct]]) -> list[tuple[str, type[Struct]]]:
    """List the places other than `here`, by their headings; the top of the file has none."""
    return [(name, kind) for name, kind in (("", whole), *tables.items()) if name != here]


def _where(heading: str) -> str:
    if heading:
        return f"under {'' if heading in ONCE else 'a '}{_heading(heading)}"
    return "at the top of the file, above the first heading in brackets"


def _heading(name: str) -> str:
    """Write a heading as it stands in the file."""
    return f"[{name}]" if name in ONCE else f"[[{name}]]"


def _named(meant: str | None, key: str) -> str:
    """Name what is meant, where it was not written so."""
    return "it" if meant == key else f"`{meant}`"


def _owners(key: str) -> str:
    """Name the tables that have an option, or would but for its spelling."""
    option = same(key, OPTIONS)
    return " or ".join(f"[analyzer.{name}]" for name in OPTIONS[option]) if option is not None else ""
