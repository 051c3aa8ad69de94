"""The tables `[schedule]` and `[dataset.schedule]`: when jobs are given out, and beside which other work."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from audiobatchd.core.schedule import Conditions
from audiobatchd.vocabulary.expectations import Misfit
from audiobatchd.vocabulary.hours import hours_in
from audiobatchd.vocabulary.quantities import size_in_bytes

_MOST_ENTRIES = 100
Entry = Annotated[str, Meta(max_length=100, description='hours like "22:00-07:00", "sat" or "mon-fri 22:00-07:00"')]


class ScheduleConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a schedule. Each key is described in docs/reference/configuration.md."""

    hours: tuple[Entry, ...] | None = None
    max_load: float | None = None
    min_free_memory: str | None = None
    on_battery: bool | None = None


def conditions(whole: ScheduleConfig, own: ScheduleConfig) -> Conditions:
    """Make the conditions of a dataset: its `own` keys, and for those that it does not set the `whole` service's."""
    hours, most, least, on_battery = (
        mine if (mine := getattr(own, key)) is not None else getattr(whole, key) for key in own.__struct_fields__
    )
    return Conditions(
        hours_in(hours) if hours else None,
        most,
        # No memory at all is always free.
        (size_in_bytes(least) or None) if least is not None else None,
        on_battery is not False,
    )


def unreadable(schedule: ScheduleConfig) -> Misfit | None:
    """Find the first entry of `hours` that is none, or one too many; None where all are well."""
    if len(schedule.hours or ()) > _MOST_ENTRIES:
        return Misfit(f"expected {_MOST_ENTRIES} entries at most", ("hours",))
    for number, entry in enumerate(schedule.hours or ()):
        try:
            hours_in((entry,))
        except ValueError as error:
            return Misfit(str(error), ("hours", number))
    return None
