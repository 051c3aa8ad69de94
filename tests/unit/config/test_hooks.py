"""The `[[hook]]` tables: what is refused, and that nothing secret is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.config.file import Config, differences, load_config
from audiobatchd.config.hooks import HookConfig, names_of, place_of
from audiobatchd.errors import ConfigError
from audiobatchd.vocabulary.hook_events import HookEvent

ON = 'on = ["folder-done"]\n'
DONE = HookEvent.FOLDER_DONE


def load(directory: Path, *tables: str) -> Config:
    path = directory / "c.toml"
    hooks = "".join(f"[[hook]]\n{table}" for table in tables)
    path.write_text(f'{hooks}[[dataset]]\npath = "music"\n')
    return load_config(path)


def test_a_hook_is_told_of_its_datasets_alone(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "link").symlink_to("music")
    (hook,) = load(tmp_path, f'{ON}command = ["true"]\ndataset = ["link"]\n').hook
    assert hook.wants(DONE, str(tmp_path / "music"))
    assert not hook.wants(DONE, "/elsewhere")
    assert not hook.wants(HookEvent.FOLDER_FAILED, str(tmp_path / "music"))
    assert HookConfig((DONE,)).wants(DONE, "/anywhere")


def test_a_secret_lies_beside_the_file(tmp_path: Path) -> None:
    (hook,) = load(tmp_path, f'{ON}url = "https://example.org/x"\nsecret_file = "s"\n').hook
    assert hook.secret_file == str(tmp_path / "s")


@pytest.mark.parametrize(
    ("table", "trouble"),
    [
        ('command = ["true"]\n', "the key `on` is missing"),
        ('on = []\ncommand = ["true"]\n', "at `hook[0].on`"),
        ('on = ["folder-gone"]\ncommand = ["true"]\n', '"folder-done", "folder-failed", "dataset-complete" or'),
        (ON, "set either `command` or `url` - at `hook[0]`"),
        (f'{ON}command = ["true"]\nurl = "https://x"\n', "set either `command` or `url` - at `hook[0]`"),
        (f"{ON}command = []\n", "name a program - at `hook[0].command`"),
        (f'{ON}command = ["./run"]\n', "write the whole path of the program"),
        (f'{ON}command = ["a\\u0000b"]\n', "at `hook[0].command[0]`"),
        (f'{ON}command = ["true"]\nsecret_file = "s"\n', "a secret signs what is sent to a `url`"),
        (f'{ON}command = ["true"]\ndataset = ["other"]\n', "other is no dataset of this configuration"),
        (f'{ON}command = ["true"]\ntimeout = 0\n', "expected a number from 0.1 to 3,600"),
        (f'{ON}command = ["true"]\nname = "7"\n', "expected a name of small letters"),
        (f'{ON}command = ["true"]\nurls = 1\n', "did you mean `url`?"),
    ],
)
def test_a_hook_that_cannot_be_told_is_refused(tmp_path: Path, table: str, trouble: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, table)
    assert trouble in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://me:secret@host/", "//me:secret@host", "https://", "https://host:99999/secret", "https://[secret/",
        "http://host/a secret", "secret", "https://host/\\u0007secret", f"https://host/{'secret' * 1000}",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, f'{ON}url = "{url}"\n')
    assert 'expected "https://HOST/PATH"' in str(refused.value)
    assert "secret" not in str(refused.value)


def test_names_are_given_once_and_hooks_are_few(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two hooks have the name mail"):
        load(tmp_path, *[f'{ON}command = ["true"]\nname = "mail"\n'] * 2)
    with pytest.raises(ConfigError, match="cannot tell 17 hooks"):
        load(tmp_path, *[f'{ON}command = ["true"]\n'] * 17)


def test_a_reload_tells_which_hook_changed_and_not_how(tmp_path: Path) -> None:
    before = load(tmp_path, f'{ON}url = "https://host/secret"\n', f'{ON}command = ["a"]\n', f'{ON}command = ["b"]\n')
    after = load(tmp_path, f'{ON}url = "https://host/other-secret"\n', f'name = "x"\n{ON}command = ["a"]\n')
    assert differences(before, after) == ["hook 2: no longer", "hook 3: no longer", "hook x: new", "hook 1: changed"]


def test_hooks_without_a_name_go_by_their_number() -> None:
    assert list(names_of([HookConfig((DONE,)), HookConfig((DONE,), "mail"), HookConfig((DONE,))])) == ["1", "mail", "3"]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://me:secret@Host.example/path?token=1#x", "https://host.example"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://127.0.0.1", "http://127.0.0.1"),
    ],
)
def test_of_a_url_the_machine_alone_is_shown(url: str, place: str) -> None:
    assert (place_of(url), HookConfig((DONE,), url=url).target) == (place, place)
