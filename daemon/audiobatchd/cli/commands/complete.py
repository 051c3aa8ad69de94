"""`audiobatchctl complete`: what may stand at the end of a line, for the shells. Hidden: people press a key for it.

    audiobatchctl complete --words WORD... LAST     words without quoting, behind the program
    audiobatchctl complete --raw WORD... LAST       the same, the last one as it is typed
    audiobatchctl complete --line LINE CURRENT      a line up to the cursor, and bash's part of its last word

The first line of the answer says what the shell offers by itself, each other one a word, a tab, and what it is. Names
are as `shown` has them, so that each is a line of text, and the program takes them back. For bash, which quotes file
names alone and not all of them right, the words are quoted.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from audiobatchd.cli.completion.candidates import Kind, Place, candidates
from audiobatchd.cli.completion.quoting import quoted, split_line, words_of
from audiobatchd.cli.parser import parser
from audiobatchd.vocabulary.names import parsed, printable, shown

PATIENCE = 1.0
"""Seconds that the service and disks have to name what there is; what is known by then is offered."""

_PROGRAM = "audiobatchctl"
_LOOKED_AT = 20_000
"""Entries of a directory that are read."""

_MOST = 1000
"""Names that are kept; the shell is given fewer."""

_BREAKS = frozenset(":=")
"""Signs at which bash, but no other shell, begins another word."""


def main(argv: Sequence[str]) -> int:
    """Print what may stand there; nothing where that cannot be found out, and never an error."""
    lines = [Place.NOTHING.value]
    with suppress(Exception):
        words, shape = _typed(argv)
        offer = candidates(parser(_PROGRAM), words, _names)
        lines = [offer.place.value, *(_line(shape(each.value), each.description) for each in offer.candidates)]
    with suppress(OSError):
        sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode(errors="backslashreplace"))
        sys.stdout.flush()
    # What still looks for names would hold up the end.
    os._exit(0)


def _line(value: str, description: str) -> str:
    return f"{value}\t{description}" if description else value


def _typed(argv: Sequence[str]) -> tuple[list[str], Callable[[str], str]]:
    """Find the words that are typed, and what makes a word of a candidate that the shell can put there."""
    how, *words = argv
    if how == "--line":
        line, current = words
        words, (_, quote) = words_of(line, _PROGRAM), split_line(line)
        rest = "" if _BREAKS.issuperset(current) else split_line(current)[0][-1]
        cut = len(words[-1]) - len(rest) if words[-1].endswith(rest) else 0
        return words, lambda value: quoted(value[cut:], quote)
    if how == "--raw":
        words[-1] = split_line(words[-1])[0][-1]
    return words, str


def _names(kind: Kind, prefix: str, before: Mapping[str, str]) -> Iterable[str]:
    """Find names in a thread that is left behind where it takes too long."""
    found: list[str] = []

    def find() -> None:
        with suppress(Exception):
            # One by one: what was found by the time that is over is offered.
            for name in islice(_SOURCES[kind](prefix, before), _MOST):
                found.append(name)  # noqa: PERF402  # see above

    thread = threading.Thread(target=find, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return [*found]


# Each loads only what it needs: a person waits for it.


def _events(_prefix: str, _before: Mapping[str, str]) -> Iterable[str]:
    from audiobatchd.vocabulary.log_events import LogEvent  # noqa: PLC0415  # see above

    return [each.value for each in LogEvent]


def _models(_prefix: str, _before: Mapping[str, str]) -> Iterable[str]:
    from audiobatchd.models.manifest import BY_NAME  # noqa: PLC0415  # see above

    return BY_NAME


def _features(_prefix: str, _before: Mapping[str, str]) -> Iterable[str]:
    from audiobatchd.vocabulary import feature_names  # noqa: PLC0415  # see above

    return [*feature_names.analyzers(), *feature_names.features()]


def _datasets(_prefix: str, before: Mapping[str, str]) -> Iterator[str]:
    from audiobatchd.control.client import ControlClient  # noqa: PLC0415  # see above
    from audiobatchd.errors import AudiobatchError  # noqa: PLC0415  # see above

    try:
        for dataset in ControlClient(_socket(before), PATIENCE).status().datasets:
            yield printable(dataset.path)
    except AudiobatchError:
        from audiobatchd.config.file import chosen_config  # noqa: PLC0415  # see above

        config = Path(before["config"]) if before.get("config") else None
        for configured in chosen_config(config, os.environ).dataset:
            yield printable(shown(configured.path))


def _hooks(_prefix: str, before: Mapping[str, str]) -> Iterator[str]:
    from audiobatchd.control.client import ControlClient  # noqa: PLC0415  # see above

    for hook in ControlClient(_socket(before), PATIENCE).status().hooks:
        yield hook.name


def _folders(prefix: str, before: Mapping[str, str]) -> Iterator[str]:
    """Name folders as the service does: those that failed, for `retry`; else what is at work, then what lies there."""
    from audiobatchd.control.client import ControlClient  # noqa: PLC0415  # see above
    from audiobatchd.control.operations import FAILURES  # noqa: PLC0415  # see above
    from audiobatchd.control.requests import Nothing  # noqa: PLC0415  # see above

    client = ControlClient(_socket(before), PATIENCE)
    status = client.status()
    troubles = client.ask(FAILURES, Nothing()) if before["command"] == "retry" else status.troubles
    known = [each.folder for each in troubles]
    if before["command"] != "retry":
        known = [*(each.folder for each in status.workers if each.folder), *known]
    near = [name for name in map(printable, known) if name.startswith(prefix)]
    yield from near
    if not (near and before["command"] == "retry"):
        for dataset in status.datasets:
            yield from _on_disk(parsed(dataset.path), prefix)


def _on_disk(root: str, prefix: str) -> Iterator[str]:
    """Name the directories that begin so: track folders as they are, others to be gone into."""
    above = prefix[: prefix.rfind("/") + 1]
    with os.scandir(os.path.join(root, parsed(above))) as entries:
        for entry in islice(entries, _LOOKED_AT):
            name = above + printable(shown(entry.name))
            if name.startswith(prefix) and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield name if _is_track(entry.path) else f"{name}/"


def _is_track(path: str) -> bool:
    with suppress(OSError), os.scandir(path) as entries:
        return any(entry.name.lower().startswith("full_mix.") for entry in islice(entries, _LOOKED_AT))
    return True


def _socket(before: Mapping[str, str]) -> Path:
    from audiobatchd.config.places import default_socket  # noqa: PLC0415  # see above

    return Path(before["socket"]) if before.get("socket") else default_socket(os.environ, os.getuid())


_SOURCES: Mapping[Kind, Callable[[str, Mapping[str, str]], Iterable[str]]] = {
    Kind.FOLDERS: _folders,
    Kind.DATASETS: _datasets,
    Kind.FEATURES: _features,
    Kind.EVENTS: _events,
    Kind.MODELS: _models,
    Kind.HOOKS: _hooks,
}
