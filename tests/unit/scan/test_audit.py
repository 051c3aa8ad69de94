"""Audits of a dataset on disk: every track folder is told, with what is wrong there, or why it cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.core.assessment import Offer
from audiobatchd.core.audit import Auditor, FlawKind
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.scan.audit import Audited, audit_disk

AUDITOR = Auditor((Offer("loudness", 1, {FULL_MIX: ("lufs", "lra"), "drums": ("lufs_drums",)}),))
OURS = (
    '{"lufs": 3.0, "lra": 1.0, "_audiobatch": {"format": 1, "analyzers": {"loudness": {"full_mix": '
    '{"fingerprint": {"file": "full_mix.flac", "size": 0, "mtime_ns": 1, "digest": "x"}, "version": 1}}}}}'
)


def track(root: Path, name: str, record: str | None = None, *sources: str) -> None:
    folder = root / name
    folder.mkdir(parents=True)
    for source in sources or ("full_mix.flac",):
        (folder / source).touch()
    if record is not None:
        (folder / f"{folder.name}.INFO").write_text(record)


def test_each_folder_is_told_with_what_is_wrong(tmp_path: Path) -> None:
    track(tmp_path, "Deep/er/Bad", '{"lufs": 3.0, "mine": 7}')
    track(tmp_path, "Good", '{"lufs": -9.5, "lra": null}')
    track(tmp_path, "None")
    track(tmp_path, "Ours", OURS)
    track(tmp_path, "Spoilt", "{")
    track(tmp_path, "Stem", '{"lufs_drums": 0.0}', "full_mix.flac", "drums.flac")
    track(tmp_path, "Without", '{"lufs_drums": 0.0, "lufs": NaN}')
    track(tmp_path, "left/out", '{"lufs": 3.0}')
    (tmp_path / "no track").mkdir()
    found = list(audit_disk(str(tmp_path), AUDITOR, ("left",)))
    assert [(each.folder, each.adopted, [one.kind for one in each.findings]) for each in found] == [
        ("Deep/er/Bad", 1, [FlawKind.RANGE]),
        ("Good", 1, []),
        ("None", 0, []),
        ("Ours", 0, []),
        ("Spoilt", 0, []),
        ("Stem", 1, [FlawKind.PLACEHOLDER]),  # a clamped one
        ("Without", 1, [FlawKind.PLACEHOLDER]),
    ]
    assert "clamp" in found[5].findings[0].reason
    assert "not there" in found[6].findings[0].reason
    assert [each.folder for each in found if each.trouble] == ["Spoilt"]
    assert found[4].trouble.startswith("cannot understand the record")


def test_a_record_beyond_the_limit_is_trouble(tmp_path: Path) -> None:
    track(tmp_path, "Big", '{"lufs": 3.0}')
    os.truncate(tmp_path / "Big" / "Big.INFO", 2000)
    (each,) = audit_disk(str(tmp_path), AUDITOR, (), 1000)
    assert "more than the" in each.trouble


def test_a_record_that_is_a_directory_is_trouble(tmp_path: Path) -> None:
    track(tmp_path, "Odd")
    (tmp_path / "Odd" / "Odd.INFO").mkdir()
    (each,) = audit_disk(str(tmp_path), AUDITOR)
    assert each.trouble
    assert not each.findings


def test_a_name_outside_utf_8_is_shown(tmp_path: Path) -> None:
    track(tmp_path, "caf\udce9", '{"lufs": -9.0}')
    assert list(audit_disk(str(tmp_path), AUDITOR)) == [Audited(r"caf\xe9", 1)]


def test_a_dataset_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        list(audit_disk(str(tmp_path / "none"), AUDITOR))
