"""What docs/how-to/hooks.md shows: its units can be loaded, its scripts run, its check of a signature holds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from audiobatchd.config.file import load_config
from audiobatchd.hooks.signature import headers

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "how-to" / "hooks.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_its_hooks_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "audiobatchd.toml"
    file.write_text("\n".join(blocks("toml")))
    told = tomllib.loads(file.read_text())["hook"]
    assert [each.name for each in load_config(file).hook] == [each["name"] for each in told]


def test_its_check_of_a_signature_holds() -> None:
    found: dict[str, Callable[[bytes, Mapping[str, str], bytes], bool]] = {}
    exec(blocks("python")[0], found)  # noqa: S102  # of our own page
    signed = headers(b"correct horse battery staple", "id", 7, b"{}")
    assert found["is_ours"](b"correct horse battery staple", signed, b"{}")
    assert not found["is_ours"](b"correct horse battery staple", signed, b"{ }")


def test_its_script_writes_a_line(tmp_path: Path) -> None:
    script = next(each for each in blocks("sh") if "note-track" in each)
    environment = {
        "PATH": os.environ["PATH"],
        "AUDIOBATCH_EVENT": "folder-done",
        "AUDIOBATCH_PATH": "/a b",
        "AUDIOBATCH_VALUE_LUFS": "-14.2",
    }
    script = script.replace("/var/lib/audiobatchd/notes", str(tmp_path / "notes"))
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    assert (tmp_path / "notes").read_text() == "folder-done /a b -14.2\n"


def test_its_script_mails_the_reason(tmp_path: Path) -> None:
    script = next(each for each in blocks("sh") if "sendmail" in each)
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncat > {tmp_path}/mail\n")
    sendmail.chmod(0o755)
    told = {"AUDIOBATCH_EVENT": "folder-failed", "AUDIOBATCH_PATH": "/a b", "AUDIOBATCH_REASON": "damaged"}
    subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **told}, check=True)
    mail = (tmp_path / "mail").read_text()
    assert mail == "To: root\nSubject: audiobatchd: folder-failed\n\n/a b\ndamaged\n"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd is here to read it")
def test_its_units_are_what_systemd_takes(tmp_path: Path) -> None:
    units = {match[1]: block for block in blocks("ini") if (match := re.match(r"# /etc/systemd/system/(\S+)\n", block))}
    assert set(units) == {"mail-failure@.service", "audiobatchd.service.d/override.conf"}
    for name, content in units.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    unit = (ROOT / "systemd" / "audiobatchd.service").read_text()
    true = shutil.which("true") or "/bin/true"
    (tmp_path / "audiobatchd.service").write_text(
        unit.replace("/usr/bin/audiobatchd", true).replace("/usr/bin/audiobatchctl", true)
    )
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            f"{tmp_path}/audiobatchd.service",
            f"{tmp_path}/mail-failure@x.service",
        ],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "mail-failure" in line]
    assert (done.returncode, ours) == (0, [])
