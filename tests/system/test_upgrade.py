"""A newer package comes while the service works."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from support.service import TIMEOUT, eventually
from system.unit import MUSIC, PACKAGE, Unit, all_measured

NEWER = "/var/tmp/newer.deb"  # noqa: S108  # of a machine that is ours alone


def write_newer(package: Path, target: Path) -> None:
    """The same package with a higher version: only its control files are packed again."""
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        parts, control = Path(name), Path(name, "control")
        subprocess.run(["ar", "x", "--output", parts, package], check=True)
        subprocess.run(["dpkg-deb", "--control", package, control], check=True)
        text = (control / "control").read_text()
        (control / "control").write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+test1", text))
        subprocess.run(
            ["tar", "-C", control, "--owner=root", "--group=root", "-cf", parts / "control.tar", "."], check=True
        )
        members = [parts / "debian-binary", parts / "control.tar", next(parts.glob("data.tar*"))]
        subprocess.run(["ar", "rcS", target, *members], check=True)


def test_upgrade_drains_and_the_new_service_goes_on(unit: Unit) -> None:
    write_newer(unit.machine.path(PACKAGE), unit.machine.path(NEWER))
    unit.begin(MUSIC, analyzers=["loudness", "rhythm"])
    folders = unit.backfill(16, track="song")
    eventually(lambda: unit.complete() >= 2, TIMEOUT, unit.log)
    before = unit.show("MainPID")
    unit.install(NEWER)
    version = unit.machine.run("dpkg-query", "-Wf", "${Version}", "audiobatchd").out
    assert version.endswith("+test1")
    unit.restarted(since=before)
    unit.becomes(complete=len(folders))
    all_measured(folders, "lufs", "bpm")
    # What was under way when it came was finished, and nothing was done twice.
    times = Counter(event["AUDIOBATCH_FOLDER"] for event in unit.events("folder-done"))
    assert set(times.values()) == {1}
    assert len(times) == len(folders)
    assert unit.leftovers() == []


def test_upgrade_does_not_start_a_stopped_service(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.machine.run("systemctl", "stop", "audiobatchd")
    unit.machine.run("apt-get", "-qq", "-y", "install", "--allow-downgrades", PACKAGE, timeout=300)
    assert unit.show("ActiveState") == "inactive"
