"""The trial of the watch, by a process of its own."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from audiobatchd.scan.watch.trial import tried


def test_each_directory_gets_its_error_number(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    here, gone, file = str(tmp_path), str(tmp_path / "gone"), str(tmp_path / "file")
    assert tried([here, gone, file]) == {here: 0, gone: errno.ENOENT, file: errno.ENOTDIR}


@pytest.mark.skipif(os.geteuid() != 0, reason="trying it for another user takes root")
def test_another_user_s_rights_count(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for above in closed.parents[:-2]:
        above.chmod(0o711)
    assert tried([str(closed)], user=65534, groups=[65534]) == {str(closed): errno.EACCES}


def test_trial_that_cannot_be_made_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert tried([str(tmp_path)]) is None
