"""Datasets whose path leads through a link that is pointed elsewhere while the service runs, as deployments do."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.audio_files import tone, write_audio
from support.plugins import install_gate
from support.service import Service, configuration, eventually, leftovers, once, record_of, run, service

RATE = 8000
MOMENT = 0.5
"""Seconds: most such moments are between two looks at a root, which are 5 s apart."""


def release(directory: Path, *names: str) -> Path:
    """A directory with these track folders."""
    for name in names:
        (directory / name).mkdir(parents=True)
        write_audio(directory / name / "full_mix.wav", tone(1.0, RATE, 1), RATE)
    return directory


def point(link: Path, target: Path | str) -> None:
    """Have the link lead to another place, in one step."""
    new = link.with_name("new link")
    new.symlink_to(target)
    new.rename(link)


def ctl(daemon: Service, *arguments: object) -> tuple[int, str, str]:
    """Run a command of `audiobatchctl` against the service."""
    return run("audiobatchctl", "--socket", daemon.socket, *arguments, env={"COLUMNS": "500"})


def datasets(daemon: Service) -> list[dict[str, Any]]:
    """Parse what the status in JSON says of the datasets."""
    code, out, _ = ctl(daemon, "status", "--json")
    return list(json.loads(out)["datasets"]) if code == 0 else []


def stands(daemon: Service, state: str, remark: str = "", number: int = 0) -> None:
    """Wait until a dataset stands so."""

    def stood() -> list[tuple[str, str]]:
        return [(each["state"], each["remark"]) for each in datasets(daemon)]

    eventually(lambda: stood()[number : number + 1] == [(state, remark)], what=lambda: (stood(), daemon.log()))


def whole_link(tmp_path: Path) -> tuple[Path, Callable[[str], None]]:
    """A dataset whose path is a link; and what points it to another release."""
    link = tmp_path / "music"
    return link, lambda name: point(link, tmp_path / name)


def relative_link(tmp_path: Path) -> tuple[Path, Callable[[str], None]]:
    """The same by a link whose target is relative."""
    link = tmp_path / "music"
    return link, lambda name: point(link, name)


def link_on_the_way(tmp_path: Path) -> tuple[Path, Callable[[str], None]]:
    """A dataset that is a directory below a link."""
    for name in ("one", "two"):
        if (tmp_path / name).exists():
            (tmp_path / name).rename(tmp_path / "moved")
            (tmp_path / name).mkdir()
            (tmp_path / "moved").rename(tmp_path / name / "music")
    return tmp_path / "current" / "music", lambda name: point(tmp_path / "current", tmp_path / name)


@pytest.mark.parametrize(
    ("linked", "mode"), [(whole_link, "events"), (relative_link, "walk"), (link_on_the_way, "walk")]
)
def test_link_to_another_release_is_followed(
    tmp_path: Path, linked: Callable[[Path], tuple[Path, Callable[[str], None]]], mode: str
) -> None:
    release(tmp_path / "one", "Song", "Old")
    shutil.copytree(release(tmp_path / "two", "Song", "New") / "Song", tmp_path / "two" / "Other")
    path, lead = linked(tmp_path)
    lead("one")
    config = configuration(tmp_path / "c.toml", path)
    config.write_text(config.read_text() + f'mode = "{mode}"\n')
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=2)
        one = os.path.realpath(path)
        assert [datasets(daemon)[0][key] for key in ("path", "target")] == [str(path), one]
        lead("two")
        two = Path(os.path.realpath(path))
        daemon.becomes(complete=3)
        eventually(lambda: record_of(two / "New") and record_of(two / "Other"), what=daemon.log)
        assert datasets(daemon)[0]["target"] == str(two)
        daemon.says(f"root-changed dataset={path} target={two} before={one}")
        for name in (path, two):
            code, out, err = ctl(daemon, "explain", name / "New")
            assert (code, err) == (0, "")
            assert out.startswith(f"{path}/New\n")
            assert f"leads to {two}" in out
        assert f"leads to {two}" in ctl(daemon, "status")[1]
        assert f"{path} leads to {two}" in ctl(daemon, "doctor", "--config", config)[1]
        release(two, "Last")
        daemon.becomes(complete=4) if mode == "events" else None
    assert leftovers(tmp_path / "one") == leftovers(two) == []


def test_link_to_unknown_folders_pauses_until_accepted(tmp_path: Path) -> None:
    one, two, link = release(tmp_path / "one", "A", "B"), release(tmp_path / "two", "X"), tmp_path / "music"
    point(link, one)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", link)) as daemon:
        daemon.becomes(complete=2)
        point(link, two)
        remark = f"it leads to {two} now, with none of the 2 folders that were known"
        stands(daemon, "paused", remark)
        assert (record_of(two / "X"), daemon.states()) == ({}, {"complete": 2})
        point(link, one)
        stands(daemon, "active")
        release(one, "C")
        daemon.becomes(complete=3)
        point(link, two)
        stands(daemon, "paused", f"it leads to {two} now, with none of the 3 folders that were known")
        assert ctl(daemon, "rescan", "--accept", two)[0] == 0
        daemon.becomes(complete=1)
        assert record_of(two / "X")


def test_link_that_was_pointed_elsewhere_between_two_runs_pauses(tmp_path: Path) -> None:
    one, two, link = release(tmp_path / "one", "A", "B"), release(tmp_path / "two", "X"), tmp_path / "music"
    point(link, one)
    config = configuration(tmp_path / "c.toml", link)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=2)
        daemon.stop()
    point(link, two)
    with service(tmp_path / "d", config) as daemon:
        remark = f"it leads to {two} now, with none of the 2 folders that were known"
        stands(daemon, "paused", remark)
        walks = daemon.log().count("dataset-paused")
        point(link, one)
        stands(daemon, "active")
        daemon.becomes(complete=2)
        assert (walks, record_of(two / "X")) == (1, {})


def test_link_that_dangles_for_a_while_is_missing(tmp_path: Path) -> None:
    one, link = release(tmp_path / "one", "Song"), tmp_path / "music"
    point(link, one)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", link)) as daemon:
        daemon.becomes(complete=1)
        point(link, "nowhere")
        stands(daemon, "missing", f"it leads to {tmp_path}/nowhere, where there is no directory")
        assert daemon.states() == {"complete": 1}
        point(link, one)
        stands(daemon, "active")
        release(one, "Other")
        daemon.becomes(complete=2)


def measured(folder: Path) -> tuple[str, int] | None:
    """The name and the size of the full mix that the folder's record is of; None where there is no record."""
    analyzers = record_of(folder).get("_audiobatch", {}).get("analyzers")
    fingerprint = analyzers["loudness"]["full_mix"]["fingerprint"] if analyzers else None
    return fingerprint and (fingerprint["file"], fingerprint["size"])


def is_of_what_is_there(folder: Path) -> bool:
    """Whether the folder's record is of the full mix that is there now."""
    file = folder / "full_mix.wav"
    return measured(folder) == (file.name, file.stat().st_size)


def replace(folder: Path, seconds: float) -> None:
    """Put another full mix in the place of the folder's, in one step."""
    beside_the_release = folder.parents[1] / "new.wav"
    write_audio(beside_the_release, tone(seconds, RATE, 1), RATE)
    beside_the_release.rename(folder / "full_mix.wav")


def test_change_read_in_another_release_is_not_lost(tmp_path: Path) -> None:
    """What is told of one release may be looked at in another one, where a link leads for a moment."""
    names, link = [f"Song {number}" for number in range(6)], tmp_path / "music"
    one, two = release(tmp_path / "one", *names), release(tmp_path / "two", *names)
    assert once(two)[0] == 0
    point(link, one)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", link)) as daemon:
        daemon.becomes(complete=len(names))
        for name in names:
            point(link, two)
            write_audio(one / name / "full_mix.wav", tone(2.0, RATE, 1), RATE)  # in place: no directory tells of it
            time.sleep(MOMENT)
            point(link, one)
        # Before the next pass, which is a minute after the last one, and looks again at what is as young as this.
        eventually(lambda: all(is_of_what_is_there(one / name) for name in names), 30.0, daemon.log)


def test_file_replaced_where_the_link_does_not_lead_is_found(tmp_path: Path) -> None:
    link, one, two = tmp_path / "music", release(tmp_path / "one", "Song"), release(tmp_path / "two", "Song")
    point(link, one)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", link)) as daemon:
        daemon.becomes(complete=1)
        for number, (place, other) in enumerate([(two, one), (one, two), (two, one)]):
            point(link, place)
            eventually(partial(is_of_what_is_there, place / "Song"), what=daemon.log)
            replace(other / "Song", 2.0 + number)
        assert not is_of_what_is_there(one / "Song"), "it is looked at when the link leads there again"


def test_job_that_began_in_another_release_tells_nothing(tmp_path: Path) -> None:
    """The releases share their files, as those do that `rsync --link-dest` makes: no stamp tells one from the other."""
    one, two, link, gate = release(tmp_path / "one", "Song"), tmp_path / "two", tmp_path / "music", tmp_path / "gate"
    (two / "Song").mkdir(parents=True)
    (two / "Song" / "full_mix.wav").hardlink_to(one / "Song" / "full_mix.wav")
    point(link, one)
    config = configuration(tmp_path / "c.toml", link, plugins=["gate"])
    with service(tmp_path / "d", config, env=install_gate(gate)) as daemon:
        eventually((gate / "at-full_mix").exists, what=daemon.log)
        point(link, two)
        daemon.says(f"root-changed dataset={link} target={two} before={one}")
        (gate / "go").touch()
        eventually(lambda: record_of(one / "Song") and record_of(two / "Song"), what=daemon.log)


def test_link_into_another_dataset_is_refused_meanwhile(tmp_path: Path) -> None:
    one, two, link = release(tmp_path / "one", "A"), release(tmp_path / "two", "B"), tmp_path / "music"
    point(link, one)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", two, link)) as daemon:
        daemon.becomes(complete=2)
        point(link, two)
        stands(daemon, "paused", f"it leads to {two} now, which overlaps the dataset {two}", number=1)
        release(two, "C")
        daemon.becomes(complete=3)
        point(link, one)
        stands(daemon, "active", number=1)
        release(one, "D")
        daemon.becomes(complete=4)


def test_linked_dataset_that_is_a_track_keeps_its_name(tmp_path: Path) -> None:
    song, link = release(tmp_path, "Song") / "Song", tmp_path / "link"
    point(link, song)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", link)) as daemon:
        daemon.becomes(complete=1)
    assert sorted(os.listdir(song)) == ["Song.INFO", "full_mix.wav"]
    assert run("audiobatchctl", "--socket", tmp_path / "none", "missing", link, "--features", "lufs")[0] == 0
