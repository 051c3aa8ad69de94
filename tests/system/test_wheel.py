"""README's lines for the wheel, literally: as an ordinary user of a Debian without a compiler, to the first record."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from system.bare import ROOT, bare_root, in_root
from system.machine import CACHE

USER = "tom"
UID = 1000
HOME = f"/home/{USER}"
SOURCE = f"home/{USER}/clone"
PACKAGES = "python3-venv,ca-certificates"

Run = Callable[..., str]
"""Runs a script as the user in the clone, and gives what it says."""


@pytest.fixture(scope="module")
def run(pytestconfig: pytest.Config) -> Iterator[Run]:
    """A user with a clone, and what pip has fetched for the run before."""
    with bare_root("wheel", pytestconfig.getoption("--release"), SOURCE, PACKAGES) as root:
        subprocess.run(["chroot", root, "useradd", "--uid", str(UID), "--create-home", USER], check=True)
        cache = CACHE / "pip-of-a-user"
        cache.mkdir(exist_ok=True)
        for place in (root / HOME.lstrip("/"), cache):
            subprocess.run(["chown", "-R", f"{UID}:{UID}", place], check=True)
        env = {"HOME": HOME, "PIP_CACHE_DIR": "/var/cache/pip", "LANG": "C.UTF-8"}

        def script(text: str, *, code: int = 0) -> str:
            command = ["runuser", "-u", USER, "--", "sh", "-euc", text]
            entered = in_root(root, SOURCE, *command, env=env, binds={cache: "/var/cache/pip"})
            done = subprocess.run(entered, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            assert done.returncode == code, done.stdout + done.stderr
            return done.stdout

        yield script


def readme() -> str:
    """The shell lines of README's section on the wheel."""
    section = (ROOT / "README.md").read_text().partition("### The wheel\n")[2].partition("\n#")[0]
    return section.partition("```sh\n")[2].partition("```")[0]


def test_there_is_no_compiler(run: Run) -> None:
    found = run(
        "for each in cc gcc c99 clang python3-config; do command -v $each || true; done; ls /usr/include", code=0
    )
    assert "Python.h" not in found
    assert not [line for line in found.splitlines() if line.startswith("/")]


def test_readme_s_lines_lead_to_the_first_record(run: Run) -> None:
    said = run(readme())
    assert "Success:        3" in said
    lines = run("cd ~/tracks; for each in */*.INFO; do tr -d '\\n' <\"$each\"; echo; done").splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 3
    wanted = {"lufs", "true_peak", *(("bpm",) if os.uname().machine == "x86_64" else ())}
    assert all(wanted <= record.keys() for record in records)
    assert "systemd-python" not in run("~/audiobatchd/bin/pip list")


def test_the_wheel_has_brought_pages_and_completions(run: Run) -> None:
    run("cd ~/audiobatchd/share; test -s man/man1/audiobatchctl.1; test -s man/man5/audiobatchd.toml.5")
    run("cmp ~/audiobatchd/share/audiobatchd/systemd/audiobatchd.service systemd/audiobatchd.service")
    file = "~/audiobatchd/share/bash-completion/completions/audiobatchctl"
    run(f"~/audiobatchd/bin/audiobatchctl completion bash | cmp - {file}")


def test_a_user_s_unit_starts_this_installation(run: Run) -> None:
    unit = "~/.config/systemd/user/audiobatchd.service"
    run("~/audiobatchd/bin/audiobatchctl setup --user ~/tracks")
    lines = run(f"cat {unit}").splitlines()
    config = f"{HOME}/.config/audiobatchd/audiobatchd.toml"
    assert f"ExecStart={HOME}/audiobatchd/bin/audiobatchd --config {config}" in lines
    run(f"~/audiobatchd/bin/audiobatchctl setup --user --undo ~/tracks; test ! -e {unit}")


def test_doctor_says_what_is_in_use(run: Run) -> None:
    said = run("~/audiobatchd/bin/audiobatchctl doctor", code=1)
    assert "events to the journal as lines with a priority" in said
    assert "pip install 'systemd-python" in said
