"""A real service that is killed between a folder's end and its hook, at each step: no message is lost."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.audio_files import tone, write_audio
from support.service import Service, configuration, eventually, features_of, run, service

pytestmark = pytest.mark.timeout(300)

STEPS: Mapping[str, str] = {
    "the record is in its place": "EventQueue.put = dying(EventQueue.put, before=is_result)",
    "the end is decided": "Hooks._tell = dying(Hooks._tell, before=is_done)",
    "the message is about to be written": "Outbox.put = dying(Outbox.put, before=of_folder)",
    "the message is written": "Outbox.put = dying(Outbox.put, after=of_folder)",
    "the hook is told": "command.run = dying_soon(command.run)",
    "the hook has taken it": "Delivery._taken = dying(Delivery._taken, before=lambda *_: True)",
    "the dataset is complete": "Hooks._tell = dying(Hooks._tell, before=is_complete)",
}
"""Moments at which the service dies, the earliest first, with what makes it die there."""

LAUNCHER = """
import asyncio, os, runpy, signal, sys
from audiobatchd.core.events import WorkerSaid
from audiobatchd.core.messages import Result
from audiobatchd.hooks import command
from audiobatchd.hooks.delivery import Delivery
from audiobatchd.hooks.hooks import Hooks
from audiobatchd.hooks.outbox import Outbox
from audiobatchd.service.event_queue import EventQueue
never = lambda *_: False
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def dying(work, before=never, after=never):
    def done(*arguments, **named):
        if before(*arguments):
            die()
        result = work(*arguments, **named)
        if after(*arguments):
            die()
        return result
    return done
def dying_soon(work):
    def begun(*arguments):
        asyncio.get_running_loop().call_later(0.3, die)
        return work(*arguments)
    return begun
is_result = lambda _, event: isinstance(event, WorkerSaid) and isinstance(event.message, Result)
is_done = lambda _, __, told: told.event == "folder-done"
is_complete = lambda _, __, told: told.event == "dataset-complete"
of_folder = lambda _, subject, messages: subject[1] is not None
exec(sys.argv.pop(1))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""

HOOK = '#!/bin/sh\nbody=$(cat)\nprintf "%s\\n" "$body" >> "{told}"\n'
"""A hook that writes a line at once: it may be killed with the service at any moment."""


def make_track(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_audio(folder / "full_mix.wav", tone(3.5), 44100)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The file that the hook writes what it is told into."""
    return tmp_path / "told"


@pytest.fixture
def config(tmp_path: Path, told: Path) -> Path:
    """A configuration with a hook, which is told everything."""
    script = tmp_path / "hook"
    script.write_text(HOOK.format(told=told))
    script.chmod(0o755)
    made = configuration(tmp_path / "config.toml", tmp_path / "music", settle=0.0, workers=1)
    with made.open("a") as file:
        file.write(
            '[[hook]]\nname = "mail"\n'
            'on = ["folder-done", "folder-failed", "dataset-complete", "dataset-paused"]\n'
            f"command = [{json.dumps(str(script))}]\n"
        )
    return made


def messages(told: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.read_text().splitlines() if line] if told.exists() else []


def folders(told: Path) -> Counter[str]:
    return Counter(each["folder"] for each in messages(told) if each["event"] == "folder-done")


def test_killed_at_each_step_none_is_lost(tmp_path: Path, config: Path, told: Path) -> None:
    music = tmp_path / "music"
    make_track(music / "before")
    assert run("audiobatchd", "--once", music, "--features", "lufs", "lra")[0] == 0
    for number, step in enumerate(STEPS):
        make_track(music / str(number))
        launcher = (sys.executable, "-c", LAUNCHER, STEPS[step])
        with service(tmp_path, config, prefix=launcher) as dying:
            assert dying.process.wait(60) == -signal.SIGKILL, (step, dying.log())
    with service(tmp_path, config) as running:
        eventually(lambda: is_over(running, told), what=lambda: (messages(told), running.log()))
        assert running.stop() == 0
    assert all(features_of(music / str(number)) for number in range(len(STEPS)))
    ids = [each["id"] for each in messages(told)]
    again = {each for each in ids if ids.count(each) > 1}
    assert len(again) <= len(STEPS), "only what was under way at a death comes again"
    assert set(folders(told)) == {str(number) for number in range(len(STEPS))}, (
        "and nothing of what was complete before"
    )
    assert [each for each in messages(told) if each.get("found")], "a job's word was lost at the first step"


def is_over(running: Service, told: Path) -> bool:
    status = running.status()
    complete = bool(messages(told)) and messages(told)[-1]["event"] == "dataset-complete"
    return status is not None and complete and len(folders(told)) == len(STEPS) and status.hooks[0].waiting == 0


def test_a_worker_killed_behind_its_record_loses_no_message(tmp_path: Path, config: Path, told: Path) -> None:
    make_track(tmp_path / "music" / "Song")
    code = (
        "from audiobatchd.service.supervisor import Supervisor\n"
        "handle, killed = Supervisor._handle, []\n"
        "def losing(self, event):\n"
        "    if is_result(None, event) and not killed:\n"
        "        killed.append(os.kill(event.pid, signal.SIGKILL))\n"
        "        return []\n"
        "    return handle(self, event)\n"
        "Supervisor._handle = losing"
    )
    with service(tmp_path, config, prefix=(sys.executable, "-c", LAUNCHER, code)) as running:
        eventually(lambda: len(messages(told)) > 1, what=running.log)
    assert [(each["event"], each.get("found", False)) for each in messages(told)] == [
        ("folder-done", True),
        ("dataset-complete", False),
    ]


def test_hooks_are_listed_tried_and_reloaded(tmp_path: Path, config: Path, told: Path) -> None:
    (tmp_path / "music").mkdir()
    with service(tmp_path, config) as running:
        eventually(running.status)
        control = ("audiobatchctl", "--socket", running.socket)
        code, out, _ = run(*control, "hooks", "list")
        assert (code, "hook mail" in out, "0 waiting" in out) == (0, True, True)
        code, out, _ = run(*control, "hooks", "test", "mail")
        assert (code, out.startswith("The hook mail")) == (0, True)
        assert [each["event"] for each in messages(told)] == ["test"]
        config.write_text(config.read_text() + '[[hook]]\non = ["dataset-paused"]\ncommand = ["false"]\n')
        assert "hook 2: new" in run(*control, "reload")[1]
        code, out, _ = run(*control, "--json", "hooks", "test", "2")
        assert (code, json.loads(out)["trouble"]) == (1, "exit code 1")
        run(*control, "pause")
        eventually(lambda: [each["event"] for each in messages(told)] == ["test", "dataset-paused"])
        running.says("hook-failed hook=2")
        code, out, _ = run(*control, "hooks", "list", "--json")
        assert (code, [each["state"] for each in json.loads(out)["hooks"]]) == (1, ["idle", "failing"])
