"""The machine that an inbox belongs to, and what the configuration of one may say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.errors import AudiobatchError, ConfigError
from audiobatchd.imports.inbox import claimed, refuse_unusable
from audiobatchd.imports.settling import CLAIM


def test_one_machine_claims_an_inbox_for_good(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(str(tmp_path), "one"):
            pass
    with pytest.raises(AudiobatchError, match="one machine alone may have it"), claimed(str(tmp_path), "other"):
        pass
    (tmp_path / CLAIM).unlink()
    with claimed(str(tmp_path), "other"):
        pass


def test_one_process_at_a_time_has_it(tmp_path: Path) -> None:
    with (
        claimed(str(tmp_path), "one"),
        pytest.raises(AudiobatchError, match="another process is moving files"),
        claimed(str(tmp_path), "one"),
    ):
        pass


def test_a_machine_without_an_id_claims_nothing(tmp_path: Path) -> None:
    with claimed(str(tmp_path), ""):
        pass
    assert (tmp_path / CLAIM).read_bytes() == b""
    with claimed(str(tmp_path), "one"):
        pass
    with claimed(str(tmp_path), ""):
        pass


@pytest.mark.parametrize("what", ["text", "link", "fifo", "directory"])
def test_a_claim_that_is_none_is_refused(tmp_path: Path, what: str) -> None:
    match what:
        case "text":
            (tmp_path / CLAIM).write_text("mine")
        case "link":
            (tmp_path / CLAIM).symlink_to("/etc/hostname")
        case "fifo":
            os.mkfifo(tmp_path / CLAIM)
        case "directory":
            (tmp_path / CLAIM).mkdir()
    with pytest.raises((AudiobatchError, OSError)), claimed(str(tmp_path), "one"):
        pass


@pytest.mark.parametrize(
    ("name", "stems", "why"),
    [
        ("{nonesuch}", None, r"cannot understand name '\{nonesuch\}': there is no \{nonesuch\}"),
        ("plain", None, "it names no field"),
        ("{title}", "(", "cannot understand stems '\\('"),
        ("{title}", "x", "it needs the groups"),
    ],
)
def test_unusable_names_and_patterns_are_refused(name: str, stems: str | None, why: str) -> None:
    with pytest.raises(ConfigError, match=f"{why}.* - at `inbox /in`"):
        refuse_unusable(name, stems, "inbox /in")
    refuse_unusable("{artist} - {title}", r"(?P<title>.*)/(?P<stem>\w+)", "inbox /in")
