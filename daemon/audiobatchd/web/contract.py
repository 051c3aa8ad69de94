"""What the page is made over: the service's answers, its feed of events, and the place of its state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audiobatchd.control.requests import FolderName
from audiobatchd.control.results import (
    AskColumns,
    AskHistogram,
    AskPage,
    AskScatter,
    AskSummary,
    Column,
    Histogram,
    Page,
    Scatter,
    Summary,
)
from audiobatchd.control.server.feed import Feed
from audiobatchd.control.server.routes import Service
from audiobatchd.control.status import Status
from audiobatchd.vocabulary.files import FolderKey


class WebService(Service, Protocol):
    """Answers the page: the same object that answers the control socket, with the methods that handlers here call.

    All is called in the event loop. Raises UsageError for what cannot be asked, UnknownFolderError for no such folder.
    """

    def status(self) -> Status:
        """Tell what the service is at."""

    def place(self, name: FolderName) -> FolderKey:
        """Find where a folder lies. It need not be there; open it by `folder.opened_folder`, in a thread.

        Raises UsageError also where the dataset's disk does not answer: no thread is to wait for it.
        """

    async def columns(self, asked: AskColumns) -> list[Column]:
        """List the columns."""

    async def page(self, asked: AskPage) -> Page:
        """Tell some rows out of the middle, and how many there are."""

    async def summary(self, asked: AskSummary) -> list[Summary]:
        """Tell columns in short."""

    async def histogram(self, asked: AskHistogram) -> Histogram:
        """Count numbers in bins."""

    async def scatter(self, asked: AskScatter) -> Scatter:
        """Count folders by two numbers."""


@dataclass(frozen=True)
class Contract:
    """What every handler of the page has."""

    service: WebService
    feed: Feed
    """The events that are followed."""
    state: Path
    """The state directory, in which the cache of pictures is."""
