"""Makes the pictures of the documentation: what a terminal shows while the demo tracks are measured, and the page.

Programs are the real ones: on a terminal of tmux, which rich draws as SVG that refers to no font or other file of the
network, and in a browser.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from socket import create_server

from page_views import TALL, TELEPHONE, WIDE, photographer, vary
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 80
VARIED = 260
"""Number of folders that are made of the demo tracks for the pictures of many."""
PATIENCE = 300.0
"""Seconds until a screen has to show what is waited for."""
_FONT_FACES = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
PLAIN_SVG = _FONT_FACES.sub("", CONSOLE_SVG_FORMAT).replace(
    "Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace"
)
"""rich's SVG with fonts that the reader's machine has."""


def main() -> int:
    """Make the pictures; the exit code."""
    parser = argparse.ArgumentParser(description="Draw the terminal and the page while the demo tracks are measured.")
    parser.add_argument("directory", type=Path, help="where the pictures go")
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    with _short_path() as room:
        dataset = _dataset(room)
        picture = _pass(room, dataset)
        (directory / "pass.svg").write_text(_drawn(picture, "audiobatchd --once music"), encoding="utf-8")
        for record in dataset.rglob("*.INFO"):
            record.unlink()
        picture = _top_and_page(room, dataset, directory)
        (directory / "top.svg").write_text(_drawn(picture, "audiobatchctl top"), encoding="utf-8")
    return 0


@contextmanager
def _short_path() -> Iterator[Path]:
    """Make a directory whose path may be seen in a picture."""
    room = Path(tempfile.gettempdir(), "demo")
    room.mkdir()
    try:
        yield room
    finally:
        shutil.rmtree(room)


def _dataset(room: Path) -> Path:
    """Make the demo tracks, and beside them one whose mix ends too early."""
    dataset = room / "music"
    subprocess.run([sys.executable, Path(__file__).with_name("make_tracks.py"), dataset], check=True)
    whole = next(iter(sorted(dataset.rglob("full_mix.*"))))
    damaged = dataset / "Cut short" / whole.name
    damaged.parent.mkdir()
    content = whole.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    return dataset


def _pass(room: Path, dataset: Path) -> str:
    """Return the screen of one pass at its end."""
    with _terminal(room, 24) as terminal:
        terminal.run(f"{_program('audiobatchd')} --workers 2 --once {dataset.name}; echo; echo done-with-it")
        screen = terminal.when("Summary", "done-with-it")
        return screen.partition("done-with-it")[0].replace(str(dataset), "/srv/music")


def _top_and_page(room: Path, dataset: Path, directory: Path) -> str:
    """Return the screen of `top` while a part is done and a part is at work; take the pictures of the page meanwhile.

    What shows many folders comes last: of each track there are varied ones then.
    """
    socket = room / "control.sock"
    configuration = room / "audiobatchd.toml"
    with closing(create_server(("127.0.0.1", 0))) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    configuration.write_text(f"workers = 2\n[[dataset]]\npath = '{dataset}'\n[web]\nlisten = '{listen}'\n")
    command = [_program("audiobatchd"), *("--config", configuration, "--state-dir", room / "state", "--socket", socket)]
    ask = [_program("audiobatchctl"), "--socket", str(socket)]
    with _running(command), _terminal(room, 24) as terminal:
        terminal.run(f"until [ -S {socket} ]; do sleep 0.1; done; {shlex.join([*ask, 'top'])}")
        screen = terminal.when("failed", r"[1-9]\d* complete", " of full_mix")
        answer = subprocess.run([*ask, "web", "--json"], check=True, stdout=subprocess.PIPE)
        with photographer(room, json.loads(answer.stdout)["url"], dataset, directory) as views:
            two_lines = "document.querySelectorAll('.line').length == 2"
            views.take("page.png", "now", two_lines, (1280, 860), dark=False)
            views.take("page-now.png", "now", two_lines, (WIDE, TALL))
            tracks = sum(each.is_dir() for each in dataset.iterdir()) - 1  # one of them fails
            terminal.when(rf"\b{tracks} complete")
            total = tracks + vary(dataset, room, VARIED)
            terminal.when(rf"\b{total} complete")
            all_drawn = "document.querySelectorAll('main svg.picture').length >= 8"
            views.take("page-dataset.png", "dataset", all_drawn, (WIDE, TALL))
            views.take("page-folders-on-a-telephone.png", "folders", f" of {total + 1} folders", TELEPHONE)
            shown = next(each.name for each in sorted(dataset.iterdir()) if any(each.glob("*.INFO")))
            media = "document.querySelector('svg.media') && document.querySelector('img.media')?.naturalWidth > 100"
            views.take("page-folder.png", "folder", media, (WIDE, TALL), dataset=str(dataset), folder=shown)
    return screen.replace(str(dataset), "/srv/music")


class Terminal:
    """A terminal of tmux."""

    def __init__(self, room: Path) -> None:
        self._tmux = ["tmux", "-S", str(room / "tmux"), "-f", os.devnull]

    def open(self, room: Path, height: int) -> None:
        """Open it with a shell that says nothing."""
        size = ["-x", str(WIDTH), "-y", str(height)]
        shell = "env PS1= TERM=screen-256color sh"
        self._call("new-session", "-d", *size, "-c", str(room), shell)

    def run(self, line: str) -> None:
        """Have the shell run a line, on an empty screen."""
        self._call("send-keys", f"clear; exec sh -c {shlex.quote(line + '; sleep 600')}", "Enter")

    def when(self, *patterns: str) -> str:
        """Wait until the screen shows all of these, and return it with its colours."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            shown = self._call("capture-pane", "-p")
            if all(re.search(pattern, shown) for pattern in patterns):
                return self._call("capture-pane", "-e", "-p")
            time.sleep(0.2)
        message = f"cannot make the picture: the screen never showed {', '.join(patterns)}\n{shown}"
        raise SystemExit(message)

    def close(self) -> None:
        """End it, with all that runs on it."""
        subprocess.run([*self._tmux, "kill-server"], check=False)

    def _call(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def _terminal(room: Path, height: int) -> Iterator[Terminal]:
    terminal = Terminal(room)
    terminal.open(room, height)
    try:
        yield terminal
    finally:
        terminal.close()


@contextmanager
def _running(command: Sequence[object]) -> Iterator[None]:
    process = subprocess.Popen([str(each) for each in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _program(name: str) -> str:
    """Find a program of this environment, whose path no picture is to show."""
    path = Path(sys.executable).with_name(name)
    return str(path) if path.exists() else str(shutil.which(name))


def _drawn(screen: str, title: str) -> str:
    """Draw a screen as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(screen.rstrip()))
    return console.export_svg(title=title, theme=MONOKAI, code_format=PLAIN_SVG, unique_id="terminal")


if __name__ == "__main__":
    sys.exit(main())
