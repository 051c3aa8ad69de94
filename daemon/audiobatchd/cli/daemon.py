"""`audiobatchd`: the service in the foreground, or one pass over a dataset."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from audiobatchd import __version__
from audiobatchd.cli.local import refuse_wrong_options
from audiobatchd.cli.terminal import output
from audiobatchd.cli.terminal.text import write
from audiobatchd.config import file as config
from audiobatchd.config import places
from audiobatchd.config.checks import refuse_unknown_analyzers
from audiobatchd.config.file import Config, DatasetConfig, chosen_config
from audiobatchd.config.places import default_socket
from audiobatchd.core.assessment import Policy
from audiobatchd.disk import filesystems, interrupts, shares
from audiobatchd.disk.again import read_list
from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import AlreadyRunningError, ConfigError, UsageError
from audiobatchd.plugin_api import absence
from audiobatchd.service.log import set_up, standard_error
from audiobatchd.service.supervisor import View
from audiobatchd.vocabulary.exits import DaemonExit
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.shard import Shard, parse_shard, shard_of

if TYPE_CHECKING:
    from audiobatchd.cluster.contact import Contact

_PROGRAM = "audiobatchd"
_CLUSTER = ("scheduler", "scheduler_file", "local_cluster")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    output.open_closed()
    say = output.Voice()
    try:
        arguments = output.parsed(_parser(), argv, say)
        code = _run(arguments, say)
    except SystemExit as left:  # --help, --version, a wrong command line
        code = left.code if isinstance(left.code, int) else 0
        raise SystemExit(output.end(_PROGRAM, code, say.lost)) from None
    # The work is what the program is for, whether the summary of it can be read or not; a dry run is its answer.
    return output.end(_PROGRAM, code, say.lost, stands=not arguments.dry_run)


def _run(arguments: argparse.Namespace, say: output.Voice) -> int:
    try:
        if arguments.once or interrupts.has_terminal():
            interrupts.let_hang_up()  # it asks for the end; a service without a terminal is to read again
        settings = _configuration(arguments)
        with ExitStack() as stack:
            stack.enter_context(interrupts.meaningless_ignored())
            views, writers = _set_up_terminal(stack)
            run = _one_pass if arguments.once else _service
            code, told = run(settings, arguments, views)
        if told and arguments.once:
            say(told)
        elif told and not any(each.is_stuck for each in writers):
            with suppress(OSError):  # a terminal that has gone: the service has ended well all the same
                write(told, sys.stderr)
    except KeyboardInterrupt:
        return DaemonExit.INTERRUPTED
    except ConfigError as error:
        return _refuse(error, DaemonExit.CONFIG)
    except UsageError as error:
        return _refuse(error, DaemonExit.USAGE)
    except AlreadyRunningError as error:
        return _refuse(error, DaemonExit.TROUBLE)
    except OSError as error:
        return _refuse(
            f"cannot use {shown(str(error.filename))}: {error.strerror}" if error.filename else error.strerror or error,
            DaemonExit.TROUBLE,
        )
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Watch music datasets and give every track folder its numbers, once.",
        epilog="Exit codes: 0 fine; 1 --once ended with failed folders; 2 wrong usage; "
        "3 --once found no track folder; 78 invalid configuration; "
        "130 interrupted; 134 ended by SIGABRT.",
    )
    parser.add_argument("dataset", nargs="*", help="work on these datasets instead of the configured ones")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--workers", metavar="N", type=_count, help="number of worker processes")
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help="where the daemon keeps what it remembers")
    parser.add_argument("--socket", metavar="PATH", type=Path, help="the control socket")
    parser.add_argument("--version", action="version", version=f"audiobatchd {__version__}")
    once = parser.add_argument_group("one pass", "without a service, beside any number of services and machines")
    once.add_argument("--once", action="store_true", help="process what is due, print a summary, and leave")
    once.add_argument(
        "--features",
        nargs="+",
        metavar="FEATURE",
        help="only what lacks one of these features, or one that these analyzers give",
    )
    once.add_argument(
        "--again", metavar="FILE", type=Path, help="measure what this list names, see `audiobatchctl audit --retry`"
    )
    once.add_argument("--overwrite", action="store_true", help="measure also what is complete")
    once.add_argument("--dry-run", action="store_true", help="only say what would be done")
    _add_many_machines(parser)
    return parser


def _add_many_machines(parser: argparse.ArgumentParser) -> None:
    many = parser.add_argument_group("many machines", "that divide one pass")
    many.add_argument(
        "--shard",
        metavar="I/N",
        help="only the I-th of N parts of the track folders, which are the same everywhere; auto: the part that a "
        "Slurm array or a Kubernetes Indexed Job made this process for",
    )
    many.add_argument("--then-any", action="store_true", help="go on with the folders of all other shards")
    _add_cluster(many)


def _add_cluster(many: argparse._ArgumentGroup) -> None:
    """Add what says which Dask cluster measures; the names are those that Dask's own programs have."""
    which = many.add_mutually_exclusive_group()
    which.add_argument("--scheduler", metavar="ADDRESS", help="measure on the workers of this Dask scheduler")
    which.add_argument("--scheduler-file", metavar="FILE", type=Path, help="the same, with its address in this file")
    which.add_argument(
        "--local-cluster", metavar="N", type=_count, help="of one with N workers, started here to try it"
    )
    many.add_argument("--tls-ca-file", metavar="FILE", type=Path, help="certificates that the scheduler's has to be by")
    many.add_argument("--tls-cert", metavar="FILE", type=Path, help="certificate that is shown to the scheduler")
    many.add_argument("--tls-key", metavar="FILE", type=Path, help="its key")


def _shard(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Shard | None:
    """Return the part of the track folders that is asked for; None: all. Raises UsageError."""
    if arguments.shard is None:
        if arguments.then_any:
            raise UsageError("--then-any goes with --shard")
        return None
    if arguments.then_any and arguments.overwrite:
        message = "--then-any cannot go with --overwrite: what other shards have just measured would be measured again"
        raise UsageError(message)
    shard = shard_of(environ) if arguments.shard == "auto" else parse_shard(arguments.shard)
    if shard is None:
        message = f"--shard takes I/N, such as 2/8, or auto, not {arguments.shard!r}: I and N from 1, and I up to N"
        raise UsageError(message)
    return replace(shard, then_any=arguments.then_any)


def _count(text: str) -> int:
    bounds = config.BOUNDS["workers"]
    if not text.isdecimal() or not bounds.hold(int(text)):
        message = f"expected a whole number from {bounds}, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


class _Source:
    """The configuration as this command line, and everything that it leaves open, say."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self.shard = _shard(arguments, os.environ)
        """See `planning.Source`."""

    def read(self) -> Config:
        """See `planning.Source`."""
        return _configuration(self._arguments)

    def model_directories(self, config: Config) -> tuple[Path, ...]:
        """See `planning.Source`."""
        return places.model_directories(config.model_directory, os.environ, _state_directory(self._arguments))


def _configuration(arguments: argparse.Namespace) -> Config:
    for option in ("features", "again", "overwrite", "dry_run", "shard", "then_any", *_CLUSTER):
        if getattr(arguments, option) not in (None, False) and not arguments.once:
            message = f"--{option.replace('_', '-')} goes with --once"
            raise UsageError(message)
    settings = chosen_config(arguments.config, os.environ)
    if arguments.dataset:
        chosen = [config.dataset_from_command_line(settings, each) for each in arguments.dataset]
        settings = config.with_datasets(settings, chosen)
    if arguments.workers:
        settings = msgspec.structs.replace(settings, workers=arguments.workers)
    path = arguments.config or config.find_config(os.environ)
    refuse_unknown_analyzers(settings, path)
    directories = places.model_directories(settings.model_directory, os.environ, _state_directory(arguments))
    refuse_wrong_options(settings, path, directories)
    if arguments.once:
        if not settings.dataset:
            raise UsageError("--once needs a dataset")
        for each in settings.dataset:
            _refuse_for_one_pass(each)
    return settings


def _refuse_for_one_pass(dataset: DatasetConfig) -> None:
    """Raise where a service would wait: a pass has to say at once that it cannot."""
    if filesystems.resolved(dataset.path) is None:
        message = f"cannot work on {shown(dataset.path)}: its disk does not answer"
        raise UsageError(message)
    if not Path(dataset.path).is_dir():
        from audiobatchd.cli.named import nearest_beside  # noqa: PLC0415  # nearly all are there

        message = f"no such dataset: {shown(dataset.path)}{nearest_beside(dataset.path)}"
        raise UsageError(message)
    kind, filesystem = shares.of(dataset.path)
    if kind is Kind.WEAK and not dataset.alone:
        message = f"cannot work on {shown(dataset.path)}: {filesystems.refusal(filesystem)}"
        raise UsageError(message)


# Each of the next three loads what the others can do without: a pass over a small dataset is not to wait for an HTTP
# server, nor a service without a terminal for what draws on one.


def _service(settings: Config, arguments: argparse.Namespace, views: tuple[View, ...]) -> tuple[int, str]:
    from audiobatchd.service import daemon  # noqa: PLC0415  # see above

    state = _state_directory(arguments)
    socket = arguments.socket or default_socket(os.environ, os.getuid())
    return daemon.run(settings, _Source(arguments), state, socket, views)


def _one_pass(settings: Config, arguments: argparse.Namespace, views: tuple[View, ...]) -> tuple[int, str]:
    from audiobatchd.service import one_pass  # noqa: PLC0415  # see above

    only = tuple(dict.fromkeys(arguments.features)) if arguments.features else None
    again = read_list(arguments.again) if arguments.again else {}
    if arguments.again and only is None:
        only = tuple(sorted({name for names in again.values() for name in names}))
    policy = Policy(overwrite=arguments.overwrite, only=only)
    contact = _contact(arguments)
    return one_pass.run(settings, _Source(arguments), policy, views, again, dry_run=arguments.dry_run, contact=contact)


def _contact(arguments: argparse.Namespace) -> Contact | None:
    """The cluster that measures, if any. Raises UsageError where it cannot be used as it is named."""
    tls = arguments.tls_ca_file, arguments.tls_cert, arguments.tls_key
    if not any(getattr(arguments, name) for name in _CLUSTER):
        if any(tls):
            raise UsageError("--tls-ca-file, --tls-cert and --tls-key go with --scheduler or --scheduler-file")
        return None
    from importlib.util import find_spec  # noqa: PLC0415  # see above

    from audiobatchd.cluster.contact import Contact, refuse_open  # noqa: PLC0415  # see above

    if find_spec("distributed") is None:
        message = f"cannot use a cluster, for which distributed is needed: {absence('distributed')}"
        raise UsageError(message)
    for path in filter(None, tls):
        path.open("rb").close()
    if arguments.scheduler:
        refuse_open(arguments.scheduler)
    return Contact(arguments.scheduler or "", arguments.scheduler_file, arguments.local_cluster or 0, *tls)


def _state_directory(arguments: argparse.Namespace) -> Path:
    return arguments.state_dir or places.state_directory(os.environ, os.getuid())


class _Writer(Protocol):
    """A thread that writes to standard error."""

    @property
    def is_stuck(self) -> bool:
        """Tell whether what reads there had not taken everything when it was closed."""


def _set_up_terminal(stack: ExitStack) -> tuple[tuple[View, ...], tuple[_Writer, ...]]:
    """The live view on a terminal, else one line per event; and what writes there."""
    views: tuple[View, ...] = ()
    writers: tuple[_Writer, ...] = ()
    handler = standard_error()
    if sys.stderr.isatty():
        from audiobatchd.cli.terminal.live import Console, DrawingThread  # noqa: PLC0415  # see above

        if Console.usable(sys.stderr):
            console = DrawingThread(sys.stderr)
            handler = console.handler()
            console.start()
            stack.callback(console.close)
            views, writers = (console,), (console,)
    elif "JOURNAL_STREAM" in os.environ:
        from audiobatchd.service import journal  # noqa: PLC0415  # see above

        if journal.is_standard_error(os.environ):
            handler = journal.handler()
    log = set_up(handler)
    stack.callback(log.close)
    return views, (log, *writers)


def _refuse(error: Exception | str, code: int) -> int:
    output.complain(_PROGRAM, str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())
