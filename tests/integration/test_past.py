"""The history of a real service: what was done and failed adds up over a kill and a restart."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from support.audio_files import make_track
from support.service import Service, configuration, eventually, run, service


def history(daemon: Service, *arguments: object) -> tuple[int, dict[str, int], dict[str, int]]:
    """The exit code of `history`, and in sum how jobs ended and what failed."""
    code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "history", *arguments, "--json")
    ends: dict[str, int] = {}
    causes: dict[str, int] = {}
    for span in json.loads(out)["spans"]:
        for name, count in span["outcomes"].items():
            ends[name] = ends.get(name, 0) + count
        for name, count in span["causes"].items():
            causes[name] = causes.get(name, 0) + count
        assert span["failed"] == sum(span["causes"].values())
    return code, ends, causes


def written(directory: Path) -> int:
    """Number of jobs whose ends stand in the file of the catalog."""
    with closing(sqlite3.connect(directory / "state" / "catalog.sqlite")) as connection:
        found = connection.execute("SELECT sum(number) FROM history WHERE kind = 'outcome'").fetchone()[0]
    return int(found or 0)


def test_history_adds_up_over_a_kill_and_a_restart(tmp_path: Path) -> None:
    root, place = tmp_path / "dataset", tmp_path / "d"
    track = make_track(tmp_path / "music" / "Track", seconds=1.0, stems=())
    shutil.copytree(track, root / "Good")
    (root / "Bad").mkdir()
    (root / "Bad" / "full_mix.flac").write_bytes((track / "full_mix.flac").read_bytes()[:-1000])
    config = configuration(tmp_path / "c.toml", root, settle=0.0, analyzers=["loudness"])
    with service(place, config) as daemon:
        daemon.becomes(complete=1, failed=1)
        code, ends, causes = history(daemon)
        assert (code, ends) == (0, {"done": 1, "failed": 1})
        ((cause, count),) = causes.items()
        assert cause.startswith("full_mix.flac: ")
        assert count == 1
        assert history(daemon, "--dataset", root, "--since", "1h") == (0, ends, causes)
        eventually(lambda: written(place) == 2)
        os.killpg(daemon.process.pid, signal.SIGKILL)
        daemon.process.wait()
    shutil.copytree(track, root / "Later")
    with service(place, config) as daemon:
        daemon.becomes(complete=2, failed=1)
        assert history(daemon)[1] == {"done": 2, "failed": 1}
        code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "history", root / "Good", "--json")
        assert (code, json.loads(out)["attempts"]) == (0, [])
        assert json.loads(out)["measured"]["loudness"]["full_mix"].startswith("20")
        code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "history", root / "Bad")
        assert (code, "failed after" in out) == (0, True)
        page = tmp_path / "report.html"
        assert run("audiobatchctl", "--socket", daemon.socket, "report", root, "-o", page)[0] == 0
        assert "Folders done by day" in page.read_text()
        assert daemon.stop() == 0
    assert written(place) == 3, "what was not written yet is written at the end"
    code, _, err = run("audiobatchctl", "--socket", place / "control.sock", "history")
    assert (code, "no daemon answers" in err) == (3, True)
    assert run("audiobatchctl", "report", root, "--socket", place / "x.sock", "-o", tmp_path / "two.html")[0] == 0
    assert "only a service keeps a history" in (tmp_path / "two.html").read_text()
