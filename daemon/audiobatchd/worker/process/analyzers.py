"""The analyzers that a worker has loaded, with its settings: made once, used for every job."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import msgspec

from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import Ready, WorkerSettings
from audiobatchd.core.needs import NO_NEEDS
from audiobatchd.disk.filesystems import cause_of
from audiobatchd.errors import AnalyzerUnavailableError, ConfigError, ModelError, OptionError
from audiobatchd.models import store
from audiobatchd.plugin_api import ENTRY_POINT_GROUP, AnyAnalyzer, FileAnalyzer, Needs, Options, Settings
from audiobatchd.vocabulary.analyzer_sets import ALL, chosen
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.states import Cause
from audiobatchd.worker.process.needs import check_needs, needs_by_role, results_needed, without_results

_LOG = logging.getLogger(__name__)
_LONGEST_REMARK = 200
_Words = tuple[str, ...] | None


@dataclass(frozen=True)
class Bench:
    """The analyzers that loaded, by name, and what all there are offer, in the same order on every machine."""

    settings: WorkerSettings
    analyzers: dict[str, AnyAnalyzer]
    offers: tuple[Offer, ...]

    @staticmethod
    def load(settings: WorkerSettings) -> Bench:
        """Find the analyzers by their entry points, and load those that jobs can need.

        One that lacks something here, cannot be as it is configured, or raises whatever it may, is offered as
        unavailable, with the reason: it takes no other along. One that gives no feature that is asked for is offered
        as it is before it is loaded, and marked as not `asked`; those that give what others need are asked for too.
        Raises ConfigError where the configuration names an analyzer that is not installed, or two have one name.
        """
        analyzers: dict[str, AnyAnalyzer] = {}
        offers: dict[str, Offer] = {}
        found = list(made_by_entry_point(settings))
        groups = groups_of(found)
        asked = features_asked(settings.features, found)
        loaded = needed([each for _, each in found if not isinstance(each, Offer)], asked)
        for (_, made), names in zip(found, groups, strict=True):
            if isinstance(made, Offer):
                offer = made
            elif any(made is each for each in loaded):
                offer = offered(made, hindrance(made))
                if offer.unavailable is None:
                    analyzers[offer.name] = made
            else:
                offer = msgspec.structs.replace(offered(made, None), asked=False)
            _add(offers, msgspec.structs.replace(offer, groups=names))
        for name, reason in without_results(tuple(offers.values()), partial(giver_elsewhere, settings)).items():
            offers[name] = msgspec.structs.replace(offers[name], unavailable=reason)
            del analyzers[name]
        return Bench(settings, analyzers, tuple(offers.values()))

    def needs(self, analyzer: str, role: str) -> Needs:
        """Return what an analyzer needs for the features of `role`."""
        return next((offer.needs.get(role, NO_NEEDS) for offer in self.offers if offer.name == analyzer), NO_NEEDS)

    def ready(self) -> Ready:
        """Return the message that the service gets."""
        return Ready(self.offers)


def hindrance(analyzer: AnyAnalyzer) -> str | None:
    """Load an analyzer, and say why it cannot work on this machine; None where it can."""
    try:
        analyzer.load()
    except (AnalyzerUnavailableError, OptionError) as error:
        return printable(str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # an analyzer's call may raise anything
        return _fault("loaded", error)
    return None


def giver_elsewhere(settings: WorkerSettings, feature: str) -> str | None:
    """Name an installed analyzer that gives `feature` and is not among those that the settings name."""
    everything = msgspec.structs.replace(settings, analyzers=(ALL,))
    made = (each for each in make(everything) if not isinstance(each, Offer))
    return next((each.name for each in made if feature in _names(each)), None)


def remark_of(analyzer: AnyAnalyzer, unavailable: str | None) -> str:
    """Say how an analyzer that has loaded works on this machine: optional, as `binding` is."""
    return "" if unavailable else printable(str(getattr(analyzer, "remark", ""))[:_LONGEST_REMARK])


def _fault(what: str, error: BaseException) -> str:
    """Say why an analyzer cannot be `what`; a shortage of this process is no fault of the analyzer, and is raised."""
    if isinstance(error, OSError) and cause_of(error) is Cause.SHORTAGE:
        raise error
    _LOG.error("cannot be %s", what, exc_info=error)
    return printable(f"it cannot be {what}: {type(error).__name__}: {error}")


def make(settings: WorkerSettings) -> Iterator[AnyAnalyzer | Offer]:
    """Make the configured analyzers, see `made_by_entry_point`."""
    return (made for _, made in made_by_entry_point(settings))


def made_by_entry_point(settings: WorkerSettings) -> Iterator[tuple[str, AnyAnalyzer | Offer]]:
    """Make the configured analyzers, each with its entry point's name, without loading them.

    One that cannot be made is offered as unavailable.
    Raises ConfigError where the configuration names an analyzer that is not installed, see `analyzer_sets.chosen`.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    for name in chosen(settings.analyzers, found):
        # Of an analyzer that cannot be made it is not known what it gives: its offer is empty.
        try:
            yield from ((name, made) for made in _made(found[name], settings))
        except ImportError as error:
            yield name, Offer(name, 0, {}, unavailable=printable(f"it cannot be imported: {error}"))
        except OptionError as error:
            yield name, Offer(name, 0, {}, unavailable=printable(f"[analyzer.{name}] {error}"))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # an analyzer's call may raise anything
            yield name, Offer(name, 0, {}, unavailable=_fault("made", error))


def option_errors(settings: WorkerSettings) -> Iterator[tuple[str, OptionError]]:
    """Yield why an analyzer cannot be made with its options, by entry point, of all that have some, on or off.

    None is loaded. Of one that is not installed, or cannot be made for another reason, nothing can be said.
    """
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name not in settings.options:
            continue
        try:
            _made(point, settings)
        except OptionError as error:
            yield point.name, error
        except (Exception, SystemExit) as error:  # noqa: BLE001  # an analyzer's call may raise anything
            _LOG.debug("%s cannot be made", point.name, exc_info=error)  # which is told where it is offered


def _made(point: EntryPoint, settings: WorkerSettings) -> tuple[AnyAnalyzer, ...]:
    directories = tuple(map(Path, settings.model_directories))
    check = partial(_check_model, frozenset(settings.trusted_models))
    made = point.load()(Settings(Options(settings.options.get(point.name)), directories, check))
    found = made if isinstance(made, tuple) else (made,)
    for each in found:
        _check_kind(each)
    return found


def _check_kind(analyzer: AnyAnalyzer) -> None:
    """Raise TypeError for what is of no kind of analyzers, or of several."""
    has = [f"`{method}`" for method in ("analyze", "begin", "inspect") if callable(getattr(analyzer, method, None))]
    if len(has) != 1:
        those = " and ".join(has) if has else "none of `analyze`, `begin` and `inspect`"
        message = (
            f"{type(analyzer).__name__} has {those}: views are read by the first, blocks by the second, and the file "
            "itself by the third"
        )
        raise TypeError(message)
    check_needs(analyzer)


def _check_model(trusted: frozenset[str], path: Path, digest: str) -> None:
    try:
        store.vouch(path, digest, trusted)
    except ModelError as error:
        raise AnalyzerUnavailableError(str(error)) from error


def _add(offers: dict[str, Offer], offer: Offer) -> None:
    if offer.name in offers:
        message = f"two analyzers are called {offer.name!r}"
        raise ConfigError(message)
    offers[offer.name] = offer


def groups_of(found: list[tuple[str, AnyAnalyzer | Offer]]) -> list[tuple[str, ...]]:
    """Name the groups of each, see `Offer.groups`; a word that is a feature's name asks for that alone."""
    features = frozenset().union(*(_names(made) for _, made in found if not isinstance(made, Offer)))
    return [tuple(dict.fromkeys(name for name in (entry, made.name) if name not in features)) for entry, made in found]


def features_asked(words: tuple[str, ...] | None, found: list[tuple[str, AnyAnalyzer | Offer]]) -> _Words:
    """Put the features that a group has in the place of its name; other words stay as they are. None stays None."""
    if words is None:
        return None
    asked: list[str] = []
    groups = groups_of(found)
    for word in words:
        members = [made for (_, made), names in zip(found, groups, strict=True) if word in names]
        given = [name for made in members if not isinstance(made, Offer) for name in sorted(_names(made))]
        asked += given or [word]  # what one gives may be known only when it has loaded
    return tuple(dict.fromkeys(asked))


def needed(analyzers: list[AnyAnalyzer], features: tuple[str, ...] | None) -> list[AnyAnalyzer]:
    """Pick the analyzers that give any of these features, or what is needed for them, at any remove.

    All for None, or where none gives one of these yet.

    What an analyzer gives is known before it is loaded. Where one goes against that, it is found out by loading it.
    """
    if features is None:
        return analyzers
    names = {each.name: _names(each) for each in analyzers}
    if not frozenset(features) <= frozenset().union(*names.values()):
        return analyzers
    asked, chosen = frozenset(features), frozenset[str]()
    while more := {each.name for each in analyzers if not names[each.name].isdisjoint(asked)} - chosen:
        chosen |= more
        asked |= frozenset().union(*(results_needed(each) for each in analyzers if each.name in more))
    return [each for each in analyzers if each.name in chosen]


def _names(analyzer: AnyAnalyzer) -> frozenset[str]:
    """Name the features that an analyzer gives for any role; none where it cannot say, which `offered` tells."""
    try:
        return frozenset(feature.name for role in ROLES for feature in analyzer.features(role))
    except (Exception, SystemExit):  # noqa: BLE001  # an analyzer's call may raise anything
        return frozenset()


def offered(analyzer: AnyAnalyzer, unavailable: str | None) -> Offer:
    """Return what an analyzer offers, that is `unavailable` for this reason if for any."""
    try:
        return _offer(analyzer, unavailable)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # an analyzer's call may raise anything
        return Offer(analyzer.name, 0, {}, unavailable=unavailable or _fault("asked what it gives", error))


def _offer(analyzer: AnyAnalyzer, unavailable: str | None) -> Offer:
    features = {role: tuple(feature.name for feature in analyzer.features(role)) for role in ROLES}
    models = {} if unavailable else dict(analyzer.models)
    binding = tuple(sorted(getattr(analyzer, "binding", ())))  # optional, so that older analyzers go on working
    remark = remark_of(analyzer, unavailable)
    offer = Offer(
        analyzer.name,
        analyzer.version,
        features,
        models,
        unavailable,
        binding,
        int(analyzer.cost),
        remark,
        whole_file=isinstance(analyzer, FileAnalyzer),
        needs=needs_by_role(analyzer),
    )
    msgspec.msgpack.encode(offer)  # what cannot be told would end the worker
    return offer
