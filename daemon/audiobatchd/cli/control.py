"""`audiobatchctl`: the grammar of its commands. What a command does is loaded when it is asked for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from audiobatchd import __version__
from audiobatchd.cli.terminal import output
from audiobatchd.config.places import default_socket
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import AudiobatchError, ConfigError, NoDaemonError, OutputLostError, UsageError

_PROGRAM = "audiobatchctl"
_NO, _USAGE, _NO_DAEMON = 1, 2, 3
_INTERRUPTED = 130
_Commands = argparse._SubParsersAction  # noqa: SLF001  # the only name that argparse has for it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    output.open_closed()
    say = output.Voice()
    try:
        code = _run(argv, say)
    except SystemExit as left:  # --help, a wrong command line, a signal that ends `top`
        code = left.code if isinstance(left.code, int) else 0
        raise SystemExit(output.end(_PROGRAM, code, say.lost)) from None
    return output.end(_PROGRAM, code, say.lost)


def _run(argv: Sequence[str] | None, say: output.Voice) -> int:
    arguments = output.parsed(_parser(), argv, say)
    path = arguments.socket or default_socket(os.environ, os.getuid())
    say.endless = arguments.endless
    module, _, function = arguments.run.partition(":")
    try:
        run = getattr(import_module(f"audiobatchd.cli.commands.{module}"), function)
        code: int = run(arguments, ControlClient(path), say)
    except NoDaemonError as error:
        return _refuse(error, _NO_DAEMON)
    except (UsageError, ConfigError) as error:
        return _refuse(error, _USAGE)
    except OutputLostError as error:
        say.lost = error.cause
        return _NO
    except (AudiobatchError, OSError) as error:
        return _refuse(error, _NO)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Ask a running audiobatchd, and the records and locks of a dataset.",
        epilog='Exit codes: 0 fine; 1 the answer is "no"; 2 wrong usage; 3 no daemon answers; 74 the answer cannot be '
        "written; 130 interrupted; 141 the reader of the answer has left.",
    )
    parser.add_argument("--version", action="version", version=f"audiobatchctl {__version__}")
    _add_socket(parser, default=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(
        commands,
        "status",
        "status:status",
        "what is done, what is missing, what failed and why",
        "Show each dataset's folders by state, what the workers do, the rate, and what failed.",
    )
    _add_live(commands)
    _add_failures(commands)
    _add_operations(commands)
    _add(
        commands,
        "reload",
        "folders:reload",
        "have the service read its configuration again",
        "Have the service read its configuration again and go by it; shows what is different. An invalid one changes "
        "nothing: exit code 1, with the reason.",
    )
    _add_settings(commands)
    _add_surveys(commands)
    _add_analysis(commands)
    _add_locks(commands)
    _add_models(commands)
    return parser


def _add_live(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Looking on."""
    top = _add(
        commands,
        "top",
        "top:top",
        "watch it work, on a screen that is drawn anew every second",
        "Watch datasets, workers and failures on a screen that is drawn anew every second: p pauses and resumes, r "
        "tries again what failed, q leaves. A line every few seconds where standard output is no terminal.",
    )
    follow = _add(
        commands,
        "follow",
        "follow:follow",
        "every log event as it comes",
        "Show every log event as it comes, until the service ends (exit code 3) or Ctrl-C.",
    )
    follow.add_argument(
        "--since", metavar="ID", type=_number, help="first what came after this event; 0: all that is kept"
    )
    follow.add_argument("--dataset", metavar="DATASET", help="only of this dataset")
    for parser in (top, follow):
        parser.set_defaults(endless=True)
    follow.add_argument("--event", metavar="NAME", nargs="+", help="only these events")
    wait = _add(
        commands,
        "wait",
        "operations:wait",
        "until folders have come to an end, or nothing is left to do",
        "Wait until these folders have come to an end; without any until nothing is left to do. Exit code 1 where one "
        "failed or is blocked, or the time is over.",
    )
    wait.add_argument("folder", metavar="FOLDER", nargs="*", help="a track folder")
    _add_timeout(wait)
    _add(commands, "workers", "operations:workers", "what each worker is at, and what it takes", "")


def _add_operations(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Stopping for a while."""
    pause = _add(
        commands,
        "pause",
        "operations:pause",
        "give out no more jobs",
        "Have the service give out no more jobs, in one dataset or in all; what runs comes to its end.",
    )
    pause.add_argument("--for", metavar="DURATION", dest="seconds", type=_duration, help="go on by itself after that")
    resume = _add(commands, "resume", "operations:resume", "go on after a pause", "")
    for parser in (pause, resume):
        parser.add_argument("dataset", metavar="DATASET", nargs="?", help="only this dataset")
    drain = _add(
        commands,
        "drain",
        "operations:drain",
        "pause everything, and wait until nothing runs",
        "Pause everything, and wait until nothing runs. Exit code 1 where something still does when the time is over; "
        "it stays paused.",
    )
    _add_timeout(drain)


def _add_settings(commands: _Commands[argparse.ArgumentParser]) -> None:
    """The configuration, and this machine."""
    setup = _add(
        commands,
        "setup",
        "setup:setup",
        "let the service work on a dataset",
        "Add a dataset to the configuration, let the service's unit write there, see whether its user can, and start "
        "it anew. Exit code 1 where the user cannot.",
    )
    _add_dataset(setup)
    either = setup.add_mutually_exclusive_group()
    either.add_argument("--grant", action="store_true", help="give the service's user rights there, by ACLs")
    either.add_argument(
        "--undo", action="store_true", help="take it out again, and put the ACLs back; no file in it is touched"
    )
    setup.add_argument("--user", action="store_true", help="of your own service, without root")
    setup.add_argument("--no-restart", action="store_true", help="leave starting the service to you")
    configuration = commands.add_parser("config", help="check or show the configuration")
    actions = configuration.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = _add(
        actions,
        "check",
        "settings:check",
        "whether the service would take a configuration",
        "Read a configuration as the service does. Exit code 1, with the reason, where it would refuse it.",
    )
    check.add_argument("file", metavar="FILE", nargs="?", type=Path, help="this one, not the one that is found")
    show = _add(actions, "show", "settings:show", "every key with its value, and where that comes from", "")
    doctor = _add(
        commands,
        "doctor",
        "doctor:doctor",
        "what could keep the service from its work here, and what to do about it",
        "Look at permissions, file systems, space, limits, versions, models and the service itself. Exit code 1 where "
        "something has to be done.",
    )
    for parser in (check, show, doctor):
        _add_config(parser)


def _add_failures(commands: _Commands[argparse.ArgumentParser]) -> None:
    """What came to nothing, and trying it again."""
    failures = _add(
        commands,
        "failures",
        "folders:failures",
        "every folder that failed or is blocked, and why",
        "Show every folder that failed or is blocked, the latest first. Exit code 1 where there is any.",
    )
    failures.add_argument("--dataset", metavar="DATASET", help="only of this dataset")
    retry = _add(
        commands,
        "retry",
        "folders:retry",
        "try folders again",
        "Have the service try folders again now, whatever they have come to, and count anew what counts towards giving "
        "them up.",
    )
    retry.add_argument("folder", metavar="FOLDER", nargs="*", help="a track folder")
    retry.add_argument("--all", action="store_true", help="every folder that failed or is blocked")
    retry.add_argument("--dataset", metavar="DATASET", help="every one of this dataset")
    bump = _add(
        commands,
        "bump",
        "folders:bump",
        "measure a folder before all others",
        "Have the service measure a folder that waits before all others. Exit code 1 where it does not wait.",
    )
    bump.add_argument("folder", metavar="FOLDER", help="a track folder")
    rescan = _add(
        commands,
        "rescan",
        "folders:rescan",
        "walk a dataset now",
        "Have the service walk a dataset now, as it does every `rescan` seconds and after events were lost.",
    )
    rescan.add_argument("dataset", metavar="DATASET", help="the dataset's directory")
    rescan.add_argument("--accept", action="store_true", help="believe it even where nothing is left of what was known")
    explain = _add(
        commands,
        "explain",
        "folders:explain",
        "what the service knows of one folder, and what comes next",
        "Show where one folder stands and why, what comes next, and how its last jobs ended.",
    )
    explain.add_argument("folder", metavar="FOLDER", help="a track folder")


def _add_surveys(commands: _Commands[argparse.ArgumentParser]) -> None:
    """The questions that the records answer, with a daemon or without."""
    progress = _add(
        commands,
        "progress",
        "surveys:progress",
        "how many folders of a dataset are complete",
        "Count the folders of a dataset whose records have the features.",
    )
    check = _add(
        commands,
        "check",
        "surveys:check",
        "which folders of a dataset are still to be processed",
        "Count the folders that are neither complete nor locked. Exit code 1 where there is anything left to do.",
    )
    check.add_argument("--list", action="store_true", help="name them, one a line")
    missing = _add(
        commands,
        "missing",
        "surveys:missing",
        "which features each incomplete folder lacks",
        "Show what each incomplete folder lacks. Exit code 1 where any lacks anything.",
    )
    for parser in (progress, check, missing):
        _add_dataset(parser)
        parser.add_argument(
            "--features", nargs="+", metavar="FEATURE", help="these keys, whoever made them; else the analyzers' own"
        )
        parser.add_argument("--disk", action="store_true", help="read the records, whatever a service knows of them")


def _add_analysis(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Measuring by hand, and what can be measured."""
    analyze = _add(
        commands,
        "analyze",
        "analysis:analyze",
        "measure one file or one track folder, now",
        "Measure an audio file, or all source files of a track folder, and show the values. Exit code 1 where a file "
        "is damaged, or nothing can be measured.",
    )
    analyze.add_argument("path", metavar="FILE_OR_FOLDER", help="an audio file, or a track folder")
    analyze.add_argument("--features", nargs="+", metavar="FEATURE", help="only these")
    analyze.add_argument("--save", action="store_true", help="write them to the folder's record")
    features = _add(commands, "features", "analysis:features", "every feature with unit, range and source", "")
    for parser in (analyze, features):
        _add_config(parser)


def _add_locks(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Who works on what."""
    locks = commands.add_parser("locks", help="list, clean up or try out a dataset's locks")
    actions = locks.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_dataset(_add(actions, "list", "locks:list_locks", "every lock, and whether its holder lives", ""))
    clean_up = _add(
        actions,
        "cleanup",
        "locks:clean_up",
        "remove what dead holders left",
        "Remove the locks whose holders are gone. A lock that is held is never removed, however old it is.",
    )
    _add_dataset(clean_up)
    clean_up.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=3600.0,
        help="age at which a lock of the batch guide's scripts on a network file system is dead (3600)",
    )
    clean_up.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    clean_up.add_argument(
        "--free",
        action="store_true",
        help="remove empty lock files from a network file system too: only while no machine works there",
    )
    test = _add(
        actions,
        "test",
        "locks:test",
        "find out what the locks of its file system are worth",
        "Try the locks of a dataset's file system with two processes and, when it is started on two machines at once, "
        "between them.",
    )
    _add_dataset(test)
    test.add_argument("--wait", metavar="SECONDS", type=float, default=10.0, help="for another machine (10)")


def _add_models(commands: _Commands[argparse.ArgumentParser]) -> None:
    """What analyzers load."""
    models = commands.add_parser("models", help="list, fetch, add or verify the models that analyzers load")
    actions = models.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _add(actions, "list", "models:list_models", "the models that are known or found, and where they are", "")
    fetch = _add(
        actions,
        "fetch",
        "models:fetch",
        "fetch published models",
        "Fetch published models, and what they need, from where they are published; without a NAME those that the "
        "analyzers work with. They are for non-commercial use.",
    )
    fetch.add_argument("name", metavar="NAME", nargs="*", help="a model that `audiobatchctl models list` knows")
    fetch.add_argument("--to", metavar="DIR", type=Path, help="put them into this directory")
    fetch.add_argument(
        "--from", metavar="URL", dest="source", help="a mirror's base address, in place of the official one"
    )
    add = _add(
        actions,
        "add",
        "models:add",
        "copy a model from your files to where it is looked for",
        "Check a TensorFlow graph and its metadata, and copy them to where models are looked for.",
    )
    add.add_argument("file", metavar="FILE", type=Path, help="the graph, NAME.pb")
    add.add_argument(
        "metadata", metavar="METADATA", type=Path, nargs="?", help="its metadata; else NAME.json beside it"
    )
    verify = _add(
        actions,
        "verify",
        "models:verify",
        "hold the models that are found against their digests",
        "Hold every model that is found against the published digests and those that it came with. Exit code 1 where "
        "any is wrong.",
    )
    for parser in (listing, fetch, add, verify):
        _add_config(parser)


def _add(
    commands: _Commands[argparse.ArgumentParser], name: str, run: str, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description or f"{summary.capitalize()}.")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    # After the command, too; but an absent one must not undo what stood before it.
    _add_socket(parser, default=argparse.SUPPRESS)
    parser.set_defaults(run=run, endless=False)
    return parser


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", metavar="DURATION", type=_duration, help="wait no longer")


def _duration(text: str) -> float:
    from audiobatchd.vocabulary import quantities  # noqa: PLC0415  # most commands are not told any

    try:
        return quantities.parsed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        message = f"expected a whole number, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _add_socket(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--socket", metavar="PATH", type=Path, default=default, help="the daemon's control socket")


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="the dataset's directory")
    _add_config(parser)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")


def _refuse(error: Exception, code: int) -> int:
    output.complain(_PROGRAM, str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())
