"""What a worker works with: the loaded analyzers and the settings. Made once, used for every job."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

from audiobatchd.core.completeness import Offer
from audiobatchd.core.messages import Ready, WorkerSettings
from audiobatchd.errors import AnalyzerUnavailableError, ConfigError
from audiobatchd.model import ROLES
from audiobatchd.plugin_api import ENTRY_POINT_GROUP, Analyzer
from audiobatchd.terminal_text import printable


@dataclass(frozen=True)
class Bench:
    """The analyzers that loaded, by name, and what all of them offer, in the same order on every machine."""

    settings: WorkerSettings
    analyzers: dict[str, Analyzer]
    offers: tuple[Offer, ...]

    @staticmethod
    def load(settings: WorkerSettings) -> Bench:
        """Find the analyzers by their entry points and load them.

        One that lacks something here is offered as unavailable, with the reason. Raises ConfigError where the
        configuration names an analyzer that is not installed.
        """
        found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        names = sorted(found) if settings.analyzers is None else dict.fromkeys(settings.analyzers)
        analyzers: dict[str, Analyzer] = {}
        offers = []
        for name in names:
            if name not in found:
                installed = ", ".join(sorted(found)) or "none"
                message = f"cannot find the analyzer {name!r} (installed: {installed})"
                raise ConfigError(message)
            try:
                analyzer: Analyzer = found[name].load()()
            except ImportError as error:
                # What it gives is not known without it.
                offers.append(Offer(name, 0, {}, unavailable=printable(f"it cannot be imported: {error}")))
                continue
            unavailable = None
            try:
                analyzer.load()
                analyzers[analyzer.name] = analyzer
            except AnalyzerUnavailableError as error:
                unavailable = printable(str(error))
            offers.append(_offer(analyzer, unavailable))
        return Bench(settings, analyzers, tuple(offers))

    def ready(self) -> Ready:
        """What the daemon is told."""
        return Ready(self.offers)


def _offer(analyzer: Analyzer, unavailable: str | None) -> Offer:
    features = {role: tuple(feature.name for feature in analyzer.features(role)) for role in ROLES}
    models = {} if unavailable else dict(analyzer.models)
    return Offer(analyzer.name, analyzer.version, features, models, unavailable)
