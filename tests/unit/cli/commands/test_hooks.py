"""Hooks as an operator sees them, from a real control socket."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli import control
from audiobatchd.control.status import HookStatus, Status
from audiobatchd.vocabulary.states import HookState
from support.control_rig import ToldService, serving
from support.statuses import HOSTILE, idle

FINE = HookStatus("mail", "command", "/bin/mail", ["folder-done"], [], HookState.IDLE, "", 0, 0, None, 3, 0, 0)
BAD = HookStatus(
    "site", "url", "https://example.org", ["folder-failed"], ["/srv/music"], HookState.FAILING, "the answer is 503",
    1234, 99, 17.0, 0, 5, 2,
)  # fmt: skip


def with_hooks(*hooks: HookStatus) -> Status:
    return msgspec.structs.replace(idle(), hooks=list(hooks))


def ask(place: Path, status: Status, *arguments: str) -> int:
    with serving(place / "s", lambda: status, ToldService(lambda: status)):
        return control.main(["--socket", str(place / "s"), "hooks", *arguments])


def test_hooks_are_listed_with_what_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, with_hooks(FINE, BAD), "list") == 1
    out = capsys.readouterr().out
    for each in ("hook mail: /bin/mail  idle", "3 delivered", "1,234 waiting", "2 lost", "tried again in 17 s", "503"):
        assert each in out
    assert "folder-failed  of /srv/music" in out


def test_hooks_that_work_are_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, with_hooks(FINE), "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["hooks"][0]["delivered"] == 3


def test_without_hooks_it_is_said_how_to_have_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, with_hooks(), "list") == 0
    assert "[[hook]]" in capsys.readouterr().out


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_reasons_cannot_steer_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    hook = msgspec.structs.replace(BAD, name=text or "x", target=text, remark=text, datasets=[text])
    ask(tmp_path, with_hooks(hook), "list")
    assert not set("\x1b\x07\x9b\u202e") & set(capsys.readouterr().out)


@pytest.mark.parametrize(("name", "code", "said"), [("mail", 0, "took it, in"), ("bad", 1, "did not take it: the")])
def test_a_try_says_what_came_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, code: int, said: str
) -> None:
    assert ask(tmp_path, with_hooks(), "test", name) == code
    assert said in capsys.readouterr().out
    assert ask(tmp_path, with_hooks(), "test", name, "--json") == code
    assert json.loads(capsys.readouterr().out)["name"] == name
