"""Which analyzers are installed here, by their entry points; none of them is loaded."""

from __future__ import annotations

from importlib.metadata import entry_points

from audiobatchd.config import Config
from audiobatchd.errors import ConfigError
from audiobatchd.plugin_api import ENTRY_POINT_GROUP


def refuse_unknown_analyzers(settings: Config) -> None:
    """Raise ConfigError where the configuration names an analyzer that is not installed."""
    installed = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    for name in [*(settings.analyzers or ()), *settings.analyzer]:
        if name not in installed:
            message = f"no analyzer named {name!r} is installed (there are: {', '.join(sorted(installed))})"
            raise ConfigError(message)
