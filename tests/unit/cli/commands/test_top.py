"""`audiobatchctl top`: what is drawn at every size, and the terminal that it is drawn on, a real one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import termios
import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.commands.top import help_lines, is_paused, keys_line, plain_line, screen_lines
from audiobatchd.cli.terminal.text import Span, Tone, as_ansi, cut, line_cells
from audiobatchd.control.requests import Pause, Resume, RetryFolders
from audiobatchd.control.status import Status
from audiobatchd.vocabulary.states import DatasetState
from support.control_rig import ToldService, serving
from support.terminal import Screenful, Terminal, on_a_terminal

SIZES = [(80, 24), (60, 15), (200, 60), (40, 10), (20, 5), (120, 12), (79, 19), (1, 1)]
PROGRAM = "import sys; from audiobatchd.cli.control import main; sys.exit(main(sys.argv[1:]))"


def text(status: Status, width: int, height: int) -> str:
    return "\n".join(as_ansi(line, colour=False) for line in screen_lines(status, width, height))


def several(status: Status, count: int) -> Status:
    """So many datasets like the first one, the second of them paused."""
    datasets = [msgspec.structs.replace(status.datasets[0], path=f"/srv/music {number}") for number in range(count)]
    datasets[1] = msgspec.structs.replace(datasets[1], state=DatasetState.PAUSED, remark="paused by an operator")
    return msgspec.structs.replace(status, datasets=datasets)


def paused(status: Status) -> Status:
    datasets = [msgspec.structs.replace(each, state=DatasetState.PAUSED) for each in status.datasets]
    return msgspec.structs.replace(status, datasets=datasets)


# What is drawn


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("datasets", [1, 3, 30])
def test_it_fills_the_screen_and_never_more(busy: Status, width: int, height: int, datasets: int) -> None:
    status = busy if datasets == 1 else several(busy, datasets)
    lines = screen_lines(status, width, height)
    assert len(lines) == height
    assert max(map(line_cells, lines)) <= width
    assert all("\x1b" not in span.text for line in lines for span in line)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_everything_is_on_a_usual_screen(busy: Status, width: int, height: int) -> None:
    shown = text(busy, width, height)
    for wanted in ("62.5 %", "8 running", "3,737 queued", "12 failed", "1,240 folders an hour", "83 x real time"):
        assert wanted in shown
    for wanted in ("2 h 10 min left", "400 MiB", "loudness of full_mix.flac", "15 folders failed or blocked", "q quit"):
        assert wanted in shown
    assert "holds 57.1 s of the 240.0 s" in shown


def test_a_small_screen_keeps_bar_pace_a_worker_and_keys(busy: Status) -> None:
    shown = text(busy, 40, 10)
    for wanted in ("62.5 %", "2 h 10 min left", "more at work", "q quit"):
        assert wanted in shown


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_last_known_state_is_faint_where_the_service_is_lost(busy: Status, width: int, height: int) -> None:
    lost = "the service has been gone since 12:31; waiting for it"
    lines = screen_lines(busy, width, height, keys_line(busy, is_lost=True), lost)
    assert len(lines) == height
    assert max(map(line_cells, lines)) <= width
    if height > 1:
        assert as_ansi(lines[0], colour=False) == as_ansi(cut((Span(lost),), width), colour=False)
    assert {span.tone for line in lines[1:-1] for span in line} <= {Tone.FAINT}
    assert "pause" not in as_ansi(lines[-1], colour=False)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_help_fits(width: int, height: int) -> None:
    lines = help_lines(width, height)
    assert len(lines) == height
    assert max(map(line_cells, lines)) <= width
    if (width, height) >= (60, 15):
        assert not any("…" in span.text for line in lines for span in line)
        assert all(any(line and line[0].text == f"  {key}  " for line in lines) for key in "qpro?")


def test_analyzers_that_lack_models_have_one_line(busy: Status) -> None:
    reason = "no model of it is here: audiobatchctl models fetch danceability-msd-musicnn-1"
    lacking = msgspec.structs.replace(busy.analyzers["tempo"], reason=reason)
    status = msgspec.structs.replace(busy, analyzers={"danceability": lacking, "atonality": lacking})
    assert "! danceability, atonality need models: audiobatchctl models fetch" in text(status, 80, 24).splitlines()


def test_many_datasets_have_a_line_each_as_long_as_there_is_room(busy: Status) -> None:
    shown = text(several(busy, 30), 80, 24)
    assert re.search(r"^/srv/music 1 +paused +█", shown, re.MULTILINE)
    assert "more datasets" in shown
    assert "187,200 complete" in shown


def test_nothing_to_do_and_no_dataset(idle: Status) -> None:
    assert "nothing to do" in text(idle, 80, 24)
    assert "2 idle" in text(idle, 80, 24)
    assert "no dataset is configured" in text(msgspec.structs.replace(idle, datasets=[]), 80, 24)


def test_a_walk_shows_how_far_it_is(busy: Status) -> None:
    dataset = msgspec.structs.replace(busy.datasets[0], walk="full: 412,000 directories, 61 %")
    assert "walk: full: 412,000 directories, 61 %" in text(msgspec.structs.replace(busy, datasets=[dataset]), 80, 24)


def test_p_resumes_only_where_all_that_is_there_is_paused(busy: Status) -> None:
    assert not is_paused(busy)
    assert not is_paused(several(busy, 2))
    assert is_paused(paused(busy))
    assert not is_paused(msgspec.structs.replace(busy, datasets=[]))
    assert "p resume" in as_ansi(keys_line(paused(busy)), colour=False)


def held_by_schedule(busy: Status) -> Status:
    held = [msgspec.structs.replace(each, remark="until 22:00", schedule="until 22:00") for each in busy.datasets]
    return paused(msgspec.structs.replace(busy, datasets=held))


def test_schedule_leaves_p_to_the_operator(busy: Status) -> None:
    by_schedule = held_by_schedule(busy)
    assert not is_paused(by_schedule)
    assert "until 22:00" in text(by_schedule, 80, 24)
    assert "o override the schedule" in as_ansi(keys_line(by_schedule), colour=False)
    remark = "until 22:00; paused by an operator"
    both = [msgspec.structs.replace(each, remark=remark) for each in by_schedule.datasets]
    held_twice = msgspec.structs.replace(by_schedule, datasets=both)
    assert is_paused(held_twice)
    assert "override" not in as_ansi(keys_line(held_twice), colour=False), "a pause is lifted by itself"


def test_override_is_shown_while_it_lasts(busy: Status) -> None:
    datasets = [msgspec.structs.replace(each, schedule="overridden: until 22:00") for each in busy.datasets]
    overridden = msgspec.structs.replace(busy, datasets=datasets)
    assert "schedule overridden: until 22:00" in text(overridden, 80, 24)
    assert "override" not in as_ansi(keys_line(overridden), colour=False)


def test_a_plain_line_says_it_all(busy: Status) -> None:
    line = plain_line(paused(busy), "12:00:00")
    assert line.startswith("12:00:00  running  62.5 %  10,000 folders  3,737 queued")
    assert "2 h 10 min left  83 x real time  1,240 folders an hour" in line
    assert line.endswith("is paused")
    assert line.isprintable()


# The terminal


def test_what_came_with_the_last_read_is_kept() -> None:
    screen = Screenful()
    screen.add("\x1b[?1049l\x1b[1mq\x1b[0m quit a caf\u00e9".encode()[:-1])
    assert screen.take("\x1b[?1049l") is not None
    assert screen.take("q quit") == "q quit"
    assert screen.take("q quit") is None
    screen.add("\u00e9".encode()[-1:])
    assert screen.take("a caf\u00e9") == " a caf\u00e9"


def terminal(
    *arguments: str, width: int = 80, height: int = 24, first: str = "", **environ: str
) -> AbstractContextManager[Terminal]:
    """`audiobatchctl` on a terminal of its own, with its signals; `first` is done to the module `top`."""
    program = f"from audiobatchd.cli.commands import top; {first}; {PROGRAM}" if first else PROGRAM
    return on_a_terminal([sys.executable, "-c", program, *arguments], width, height, environ)


def state_of(on: Terminal) -> list[object]:
    return list(termios.tcgetattr(on.master))


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(
    ("ending", "code"),
    [("q", 0), ("\x03", 130), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP)],
    ids=["q", "Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_the_terminal_is_given_back(tmp_path: Path, busy: Status, ending: str | signal.Signals, code: int) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy), terminal("--socket", str(path), "top") as on:
        before = state_of(on)
        assert "62.5 %" in on.until("q quit")
        assert "\x1b[?1049h" in on.seen
        assert state_of(on) != before
        if isinstance(ending, str):
            on.press(ending)
        else:
            on.process.send_signal(ending)
        assert on.end() == code
        assert state_of(on) == before
    assert "Traceback" not in on.seen
    assert on.seen.index("\x1b[?1049h") < on.seen.index("\x1b[?1049l")
    assert on.seen.rindex("\x1b[?25h") > on.seen.rindex("\x1b[?25l")


def test_it_is_given_back_when_something_breaks(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy), terminal("--socket", str(path), "top", first="top.keys_line = None") as on:
        before = state_of(on)
        assert on.end() == 1
        assert state_of(on) == before
    assert on.seen.index("\x1b[?1049l") < on.seen.index("Traceback")


def test_keys_ask_the_daemon(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    told = ToldService(lambda: busy)
    brief = "top._NOTE_SECONDS = 1.0"
    with serving(path, lambda: busy, told), terminal("--socket", str(path), "top", first=brief) as on:
        on.until("q quit")
        on.press("p")
        on.until("1 dataset paused; what runs comes to its end; p lets it go on")
        on.press("\x1b[A")
        on.press("r")
        on.until("try 15 folders again?")
        on.press("n")
        on.until("r retry")
        on.press("r")
        on.until("try 15 folders again?")
        on.press("y")
        on.until("will be tried again")
        told.status = lambda: paused(busy)
        on.until("p resume")
        on.press("P")
        on.until("No pause was set")
        on.press("o")
        on.until("no dataset is held back by its schedule alone")
        told.status = lambda: held_by_schedule(busy)
        on.until("o override the schedule")
        on.press("o")
        on.until("No schedule and no pause holds anything back now")
        on.press("q")
        assert on.end() == 0
    assert told.asked == [Pause(), RetryFolders(all=True), Resume(), Resume(busy.datasets[0].path, override=True)]


def test_a_key_sent_in_two_pieces_is_one_key(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    told = ToldService(lambda: busy)
    cut = "from audiobatchd.cli.terminal import screen; screen._READ = 2"
    with serving(path, lambda: busy, told), terminal("--socket", str(path), "top", first=cut) as on:
        on.until("q quit")
        on.press("\x1bOPr")  # F1, whose last letter is the key that pauses
        on.until("try 15 folders again?")
        on.press("q")
        assert on.end() == 0
    assert told.asked == []


def test_the_screen_follows_the_size_and_heeds_no_color(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy), terminal("--socket", str(path), "top", NO_COLOR="1") as on:
        on.until("q quit")
        on.resize(200, 50)
        on.until(
            "the 240.0 s that its header promises; it was cut off full_mix.mp3: holds 57.1 s of the 240.0 s that its"
        )
        on.press("q")
        assert on.end() == 0
    assert not re.search(r"\x1b\[[1-9][0-9;]*m", on.seen)


def test_it_gives_the_terminal_back_to_stop_and_takes_it_again(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy), terminal("--socket", str(path), "top") as on:
        on.until("q quit")
        # Nobody could continue it here: the kernel does not stop what has no shell (setpgid(2), orphaned).
        on.process.send_signal(signal.SIGTSTP)
        on.until("\x1b[?1049l")
        on.until("q quit")
        on.press("q")
        assert on.end() == 0
    assert on.seen.count("\x1b[?1049h") == on.seen.count("\x1b[?1049l") == 2


def test_it_waits_for_a_daemon_that_went_away(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with ExitStack() as first:
        first.enter_context(serving(path, lambda: busy))
        with terminal("--socket", str(path), "top") as on:
            on.until("q quit")
            first.close()
            assert re.search(
                r"the service has been gone since \d\d:\d\d; waiting for it$", on.until("; waiting for it")
            )
            assert "62.5 %" in on.until("q quit   ? help")
            on.press("p")
            on.until("the service has been gone since")
            with serving(path, lambda: busy):
                on.until("r retry")
                on.press("q")
                assert on.end() == 0


def test_a_service_that_hangs_holds_up_no_key(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    goes_on = threading.Event()
    goes_on.set()

    def told() -> Status:
        goes_on.wait(60)
        return busy

    with serving(path, told), terminal("--socket", str(path), "top") as on:
        on.until("q quit")
        goes_on.clear()
        on.until("the service has not answered since")
        on.press("?")
        on.until("any key goes back")
        goes_on.set()
        on.press(" ")
        on.until("r retry")
        on.press("q")
        assert on.end() == 0


def test_a_question_mark_shows_help_and_any_key_leaves_it(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    told = ToldService(lambda: busy)
    with serving(path, lambda: busy, told), terminal("--socket", str(path), "top", width=60, height=15) as on:
        for key in "qpr?x":
            on.until("q quit")
            on.press("?")
            assert "quit; the service works on" in on.until("any key goes back")
            on.press(key)
        on.until("q quit")
        on.press("q")
        assert on.end() == 0
    assert told.asked == []


def test_a_terminal_without_utf8_is_drawn_with_plain_signs(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy), terminal("--socket", str(path), "top", PYTHONIOENCODING="ascii") as on:
        drawn = on.until("q quit")
        on.press("q")
        assert on.end() == 0
    assert re.search(r"#{30}!\.{19}  62\.5 %", drawn)
    assert on.seen.isascii()
    assert max(len(line.strip("\n")) for line in drawn.split("\r")) <= 80


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy), terminal("--socket", str(path), "top", TERM="dumb") as on:
        on.until("62.5 %  10,000 folders")
    assert "\x1b" not in on.seen


def test_without_a_daemon_it_does_not_begin(tmp_path: Path) -> None:
    with terminal("--socket", str(tmp_path / "c.sock"), "top") as on:
        assert on.end() == 3
    assert "\x1b[?1049h" not in on.seen


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_without_a_terminal_there_are_lines(tmp_path: Path, busy: Status, more: list[str]) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy):
        command = [sys.executable, "-c", PROGRAM, "top", *more, "--socket", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.kill()
    assert "\x1b" not in line
    if more:
        assert msgspec.json.decode(line, type=Status) == busy
    else:
        assert "62.5 %  10,000 folders" in line
