"""The title of a process: how long ones are cut, and what leaves a command line as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from audiobatchd.worker.process.title import fitted

_SAYS = """
import sys
from pathlib import Path
from audiobatchd.worker.process import title
if sys.argv[1]:
    title.Path = lambda name: Path(name.replace(sys.argv[1], "/dev/null"))
made = title.Title("worker 7", "w7")
for what in sys.argv[2:]:
    made.say(what)
told = Path("/proc/self/cmdline").read_bytes(), Path("/proc/self/comm").read_text()
print(*(each if isinstance(each, str) else each.hex() for each in told), sep="|", end="")
"""


def shown(*said: str, without: str = "") -> tuple[list[str], str]:
    """Arguments and name that a process shows once it has said this; `without` a file of its own in /proc."""
    done = subprocess.run([sys.executable, "-c", _SAYS, without, *said], capture_output=True, text=True, check=True)
    line, _, name = done.stdout.partition("|")
    return bytes.fromhex(line).rstrip(b"\0").decode().split("\0"), name.strip()


def test_last_words_stand_in_the_place_of_the_command_line() -> None:
    assert shown("timbre of full_mix.ogg", "idle") == (["audiobatchd:", "worker", "7:", "idle"], "audiobatchd w7")


def test_long_title_is_cut_to_what_is_there() -> None:
    words, _ = shown("ö" * 10, "ä" * 10_000)
    assert words[:3] == ["audiobatchd:", "worker", "7:"]
    assert set(words[3].removesuffix("…")) == {"ä"}
    assert "ö" not in words[3]


@pytest.mark.parametrize(
    ("words", "size", "line"),
    [
        ("a: b", 6, b"a:\0b\0\0"),
        ("a: b", 5, b"a:\0b\0"),
        ("a: bcde", 7, b"a:\0\xe2\x80\xa6\0"),
        ("ää", 4, b"\xe2\x80\xa6\0"),
        ("ä", 2, b"\xe2\0"),
        ("a", 1, b"\0"),
    ],
)
def test_words_are_fitted_into_what_room_there_is(words: str, size: int, line: bytes) -> None:
    assert fitted(words, size) == line


def test_words_outside_of_unicode_do_no_harm() -> None:
    assert shown("\udcff.ogg")[0][-1] == "?.ogg"


@pytest.mark.parametrize("file", ["/proc/self/stat", "/proc/self/cmdline"])
def test_without_word_of_the_kernel_nothing_is_written(file: str) -> None:
    if not Path(file).exists():
        pytest.skip("no /proc")
    words, _ = shown("idle", without=file)
    assert words[0] == sys.executable
