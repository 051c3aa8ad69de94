"""The configuration file: where it is looked for, what it gives, and what every refusal says."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from audiobatchd.config.file import (
    BOUNDS,
    MOST_DATASETS,
    MOST_INBOXES,
    Config,
    DatasetConfig,
    InboxConfig,
    dataset_from_command_line,
    differences,
    find_config,
    load_config,
    with_datasets,
)
from audiobatchd.config.schedule import ScheduleConfig
from audiobatchd.config.web import WebConfig
from audiobatchd.errors import ConfigError
from audiobatchd.vocabulary.quantities import size_in_bytes

DATASET = '[[dataset]]\npath = "music"\n'


def written(directory: Path, text: str) -> Path:
    """A configuration file in `directory`."""
    path = directory / "audiobatchd.toml"
    path.write_text(text)
    return path


# What it gives


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    loaded = load_config(written(tmp_path, "# nothing\n"))
    assert loaded == Config()


def test_every_key_is_read(tmp_path: Path) -> None:
    text = (
        'workers = 3\nanalyzers = ["loudness"]\njob_timeout = 1\njob_timeout_factor = 0\nmax_duration = 60.5\n'
        f'max_deaths = 1\nstop_grace = 0\n{DATASET}settle = 0\nrescan = 0.5\nignore = ["a*", "b"]\nadopt = false\n'
    )
    loaded = load_config(written(tmp_path, text))
    assert loaded.dataset[0] == DatasetConfig(
        path=str(tmp_path / "music"), settle=0.0, rescan=0.5, ignore=("a*", "b"), adopt=False
    )
    assert (loaded.workers, loaded.analyzers) == (3, ("loudness",))
    assert (loaded.job_timeout, loaded.job_timeout_factor, loaded.max_duration) == (1.0, 0.0, 60.5)
    assert (loaded.max_deaths, loaded.stop_grace) == (1, 0.0)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("music", "etc/music"),
        ("./a/../music", "etc/music"),
        ("..", "."),
        ("../music/", "music"),
        ("~/music", "etc/~/music"),
        ("link", "etc/link"),
        ("link/../music", "etc/link/../music"),
        ("caf\u00e9", "etc/caf\u00e9"),
    ],
)
def test_a_relative_path_starts_at_the_file_s_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "link").symlink_to(tmp_path / "elsewhere")
    written(tmp_path / "etc", f'[[dataset]]\npath = "{path}"\n')
    monkeypatch.chdir(tmp_path)
    loaded = load_config(Path("etc/audiobatchd.toml"))
    assert loaded.dataset[0].path == str(tmp_path / expected)


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    loaded = load_config(written(tmp_path, '[[dataset]]\npath = "/srv/no such music/"\n'))
    assert loaded.dataset[0].path == "/srv/no such music"


def test_a_file_behind_a_link_speaks_of_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.toml").symlink_to(written(tmp_path / "real", DATASET))
    assert load_config(tmp_path / "link.toml").dataset[0].path == str(tmp_path / "real" / "music")


# What it refuses


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("worker = 2", "`worker`"),
        ("settle = 5", "`settle`"),
        ('"we ird" = 1', "`we ird`"),
        ("workers = 0", "`workers`"),
        ("workers = -1", "`workers`"),
        ("workers = true", "`workers`"),
        ("workers = 2.0", "`workers`"),
        ('workers = "2"', "`workers`"),
        ("workers = []", "`workers`"),
        ("[workers]", "`workers`"),
        ('analyzers = "loudness"', "`analyzers`"),
        ("analyzers = [1]", "`analyzers[0]`"),
        ("job_timeout = 0", "`job_timeout`"),
        ("job_timeout = nan", "`job_timeout`"),
        ("job_timeout = inf", "`job_timeout`"),
        ("job_timeout_factor = -0.5", "`job_timeout_factor`"),
        ("job_timeout_factor = inf", "`job_timeout_factor`"),
        ("max_duration = false", "`max_duration`"),
        ("max_duration = 0.0", "`max_duration`"),
        ("max_deaths = 0", "`max_deaths`"),
        ("max_deaths = 1.5", "`max_deaths`"),
        ("stop_grace = -1", "`stop_grace`"),
        ("stop_grace = 1979-05-27", "`stop_grace`"),
        ('dataset = "music"', "`dataset`"),
        ('dataset = ["music"]', "`dataset[0]`"),
        ('[dataset]\npath = "music"', "`dataset`"),
        ("[[dataset]]\nsettle = 1", "`dataset[0]`"),
        ("[[dataset]]\npath = 5", "`dataset[0].path`"),
        ('[[dataset]]\npath = ""', "`dataset[0].path`"),
        ('[[dataset]]\npath = "a\\u0000b"', "`dataset[0].path`"),
        (DATASET + "settle = true", "`dataset[0].settle`"),
        (DATASET + "settle = -1", "`dataset[0].settle`"),
        (DATASET + "settle = nan", "`dataset[0].settle`"),
        (DATASET + 'settle = "5 s"', "`dataset[0].settle`"),
        (DATASET + "rescan = 0", "`dataset[0].rescan`"),
        (DATASET + "rescan = inf", "`dataset[0].rescan`"),
        (DATASET + 'ignore = "x"', "`dataset[0].ignore`"),
        (DATASET + "ignore = [1]", "`dataset[0].ignore[0]`"),
        (DATASET + "adopt = 1", "`dataset[0].adopt`"),
        (DATASET + '[[dataset]]\npath = "x"\nsetle = 1', "`setle`"),
        ("workers = 1\nworkers = 2", "not TOML: "),
        ("workers = ", "not TOML: "),
        ("workers: 2", "not TOML: "),
        ("\ufeffworkers = 1", "not TOML: "),
    ],
)
def test_a_refusal_names_the_file_and_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert named in str(refused.value)
    assert "$" not in str(refused.value)  # as msgspec writes a place; TOML knows none such


@pytest.mark.parametrize("key", sorted(BOUNDS))
def test_numbers_have_bounds_in_our_own_words(tmp_path: Path, key: str) -> None:
    bounds = BOUNDS[key]
    table, head, where = next(
        (each, head, place)
        for each, head, place in (
            (DatasetConfig("x"), DATASET, f"dataset[0].{key}"),
            (WebConfig(), "[web]\n", f"web.{key}"),
            (ScheduleConfig(), "[schedule]\n", f"schedule.{key}"),
            (Config(), "", key),
        )
        if key in each.__struct_fields__
    )
    kind, below, beyond = "number", ["-1", "-1" + "0" * 30], ["1" + "0" * 30]
    if isinstance(bounds.least, str):
        kind, below, beyond = (
            "size",
            ['"1023 B"', *([] if bounds.least == "0 KiB" else ['"0 KiB"'])],
            ['"1025 TiB"', f'"{"9" * 400} TiB"', '"6"'],
        )
    elif isinstance(getattr(table, key), float) or key == "max_load":
        below, beyond = [*below, "-1e-9", "nan", "-inf"], [*beyond, "1e300", "inf"]
    for value in (*below, *beyond):
        path = written(tmp_path, f"{head}{key} = {value}\n")
        with pytest.raises(ConfigError) as refused:
            load_config(path)
        line = head.count("\n") + 1
        assert str(refused.value) == f"{path}: expected a {kind} from {bounds} - at `{where}` (line {line})"
    for most in bounds:
        value = f'"{most}"' if isinstance(most, str) else str(most)
        assert load_config(written(tmp_path, f"{head}{key} = {value}\n"))


def test_every_number_has_bounds() -> None:
    numbers = {
        field.name
        for kind in (Config, DatasetConfig, WebConfig, ScheduleConfig)
        for field in msgspec.structs.fields(kind)
        if field.type in (int, float, int | None, float | None)
    }
    sizes = {"worker_memory", "record_limit", "min_free_memory", "keep_decisions"}
    assert numbers | {*sizes, "workers"} == BOUNDS.keys()


@pytest.mark.parametrize("key", ["rescan", "reap"])
def test_interval_that_is_no_pause_is_refused(tmp_path: Path, key: str) -> None:
    dataset = DATASET if key == "rescan" else ""
    with pytest.raises(ConfigError, match=f"expected a number from 0.1 .*{key}` "):
        load_config(written(tmp_path, f"{dataset}{key} = 1e-9\n"))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audiobatchd.toml"
    path.write_bytes(b'analyzers = ["caf\xe9"]')
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}: not TOML: ."):
        load_config(path)


@pytest.mark.parametrize(
    ("name", "why"),
    [("none.toml", "No such file or directory"), (".", "it is a directory"), ("a/b", "Not a directory")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / name)
    assert str(refused.value) == f"cannot read {tmp_path / name}: {why}"


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("music", "music", True),
        ("music", "music/", True),
        ("music", "music/more", True),
        ("music/more", "music", True),
        ("/", "music", True),
        ("link", "music/more", True),
        ("music", "music more", False),
        ("music", "musi", False),
        ("a/music", "b/music", False),
    ],
)
def test_datasets_must_not_overlap(tmp_path: Path, one: str, other: str, overlap: bool) -> None:
    (tmp_path / "link").symlink_to("music")
    path = written(tmp_path, f'[[dataset]]\npath = "{one}"\n[[dataset]]\npath = "{other}"\n')
    if not overlap:
        assert len(load_config(path).dataset) == 2
        return
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    paths = [str(tmp_path / each) if each != "/" else "/" for each in (one, other)]
    paths = [f"{each} (which leads to {tmp_path}/music)" if each.endswith("link") else each for each in paths]
    assert str(refused.value) == f"{path}: two datasets overlap: {paths[0]} and {paths[1]} - at `dataset`"


def test_also_those_of_the_command_line_must_not(tmp_path: Path) -> None:
    given = [DatasetConfig(str(tmp_path / "a")), DatasetConfig(str(tmp_path / "b" / ".." / "a" / "c"))]
    with pytest.raises(ConfigError, match=f"^two datasets overlap: {tmp_path}/a and {tmp_path}/a/c$"):
        with_datasets(Config(), given)


# Where it is


HOME = {"HOME": "/home/me"}
ETC = "/etc/audiobatchd/audiobatchd.toml"


@pytest.mark.parametrize(
    ("environ", "there", "found"),
    [
        (HOME, [ETC, "/home/me/.config/audiobatchd/audiobatchd.toml"], ETC),
        (HOME, ["/home/me/.config/audiobatchd/audiobatchd.toml"], "/home/me/.config/audiobatchd/audiobatchd.toml"),
        (HOME | {"XDG_CONFIG_HOME": "/x"}, ["/x/audiobatchd/audiobatchd.toml", ETC], ETC),
        (HOME | {"XDG_CONFIG_HOME": "/x"}, ["/x/audiobatchd/audiobatchd.toml"], "/x/audiobatchd/audiobatchd.toml"),
        (HOME | {"XDG_CONFIG_HOME": "/x"}, ["/home/me/.config/audiobatchd/audiobatchd.toml"], None),
        (
            HOME | {"XDG_CONFIG_HOME": ""},
            ["/home/me/.config/audiobatchd/audiobatchd.toml"],
            "/home/me/.config/audiobatchd/audiobatchd.toml",
        ),
        ({}, ["/.config/audiobatchd/audiobatchd.toml"], "/.config/audiobatchd/audiobatchd.toml"),
        (HOME, [], None),
    ],
)
def test_the_first_that_is_there_is_taken(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], there: list[str], found: str | None
) -> None:
    monkeypatch.setattr(Path, "is_file", lambda path: str(path) in there)
    assert find_config(environ) == (Path(found) if found else None)


@pytest.mark.parametrize("argument", ["music", "./music/", "link", "{root}/music"])
def test_a_dataset_on_the_command_line_keeps_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    loaded = load_config(written(tmp_path, DATASET + "settle = 1\n"))
    (tmp_path / "link").symlink_to("music")
    monkeypatch.chdir(tmp_path)
    assert dataset_from_command_line(loaded, argument.format(root=tmp_path)).settle == 1.0


def test_a_dataset_that_the_file_does_not_know_has_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_config(written(tmp_path, DATASET + "settle = 1\n"))
    monkeypatch.chdir(tmp_path)
    assert dataset_from_command_line(loaded, "more") == DatasetConfig(str(tmp_path / "more"))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("4 GiB", 4 << 30),
        ("4GiB", 4 << 30),
        ("100.5 MiB", 201 << 19),
        ("64 MiB", 64 << 20),
        ("1024 TiB", 1 << 50),
        ("2 TiB", 2 << 40),
    ],
)
def test_sizes(tmp_path: Path, size: str, expected: int) -> None:
    loaded = load_config(written(tmp_path, f'worker_memory = "{size}"\n'))
    assert size_in_bytes(loaded.worker_memory) == expected


@pytest.mark.parametrize("key", ["worker_memory", "record_limit"])
def test_a_size_that_no_number_can_tell_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=f"expected a size from {BOUNDS[key]} - at `{key}`"):
        load_config(written(tmp_path, f'{key} = "{"9" * 400} TiB"\n'))


@pytest.mark.parametrize("value", ["[" * 5000 + "]" * 5000, "9" * 5000], ids=["depth", "digits"])
def test_what_python_cannot_follow_is_no_configuration(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="not TOML: "):
        load_config(written(tmp_path, f"workers = {value}\n"))


def test_a_configuration_is_read_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: its 1,600,000 bytes are more than the 1 MiB allowed"):
        load_config(written(tmp_path, "# x\n" * 400_000))


def test_a_trusted_digest_may_have_its_kind_before_it(tmp_path: Path) -> None:
    loaded = load_config(written(tmp_path, f'trusted_models = ["{"a" * 64}", "sha256:{"b" * 64}"]\n'))
    assert loaded.trusted_digests == ("a" * 64, "b" * 64)
    with pytest.raises(ConfigError, match="at `trusted_models"):
        load_config(written(tmp_path, 'trusted_models = ["abc"]\n'))


@pytest.mark.parametrize("size", ["4", "4 GB", "GiB", "-1 GiB", "4  GiB", "1e3 MiB", ""])
def test_what_is_no_size(tmp_path: Path, size: str) -> None:
    with pytest.raises(ConfigError, match="at `worker_memory`"):
        load_config(written(tmp_path, f'worker_memory = "{size}"\n'))


def test_what_is_different_between_two() -> None:
    one = Config((DatasetConfig("/a"), DatasetConfig("/b")), workers=2)
    other = Config((DatasetConfig("/b", settle=9.0, ignore=("x",)), DatasetConfig("/c")), operators=("me",))
    assert differences(one, other) == [
        "workers: 2 -> not set",
        'operators: [] -> ["me"]',
        "dataset /a: no longer",
        "dataset /c: new",
        "dataset /b: settle: 5.0 -> 9.0",
        'dataset /b: ignore: [] -> ["x"]',
    ]
    assert differences(one, one) == []


def test_more_datasets_than_one_service_takes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("".join(f'[[dataset]]\npath = "/m/{number}"\n' for number in range(MOST_DATASETS + 1)))
    with pytest.raises(ConfigError, match="cannot watch 1,001 datasets: one service takes 1,000"):
        load_config(path)
    datasets = [DatasetConfig(f"/m/{number}") for number in range(MOST_DATASETS)]
    assert len(with_datasets(Config(), datasets).dataset) == MOST_DATASETS


@pytest.mark.parametrize(
    "paths", [("/m/a", "/m/a/b"), ("/m/a/b", "/m/b", "/m/a"), ("/m/a", "/m/a-b", "/m/a.b", "/m/a/z/z"), ("/m", "/m")]
)
def test_overlap_is_found_wherever_the_two_stand(paths: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="two datasets overlap"):
        with_datasets(Config(), [DatasetConfig(path) for path in paths])
    with_datasets(Config(), [DatasetConfig(path) for path in ("/m/a", "/m/a-b", "/m/ab", "/m/b/a")])


# Inboxes


INBOX = '[[inbox]]\npath = "in"\ndataset = "music"\n'


def test_an_inbox_goes_with_its_dataset(tmp_path: Path) -> None:
    loaded = load_config(written(tmp_path, f'{DATASET}{INBOX}settle = 5\nname = "{{title}}"\n'))
    music, inbox = str(tmp_path / "music"), str(tmp_path / "in")
    assert loaded.inbox == (InboxConfig(inbox, music, 5.0, "{title}"),)
    assert with_datasets(loaded, list(loaded.dataset)).inbox == loaded.inbox
    assert with_datasets(loaded, [DatasetConfig(str(tmp_path / "other"))]).inbox == ()


def test_an_inbox_names_its_dataset_by_any_path(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "link").symlink_to("music")
    for dataset in ("music/", "./music", "link", str(tmp_path / "music")):
        text = f'{DATASET}[[inbox]]\npath = "in"\ndataset = "{dataset}"\n'
        assert load_config(written(tmp_path, text)).inbox[0].dataset == str(tmp_path / "music")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (INBOX, "is for .*/music, which is no dataset of this configuration - at `inbox`"),
        (DATASET + INBOX.replace('"in"', '"music/in"'), "the inbox .*/music/in and the dataset .*/music overlap"),
        (DATASET + INBOX.replace('"in"', '"."'), "overlap: give it a directory apart - at `inbox`"),
        (DATASET + INBOX.replace('"in"', '"link"'), "the inbox .*/link \\(which leads to .*\\) and the dataset"),
        (DATASET + INBOX + INBOX.replace('"in"', '"in/b"'), "the inbox .*/in/b and the inbox .*/in overlap"),
        (DATASET + '[[inbox]]\npath = "in"\n', "the key `dataset` is missing - at `inbox"),
        (DATASET + INBOX + "settle = -1\n", "expected a number from 0 to 604,800 - at `inbox\\[0\\].settle`"),
        (DATASET + INBOX + f'name = "{{title}}{"x" * 1000}"\n', "expected up to 1,000 characters"),
        (DATASET + INBOX + "setle = 1\n", "unknown key `setle`.*: did you mean `settle`"),
        (DATASET + INBOX + "rescan = 1\n", "unknown key `rescan`"),
        (DATASET + "inbox = 3\n", "inbox"),
        (DATASET + INBOX * (MOST_INBOXES + 1), f"cannot look after {MOST_INBOXES + 1} inboxes"),
    ],
)
def test_unfit_inboxes_are_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "music" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("music/inner")
    with pytest.raises(ConfigError, match=why):
        load_config(written(tmp_path, text))


def test_a_changed_inbox_is_told_of(tmp_path: Path) -> None:
    old = load_config(written(tmp_path, DATASET + INBOX))
    new = load_config(written(tmp_path, DATASET + INBOX + "settle = 5\n"))
    assert differences(old, new) == [f"inbox {tmp_path}/in: settle: 60.0 -> 5.0"]
    assert differences(new, msgspec.structs.replace(new, inbox=())) == [f"inbox {tmp_path}/in: no longer"]
