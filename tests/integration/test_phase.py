"""Features of several files under a real service: a kill within a publish, a stem replaced, a stem removed."""

from __future__ import annotations

from pathlib import Path

from support.audio_files import tone, write_audio
from support.plugins import install_module
from support.service import configuration, eventually, features_of, leftovers, record_of, service

MODULE = """
    import os, pathlib, signal
    from support.phase_rig import Chord, Pulse, Swing

    killed = pathlib.Path({killed!r})
    rename = os.rename

    def renamed(source, target, **where):
        rename(source, target, **where)
        if str(target).endswith(".PULSES") and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    os.rename = renamed

    def made(settings):
        return Chord(), Pulse(), Swing()
"""


def test_folder_phase_under_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "dataset" / "Song"
    folder.mkdir(parents=True)
    for role, seconds in {"full_mix": 1.0, "bass": 0.5, "other": 0.75}.items():
        write_audio(folder / f"{role}.wav", tone(seconds, 8000, 1), 8000)
    killed = tmp_path / "killed"
    env = install_module(tmp_path / "plugin", "phase", MODULE.format(killed=str(killed)), "made")
    env["PYTHONPATH"] += f":{Path(__file__).parents[1]}"
    config = configuration(
        tmp_path / "c.toml", folder.parent, plugins=["phase"], settle=0.1, workers=1, analyzers=["phase"]
    )
    with service(tmp_path / "state", config, env=env) as daemon:
        daemon.becomes(complete=1)
        assert killed.exists()
        assert "killed by signal 9" in daemon.log()
        first, entries = features_of(folder), record_of(folder)["_audiobatch"]["analyzers"]
        assert first["swing_bass"] == "0.50 with 1.00 v1 1.0"
        write_audio(folder / "other.wav", tone(0.6, 8000, 1, 300.0), 8000)
        eventually(lambda: features_of(folder)["chord"] != first["chord"])
        daemon.becomes(complete=1)
        (folder / "bass.wav").unlink()
        eventually(lambda: "others" not in record_of(folder)["_audiobatch"]["analyzers"]["chord"]["full_mix"])
        daemon.becomes(complete=1)
        assert record_of(folder)["_audiobatch"]["analyzers"]["pulse"] == entries["pulse"]
        assert daemon.stop() == 0
    assert leftovers(folder.parent) == []
