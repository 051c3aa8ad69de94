"""Keys of the configuration that stand where they do not belong: where they do, or what they are in truth."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from audiobatchd.vocabulary.analyzer_sets import OPTIONS
from audiobatchd.vocabulary.expectations import Misfit
from audiobatchd.vocabulary.suggestions import did_you_mean, same

_UNDER_DATASET = "under a [[dataset]]"
_AT_TOP = "at the top of the file, above the first heading in brackets"
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
"""What is no key of the file, by the names that people may give it there."""


def hint(found: Misfit, whole: type[Struct], dataset: type[Struct]) -> str:
    """Say what was probably meant by what is wrong in a configuration; empty where that is not known.

    `whole` is the type of the configuration, `dataset` that of a [[dataset]].
    """
    if found.unknown:
        return _of_key(found, whole.__struct_fields__, dataset.__struct_fields__)
    match found.place:
        case ["dataset", *_]:
            is_none = found.text.startswith(("expected a list of tables", "expected a table"))
            return "each dataset is a table of its own, under the heading [[dataset]]" if is_none else ""
        case ["analyzers"]:
            return "options of an analyzer stand under [analyzer.NAME]" if found.text.endswith("a table") else ""
        case ["analyzer", str() as name] if owners := _owners(name):
            return f"{_named(same(name, OPTIONS), name)} belongs under {owners}"
    return ""


def of_option(key: str, known: Iterable[str], analyzer: str, whole: type[Struct], dataset: type[Struct]) -> str:
    """Say what was probably meant by a `key` that is no option of this `analyzer`, which has those that are `known`."""
    options = tuple(known)
    if meant := did_you_mean(key, options, "`"):
        return meant
    if (owners := _owners(key)) and f"[analyzer.{analyzer}]" not in owners:
        return f"{_named(same(key, OPTIONS), key)} belongs under {owners}"
    for kind, where in ((whole, _AT_TOP), (dataset, _UNDER_DATASET)):
        if (other := same(key, kind.__struct_fields__)) is not None:
            return f"{_named(other, key)} belongs {where}"
    return ""


def _of_key(found: Misfit, whole: tuple[str, ...], dataset: tuple[str, ...]) -> str:
    key, at_top = found.unknown, not found.place
    own, other = (whole, dataset) if at_top else (dataset, whole)
    if (meant := same(key, own)) is not None:
        return f"did you mean `{meant}`?"
    if (meant := same(key, other)) is not None:
        return f"{_named(meant, key)} belongs {_UNDER_DATASET if at_top else _AT_TOP}"
    if owners := _owners(key):
        return f"{_named(same(key, OPTIONS), key)} belongs under {owners}"
    analyzers = {name for names in OPTIONS.values() for name in names}
    if (meant := same(key, analyzers)) is not None:
        return f"options of an analyzer stand under [analyzer.{meant}]"
    if (meant := same(key, _ELSEWHERE)) is not None:
        return _ELSEWHERE[meant]
    return did_you_mean(key, own, "`") or _nearest_elsewhere(key, other, at_top=at_top)


def _nearest_elsewhere(key: str, other: Iterable[str], *, at_top: bool) -> str:
    meant = did_you_mean(key, other, "`")
    return f"{meant} That belongs {_UNDER_DATASET if at_top else _AT_TOP}" if meant else ""


def _named(meant: str | None, key: str) -> str:
    """Name what is meant, where it was not written so."""
    return "it" if meant == key else f"`{meant}`"


def _owners(key: str) -> str:
    """Name the tables that have an option, or would but for its spelling."""
    option = same(key, OPTIONS)
    return " or ".join(f"[analyzer.{name}]" for name in OPTIONS[option]) if option is not None else ""
