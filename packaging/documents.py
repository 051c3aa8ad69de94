"""Man pages and completions of both programs, from what their parsers know; the configuration's page from the example.

Runs while a wheel is built, where argparse-manpage is: `documents.py EXAMPLE OUT`. OUT is laid out as `share` is.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from audiobatchd import __version__
from audiobatchd.cli.completion.scripts import PROGRAMS, script

SUMMARIES = {
    "audiobatchd": "watch music datasets and give every track folder its numbers",
    "audiobatchctl": "ask a running audiobatchd, and the records and locks of a dataset",
}
PLACES = {
    "bash": "bash-completion/completions/{}",
    "zsh": "zsh/site-functions/_{}",
    "fish": "fish/vendor_completions.d/{}.fish",
}
SEE_ALSO = "audiobatchd(1), audiobatchctl(1), audiobatchd.toml(5)"
KEY = re.compile(r"(?:# )?(\w+ = .*)")


def main() -> None:
    """Write everything."""
    example, out = map(Path, sys.argv[1:])
    for name, module in PROGRAMS.items():
        for shell, place in PLACES.items():
            write(out / place.format(name), script(shell, name))
        write(out / "man" / "man1" / f"{name}.1", page_of_program(name, module, SUMMARIES[name]))
    page = page_of_configuration(example.read_text(encoding="utf-8"))
    write(out / "man" / "man5" / "audiobatchd.toml.5", page)


def write(path: Path, text: str) -> None:
    """A file, with the directory that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


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
