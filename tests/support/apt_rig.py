"""An apt repository and its clients in directories of their own: small packages, a key, and a real apt-get.

The client's apt has its own sources, keys, indexes and list of installed packages; this machine's are not touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("apt-get", "apt-cache", "apt-ftparchive", "dpkg-deb", "gpg", "gpgv")
KEY = "AUDIOBATCHD_SIGNING_KEY"
EPOCH = 1_790_000_000

missing = [name for name in PROGRAMS if shutil.which(name) is None]
needs_apt = pytest.mark.skipif(bool(missing), reason=f"not there: {', '.join(missing)}")


def make_package(
    directory: Path, version: str, *, content: str = "numbers", made: int = EPOCH, arch: str = "all"
) -> Path:
    """A package called audiobatchd that has one file; with the same arguments the same bytes."""
    stage = directory / f"stage-{version}"
    (stage / "DEBIAN").mkdir(parents=True)
    (stage / "DEBIAN/control").write_text(
        f"Package: audiobatchd\nVersion: {version}\nArchitecture: {arch}\nMaintainer: A <a@example.org>\n"
        "Depends: acl (>= 2), libc6\nDescription: stands for the real one\n"
    )
    (stage / "usr/share/small").mkdir(parents=True)
    (stage / "usr/share/small/content").write_text(content)
    path = directory / f"audiobatchd_{version}_{arch}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", stage, path],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(made)},
    )
    shutil.rmtree(stage)
    return path


@dataclass(frozen=True)
class Keys:
    """A GNUPGHOME with keys for signing."""

    home: Path

    def make(self, name: str, passphrase: str = "") -> str:
        """Make a key; returns its fingerprint."""
        make = ["--passphrase", passphrase, "--quick-generate-key", name, "ed25519", "sign", "never"]
        self.gpg("--pinentry-mode", "loopback", *make)
        listed = self.gpg("--with-colons", "--list-secret-keys", name).splitlines()
        return next(line.split(":")[9] for line in listed if line.startswith("fpr"))

    def secret(self, fingerprint: str, passphrase: str = "") -> str:
        """The secret key itself, armoured."""
        opened = ["--pinentry-mode", "loopback", "--passphrase", passphrase]
        return self.gpg(*opened, "--armor", "--export-secret-keys", fingerprint)

    def gpg(self, *arguments: str) -> str:
        """Output of gpg on this home."""
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def own_keys() -> Iterator[Keys]:
    """Keys for a while. Their home has a short path: a socket of gpg's agent lies in it."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        try:
            yield Keys(Path(home))
        finally:
            for what in ("--kill all", "--remove-socketdir"):
                subprocess.run(["gpgconf", "--homedir", home, *what.split()], capture_output=True, check=False)


def publish(
    output: Path, *arguments: object, key: str = "", home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `./dev repository`, past what it sets up."""
    return subprocess.run(
        [sys.executable, "-m", "publishing.repository", "-o", output, "--url", f"file:{output}", *map(str, arguments)],
        env={
            **{name: value for name, value in os.environ.items() if name != KEY},
            "PYTHONPATH": str(ROOT / "packaging"),
            **({KEY: key} if key else {}),
            **({"GNUPGHOME": str(home)} if home else {}),
        },
        cwd=output.parent,
        capture_output=True,
        text=True,
        check=False,
    )


class Client:
    """A machine whose apt knows one repository."""

    def __init__(self, root: Path, repository: Path, suite: str = "bookworm") -> None:
        self.root = root
        for place in (
            "etc/apt/sources.list.d",
            "etc/apt/keyrings",
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
        ):
            (root / place).mkdir(parents=True)
        (root / "var/cache/apt/archives/partial").mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        keyring = root / "etc/apt/keyrings/audiobatchd-archive-keyring.gpg"
        if (made := repository / keyring.name).exists():
            shutil.copy(made, keyring)
        sources = (repository / f"audiobatchd-{suite}.sources").read_text()
        (root / "etc/apt/sources.list.d/audiobatchd.sources").write_text(sources.replace("/etc/apt", f"{root}/etc/apt"))
        (root / "apt.conf").write_text(
            f'Dir "{root}";\nDir::State::status "{root}/var/lib/dpkg/status";\n'
            'Dir::Bin::methods "/usr/lib/apt/methods";\n'
            'APT::Sandbox::User "root";\nAPT::Architecture "amd64";\nAPT::Update::Error-Mode "any";\n'
        )

    def apt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `apt-get`; its exit code tells whether apt was content."""
        return self._run("apt-get", *arguments)

    def versions(self) -> list[str]:
        """Versions of the package that apt offers, the newest first."""
        lines = self._run("apt-cache", "madison", "audiobatchd").stdout.splitlines()
        return [line.split("|")[1].strip() for line in lines]

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            command, env=environment, cwd=self.root, capture_output=True, text=True, check=False, timeout=60
        )
