"""The table of all that can be asked over the control socket, which the server, the client and OpenAPI go by.

An operation is an entry here, its shapes in `requests` or `status`, and its answer: the method of the same name in
`service/answers/requests`. The tests' own service, `support/control_rig`, answers it as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from audiobatchd.control.history import AskHistory, History
from audiobatchd.control.requests import (
    CleanedLocks,
    CleanLocks,
    FolderName,
    HookTest,
    HookTested,
    Nothing,
    Pause,
    Paused,
    Reloaded,
    Rescan,
    Rescanned,
    Resume,
    Retried,
    RetryFolders,
    Since,
    Survey,
    Surveyed,
    WebLink,
)
from audiobatchd.control.results import (
    AskColumns,
    AskHistogram,
    AskRows,
    AskScatter,
    AskSummary,
    Column,
    Histogram,
    Scatter,
    Summary,
)
from audiobatchd.control.status import FolderReport, Status, Trouble

JSON, EVENT_STREAM, PLAIN_TEXT = "application/json", "text/event-stream", "text/plain"
LINES = "application/x-ndjson"
"""Media types of answers."""

Asked = TypeVar("Asked", bound=Struct)
Told = TypeVar("Told")


class Operation(Struct, Generic[Asked, Told], frozen=True):
    """A question or a change. A GET reads, with what it asks in the query; a POST changes, with it in the body."""

    name: str
    """The service's method that answers; the server itself answers `EVENTS`, `OPENAPI` and `METRICS`."""
    method: str
    path: str
    summary: str
    """The operation in a sentence, for OpenAPI."""
    asked: type[Asked]
    """The shape of the query or the body."""
    told: type[Told]
    """The shape of the answer."""
    action: Callable[[Asked], str]
    """Says what is asked for, in words that follow "cannot"."""
    takes_time: bool = False
    """True where the answer may take as long as a look through the whole dataset, or at what analyzers say."""
    media: str = JSON
    """The media type of the answer."""


# method, path and summary in a line; the shapes, and what is said where it is refused, in another
# fmt: off
STATUS = Operation(
    "status", "GET", "/v1/status", "What the service is at.",
    Nothing, Status, lambda _: "ask for the status",
)
FAILURES = Operation(
    "failures", "GET", "/v1/failures", "Every folder that failed or is blocked, the latest first.",
    Nothing, list[Trouble], lambda _: "ask for the failures",
)
EXPLAIN = Operation(
    "explain", "GET", "/v1/folder", "One folder explained.",
    FolderName, FolderReport, lambda name: f"look at {name.folder}",
)
SURVEY = Operation(
    "survey", "GET", "/v1/survey", "What the folders of a dataset have and lack.",
    Survey, Surveyed, lambda asked: f"survey {asked.dataset}", takes_time=True,
)
COLUMNS = Operation(
    "columns", "GET", "/v1/results/columns", "The columns that a dataset's results have.",
    AskColumns, list[Column], lambda asked: f"list the columns of {asked.dataset}", takes_time=True,
)
ROWS = Operation(
    "rows", "GET", "/v1/results", "A dataset's results: the columns, then a row a line, then the number of rows.",
    AskRows, AsyncGenerator[bytes, None],  # type: ignore[type-abstract]  # its pieces are what counts
    lambda asked: f"list the results of {asked.dataset}", takes_time=True, media=LINES,
)
SUMMARY = Operation(
    "summary", "GET", "/v1/results/summary", "Columns of a dataset's results in short.",
    AskSummary, list[Summary], lambda asked: f"sum up the results of {asked.dataset}", takes_time=True,
)
HISTOGRAM = Operation(
    "histogram", "GET", "/v1/results/histogram", "The numbers of a column, counted in bins.",
    AskHistogram, Histogram, lambda asked: f"count {asked.feature} in {asked.dataset}", takes_time=True,
)
SCATTER = Operation(
    "scatter", "GET", "/v1/results/scatter", "Two columns against each other, counted in rectangles.",
    AskScatter, Scatter, lambda asked: f"count {asked.x} and {asked.y} in {asked.dataset}", takes_time=True,
)
HISTORY = Operation(
    "history", "GET", "/v1/history", "What jobs have come to and what they took, hour by hour.",
    AskHistory, History, lambda asked: f"ask for the history of {asked.dataset or 'the service'}", takes_time=True,
)
EVENTS = Operation(
    "events", "GET", "/v1/events", "What happens, as it happens.",
    Since, bytes, lambda _: "follow the events", media=EVENT_STREAM,
)
OPENAPI = Operation(
    "openapi", "GET", "/v1/openapi.json", "This description.",
    Nothing, dict[str, Any], lambda _: "ask for the description",
)
METRICS = Operation(
    "metrics", "GET", "/metrics", "Metrics for Prometheus.",
    Nothing, bytes, lambda _: "ask for the metrics", media=PLAIN_TEXT,
)
RETRY = Operation(
    "retry", "POST", "/v1/retry", "Try folders again.",
    RetryFolders, Retried, lambda _: "have folders tried again",
)
BUMP = Operation(
    "bump", "POST", "/v1/bump", "Measure a folder before all others.",
    FolderName, Retried, lambda name: f"put {name.folder} before all others",
)
PAUSE = Operation(
    "pause", "POST", "/v1/pause", "Give out no more jobs.",
    Pause, Paused, lambda asked: f"pause {asked.dataset or 'the service'}",
)
RESUME = Operation(
    "resume", "POST", "/v1/resume", "Give out jobs again.",
    Resume, Paused, lambda asked: f"resume {asked.dataset or 'the service'}",
)
RESCAN = Operation(
    "rescan", "POST", "/v1/rescan", "Walk a dataset now.",
    Rescan, Rescanned, lambda asked: f"have {asked.dataset} walked",
)
RELOAD = Operation(
    "reload", "POST", "/v1/reload", "Read the configuration again.",
    Nothing, Reloaded, lambda _: "have the configuration read again", takes_time=True,
)
CLEAN_LOCKS = Operation(
    "clean_locks", "POST", "/v1/locks/clean-up", "Remove the locks of the dead.",
    CleanLocks, CleanedLocks, lambda asked: f"clean up the locks of {asked.dataset}", takes_time=True,
)
TEST_HOOK = Operation(
    "test_hook", "POST", "/v1/hooks/test", "Send a hook a test message, once.",
    HookTest, HookTested, lambda asked: f"test the hook {asked.name}", takes_time=True,
)
WEB_LINK = Operation(
    "web_link", "POST", "/v1/web/link", "Make a link to the page, good once.",
    Nothing, WebLink, lambda _: "make a link to the page",
)
# fmt: on

OPERATIONS: tuple[Operation[Any, Any], ...] = tuple(
    each for each in tuple(globals().values()) if isinstance(each, Operation)
)
"""All of the above, in this order, which is that of the description."""
