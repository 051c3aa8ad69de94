"""Messages: names that are no text come through, and everything is bounded."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from audiobatchd.core.actions import Tell
from audiobatchd.hooks.message import LIMIT, body_of, environment, identity_of, trial_body
from audiobatchd.vocabulary.hook_events import HookEvent
from audiobatchd.vocabulary.states import FolderState

TIME = "2026-11-30T22:00:00.000+00:00"
ODD = "new\nline/caf\udce9 \\ \u202e"


def told(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  # of any field of `Tell`
    tell = Tell(HookEvent.FOLDER_DONE, "/music", **{"path": "A/B", **fields})
    return dict(json.loads(body_of(tell, "id", TIME)))


def variables(**fields: Any) -> dict[bytes, bytes]:  # noqa: ANN401  # as above
    tell = Tell(HookEvent.FOLDER_DONE, "/music", **{"path": "A/B", **fields})
    return environment(body_of(tell, "id", TIME), {b"PATH": b"/bin"})


def test_a_done_folder_is_told_with_its_values() -> None:
    assert told(values={"lufs": -14.25, "key": "C"}, unmeasurable={"lra": "short"}) == {
        "id": "id",
        "event": "folder-done",
        "time": TIME,
        "dataset": "/music",
        "folder": "A/B",
        "path": "/music/A/B",
        "record": "/music/A/B/B.INFO",
        "values": {"lufs": -14.25, "key": "C"},
        "unmeasurable": {"lra": "short"},
    }


def test_a_dataset_that_is_a_folder_itself_has_a_path() -> None:
    message = told(path="")
    assert (message["folder"], message["path"], message["record"]) == (".", "/music", "/music/music.INFO")


def test_a_dataset_s_message_counts_its_folders() -> None:
    tell = Tell(HookEvent.DATASET_COMPLETE, "/music", folders={FolderState.COMPLETE: 2, FolderState.FAILED: 0})
    message = json.loads(body_of(tell, "id", TIME))
    assert message == {
        "id": "id", "event": "dataset-complete", "time": TIME, "dataset": "/music", "folders": {"complete": 2},
    }  # fmt: skip


def test_names_are_the_bytes_of_the_disk_in_the_environment() -> None:
    told_names = variables(path=ODD)
    assert told_names[b"AUDIOBATCH_FOLDER"] == b"new\nline/caf\xe9 \\ \xe2\x80\xae"
    assert told_names[b"AUDIOBATCH_PATH"].startswith(b"/music/new\nline/caf\xe9")
    assert "\\xe9" in told(path=ODD)["folder"]


def test_values_are_variables_where_their_names_can_be() -> None:
    values = {"lufs": -14.25, "key": "C", "quiet": True, "labels": {"a": 1.0}, "1st": 2, "a-b": 3, "long": "x" * 9000}
    found = {name.decode(): value for name, value in variables(values=values).items() if b"VALUE" in name}
    assert found.pop("AUDIOBATCH_VALUE_LONG") == b"x" * 4096
    assert found == {
        "AUDIOBATCH_VALUE_LUFS": b"-14.25",
        "AUDIOBATCH_VALUE_KEY": b"C",
        "AUDIOBATCH_VALUE_QUIET": b"true",
        "AUDIOBATCH_VALUE_1ST": b"2",
    }


def test_an_environment_of_any_message_can_be_given_to_a_program() -> None:
    values = {f"feature_{number}": "é\0" * 2000 for number in range(60)}
    found = variables(values=values, reason="\0" * 99999)
    assert sum(len(name) + len(value) for name, value in found.items()) < 80_000
    assert subprocess.run(["true"], env=found, check=False).returncode == 0


def test_a_body_that_is_too_long_leaves_its_values_out() -> None:
    message = told(values={f"feature_{number}": "x" * 1000 for number in range(300)}, reason="why" * 99999)
    assert (message["left_out"], "values" in message) == (True, False)
    assert len(json.dumps(message)) < LIMIT


@pytest.mark.parametrize("text", ["\ud800", "caf\udce9"])
def test_half_of_a_character_is_no_reason_to_say_nothing(text: str) -> None:
    assert told(values={"title": text}, reason=text)["event"] == "folder-done"


def test_what_is_about_the_service_s_process_stays_there() -> None:
    theirs = {b"NOTIFY_SOCKET": b"x", b"WATCHDOG_USEC": b"1", b"LISTEN_FDS": b"1", b"AUDIOBATCH_VALUE_X": b"old"}
    found = environment(trial_body("id", TIME, "/music"), {**theirs, b"HOME": b"/h", b"AUDIOBATCHD_SOCKET": b"/s"})
    assert set(found) == {
        b"HOME", b"AUDIOBATCHD_SOCKET",
        b"AUDIOBATCH_ID", b"AUDIOBATCH_EVENT", b"AUDIOBATCH_TIME", b"AUDIOBATCH_DATASET",
    }  # fmt: skip
    assert (found[b"AUDIOBATCH_EVENT"], identity_of(trial_body("id", TIME, ""))) == (b"test", "id")
