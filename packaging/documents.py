"""Man pages and completions of both programs, from what their parsers know; the configuration's page from the example.

Runs while a package is built, where argparse-manpage and shtab are: `documents.py EXAMPLE OUT`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab

from audiobatchd import __version__
from audiobatchd.cli import control, daemon

PROGRAMS = {
    "audiobatchd": (daemon, "watch music datasets and give every track folder its numbers"),
    "audiobatchctl": (control, "ask a running audiobatchd, and the records and locks of a dataset"),
}
PLACES = {"bash": "{}", "zsh": "_{}", "fish": "{}.fish"}
FILES = {"file", "config", "path", "socket", "metadata"}
DIRECTORIES = {"dataset", "folder", "state_dir", "to"}
SEE_ALSO = "audiobatchd(1), audiobatchctl(1), audiobatchd.toml(5)"
KEY = re.compile(r"(?:# )?(\w+ = .*)")


def main() -> None:
    """Write everything."""
    example, out = map(Path, sys.argv[1:])
    for name, (module, summary) in PROGRAMS.items():
        parser = module._parser()  # noqa: SLF001  # what the program itself goes by
        with_completers(parser)
        for shell, place in PLACES.items():
            write(out / shell / place.format(name), shtab.complete(parser, shell=shell))
        write(out / "man1" / f"{name}.1", page_of_program(name, module.__name__, summary))
    write(out / "man5" / "audiobatchd.toml.5", page_of_configuration(example.read_text(encoding="utf-8")))


def write(path: Path, text: str) -> None:
    """A file, with the directory that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def with_completers(parser: argparse.ArgumentParser) -> None:
    """Have every argument that takes a file or a directory say so."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                with_completers(command)
        elif action.dest in FILES:
            action.complete = shtab.FILE
        elif action.dest in DIRECTORIES:
            action.complete = shtab.DIRECTORY


def page_of_program(name: str, module: str, summary: str) -> str:
    """Section 1, by argparse-manpage."""
    command = [
        # The same on every terminal and in every time zone: by these argparse wraps lines, and the page gets its date.
        *("env", "COLUMNS=80", "TZ=UTC0", sys.executable, "-c", "from argparse_manpage.cli import main; main()"),
        *("--module", module, "--function", "_parser", "--prog", name),
        *("--description", summary, "--manual-title", "audiobatchd", "--project-name", f"audiobatchd {__version__}"),
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f"{text.rstrip()}\n\n.SH SEE ALSO\n{SEE_ALSO}\n"


def page_of_configuration(example: str) -> str:
    """Section 5: the comments of the example above the keys that they tell of."""
    return "\n".join(
        [
            f'.TH "AUDIOBATCHD.TOML" "5" "" "audiobatchd {__version__}" "audiobatchd"',
            ".SH NAME",
            r"audiobatchd.toml \- configuration of audiobatchd",
            ".SH DESCRIPTION",
            *(line for block in example.strip().split("\n\n") for line in in_roff(block)),
            ".SH FILES",
            ".I /etc/audiobatchd/audiobatchd.toml",
            ".br",
            ".I ~/.config/audiobatchd/audiobatchd.toml",
            ".SH SEE ALSO",
            SEE_ALSO,
        ]
    )


def in_roff(block: str) -> Iterator[str]:
    """One paragraph of the example: what it says, then the keys, or the table's name above all."""
    lines = block.split("\n")
    keys = [found[1] for line in lines if (found := KEY.fullmatch(line))]
    tables = [line for line in lines if line.startswith("[")]
    prose = [line.removeprefix("# ") for line in lines if line.startswith("# ") and not KEY.fullmatch(line)]
    for table in tables:
        yield f'.SH "{table}"'
    for key in keys:
        yield from (".TP" if key == keys[0] else ".TQ", rf"\fB{escaped(key)}\fR")
    if not keys and not tables:
        yield ".PP"
    yield from map(escaped, prose)


def escaped(text: str) -> str:
    """Text that roff takes as it is."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    main()
