"""An apt repository of static files: `./dev repository [-o DIR] [--url URL] [DEB...]`.

Packages stay in the pool; a repeated call adds to it. What apt reads first, InRelease, is renamed into its place last,
and names indexes by their digests: a client sees all of the old state or all of the new, whenever the call is cut off.
The same packages give the same bytes, apart from signatures.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from publishing.indexes import index, turn
from publishing.packages import Package, read_package
from publishing.placing import held, placing, same, settle
from publishing.signing import KEY, PublishingError, Signer, fingerprints, signer, without_key

SUITES = {"12": "bookworm", "13": "trixie"}
KEYRING = "audiobatchd-archive-keyring.gpg"
STAGE = ".new-"
WHERE = "directory that a web server may serve; default: dist/repository"
EXAMPLE_URL = "https://apt.example.org/audiobatchd"


@dataclass(frozen=True)
class Repository:
    """A directory that a web server may serve as it is."""

    directory: Path
    """Directory with `dists` and `pool`."""
    url: str
    """Address at which clients find the directory."""
    signer: Signer | None
    """Key of the signatures; None: without any."""

    def add(self, packages: list[Package]) -> None:
        """Copy packages into the pool. One that is there with other bytes is refused: a version never changes."""
        wanted = [(package, self.directory / "pool" / suite_of(package) / package.file_name) for package in packages]
        for package, place in wanted:
            if place.exists() and not same(package.path, place):
                message = f"cannot publish {package.path}: {place} has other content; give it another version"
                raise PublishingError(message)
        for package, place in wanted:
            if not place.exists():
                with placing(place) as new:
                    shutil.copyfile(package.path, new)

    def publish(self) -> list[str]:
        """Write the indexes of every suite in the pool; returns the suites that have changed."""
        if self.signer is None:
            signed = next(self.directory.glob("dists/*/InRelease"), None)
            if signed is not None:
                message = f"cannot publish without a key: {signed} is signed, and apt would refuse what follows it"
                raise PublishingError(message)
        return [place.name for place in sorted(self.directory.glob("pool/*")) if self._publish_suite(place.name)]

    def refuse_another_key(self) -> None:
        """Raise PublishingError where clients trust another key than the one that would sign."""
        keyring = self.directory / KEYRING
        if self.signer is not None and keyring.exists():
            trusted = fingerprints(self.signer.home, "--show-keys", str(keyring))
            if self.signer.fingerprint not in trusted:
                message = (
                    f"cannot publish: clients of {self.directory} trust the key {' '.join(trusted)} and would refuse "
                    f"{self.signer.fingerprint}; --change-key does it all the same"
                )
                raise PublishingError(message)

    def _publish_suite(self, suite: str) -> bool:
        with tempfile.TemporaryDirectory(prefix=STAGE, dir=self.directory) as new:
            stage = Path(new)
            dist = stage / "dists" / suite
            architectures = index(self.directory, suite, dist)
            self._sign(stage, dist)
            stage.joinpath(f"audiobatchd-{suite}.sources").write_text(self._sources(suite, architectures))
            published = self.directory / "dists" / suite / "Release"
            changed = not published.exists() or published.read_bytes() != (dist / "Release").read_bytes()
            for path in sorted((path for path in stage.rglob("*") if path.is_file()), key=turn):
                settle(path, self.directory / path.relative_to(stage))
        return changed

    def _sign(self, stage: Path, dist: Path) -> None:
        if self.signer is None:
            return
        (stage / KEYRING).write_bytes(self.signer.public_key())
        text = (dist / "Release").read_bytes()
        (dist / "InRelease").write_bytes(self.signer.clearsign(text))
        (dist / "Release.gpg").write_bytes(self.signer.detached(text))
        # As apt does it: an expired or revoked key is found here and not by the clients.
        command = ["gpgv", "--quiet", "--keyring", str(stage / KEYRING), str(dist / "InRelease")]
        done = subprocess.run(command, capture_output=True, text=True, env=without_key(), check=False)
        if done.returncode:
            message = f"cannot publish: the new signature is not valid: {' / '.join(done.stderr.splitlines())}"
            raise PublishingError(message)

    def _sources(self, suite: str, architectures: list[str]) -> str:
        """A file for /etc/apt/sources.list.d."""
        key = f"/etc/apt/keyrings/{KEYRING}"
        trust = f"Signed-By: {key}\n" if self.signer else "# Without signatures: apt refuses it, and rightly so.\n"
        head = (
            f"# To be put into /etc/apt/sources.list.d, and {KEYRING} into /etc/apt/keyrings.\n" if self.signer else ""
        )
        return (
            f"{head}Types: deb\nURIs: {self.url}\nSuites: {suite}\nComponents: main\n"
            f"Architectures: {' '.join(architectures)}\n{trust}"
        )


def suite_of(package: Package) -> str:
    """The release that a package is built for, by its version: `+deb12` is bookworm."""
    found = re.search(r"\+deb(\d+)(?!\d)", package.version)
    suite = SUITES.get(found[1]) if found else None
    if suite is None:
        known = ", ".join(f"+deb{number}" for number in SUITES)
        message = f"cannot publish {package.path}: its version {package.version} has none of {known}"
        raise PublishingError(message)
    return suite


def run(arguments: argparse.Namespace) -> None:
    """Publish as the command line says."""
    packages = [read_package(path) for path in arguments.packages]
    directory: Path = arguments.output.absolute()
    with signer() as key:
        if key is None and not arguments.unsigned:
            message = (
                f"cannot sign: {KEY} is not set; give it the fingerprint of a key that gpg has, or an armoured secret "
                "key, or ask for --unsigned"
            )
            raise PublishingError(message)
        directory.mkdir(parents=True, exist_ok=True)
        with held(directory) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two calls at once go one after the other
            for left in directory.glob(f"{STAGE}*"):
                shutil.rmtree(left)  # of a call that was killed
            repository = Repository(directory, arguments.url, None if arguments.unsigned else key)
            if not arguments.change_key:
                repository.refuse_another_key()
            repository.add(packages)
            if not any(directory.glob("pool/*/*.deb")):
                message = (
                    "cannot publish: no package is named, and none lies in dist/ or in the pool; ./dev deb builds one"
                )
                raise PublishingError(message)
            changed = repository.publish()
            signed = repository.signer
    told = f"signed by {signed.fingerprint}" if signed else "NOT SIGNED: apt refuses it unless told to trust it"
    say(f"{arguments.output}: {', '.join(changed) or 'no suite'} changed; {told}")


def say(text: str) -> None:
    """Tell the caller what has been done."""
    sys.stderr.write(f"./dev repository: {text}\n")


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="./dev repository", description="Publish packages as an apt repository.")
    parser.add_argument("-o", "--output", type=Path, default=Path("dist/repository"), metavar="DIR", help=WHERE)
    parser.add_argument("--url", default=EXAMPLE_URL, help="address at which clients find DIR, for the .sources files")
    parser.add_argument("--unsigned", action="store_true", help="without signatures, for a look at the layout")
    parser.add_argument("--change-key", action="store_true", help="sign by another key than clients trust so far")
    parser.add_argument("packages", type=Path, nargs="*", metavar="DEB", help="default: those in dist/")
    arguments = parser.parse_args()
    arguments.packages = arguments.packages or sorted(Path("dist").glob("audiobatchd_*+deb1[23]_*.deb"))
    os.umask(0o022)
    try:
        run(arguments)
    except (PublishingError, OSError) as error:
        say(f"{error}" if isinstance(error, PublishingError) else f"cannot publish into {arguments.output}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
