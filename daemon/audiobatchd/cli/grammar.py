"""The grammar of `audiobatchctl`: a table of its commands with their arguments.

What a command does stands in `commands`, and is loaded when it is asked for; `parser` makes a parser of the table.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct


class Argument(Struct, frozen=True):
    """An argument of a command."""

    names: tuple[str, ...]
    """An option as it is written, or a positional argument's attribute."""
    settings: Mapping[str, Any]
    """The rest of what `ArgumentParser.add_argument` takes."""


class Command(Struct, frozen=True):
    """A command, or an action of a group."""

    name: str
    run: str
    """The module in `commands` and the function that do it: "module:function"."""
    summary: str
    """Its line in the list of commands."""
    description: str = ""
    """Text that its own help begins with; the summary where it is empty."""
    arguments: tuple[Argument | tuple[Argument, ...], ...] = ()
    """Its own; of those that stand in a tuple at most one can be given."""
    endless: bool = False
    """True where its answer has no end."""


class Group(Struct, frozen=True):
    """A command that only leads to its actions."""

    name: str
    summary: str
    actions: tuple[Command, ...]


def _argument(*names: str, **settings: Any) -> Argument:  # noqa: ANN401  # as argparse takes them
    return Argument(names, settings)


def _duration(text: str) -> float:
    from audiobatchd.vocabulary import quantities  # noqa: PLC0415  # most commands are not told any

    try:
        return quantities.seconds_in(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _moment(text: str) -> float:
    from audiobatchd.vocabulary import quantities  # noqa: PLC0415  # as above

    try:
        return quantities.moment(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        message = f"expected a whole number, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _seconds(text: str) -> float:
    if re.fullmatch(r"\d{1,9}(\.\d*)?", text, re.ASCII) is None:
        message = f"expected a number of seconds, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return float(text)


def _size(text: str) -> int:
    from audiobatchd.vocabulary import quantities  # noqa: PLC0415  # as above

    try:
        return quantities.size_in_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# Arguments that several commands have

_CONFIG = _argument("--config", metavar="FILE", type=Path, default=argparse.SUPPRESS, help="the configuration file")
_DATASET = _argument("dataset", metavar="DATASET", help="the dataset's directory")
_DATASET_OR_ALL = _argument("dataset", metavar="DATASET", nargs="?", help="only this dataset")
_OF_DATASET = _argument("--dataset", metavar="DATASET", help="only of this dataset")
_FOLDER = _argument("folder", metavar="FOLDER", help="a track folder")
_FOLDERS = _argument("folder", metavar="FOLDER", nargs="*", help="a track folder")
_TIMEOUT = _argument("--timeout", metavar="DURATION", type=_duration, help="wait no longer")
_DISK = _argument("--disk", action="store_true", help="read the records, whatever a service knows of them")
_WHERE = _argument(
    "--where",
    metavar="CONDITION",
    default="",
    help="only folders for which this holds, in SQL: 'bpm > 120 and lufs < -9'",
)
_SURVEYED = (
    _DATASET,
    _CONFIG,
    _argument(
        "--features",
        nargs="+",
        metavar="FEATURE",
        help="these keys, whichever tool made them, or all of these analyzers; else the configured analyzers' own",
    ),
    _DISK,
)

# name, module:function and summary in a line; the description; the arguments, a line each
# fmt: off
COMMANDS: tuple[Command | Group, ...] = (
    # Looking on
    Command(
        "status", "status:status", "what is done, what is missing, what failed and why",
        "Show each dataset's folders by state, what the workers do, the rate, and what failed.",
    ),
    Command(
        "top", "top:top", "watch it work, on a screen that is drawn again every second",
        "Watch datasets, workers and failures on a screen that is drawn again every second: p pauses and resumes, r "
        "tries again what failed, ? shows help, q leaves. A line every few seconds where standard output is no "
        "terminal.",
        endless=True,
    ),
    Command(
        "follow", "follow:follow", "every log event as it comes",
        "Show every log event as it comes, until the service ends (exit code 3) or Ctrl-C.",
        (
            _argument(
                "--since", metavar="ID", type=_number,
                help="first what came after this event; 0: all that is kept",
            ),
            _OF_DATASET,
            _argument("--event", metavar="NAME", nargs="+", help="only these events"),
        ),
        endless=True,
    ),
    Command(
        "wait", "operations:wait", "until folders have come to an end, or nothing is left to do",
        "Wait until these folders have come to an end; without any until nothing is left to do. Exit code 1 where one "
        "failed or is blocked, or the time is over.",
        (_FOLDERS, _TIMEOUT),
    ),
    Command("workers", "operations:workers", "what each worker is at, and what it takes"),
    # What came to nothing, and trying it again
    Command(
        "failures", "folders:failures", "every folder that failed or is blocked, and why",
        "Show every folder that failed or is blocked, the latest first. Exit code 1 where there is any.",
        (_OF_DATASET,),
    ),
    Command(
        "retry", "folders:retry", "try folders again",
        "Have the service try folders again now, whatever they have come to; what counts towards giving them up counts "
        "from zero.",
        (
            _FOLDERS,
            _argument("--all", action="store_true", help="every folder that failed or is blocked"),
            _argument("--dataset", metavar="DATASET", help="every one of this dataset"),
            _argument(
                "--features", nargs="+", metavar="FEATURE",
                help="measure these in the FOLDERs also where the record has values of other tools",
            ),
        ),
    ),
    Command(
        "bump", "folders:bump", "measure a folder before all others",
        "Have the service measure a folder that waits before all others. Exit code 1 where it does not wait.",
        (_FOLDER,),
    ),
    Command(
        "rescan", "folders:rescan", "walk a dataset now",
        "Have the service walk a dataset now, as it does every `rescan` seconds and after events were lost.",
        (
            _DATASET,
            _argument("--accept", action="store_true", help="believe it even where nothing is left of what was known"),
        ),
    ),
    Command(
        "explain", "folders:explain", "what the service knows of one folder, and what comes next",
        "Show where one folder stands and why, what comes next, and how its last jobs ended.",
        (_FOLDER,),
    ),
    # Stopping for a while, and going by another configuration
    Command(
        "pause", "operations:pause", "give out no more jobs",
        "Have the service give out no more jobs, in one dataset or in all; what runs comes to its end.",
        (
            _argument("--for", metavar="DURATION", dest="seconds", type=_duration, help="go on by itself after that"),
            _DATASET_OR_ALL,
        ),
    ),
    Command(
        "resume", "operations:resume", "go on after a pause, or now in spite of a schedule",
        "Have the service give out jobs again after a pause, in one dataset or in all. With --now also where a "
        "schedule holds them back: what does so at this moment counts no more until it is over by itself.",
        (
            _argument("--now", action="store_true", help="override the schedule as well"),
            _argument(
                "--for", metavar="DURATION", dest="seconds", type=_duration,
                help="with --now: override all of the schedule for so long, and no longer",
            ),
            _DATASET_OR_ALL,
        ),
    ),
    Command(
        "drain", "operations:drain", "pause everything, and wait until nothing runs",
        "Pause everything, and wait until nothing runs. Exit code 1 where something still does when the time is over; "
        "it stays paused.",
        (_TIMEOUT,),
    ),
    Command(
        "reload", "folders:reload", "have the service read its configuration again",
        "Have the service read its configuration again and go by it; shows what is different. An invalid one changes "
        "nothing: exit code 1, with the reason.",
    ),
    # The configuration, and this machine
    Command(
        "setup", "setup:setup", "let the service work on a dataset",
        "Add a dataset to the configuration, let the service's unit write there, give its user the rights that it "
        "lacks there, and restart it. Exit code 1 where the user cannot write there all the same.",
        (
            _argument("dataset", metavar="DATASET", nargs="?", help="the dataset's directory"),
            _CONFIG,
            (
                _argument("--grant", action="store_true", help="give them again, to what has been moved in as well"),
                _argument("--no-grant", action="store_true", help="give none; say what is lacking"),
                _argument(
                    "--undo", action="store_true",
                    help="take it out again, and put the ACLs back; no file in it is touched",
                ),
            ),
            _argument(
                "--operator", metavar="USER",
                help="let this person ask the service and change what it does; without DATASET nothing else",
            ),
            _argument("--web", action="store_true", help="let the unit serve the page; alone, or with --undo"),
            _argument("--user", action="store_true", help="of your own service, without root; writes its unit"),
            _argument("--no-restart", action="store_true", help="leave starting the service to you"),
        ),
    ),
    Group("config", "check or show the configuration", (
        Command(
            "check", "settings:check", "whether the service would take a configuration",
            "Read a configuration as the service does. Exit code 1, with the reason, where it would refuse it.",
            (
                _argument("file", metavar="FILE", nargs="?", type=Path, help="this one, not the one that is found"),
                _CONFIG,
            ),
        ),
        Command("show", "settings:show", "every key with its value, and where that comes from", arguments=(_CONFIG,)),
    )),
    Command(
        "doctor", "doctor:doctor", "what could keep the service from its work here, and what to do about it",
        "Look at permissions, file systems, space, limits, versions, models and the service itself. Exit code 1 where "
        "something has to be done.",
        (_CONFIG,),
    ),
    Command(
        "web", "web:web", "a link to the service's page, good once",
        "Ask the service for a link to its page, which `[web] listen` turns on. A browser that opens it has your "
        "rights there, until it was not used for 12 hours or the service ends.",
        (_CONFIG, _argument("--open", action="store_true", help="open it in your browser")),
    ),
    # What the records have, with a service or without
    Command(
        "progress", "surveys:progress", "how many folders of a dataset are complete",
        "Count the folders of a dataset whose records have the features.",
        _SURVEYED,
    ),
    Command(
        "check", "surveys:check", "which folders of a dataset are still to be processed",
        "Count the folders that are neither complete nor locked. Exit code 1 where there is anything left to do.",
        (
            _argument("--list", action="store_true", help="name them, one a line"),
            *_SURVEYED,
        ),
    ),
    Command(
        "missing", "surveys:missing", "which features each incomplete folder lacks",
        "Show what each incomplete folder lacks. Exit code 1 where any lacks anything.",
        _SURVEYED,
    ),
    # The values in the records
    Command(
        "list", "results:list_results", "the values of each folder, as a table",
        "Show the folders of a dataset with their values, all or those that meet a condition. Exit code 1 where there "
        "is none.",
        (
            _DATASET,
            _CONFIG,
            _argument("--columns", nargs="+", metavar="COLUMN", help="these features; also folder, state and why"),
            _argument(
                "--sort", metavar="COLUMNS",
                help="by these, with commas between them; -bpm begins with the largest. Missing ones come last",
            ),
            _WHERE,
            _argument("--limit", metavar="N", type=_number, help="no more rows than that"),
            _DISK,
        ),
    ),
    Command(
        "summary", "results:summary", "each feature in short: quartiles, a histogram, the most frequent labels",
        "Show how many folders have each feature and lack it, its least and largest value, its quartiles and a "
        "histogram; of labels the most frequent ones. Exit code 1 where there is no value.",
        (
            _DATASET,
            _CONFIG,
            _argument("--features", nargs="+", metavar="FEATURE", help="only these"),
            _WHERE,
            _DISK,
        ),
    ),
    Command(
        "export", "export:export", "the values as a table, or as a dataset that training programs load",
        "Write the values of a dataset's folders to a new file, or with their audio to a new directory. Nothing is "
        "written where the target is there already. Exit code 1 where there is no folder, or one has no full mix.",
        (
            _DATASET,
            _CONFIG,
            _argument(
                "--format", required=True, metavar="FORMAT",
                choices=("csv", "tsv", "jsonl", "parquet", "huggingface", "webdataset", "stable-audio-tools"),
                help="csv, tsv, jsonl, parquet, huggingface, webdataset or stable-audio-tools",
            ),
            _argument(
                "-o", "--output", required=True, metavar="PATH",
                help="the file or the directory to make; - for standard output (csv, tsv, jsonl)",
            ),
            _argument("--columns", nargs="+", metavar="COLUMN", help="only these features, in this order"),
            _WHERE,
            _argument("--complete-only", action="store_true", help="only folders where nothing is left to be measured"),
            _argument("--stems", action="store_true", help="refer to the stems' files as well"),
            _argument("--with-audio", action="store_true", help="copy audio instead of referring to it"),
            _argument("--clamp", action="store_true", help="bound numbers to the ranges of their features"),
            _DISK,
        ),
    ),
    Command(
        "history", "history:history", "what was done day by day, what took the time, and what failed",
        "Show for each day of the last week how many folders were completed and how many jobs failed, hours of music, "
        "and the rate; then processor time by analyzer, and failures by cause. Of a FOLDER: when each analyzer "
        "measured it, and how its last jobs failed. Exit code 1 where nothing was done.",
        (
            _argument("folder", metavar="FOLDER", nargs="?", help="only this track folder"),
            _argument(
                "--since", metavar="WHEN", type=_moment,
                help="from then on: so long ago (2h, 30d), or a day (2026-11-01); up to 2 days are told by hours",
            ),
            _OF_DATASET,
        ),
    ),
    Command(
        "report", "report:report", "a page with pictures of all values, to be read offline or printed",
        "Write one HTML file: how values are distributed, outliers, failures by cause, quality, duplicates. Exit code "
        "1 where there is no folder.",
        (
            _DATASET,
            _CONFIG,
            _argument("-o", "--output", required=True, metavar="PATH", help="the file to make"),
            _WHERE,
            _DISK,
        ),
    ),
    # From a library to a dataset, and back
    Command(
        "import", "imports:run", "make track folders of a music library",
        "Make track folders in a dataset of the audio files below SRC: named by their tags, else by their paths. "
        "Nothing of SRC changes, but by --mode move. Exit code 1 where something could not be imported or undone, or "
        "nothing was found.",
        (
            _argument(
                "path", metavar="PATH", nargs="*",
                help="files and directories to take, SRC..., and last of all the dataset",
            ),
            _argument(
                "--mode", choices=("auto", "reflink", "hardlink", "copy", "move", "link"), default="auto",
                help="how files are brought in: auto is reflinks where there are any, else copies",
            ),
            _argument(
                "--name", metavar="TEMPLATE", default="{artist} - {album} - {title}",
                help="what folders are called ({artist} - {album} - {title})",
            ),
            _argument(
                "--stems", metavar="REGEX",
                help="what separated stems are called below SRC, with groups named title and stem",
            ),
            _argument("--dry-run", action="store_true", help="only say what would be done"),
            (
                _argument("--list", action="store_true", help="show the imports of a dataset, or of those configured"),
                _argument("--undo", metavar="ID", help="take the folders of this import out again"),
            ),
            _CONFIG,
        ),
    ),
    Command(
        "duplicates", "duplicates:duplicates", "which folders of a dataset hold the same music",
        "Show which folders have the same full mix, by the digests in their records. Nothing is merged or removed. "
        "Exit code 1 where there are any, or nothing could be compared.",
        (
            _DATASET,
            _CONFIG,
            _argument(
                "--near", action="store_true",
                help="those that sound alike as well, by their fingerprints: another gain, codec or start",
            ),
        ),
    ),
    Command(
        "audit", "audit:audit", "which values of other tools are wrong, or stand where nothing was measured",
        "Read every record of a dataset, and hold those values against rules that nothing here has measured: the batch "
        "guide's scripts fill in 120 BPM, or 0 for stems that are not there. Exit code 1 where any is found, or "
        "anything cannot be read.",
        (
            _DATASET,
            _CONFIG,
            _argument("--features", nargs="+", metavar="FEATURE", help="only these features and analyzers"),
            _argument(
                "--retry", action="store_true",
                help="have what is found measured again: by the service that works there, else in one pass now",
            ),
        ),
    ),
    Command(
        "verify", "verify:verify", "whether files still have the content that was measured",
        "Read every file again that has the size and time with which it was measured, and compare its content with the "
        "digest of then: where that differs, a disk has lost bits of it. Gives way to all other work, and measures "
        "nothing again. Exit code 1 where any differs or cannot be read, or there was nothing to compare.",
        (
            _DATASET,
            _CONFIG,
            _argument(
                "-o", "--output", metavar="FILE", type=Path,
                help="a new file for what differs, a line of JSON each, with the values as they were measured",
            ),
            _argument("--after", metavar="FOLDER", help="only the folders that come after this one, to go on"),
            _argument("--for", metavar="DURATION", dest="seconds", type=_duration, help="end after that"),
            _argument("--rate", metavar="SIZE", type=_size, help="read no more a second than that, on average"),
        ),
    ),
    # Measuring by hand, and what can be measured
    Command(
        "analyze", "analysis:analyze", "measure files and track folders, now",
        "Measure audio files, and all source files of track folders, and show the values. Exit code 1 where a file "
        "is damaged, or nothing can be measured.",
        (
            _argument("path", metavar="PATH", nargs="+", help="an audio file, or a track folder"),
            _argument("--features", nargs="+", metavar="FEATURE", help="only these features and analyzers"),
            _argument("--save", action="store_true", help="write them to the folder's record"),
            _CONFIG,
        ),
    ),
    Command(
        "features", "analysis:features", "every feature with unit, range and source, and what it costs",
        "Show every feature, or these, by analyzer: whether it is on, what it costs on this machine by what the "
        "service has measured, and why it cannot work here. Only what gives them is loaded to find that out.",
        (
            _argument("name", metavar="NAME", nargs="*", help="only these features and analyzers"),
            _CONFIG,
        ),
    ),
    Command(
        "help", "help:show_help", "all about a command",
        "Show the help of a command, or of an action of one: `audiobatchctl help models fetch`.",
        (
            _argument("command", metavar="COMMAND", nargs="*", help="the command, and its action"),
            _argument("--all", action="store_true", help="a line about each command"),
        ),
    ),
    # Locks and models
    Group("locks", "list, clean up or try out a dataset's locks", (
        Command("list", "locks:list_locks", "every lock, and whether its holder lives", arguments=(_DATASET, _CONFIG)),
        Command(
            "cleanup", "locks:clean_up", "remove what dead holders left",
            "Remove the locks whose holders are gone. A lock that is held is never removed, however old it is.",
            (
                _DATASET,
                _CONFIG,
                _argument(
                    "--timeout", metavar="SECONDS", type=_seconds, default=3600.0,
                    help="age at which a lock of the batch guide's scripts on a network file system is dead (3600)",
                ),
                _argument("--dry-run", action="store_true", help="only say what would be removed"),
                _argument(
                    "--free", action="store_true",
                    help="remove empty lock files from a network file system too: only while no machine works there",
                ),
            ),
        ),
        Command(
            "test", "locks:test", "find out what the locks of its file system are worth",
            "Try the locks of a dataset's file system with two processes and, when it is started on two machines at "
            "once, between them.",
            (
                _DATASET,
                _CONFIG,
                _argument("--wait", metavar="SECONDS", type=_seconds, default=10.0, help="for another machine (10)"),
            ),
        ),
    )),
    Group("models", "list, fetch, add or verify the models that analyzers load", (
        Command(
            "list", "models:list_models", "the models that are known or found, and where they are",
            arguments=(_CONFIG,),
        ),
        Command(
            "fetch", "models:fetch", "fetch published models",
            "Fetch published models, and what they need, from where they are published; without a NAME those that the "
            "analyzers work with. They are for non-commercial use.",
            (
                _argument("name", metavar="NAME", nargs="*", help="a model that `audiobatchctl models list` knows"),
                _argument("--to", metavar="DIR", type=Path, help="put them into this directory"),
                _argument(
                    "--from", metavar="URL", dest="source",
                    help="a mirror's base address, in place of the official one",
                ),
                _CONFIG,
            ),
        ),
        Command(
            "add", "models:add", "copy a model from your files to where it is looked for",
            "Check a TensorFlow graph and its metadata, and copy them to where models are looked for.",
            (
                _argument("file", metavar="FILE", type=Path, help="the graph, NAME.pb"),
                _argument(
                    "metadata", metavar="METADATA", type=Path, nargs="?",
                    help="its metadata; else NAME.json beside it",
                ),
                _CONFIG,
            ),
        ),
        Command(
            "verify", "models:verify", "hold the models that are found against their digests",
            "Hold every model that is found against the published digests and those that it came with. Exit code 1 "
            "where any is wrong.",
            (_CONFIG,),
        ),
    )),
    # The shell
    Command(
        "completion", "completion:completion", "what a shell needs to complete command lines",
        'Print the completion for a shell, to be evaluated there (eval "$(audiobatchctl completion bash)") or to be '
        "kept in a file that it looks for. A program that the package or pipx has brought may have it already.",
        (
            _argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish"),
            _argument(
                "program", metavar="PROGRAM", nargs="?", choices=("audiobatchctl", "audiobatchd"),
                default="audiobatchctl", help="audiobatchctl or audiobatchd (audiobatchctl)",
            ),
        ),
    ),
)
"""All commands, in the order of the help."""
# fmt: on

THEMES: Mapping[str, tuple[str, ...]] = {
    "Look on": ("status", "top", "follow", "wait", "workers", "web"),
    "Single folders": ("failures", "explain", "retry", "bump"),
    "Hold up, go on": ("pause", "resume", "drain", "reload", "rescan"),
    "Set up": ("setup", "import", "config", "doctor"),
    "Use the results": ("list", "summary", "export", "history", "report"),
    "Look into records": ("progress", "check", "missing", "audit", "duplicates", "verify"),
    "By hand": ("analyze", "features", "models", "locks"),
    "Help": ("help", "completion"),
}
"""The commands by what they are for, as the short help names them; each stands in one."""
