"""Needs of analyzers, held against their kinds and against what the others here give."""

from __future__ import annotations

from collections.abc import Callable

from audiobatchd.core.assessment import Offer, providers
from audiobatchd.core.needs import NO_NEEDS
from audiobatchd.plugin_api import STEMS, Analyzer, AnyAnalyzer, Needs
from audiobatchd.vocabulary.files import ROLES

Giver = Callable[[str], str | None]
"""Names an analyzer that would give a feature, and is not used here; None where there is none."""
_Task = tuple[str, str]
"""Name of an analyzer, and the role of its features."""


def needs_by_role(analyzer: AnyAnalyzer) -> dict[str, Needs]:
    """Collect what an analyzer needs, by the roles for which it needs anything."""
    if not hasattr(analyzer, "needs"):
        return {}
    needs: dict[str, Needs] = {role: analyzer.needs(role) for role in ROLES if analyzer.features(role)}
    return {role: each for role, each in needs.items() if each != NO_NEEDS}


def results_needed(analyzer: AnyAnalyzer) -> frozenset[str]:
    """Name the results that an analyzer needs for any role; none where it cannot say."""
    try:
        return frozenset(name for needs in needs_by_role(analyzer).values() for name in needs.results)
    except (Exception, SystemExit):  # noqa: BLE001  # an analyzer's call may raise anything
        return frozenset()


def check_needs(analyzer: AnyAnalyzer) -> None:
    """Raise TypeError where an analyzer needs what one of its kind cannot have."""
    kind = type(analyzer).__name__
    for role, needs in needs_by_role(analyzer).items():
        if not isinstance(analyzer, Analyzer):
            message = f"{kind} has needs and reads no views: a sum and results are there when a file is decoded"
            raise TypeError(message)
        if unknown := set(needs.sum_of) - set(STEMS):
            message = f"{kind} needs a sum of {', '.join(sorted(unknown))}: expected some of {', '.join(STEMS)}"
            raise TypeError(message)
        if needs.sum_of and not all(view.mono and view.rate for view in analyzer.views(role)):
            message = f"{kind} reads a sum in a view without a rate, or not in mono: files of any form add up in others"
            raise TypeError(message)


def without_results(offers: tuple[Offer, ...], giver: Giver) -> dict[str, str]:
    """Find the analyzers that are available and need what none of those gives, with the reasons, by their names."""
    reasons: dict[str, str] = {}
    while True:
        left = tuple(each for each in offers if each.name not in reasons)
        found = _lacking(left, giver, offers) or _circular(left)
        if not found:
            return reasons
        reasons |= found


def _lacking(offers: tuple[Offer, ...], giver: Giver, everyone: tuple[Offer, ...]) -> dict[str, str]:
    here = providers(offers)
    found: dict[str, str] = {}
    for offer in _at_work(offers):
        for needs in offer.needs.values():
            for name in needs.results:
                if name not in here:
                    idle = (each.name for each in everyone for names in each.features.values() if name in names)
                    who = next(idle, None) or giver(name)
                    found.setdefault(offer.name, f"needs {name}, which no analyzer here gives" + _hint(who))
    return found


def _hint(who: str | None) -> str:
    return f" ({who} does, where it is used)" if who else ""


def _circular(offers: tuple[Offer, ...]) -> dict[str, str]:
    """Find the analyzers that need each other's results, in a circle of any length, or what those give."""
    here = providers(offers)
    before: dict[_Task, dict[_Task, str]] = {}
    for offer in _at_work(offers):
        for role in offer.features:
            results = offer.needs.get(role, NO_NEEDS).results
            before[offer.name, role] = {(here[name][0].name, here[name][1]): name for name in results}
    while done := [task for task, needed in before.items() if not needed.keys() & before.keys()]:
        for task in done:
            del before[task]
    return {
        analyzer: f"needs {name}, which needs what it gives itself"
        for (analyzer, _), needed in before.items()
        for task, name in needed.items()
        if task in before
    }


def _at_work(offers: tuple[Offer, ...]) -> list[Offer]:
    return [each for each in offers if each.asked and each.unavailable is None]
