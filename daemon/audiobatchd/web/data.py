"""The answers of the page about the values of records: columns, rows, summaries and their pictures."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from audiobatchd.web.contract import Contract


def routes(_contract: Contract) -> Iterable[web.RouteDef]:
    """Give the routes, with paths as they stand below the base path: "/api/...".

    A handler raises UsageError, UnknownFolderError or RefusedError, which become answers in JSON.
    """
    return ()
