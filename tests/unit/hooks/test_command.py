"""Commands that do what programs do: none is waited for beyond its time, and none leaves anything behind."""

from __future__ import annotations

import asyncio
import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from audiobatchd.core.actions import Tell
from audiobatchd.hooks import command
from audiobatchd.hooks.message import LIMIT, body_of
from audiobatchd.vocabulary.hook_events import HookEvent
from support.service import descriptors_of, eventually

BODY = body_of(Tell(HookEvent.FOLDER_DONE, "/music", "caf\udce9", values={"lufs": -14.0}), "id", "now")


def told(script: str, body: bytes = BODY, timeout: float = 30.0) -> str:
    """Tell a shell script; what came of it. No descriptor is left open."""

    async def tell() -> tuple[str, set[str]]:
        before = set(descriptors_of(os.getpid()).values())
        trouble = await command.run(("sh", "-c", script), body, timeout)
        return trouble, set(descriptors_of(os.getpid()).values()) - before

    trouble, left = asyncio.run(tell())
    assert not left
    return trouble


def test_a_command_has_the_message_and_the_names(tmp_path: Path) -> None:
    script = f'cat > {tmp_path}/body; printf %s "$AUDIOBATCH_FOLDER" > {tmp_path}/name; pwd > {tmp_path}/place'
    assert told(script) == ""
    assert (tmp_path / "body").read_bytes() == BODY
    assert (tmp_path / "name").read_bytes() == b"caf\xe9"
    assert (tmp_path / "place").read_text() == "/\n"


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("exit 3", "exit code 3"),
        ("echo first; echo 'no\033[31m such disk' >&2; exit 1", r"exit code 1 (no\x1b[31m such disk)"),
        ("kill -9 $$", "killed by signal 9"),
        ("exec /nowhere/at/all", "exit code 127"),
    ],
)
def test_a_command_that_fails_is_told_of_in_its_words(script: str, trouble: str) -> None:
    assert told(script).startswith(trouble)


@pytest.mark.parametrize("script", ["exec <&-", "exec 0<&- 1>&- 2>&-", "head -c 1"])
def test_a_command_need_not_read(script: str) -> None:
    assert told(script, BODY + b" " * (LIMIT - len(BODY))) == ""


def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = f"(sh -c 'sleep 600 & echo $! >> {tmp_path}/pids; wait') &"
    assert told(f"trap '' TERM INT; {child} {child} echo waiting; wait", timeout=3.0).endswith(
        "and was ended (waiting)"
    )
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    eventually(lambda: all(map(has_ended, pids)))


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    assert told(f"sleep 600 & echo $! > {tmp_path}/child") == ""
    eventually(lambda: has_ended(int((tmp_path / "child").read_text())))


def test_output_without_end_holds_up_neither_side(tmp_path: Path) -> None:
    async def tell() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        counting = asyncio.create_task(count())
        trouble = await command.run(("sh", "-c", "yes; exit 1"), BODY, 2.0)
        counting.cancel()
        assert trouble.endswith("was ended (y)")
        return turns

    assert asyncio.run(tell()) > 5, "the loop turned meanwhile"


def test_a_megabyte_of_output_is_read_to_its_end() -> None:
    assert told("head -c 1000000 /dev/zero; echo done; exit 4").endswith("done)")


def has_ended(pid: int) -> bool:
    """Tell whether a process is no more than waited for by whoever has it now."""
    try:
        return b"State:\tZ" in Path(f"/proc/{pid}/status").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("free", range(8))
def test_a_command_for_which_descriptors_are_lacking_leaves_none_open(free: int) -> None:
    async def tell() -> tuple[str, set[str]]:
        before = set(descriptors_of(os.getpid()).values())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        hoard: list[int] = []
        with suppress(OSError):
            while True:
                hoard.append(os.dup(0))
        try:
            for descriptor in hoard[:free]:
                os.close(descriptor)
            trouble = await command.run(("true",), BODY, 30.0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in hoard[free:]:
                os.close(descriptor)
        return trouble, set(descriptors_of(os.getpid()).values()) - before

    trouble, left = asyncio.run(tell())
    assert not left
    assert trouble.startswith("cannot ") or not trouble
    assert free or trouble, "none was to be had"
