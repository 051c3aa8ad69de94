"""Records of the batch guide's scripts: adopted, audited, and measured again, by a pass or a service that is killed.

The records are written by hand, from the keys that the scripts document.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from support.audio_files import make_track
from support.plugins import install_gate
from support.service import configuration, eventually, features_of, once, record_of, run, service

FOREIGN = '"chroma_0": 0.5650, "music_flamingo_full": "A steady\\u0020track.", "content_enjoyment": 6.90'
"""Keys of the scripts that are no feature here, as they stand in a file."""

SCRIPTS: dict[str, object] = {
    "lufs": -12.73, "lra": 3.15, "lufs_drums": -16.05, "lra_drums": 4.4,
    **{f"{base}_{stem}": 0.0 for base in ("lufs", "lra") for stem in ("bass", "other", "vocals")},
    "bpm": 120, "bpm_is_defined": 0, "beat_count": 0, "beat_regularity": 1.0,
    "beat_steadiness": 0.5, "bpm_confidence": 0.0, "bpm_essentia": 98.4,
}  # fmt: skip
"""What they write of ours: of a track whose beats they missed, and which has no stem but the drums."""


def written(folder: Path, values: dict[str, object] = SCRIPTS) -> bytes:
    """Give a folder the record of the scripts."""
    text = json.dumps(values).removesuffix("}") + f", {FOREIGN}}}"
    (folder / f"{folder.name}.INFO").write_text(text)
    (folder / f"{folder.name}.BEATS_GRID").write_text("0.5\n")  # which they write beside it
    return text.encode()


def audited(config: Path, dataset: Path, *options: object) -> tuple[int, dict[str, Any]]:
    code, out, err = run("audiobatchctl", "audit", dataset, "--json", "--config", config, *options)
    assert out, err
    return code, json.loads(out)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A track that was measured as it came, with a stem."""
    folder = make_track(tmp_path_factory.mktemp("fresh") / "dataset" / "Track", seconds=8.0, stems=("drums",))
    assert once(folder.parent, plugins=["rhythm"])[0] == 0
    return folder


@pytest.fixture
def old(fresh: Path, tmp_path: Path) -> Path:
    """The same track with a record of the scripts."""
    folder = tmp_path / "dataset" / "Track"
    shutil.copytree(fresh, folder)
    for path in folder.glob("Track.*"):
        path.unlink()
    return folder


def test_a_record_of_scripts_is_adopted_audited_and_made_fresh(fresh: Path, old: Path, tmp_path: Path) -> None:
    before = written(old)
    config = configuration(tmp_path / "c.toml", old.parent, settle=0.0, analyzers=["loudness", "rhythm"])
    code, out, _ = run("audiobatchd", "--config", config, "--once", old.parent)
    assert (code, "Skipped (done): 1" in out, (old / "Track.INFO").read_bytes()) == (0, True, before), "adopted"

    code, told = audited(config, old.parent)
    assert (code, told["folders"], told["adopted"]) == (1, 1, len(SCRIPTS))
    kinds = {each["feature"]: each["kind"] for each in told["findings"]}
    absent = {f"{base}_{stem}": "placeholder" for base in ("lufs", "lra") for stem in ("bass", "other", "vocals")}
    beats = dict.fromkeys(("bpm", "beat_regularity"), "placeholder")
    assert kinds == {**absent, **beats, **dict.fromkeys(("lra", "lra_drums"), "other-method")}
    assert (old / "Track.INFO").read_bytes() == before, "nothing is changed by looking"

    code, told = audited(config, old.parent, "--retry")
    assert (code, told["retried"]) == (1, 1)
    values = features_of(old)
    foreign = json.loads(f"{{{FOREIGN}}}")
    assert {key: value for key, value in values.items() if key not in foreign} == features_of(fresh)
    assert FOREIGN.split(", ", maxsplit=1)[0].encode() in (old / "Track.INFO").read_bytes(), "byte for byte"
    assert values.keys() >= foreign.keys()
    assert audited(config, old.parent)[0] == 0, "nothing is left of them"


def test_a_pass_measures_only_what_is_listed(fresh: Path, old: Path, tmp_path: Path) -> None:
    written(old)
    sound = old.parent / "Sound"
    shutil.copytree(old, sound)
    (sound / "Track.INFO").unlink()
    before = written(sound, {"lufs": -9.5, "lra": 4.5, "lufs_drums": -8.0, "lra_drums": 3.0})
    again = tmp_path / "again.jsonl"
    again.write_text('{"folder": "Track", "features": ["lra"]}\n')
    config = configuration(tmp_path / "c.toml", old.parent, settle=0.0)
    code, _, err = run("audiobatchd", "--config", config, "--once", old.parent, "--again", again)
    assert code == 0, err
    assert {key: features_of(old)[key] for key in ("lufs", "lra", "lufs_drums", "bpm")} == {
        **{key: features_of(fresh)[key] for key in ("lufs", "lra")},
        "lufs_drums": -16.05,
        "bpm": 120,
    }
    assert (sound / "Sound.INFO").read_bytes() == before
    again.write_bytes(b"")
    inode = (old / "Track.INFO").stat().st_ino
    assert run("audiobatchd", "--config", config, "--once", old.parent, "--again", again)[0] == 0
    assert (old / "Track.INFO").stat().st_ino == inode, "an empty list asks for nothing"
    assert run("audiobatchd", "--config", config, "--again", again)[0] == 2
    again.write_text("Track\n")
    code, _, err = run("audiobatchd", "--config", config, "--once", old.parent, "--again", again)
    assert (code, "cannot understand" in err) == (2, True), err


def test_a_service_is_asked_and_tells_what_it_costs(fresh: Path, old: Path, tmp_path: Path) -> None:
    written(old)
    config = configuration(tmp_path / "c.toml", old.parent, settle=0.0)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        asked = ("audiobatchctl", "--socket", daemon.socket)
        command = (*asked, "audit", old.parent, "--features", "loudness", "--config", config)
        code, out, err = run(*command, "--retry")
        assert (code, "1 folder will be measured again by the service." in out) == (1, True), err
        loudness = {key: value for key, value in features_of(fresh).items() if key.startswith(("lufs", "lra"))}
        eventually(lambda: {key: features_of(old).get(key) for key in SCRIPTS if key.startswith("l")} == {
            **dict.fromkeys(key for key in SCRIPTS if key.startswith("l")), **loudness
        })  # fmt: skip
        daemon.becomes(complete=1)
        assert run(*command)[0] == 0, "and nothing is left to find"
        assert features_of(old)["bpm"] == 120, "which was not asked for"
        told = json.loads(run(*asked, "features", "lufs", "--config", config, "--json")[1])["features"]
        assert told[0]["seconds_per_minute"] > 0
        assert "change-asked" in daemon.log()
        assert daemon.stop() == 0


def test_what_is_asked_of_a_service_outlives_kill_9(old: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    env = install_gate(gate)
    before = written(old, {"gate": ["x"], "gate_drums": 8.0, "gate_bass": 0.0, "lufs": -9.5, "lra": 4.0})
    config = configuration(tmp_path / "c.toml", old.parent, settle=0.0, analyzers=["gate"])
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(complete=1)
        retry = ("audiobatchctl", "--socket", daemon.socket, "audit", old.parent, "--config", config, "--retry")
        code, out, err = run(*retry, env=env)
        assert (code, "will be measured again" in out) == (1, True), err
        eventually((gate / "at-full_mix").exists)
        daemon.stop(signal.SIGKILL)
    assert (old / "Track.INFO").read_bytes() == before, "nothing is written by halves"
    (gate / "go").touch()
    with service(tmp_path / "d", config, env=env) as daemon:
        eventually(lambda: "_audiobatch" in record_of(old))
        daemon.becomes(complete=1)
        assert daemon.stop() == 0
    values = features_of(old)
    assert values["gate"] == pytest.approx(8.0)
    assert "gate_bass" not in values
    assert (values["gate_drums"], values["lufs"], values["chroma_0"]) == (8.0, -9.5, 0.565)
