"""The entrance of `audiobatchd`: loading all that it takes lasts up to a second, in which a signal may come."""

from __future__ import annotations

from audiobatchd.disk import interrupts


def main() -> int:
    """Keep SIGHUP from the first moment, then run the command; its exit code."""
    interrupts.keep_hang_up()
    from audiobatchd.cli import daemon  # noqa: PLC0415  # see above

    return daemon.main()
