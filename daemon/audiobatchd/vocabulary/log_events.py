"""The table of log events: the constant name of each, its level, and the sentence that a terminal shows of it.

docs/reference/log-events.md tells the same, with the fields of each. A name stays as it is for ever: the MESSAGE_ID of
the event in the journal is made of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from logging import CRITICAL, ERROR, INFO, WARNING
from typing import Self

_LOG = logging.getLogger("audiobatchd")


class LogEvent(StrEnum):
    """An event by its name. In a sentence the fields of the event stand in braces.

    Without a sentence a terminal shows the line that a file gets, with every field and a traceback. The sentence of a
    folder's event follows the folder's name.
    """

    level: int
    """Level that it is logged at, as `logging` has it."""
    sentence: str

    def __new__(cls, name: str, level: int = INFO, sentence: str = "") -> Self:
        """Make a string of the name that knows the rest of its row."""
        event = str.__new__(cls, name)
        event._value_ = name
        event.level = level
        event.sentence = sentence
        return event

    FOLDER_DONE = "folder-done", INFO, ""
    FOLDER_FAILED = "folder-failed", ERROR, "{reason}"
    FOLDER_BLOCKED = "folder-blocked", WARNING, "blocked: {reason}"
    FOLDER_BACKOFF = "folder-backoff", WARNING, "will be tried again: {reason}"
    FOLDER_SUSPECT = "folder-suspect", WARNING, "goes last, and alone: {reason}"
    FOLDER_LOCKED = "folder-locked", INFO, "{reason}"
    FOLDER_CHANGED = "folder-changed", INFO, "changed meanwhile, will be looked at again"
    TIDY_FAILED = "tidy-failed", INFO, "what a killed worker left in {folder} cannot be removed: {reason}"

    DATASET_ACTIVE = "dataset-active", INFO, "{dataset}: {folders} track folders"
    DATASET_MISSING = "dataset-missing", WARNING, "{dataset} is missing: {remark}"
    DATASET_PAUSED = "dataset-paused", WARNING, "{dataset} is paused: {remark}"
    DATASET_RESUMED = "dataset-resumed", INFO, "{dataset} goes on"
    HOST_JOINED = "host-joined", INFO, "{host} joined"
    HOST_LEFT = "host-left", WARNING, "{host} left: {reason}"
    HOST_REFUSED = "host-refused", WARNING, "{host} is not used: {reason}"
    HOST_DIFFERS = "host-differs", WARNING, "{host} differs from this machine: {differences}"
    CLUSTER_LOST = "cluster-lost", WARNING, "the scheduler {scheduler} does not answer: {reason}"
    CLUSTER_FOUND = "cluster-found", INFO, "the scheduler {scheduler} answers"
    FOLDERS_DUE_AGAIN = (
        "folders-due-again",
        INFO,
        "{dataset}: {folders} complete folders are due for {analyzers}; CPU hours: {cpu_hours}; else {leave_out}",
    )
    SHARD_DONE = "shard-done", INFO, "shard {shard} is done: {folders} folders measured; those of all others follow"
    ROOT_CHANGED = "root-changed", INFO, "{dataset} leads to {target} now, no longer to {before}"
    WATCH_LOST = "watch-lost", WARNING, "{dataset} is no longer watched: {reason}"
    WATCH_DEGRADED = "watch-degraded", WARNING, "{dataset} cannot be watched as a whole: {reason}"
    WATCH_RESTORED = "watch-restored", INFO, "{dataset} is watched as a whole again"
    WATCH_EVENT = "watch-event", ERROR, ""

    SCHEDULE_HOLDS = "schedule-holds", INFO, "{dataset} is held by its schedule: {reason}"
    SCHEDULE_GOES_ON = "schedule-goes-on", INFO, "{dataset} goes on, as its schedule has it"
    SCHEDULE_OVERRIDDEN = "schedule-overridden", INFO, "{dataset} goes on, with its schedule {reason}"

    INBOX_MOVED = "inbox-moved", INFO, "{folder} was moved in from {inbox}"
    INBOX_LEFT = "inbox-left", WARNING, "{path} stays in {inbox}: {reason}"
    INBOX_HINDERED = "inbox-hindered", WARNING, "nothing is moved out of {inbox}: {reason}"
    INBOX_WORKS = "inbox-works", INFO, "files are moved out of {inbox} again"

    HOOK_FAILED = "hook-failed", WARNING, "hook {hook} fails ({failures} times), and is tried again: {reason}"
    HOOK_WORKS = "hook-works", INFO, "hook {hook} works again"
    HOOK_DROPPED = "hook-dropped", ERROR, "{messages} messages for hook {hook} are lost: {reason}"

    LOCK_REMOVED = "lock-removed", INFO, "lock removed: {lock} ({reason})"

    WORKER_READY = "worker-ready", INFO, "worker {worker} is ready"
    WORKER_DIED = "worker-died", ERROR, "worker {worker} died: {reason}"
    WORKER_LOST = "worker-lost", ERROR, "worker {worker} was killed and does not end: {reason}"
    WORKER_FOUND = "worker-found", INFO, "worker {worker}, which did not end, has ended at last"
    WORKER_CANNOT_START = "worker-cannot-start", ERROR, "worker {worker} cannot start: {reason}"
    ANALYZER_UNAVAILABLE = "analyzer-unavailable", WARNING, "analyzer {analyzer} is unavailable here: {reason}"
    FEATURE_UNKNOWN = "feature-unknown", INFO, "{reason}"

    SERVICE_STARTED = "service-started", INFO, "audiobatchd {version} on {datasets}, control socket {socket}"
    SERVICE_SHORT = "service-short", WARNING, "the service is short of resources: {reason}"
    CONFIGURATION_RELOADED = "configuration-reloaded", INFO, "configuration read again; changes: {changes}"
    CONFIGURATION_REFUSED = "configuration-refused", ERROR, "the configuration is left as it was: {reason}"
    CATALOG_REMADE = "catalog-remade", WARNING, "the catalog {path} was made again: {reason}"
    CATALOG_FAILS = "catalog-fails", WARNING, "the catalog cannot be read or written: {reason}"
    CATALOG_WORKS = "catalog-works", INFO, "the catalog {path} can be written again"
    CHANGE_ASKED = "change-asked", INFO, ""
    DECISIONS_NOT_KEPT = "decisions-not-kept", WARNING, "cannot keep decisions in {path}: {reason}"
    METRICS_NOT_WRITTEN = "metrics-not-written", WARNING, "cannot write the metrics to {path}: {reason}"
    REQUEST_FAILED = "request-failed", ERROR, ""
    REQUEST_MALFORMED = "request-malformed", WARNING, "a request is no HTTP: {reason} ({requests} times)"
    STOOD_STILL = "stood-still", WARNING, "the service stood still for {seconds} s; deadlines have moved"
    SOCKET_LOST = "socket-lost", WARNING, "the control socket {socket} is gone and cannot be made again: {reason}"
    SOCKET_MADE_AGAIN = "socket-made-again", WARNING, "the control socket {socket} was gone, and was made again"
    SOCKET_LEFT = "socket-left", WARNING, "cannot remove the control socket {socket}: {reason}"
    WEB_LISTENS = "web-listens", INFO, "the page is served at {address}"
    WEB_FAILS = "web-fails", WARNING, "cannot serve the page at {address}: {reason}"
    LOG_DROPPED = "log-dropped", WARNING, "{events} events were dropped: what reads the log stood still"
    HELPER_BROKE = "helper-broke", CRITICAL, ""


def write(
    event: LogEvent,
    fields: Mapping[str, object] | None = None,
    *,
    error: BaseException | None = None,
    stems: Mapping[str, str] | None = None,
) -> None:
    """Log an event with its fields; of an `error` the traceback is logged too.

    `stems`: the stem of each field that is a feature of one, which only a terminal asks for.
    """
    _LOG.log(event.level, event.value, exc_info=error, extra={"fields": fields or {}, "stems": stems or {}})
