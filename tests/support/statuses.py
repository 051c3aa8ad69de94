"""A daemon's status to look at: busy, with troubles, and with names that were made to hurt a terminal; and idle."""

from __future__ import annotations

import msgspec

from audiobatchd.control.status import AnalyzerStatus, DatasetStatus, Status, Trouble, WorkerStatus
from audiobatchd.vocabulary.states import DatasetState, FolderState

LOUDNESS = AnalyzerStatus(available=True, reason="", version=1, models={})
TEMPO = AnalyzerStatus(available=False, reason="no library essentia is installed here", version=1, models={})
MOOD = AnalyzerStatus(
    available=True,
    reason="",
    version=1,
    models={"mood-net-1": f"sha256:{'0' * 64}", "method": "thorough"},
    remark="run by Engine 9",
)

HOSTILE = (
    "[bold]Artist[/bold] - :smile: Track",
    "\x1b[31mred\x1b]0;title\x07 - \x9b2Jclear",
    "line one\nline two\r\ttab",
    "\u202egnirts desrever - caf\\xe9",
    "日本の音楽 - とても長い名前のトラックがここにあります - ライブ",
    "Cafe\u0301 " + "e\u0301" * 120,
    "x" * 255,
    "",
)


def _workers() -> list[WorkerStatus]:
    busy = [
        WorkerStatus(
            slot, "busy", 100 + slot, "/srv/music", name, "loudness of full_mix.flac", 7.3 * slot, 400 << 20, 3
        )
        for slot, name in enumerate(HOSTILE)
    ]
    return [
        *busy,
        WorkerStatus(8, "booting", 108, "", "", "", 1.2, 0, 0),
        WorkerStatus(9, "idle", 109, "", "", "", 4000.0, 300 << 20, 17),
        WorkerStatus(10, "down", 0, "", "", "", 61.0, 0, 0),
    ]


def busy() -> Status:
    """A large dataset, half done, with every hostile name at work and in trouble."""
    folders = dict.fromkeys(FolderState, 0) | {
        FolderState.COMPLETE: 6240,
        FolderState.FAILED: 12,
        FolderState.BLOCKED: 3,
        FolderState.RUNNING: 8,
        FolderState.QUEUED: 3737,
    }
    dataset = DatasetStatus(
        path="/srv/music/a dataset with a rather long path/separated/2026-11/training set",
        state=DatasetState.ACTIVE,
        remark="",
        folders=folders,
        total=10000,
        unavailable=2,
        warnings=["Artist - Track: two full mixes: full_mix.flac is measured, full_mix.mp3 is not"],
        more_warnings=7,
        walk="",
        last_walk="2026-11-24T12:40:00+00:00",
        last_pass="2026-11-24T12:59:00+00:00",  # noqa: S106  # a time
        watch="inotify",
        locks="local (ext4)",
        overdue={},
    )
    troubles = [
        Trouble(
            "/srv/music",
            name,
            FolderState.FAILED,
            "full_mix.mp3: holds 57.1 s of the 240.0 s that its header promises; it was cut off " * 3,
            "2026-11-24T12:00:00+00:00",
        )
        for name in HOSTILE
    ]
    return Status(
        version="0.1.0",
        pid=4711,
        state="running",
        remark="",
        started="2026-11-24T10:00:00+00:00",
        uptime=3 * 3600.0,
        datasets=[dataset],
        workers=_workers(),
        analyzers={"loudness": LOUDNESS, "tempo": TEMPO, "mood": MOOD},
        done=812,
        audio_seconds=201600.5,
        audio_seconds_per_second=83.2,
        folders_per_hour=1240.4,
        time_left=7805.0,
        troubles=troubles,
    )


def idle() -> Status:
    """Make the status of a service that has done everything, and has no trouble."""
    made = busy()
    dataset = msgspec.structs.replace(
        made.datasets[0],
        path="/srv/music",
        folders=dict.fromkeys(FolderState, 0) | {FolderState.COMPLETE: 3},
        total=3,
        unavailable=0,
        warnings=[],
        more_warnings=0,
    )
    return msgspec.structs.replace(
        made,
        datasets=[dataset],
        workers=[WorkerStatus(slot, "idle", 100 + slot, "", "", "", 60.0, 300 << 20, 2) for slot in range(2)],
        analyzers={"loudness": LOUDNESS},
        audio_seconds_per_second=0.0,
        folders_per_hour=0.0,
        time_left=0.0,
        troubles=[],
    )
