"""What follows from a configuration: for the core, for what reads folders, for the workers, and for a reload."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import msgspec
import pytest

from audiobatchd.config.file import Config, DatasetConfig, InboxConfig
from audiobatchd.core.assessment import Policy
from audiobatchd.errors import ConfigError
from audiobatchd.service.planning import DatasetTerms, Planner
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import Mode, WatchMode

MUSIC, OTHER = DatasetConfig("/music", settle=3.0, rescan=60.0), DatasetConfig("/other")
CONFIG = Config(dataset=(MUSIC, OTHER), workers=2, record_limit="1 MiB", worker_memory="2 GiB")


@dataclasses.dataclass(frozen=True)
class Given:
    """A source of one configuration."""

    config: Config = CONFIG
    shard: Shard | None = None

    def read(self) -> Config:
        return self.config

    def model_directories(self, config: Config) -> tuple[Path, ...]:
        return (Path("/models") / str(config.workers),)


def planner(policy: Policy | None = None, mode: Mode = Mode.SERVICE, config: Config = CONFIG) -> Planner:
    return Planner(Given(config), policy or Policy(), mode)


def test_one_configuration_gives_every_part_the_same_terms() -> None:
    derived = planner().read()
    policy = Policy(max_duration=21600.0, worker_memory=2 << 30)
    assert derived.plan.policies == {"/music": policy, "/other": policy}
    assert derived.terms["/music"] == DatasetTerms("/music", policy, record_limit=1 << 20, worker_memory=2 << 30)
    assert (derived.plan.datasets["/music"], derived.plan.limits.settle["/music"]) == (60.0, 3.0)
    assert (derived.plan.workers, derived.plan.worker_memory) == (2, 2 << 30)
    assert (derived.workers.record_limit, derived.workers.max_duration) == (1 << 20, 21600.0)
    assert derived.workers.worker_memory == 2 << 30
    assert derived.workers.model_directories == ("/models/2",)
    assert derived.operators == {0, os.geteuid()}


def test_analyzers_that_are_left_out_are_named() -> None:
    config = msgspec.structs.replace(CONFIG, analyzers=("default", "-timbre"))
    assert {"fingerprint", "timbre"} <= set(planner(config=config).read().plan.left_out)
    assert "loudness" not in planner(config=config).read().plan.left_out


@pytest.mark.parametrize("mode", [Mode.ONCE, Mode.DRY_RUN])
def test_one_pass_waits_for_less(mode: Mode) -> None:
    service, derived = planner().read(), planner(Policy(only=("lufs",)), mode).read()
    assert (derived.plan.once, derived.plan.limits.once) == (True, True)
    assert derived.plan.dry_run == (mode is Mode.DRY_RUN)
    assert derived.plan.limits.backoff.longest < service.plan.limits.backoff.longest
    assert derived.plan.features == derived.workers.features == ("lufs",)
    assert service.workers.features is None


def test_command_line_can_only_refuse_adoption() -> None:
    mixed = msgspec.structs.replace(CONFIG, dataset=(MUSIC, msgspec.structs.replace(OTHER, adopt=False)))
    given = planner(config=mixed).read().plan.policies
    refused = planner(Policy(adopt=False), config=mixed).read().plan.policies
    assert [each.adopt for each in given.values()] == [True, False]
    assert [each.adopt for each in refused.values()] == [False, False]


def test_operator_that_is_no_user_is_refused() -> None:
    with pytest.raises(ConfigError, match="no user is called 'nobody-at-all'"):
        planner(config=msgspec.structs.replace(CONFIG, operators=("nobody-at-all",))).read()


@pytest.mark.parametrize(
    "change",
    [
        {"ignore": ("*.old",)},
        {"mode": WatchMode.WALK},
        {"ready_marker": "ready"},
        {"adopt": False},
        {"alone": True},
    ],
    ids=lambda change: str(*change),
)
def test_change_of_a_dataset_walks_it_alone_again(change: dict[str, object]) -> None:
    after = msgspec.structs.replace(CONFIG, dataset=(msgspec.structs.replace(MUSIC, **change), OTHER))
    assert planner(config=after).read().to_walk_again(planner().read()) == {"/music"}


@pytest.mark.parametrize(
    "change",
    [{"max_duration": 60.0}, {"recompute_other_models": True}, {"record_limit": "2 MiB"}, {"worker_memory": "1 GiB"}],
    ids=lambda change: str(*change),
)
def test_change_of_what_is_due_walks_all_again(change: dict[str, object]) -> None:
    after = msgspec.structs.replace(CONFIG, **change)
    assert planner(config=after).read().to_walk_again(planner().read()) == {"/music", "/other"}


def test_change_that_judges_no_folder_walks_nothing_again() -> None:
    calm = msgspec.structs.replace(
        CONFIG,
        dataset=(msgspec.structs.replace(MUSIC, settle=9.0, rescan=9.0), OTHER),
        workers=3,
        job_timeout=9.0,
        max_deaths=9,
        stop_grace=9.0,
        reap=9.0,
    )
    assert planner(config=calm).read().to_walk_again(planner().read()) == frozenset()


def test_only_a_new_dataset_is_walked_after_a_reload() -> None:
    one = msgspec.structs.replace(CONFIG, dataset=(MUSIC,))
    assert planner().read().to_walk_again(planner(config=one).read()) == {"/other"}
    assert planner(config=one).read().to_walk_again(planner().read()) == frozenset()


def test_inboxes_are_a_service_s_and_checked(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("in")
    dataset = DatasetConfig("/music", ignore=("x*",), ready_marker=".ready")
    inbox = InboxConfig(str(tmp_path / "link"), "/music", stems=r"(?P<title>.*)-(?P<stem>.*)")
    config = Config(dataset=(dataset,), inbox=(inbox,))
    (terms,) = planner(config=config).read().inboxes
    assert (terms.path, terms.place) == (str(tmp_path / "link"), str(tmp_path / "in"))
    assert (terms.dataset, terms.ignore, terms.marker) == ("/music", ("x*",), ".ready")
    assert planner(config=config, mode=Mode.ONCE).read().inboxes == ()
    with pytest.raises(ConfigError, match=r"there is no \{nonesuch\}.* - at `inbox /in`"):
        planner(config=Config(dataset=(dataset,), inbox=(InboxConfig("/in", "/music", name="{nonesuch}"),))).read()


def test_one_pass_has_the_shard_that_is_asked_for() -> None:
    shard = Shard(2, 8, then_any=True)
    assert Planner(Given(CONFIG, shard), Policy(), Mode.ONCE).read().plan.shard == shard
    assert planner().read().plan.shard is None
