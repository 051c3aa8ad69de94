"""The screen that a view takes over: its keys, its size, and that it is given back."""

from __future__ import annotations

import sys

import pytest

from audiobatchd.cli.terminal import screen
from support.terminal import on_a_terminal

PROGRAM = """
import sys
from audiobatchd.cli.terminal.screen import Screen
with Screen(colour=False) as screen:
    width, height = screen.size()
    screen.draw([], width)
    sys.stderr.write(f"size {width}x{height};")
    while (key := screen.key(60)) != "q":
        sys.stderr.write(f"key {key};" if key else "none;")
sys.stderr.write("given back;")
"""


@pytest.mark.parametrize(
    ("typed", "heard"),
    [
        ("a", ["key a;"]),
        ("pr", ["key p;", "key r;"]),
        ("\x1b[Ax", ["key x;"]),
        ("\x1b[1;5Cx", ["key x;"]),
        ("\x1bOPx", ["key x;"]),
    ],
    ids=["one", "two at once", "an arrow", "an arrow with Ctrl", "F1"],
)
def test_keys_come_one_by_one_and_arrows_mean_nothing(typed: str, heard: list[str]) -> None:
    with on_a_terminal([sys.executable, "-c", PROGRAM], 40, 10) as terminal:
        terminal.until("size 40x10;")
        terminal.press(typed)
        for each in heard:
            assert "key" not in terminal.until(each).removesuffix(each)
        terminal.press("q")
        terminal.until("given back;")
        assert terminal.end() == 0


@pytest.mark.parametrize(
    ("environ", "tty", "usable"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "unknown"}, True, False),
        ({}, True, False),
    ],
)
def test_only_a_terminal_that_moves_its_cursor_is_usable(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], tty: bool, usable: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: tty, raising=False)
    assert screen.usable(environ) == usable
