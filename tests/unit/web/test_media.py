"""Pictures of audio from a real server and a real process, kept until the audio changes."""

from __future__ import annotations

import json
import os
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import quote

import pytest

from audiobatchd.web import media
from support.audio_files import tone, write_audio
from support.service import eventually, run
from support.web_rig import Answer, Site, site


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "music"
    for name in ("Song", "Damaged", "<img src=x onerror=alert(1)>"):
        (root / name).mkdir(parents=True)
        write_audio(root / name / "full_mix.flac", tone(4.0, 8000, 1), 8000)
    whole = (root / "Damaged" / "full_mix.flac").read_bytes()
    (root / "Damaged" / "full_mix.flac").write_bytes(whole[: len(whole) // 2])
    (root.parent / "secret").mkdir()
    write_audio(root.parent / "secret" / "full_mix.wav", tone(1.0, 8000, 1), 8000)
    (root / "linked").symlink_to(root.parent / "secret")
    (root / "Song" / "drums.wav").symlink_to(root.parent / "secret" / "full_mix.wav")
    return root


def once(page: Site, folder: str = "Song", kind: str = "waveform", role: str = "full_mix", **headers: str) -> Answer:
    query = f"dataset={quote(str(page.service.root))}&folder={quote(folder)}&role={quote(role)}&kind={quote(kind)}"
    return page.ask(f"/api/media?{query}", "GET", None, **headers)


def seen(page: Site, folder: str = "Song", kind: str = "waveform") -> Answer:
    """Ask until it is no longer being made."""
    answers: list[Answer] = []

    def is_made() -> bool:
        answers.append(once(page, folder, kind))
        return answers[-1].status != 202

    eventually(is_made)
    return answers[-1]


def test_picture_is_pending_and_then_there(page: Site) -> None:
    first = once(page)
    assert (first.status, json.loads(first.body)) == (202, {"state": "pending"})
    answer = seen(page)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert ET.fromstring(answer.body).attrib["aria-label"] == "Waveform of 0:04, peak 0.1"  # noqa: S314  # ours
    assert once(page, If_None_Match=answer.headers["ETag"]).status == 304
    assert b"short-term" in seen(page, kind="loudness").body
    spectrogram = seen(page, kind="spectrogram")
    assert spectrogram.headers["Content-Type"] == "image/png"
    assert spectrogram.body.startswith(b"\x89PNG")


def test_beats_are_those_of_now(page: Site, music: Path) -> None:
    assert b"beat" not in seen(page).body
    (music / "Song" / "Song.BEATS_GRID").write_text("0.5\n1.5\n")
    (music / "Song" / "Song.ONSETS").write_text("0.7\n")
    answer = once(page)
    assert answer.status == 200  # without decoding again
    assert b"2 beats" in answer.body
    assert b"1 onset" in answer.body


def test_pictures_outlive_the_service_until_audio_changes(page: Site, music: Path) -> None:
    seen(page)
    with site(music) as again:
        again.log_in()
        assert once(again).status == 200
        path = music / "Song" / "full_mix.flac"
        os.utime(path, (1, 1))
        assert once(again).status == 202
        kept = music / "pictures"
        for each in kept.iterdir():
            each.write_bytes(b"\0rubbish")
        os.utime(path, (2, 2))
        assert seen(again).status == 200


def test_damaged_file_says_why(page: Site) -> None:
    answer = seen(page, "Damaged")
    assert answer.status == 422
    assert json.loads(answer.body)["error"].startswith("full_mix.flac ")


@pytest.mark.parametrize(
    ("folder", "role", "kind", "status"),
    [
        ("linked", "full_mix", "waveform", 404),
        ("Song", "drums", "waveform", 404),
        ("../secret", "full_mix", "waveform", 404),
        ("/etc", "full_mix", "waveform", 404),
        ("Song\0", "full_mix", "waveform", 404),
        ("nowhere", "full_mix", "waveform", 404),
        ("Song", "../full_mix", "waveform", 400),
        ("Song", "full_mix", "portrait", 400),
        ("Song", "vocals", "waveform", 404),
    ],
)
def test_nothing_leaves_the_dataset(page: Site, folder: str, role: str, kind: str, status: int) -> None:
    answer = once(page, folder, kind, role)
    assert answer.status == status
    assert json.loads(answer.body)["error"]


def test_hostile_name_is_a_name(page: Site) -> None:
    answer = seen(page, "<img src=x onerror=alert(1)>")
    assert answer.status == 200
    assert b"onerror" not in answer.body


def test_too_many_at_once_are_refused(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "_AT_ONCE", 0)
    assert once(page).status == 503


def test_service_loads_neither_decoder_nor_numpy() -> None:
    code = "import sys, audiobatchd.service.daemon; print(*{'av', 'numpy', 'scipy'} & sys.modules.keys())"
    assert run(sys.executable, "-c", code) == (0, "\n", "")
