"""Datasets and operators in the configuration's text: put in, taken out, and all else as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from audiobatchd.cli.rights import configuration
from audiobatchd.errors import ConfigError, UsageError

PLACE = Path("/etc/audiobatchd.toml")


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("", 'operators = ["mia"]\n'),
        ("# mine\n# too\n", '# mine\n# too\n\noperators = ["mia"]\n'),
        ("workers = 2\n", 'operators = ["mia"]\n\nworkers = 2\n'),
        ("# m\n\n[[dataset]]\npath = '/m'\n", "# m\n\noperators = [\"mia\"]\n\n[[dataset]]\npath = '/m'\n"),
        ("operators = []\n", 'operators = ["mia"]\n'),
        ("a = 1\noperators = [\n  'otto', # he\n]\nb = 2\n", 'a = 1\noperators = ["otto","mia"]\nb = 2\n'),
    ],
)
def test_operator_is_added_where_the_key_stands(text: str, new: str) -> None:
    assert configuration.with_operator(text, "mia", PLACE) == new
    assert configuration.operators(new, PLACE)[-1] == "mia"


@pytest.mark.parametrize(
    "text",
    [
        '"operators" = ["otto"]\n',
        "x = '''\noperators = [1]\n'''\n",
        "[analyzer.a]\noperators = [1]\n",
        'operators = ["a]b"]\n',
    ],
)
def test_list_in_a_way_of_its_own_is_left_to_its_author(text: str) -> None:
    tomllib.loads(text)
    with pytest.raises(UsageError, match="add the name by hand"):
        configuration.with_operator(text, "mia", PLACE)


def test_dataset_is_added_and_taken_out() -> None:
    text = "# mine\n\n[[dataset]]\npath = '/a'\nsettle = 3\n"
    both = configuration.with_dataset(text, '/b "c"')
    assert configuration.datasets(both, PLACE) == ["/a", '/b "c"']
    assert configuration.without_dataset(both, '/b "c"', PLACE).rstrip() == text.rstrip()


@pytest.mark.parametrize("text", ["[[", "a = 1\na = 2\n"])
def test_what_is_no_toml_is_said_with_its_file(text: str) -> None:
    with pytest.raises(ConfigError, match=r"/etc/audiobatchd\.toml: not TOML: "):
        configuration.operators(text, PLACE)


def test_inboxes_are_found_by_their_dataset_s_place(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "link").symlink_to("music")
    text = "".join(
        f'[[inbox]]\npath = "{name}"\ndataset = "{dataset}"\n'
        for name, dataset in (("a", "music"), ("b", "link"), ("/c", str(tmp_path / "music")), ("d", "other"))
    )
    found = configuration.inboxes(text, str(tmp_path / "music"), tmp_path / "c.toml")
    assert found == [str(tmp_path / "a"), str(tmp_path / "b"), "/c"]
    assert configuration.inboxes("", str(tmp_path / "music"), tmp_path / "c.toml") == []
    with pytest.raises(ConfigError, match="not TOML"):
        configuration.inboxes("=", str(tmp_path / "music"), tmp_path / "c.toml")
