"""News of folders in trouble: none twice, and again after it was over."""

from __future__ import annotations

import pytest

from audiobatchd.core.actions import Report
from audiobatchd.core.folder import Folder
from audiobatchd.core.reports import News
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import FolderState
from support.core_rig import DATASET, key

BLOCKED = Folder(FolderState.BLOCKED, reasons={"": "not JSON"})


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (FolderState.BACKOFF, LogEvent.FOLDER_BACKOFF),
        (FolderState.FAILED, LogEvent.FOLDER_FAILED),
        (FolderState.BLOCKED, LogEvent.FOLDER_BLOCKED),
        (FolderState.LOCKED, LogEvent.FOLDER_LOCKED),
    ],
)
def test_each_trouble_has_its_event(state: FolderState, event: LogEvent) -> None:
    folder = Folder(state, reasons={"drums.wav": "why"})
    assert News().of(key(), folder) == [Report(event, {"reason": "drums.wav: why"}, key())]


def test_same_trouble_is_told_once_until_it_is_over() -> None:
    news = News()
    assert len(news.of(key(), BLOCKED)) == 1
    assert news.of(key(), BLOCKED) == []
    assert len(news.of(key(), Folder(FolderState.BLOCKED, reasons={"": "a directory"}))) == 1, "another reason"
    news.is_over(key())
    assert len(news.of(key(), Folder(FolderState.BLOCKED, reasons={"": "a directory"}))) == 1


def test_dropped_dataset_is_news_again_and_no_other() -> None:
    news, elsewhere = News(), FolderKey("/other", "Song")
    news.of(key(), BLOCKED)
    news.of(elsewhere, BLOCKED)
    news.drop(DATASET)
    assert len(news.of(key(), BLOCKED)) == 1
    assert news.of(elsewhere, BLOCKED) == []
