"""The name of this machine's boot."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from audiobatchd.disk.boot import boot_id


def test_boot_has_one_name_that_is_a_uuid() -> None:
    assert boot_id() == str(uuid.UUID(boot_id()))


def test_without_proc_there_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert boot_id() == ""
