"""A commit gives the same bytes in another place, under another umask, zone and locale.

The wheel and the source archive are built here; `./dev release --check` builds all of it twice.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from publishing.build import ELSEWHERE, build, documentation, scratch, tasks_of
from publishing.comparison import differences
from publishing.signing import PublishingError

ROOT = Path(__file__).parents[3]


def is_checkout() -> bool:
    """Tell whether `./dev` has set this tree up, and git takes it for one of its own."""
    if not (ROOT / ".venv/set-up").exists():
        return False
    with suppress(FileNotFoundError):
        return subprocess.run(["git", "log", "-1"], cwd=ROOT, capture_output=True, check=False).returncode == 0
    return False


in_checkout = pytest.mark.skipif(not is_checkout(), reason="no checkout that ./dev has set up")


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@in_checkout
@pytest.mark.usefixtures("_umask")
def test_wheel_and_source_archive_are_reproducible(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "another place" / "deeper"
    first.mkdir()
    second.mkdir(parents=True)
    one = build(ROOT, "HEAD", [["dist"]], first, {})
    os.umask(0o077)
    other = build(ROOT, "HEAD", [["dist"]], second, ELSEWHERE)
    assert [path.suffix for path in sorted(one.iterdir())] == [".gz", ".whl", ".gz"]
    assert differences(one, other) == []


@in_checkout
def test_failed_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match=r"\./dev no-such-task failed"):
        build(ROOT, "HEAD", [["no-such-task"]], tmp_path, {})


@in_checkout
def test_documentation_lies_below_its_name(tmp_path: Path) -> None:
    (tmp_path / "docs.tar.gz").write_bytes(documentation(ROOT, "HEAD", "some-docs"))
    with tarfile.open(tmp_path / "docs.tar.gz") as archive:
        names = archive.getnames()
    assert {"some-docs/README.md", "some-docs/LICENSE", "some-docs/docs/README.md"} <= set(names)


def test_tasks_build_each_release() -> None:
    assert tasks_of(ROOT, ["trixie"])[:2] == [["dist"], ["deb", "--release", "trixie"]]


def test_scratch_goes_with_all_in_it(tmp_path: Path) -> None:
    with scratch(tmp_path / "dist") as place:
        (place / "file").touch()
        assert place.parent == tmp_path / "dist"
    assert list((tmp_path / "dist").iterdir()) == []
