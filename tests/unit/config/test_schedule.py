"""The tables of schedules: what they give each dataset, and how a mistake in them is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.config.file import Config, differences, load_config
from audiobatchd.config.schedule import ScheduleConfig, conditions, unreadable
from audiobatchd.core.schedule import Conditions
from audiobatchd.errors import ConfigError
from audiobatchd.vocabulary.hours import hours_in

WHOLE = ScheduleConfig(hours=("22:00-07:00",), max_load=4.0, min_free_memory="2 GiB", on_battery=False)
NIGHTS = hours_in(["22:00-07:00"])


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (ScheduleConfig(), Conditions(NIGHTS, 4.0, 2 << 30, on_battery=False)),
        (ScheduleConfig(hours=("sat",)), Conditions(hours_in(["sat"]), 4.0, 2 << 30, on_battery=False)),
        (ScheduleConfig(hours=()), Conditions(None, 4.0, 2 << 30, on_battery=False)),
        (ScheduleConfig(max_load=8.0), Conditions(NIGHTS, 8.0, 2 << 30, on_battery=False)),
        (ScheduleConfig(min_free_memory="0 KiB", on_battery=True), Conditions(NIGHTS, 4.0)),
    ],
)
def test_dataset_has_its_own_keys_and_the_rest_of_all(own: ScheduleConfig, expected: Conditions) -> None:
    assert conditions(WHOLE, own) == expected


def test_without_any_key_there_are_no_conditions() -> None:
    assert not conditions(ScheduleConfig(), ScheduleConfig())


def test_first_entry_that_is_none_is_found() -> None:
    found = unreadable(ScheduleConfig(hours=("sat", "sunny", "mo")))
    assert found is not None
    assert found.place == ("hours", 1)


def test_number_of_entries_is_bounded() -> None:
    assert unreadable(ScheduleConfig(hours=("sat",) * 100)) is None
    found = unreadable(ScheduleConfig(hours=("sat",) * 101))
    assert found is not None
    assert found.place == ("hours",)


def loaded(directory: Path, text: str) -> Config:
    """A configuration of this text."""
    path = directory / "c.toml"
    path.write_text(text)
    return load_config(path)


def test_both_tables_are_read(tmp_path: Path) -> None:
    text = (
        '[schedule]\nhours = ["sat"]\nmin_free_memory = "2 GiB"\non_battery = false\n'
        '[[dataset]]\npath = "/a"\n[dataset.schedule]\nhours = []\nmax_load = 2\n[[dataset]]\npath = "/b"\n'
    )
    config = loaded(tmp_path, text)
    assert config.schedule == ScheduleConfig(("sat",), None, "2 GiB", on_battery=False)
    assert [each.schedule for each in config.dataset] == [ScheduleConfig((), 2.0), ScheduleConfig()]


DATASETS = '[[dataset]]\npath = "/a"\n[[dataset]]\npath = "/b"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[schedule]\nhours = ["sat", "22:00"]\n',
            (
                'expected hours like "22:00-07:00", "sat" or "mon-fri 22:00-07:00", got \'22:00\''
                " - at `schedule.hours[1]` (line 2)"
            ),
        ),
        (
            f'{DATASETS}[dataset.schedule]\nmax_load = 1\nhours = ["mo"]\n',
            (
                "mo in 'mo' is no day: expected one of mon, tue, wed, thu, fri, sat, sun"
                " - at `dataset[1].schedule.hours[0]` (line 7)"
            ),
        ),
        (
            '[schedule]\nhours = "sat"\n',
            'expected a list of texts, got "sat" - at `schedule.hours` (line 2)',
        ),
        (
            f"{DATASETS}[dataset.schedule]\nmax_load = 0\n",
            "expected a number from 0.01 to 10,000 - at `dataset[1].schedule.max_load` (line 6)",
        ),
        (
            '[schedule]\nmin_free_memory = "2 GB"\n',
            "expected a size from 0 KiB to 1024 TiB - at `schedule.min_free_memory` (line 2)",
        ),
        (
            f"{DATASETS}[dataset.schedule]\nhour = 1\n",
            "unknown key `hour` - at `dataset[1].schedule` (line 6): did you mean `hours`?",
        ),
        ("max_load = 1\n", "unknown key `max_load` (line 1): it belongs under [schedule]"),
        ("[[schedule]]\n", "expected a table, got a list - at `schedule` (line 1): schedule is a table, under the"),
        ("[schedule]\non_battery = 1\n", "expected true or false, got 1 - at `schedule.on_battery` (line 2)"),
        ("[schedule]\nworkers = 1\n", "unknown key `workers` - at `schedule` (line 2): it belongs at the top"),
    ],
)
def test_mistake_is_told_with_its_place_and_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    assert str(refused.value).startswith(f"{tmp_path}/c.toml: {told}")


def test_changes_of_a_schedule_are_told() -> None:
    old, new = Config(), Config(schedule=ScheduleConfig(hours=("sat",)))
    assert differences(old, new) == ['schedule: hours: not set -> ["sat"]']
