"""The service's answers in words, where more than one command says them, and for the keys of `top`."""

from __future__ import annotations

from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.control.requests import Paused, Rescanned, Retried
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.quantities import counted, duration
from audiobatchd.vocabulary.states import Attempt

_INDENT = "  "


def say_answer(answer: Retried | Paused | Rescanned, text: str, say: Say, *, json: bool) -> None:
    """Say an answer in JSON, or `text`, where anything was done, and each remark as a sentence of its own."""
    if json:
        say(as_json(answer))
        return
    for line in ([text] if text else []) + [f"{each[0].upper()}{each[1:]}." for each in answer.remarks]:
        say(printable(line))


def retried_in_words(answer: Retried) -> str:
    """Say what a retry came to."""
    return f"{counted(answer.folders, 'folder')} will be tried again."


def paused_in_words(answer: Paused, length: str = "") -> str:
    """Say what a pause of this `length`, in words, came to."""
    if not answer.datasets and answer.remarks:
        return ""
    done = f"{counted(answer.datasets, 'dataset')} paused{length}" if answer.datasets else "Paused already"
    return f"{done}; what runs comes to its end."


def resumed_in_words(answer: Paused) -> str:
    """Say what the end of a pause came to. Where there are remarks, not everything will be worked on."""
    if not answer.datasets:
        return "No pause was set."
    paused = counted(answer.datasets, "dataset")
    return f"The pause of {paused} is over." if answer.remarks else f"{paused} will be worked on again."


def overridden_in_words(answer: Paused) -> str:
    """Say what the override of a schedule came to."""
    if not answer.datasets:
        return "No schedule and no pause holds anything back now; --for DURATION keeps it so for that long."
    return f"{counted(answer.datasets, 'dataset')} will be worked on now."


def attempt_in_words(attempt: Attempt) -> list[str]:
    """Say how a job ended that came to no good end, in lines."""
    charged = ", charged" if attempt.charged else ""
    lines = [
        f"{_INDENT * 2}{attempt.at}  {attempt.outcome.value} after {duration(attempt.seconds)}{charged}",
        f"{_INDENT * 3}{attempt.reason}",
    ]
    if attempt.signal or attempt.exit_code is not None:
        lines.append(f"{_INDENT * 3}while: {attempt.stage or 'starting'}")
        lines += [f"{_INDENT * 3}| {line}" for line in attempt.lines]
    return lines
