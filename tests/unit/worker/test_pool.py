"""Real worker processes: what they are started with, and what the daemon hears of them whatever they do."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from audiobatchd.core.assessment import Policy
from audiobatchd.core.events import Event, WorkerBroke, WorkerExited, WorkerSaid
from audiobatchd.core.messages import Job, Ready, Result, Stage, Stop, WorkerSettings
from audiobatchd.disk import interrupts
from audiobatchd.disk.listing import read_folder
from audiobatchd.vocabulary.states import Outcome
from audiobatchd.worker.pool import Pool
from support.audio_files import tone, write_audio
from support.plugins import install_analyzer
from support.service import eventually
from support.shortage import LEAST, descriptors

_Kind = TypeVar("_Kind")


@dataclass
class Shop:
    """A pool, what was heard from it so far, and work for it."""

    root: Path
    pool: Pool
    queue: asyncio.Queue[Event]
    heard: list[Event] = field(default_factory=list)

    async def hears(self, kind: type[_Kind], slot: int = 0) -> _Kind:
        """The next event, or the next message of a worker, of this kind that concerns `slot`."""
        while True:
            event = await asyncio.wait_for(self.queue.get(), 60)
            self.heard.append(event)
            assert isinstance(event, WorkerSaid | WorkerBroke | WorkerExited)
            for each in (event, event.message if isinstance(event, WorkerSaid) else None):
                if event.slot == slot and isinstance(each, kind):
                    return each

    async def boots(self, slot: int = 0) -> int:
        """Start a worker and wait until it is ready; its PID."""
        pid = self.pool.spawn(slot)
        await self.hears(Ready, slot)
        return pid

    def job(self, number: int = 1) -> Job:
        """A job on a folder with a moment of sound."""
        song = self.root / f"Song {number}"
        song.mkdir()
        write_audio(song / "full_mix.wav", tone(0.25, 8000, channels=1), 8000)
        signature = read_folder(str(song)).signature
        return Job(number, os.fsencode(self.root), os.fsencode(song.name), signature, Policy(), {}, 60.0)

    async def does(self, number: int = 1, slot: int = 0) -> Result:
        """Give a job and wait for its end."""
        self.pool.send(slot, self.job(number))
        return await self.hears(Result, slot)

    async def end(self) -> None:
        """Kill what still lives, and hear of it."""
        for slot in list(self.pool._workers):
            self.pool.kill(slot)
        while self.pool._workers:
            await asyncio.wait_for(self.queue.get(), 60)


Act = Callable[[Shop], Coroutine[Any, Any, None]]
Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs an act with a pool whose workers have one analyzer: `deed`, which does what it is told."""

    def run(act: Act, deed: str = "return self.answer(audio)", **settings: Any) -> None:  # noqa: ANN401  # passed on
        for name, value in install_analyzer(tmp_path / "site", "deed", deed).items():
            monkeypatch.setenv(name, value)
        root = tmp_path / "music"
        root.mkdir()

        async def playing() -> None:
            queue: asyncio.Queue[Event] = asyncio.Queue()
            pool = Pool(WorkerSettings(**{"analyzers": ("deed",), **settings}), queue.put_nowait)
            shop = Shop(root, pool, queue)
            try:
                await act(shop)
            finally:
                await shop.end()

        before = open_files()
        asyncio.run(playing())
        assert open_files() == before

    return run


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def oom_score_adj(pid: int) -> str:
    """How gladly the kernel takes a process when memory runs out."""
    return Path(f"/proc/{pid}/oom_score_adj").read_text().strip()


def command_line(pid: int) -> str:
    """What `ps` shows of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


# What it takes

HOARD = """
import subprocess
hoarder = "hoard = b'x' * (200 << 20); import time; time.sleep(1000)"
subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{hoarder}" & wait'])
"""


def test_the_memory_of_a_worker_is_with_its_children_s(play: Play) -> None:
    async def act(shop: Shop) -> None:
        pid, other = await shop.boots(), await shop.boots(1)
        before = shop.pool.resident()
        assert before.keys() == {pid, other}
        shop.pool.send(0, shop.job())
        eventually(lambda: shop.pool.resident()[pid] > before[pid] + (200 << 20), 60)
        assert shop.pool.resident()[other] < before[other] + (100 << 20)

    play(act, HOARD)


def test_a_worker_whose_child_has_ended_has_its_own_memory(play: Play) -> None:
    async def act(shop: Shop) -> None:
        pid = await shop.boots()
        shop.pool.send(0, shop.job())
        child = eventually(lambda: psutil.Process(pid).children(recursive=True)[1:], 60)[-1]
        eventually(lambda: pid in shop.pool.resident() and child.pid in map(_pid, shop.pool._children.get(pid, [])), 60)
        child.kill()
        eventually(lambda: is_gone(child.pid), 60)
        own = psutil.Process(pid).memory_info().rss
        assert shop.pool.resident()[pid] < own + (150 << 20)

    play(act, HOARD)


def test_memory_while_descriptors_are_used_up(play: Play) -> None:
    async def act(shop: Shop) -> None:
        pid = await shop.boots()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            assert [shop.pool.resident() for _ in range(6)] == [{}] * 6
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert shop.pool.resident()[pid] > 0

    play(act)


def _pid(process: psutil.Process) -> int:
    return process.pid


# A good life


def test_from_start_to_stop(play: Play) -> None:
    async def act(shop: Shop) -> None:
        pid = shop.pool.spawn(0)
        ready = await shop.hears(Ready)
        assert [(offer.name, offer.features["drums"]) for offer in ready.offers] == [("deed", ("deed_drums",))]
        for number in (1, 2):
            result = await shop.does(number)
            assert (result.job, result.outcome, result.values) == (number, Outcome.DONE, {"deed": 0.25})
        messages = [event.message for event in shop.heard if isinstance(event, WorkerSaid)]
        stages = [message.doing for message in messages if isinstance(message, Stage) and message.job == 1]
        assert stages[0] == "reading full_mix.wav"
        assert stages[-2:] == ["deed of full_mix.wav", "writing the record"]
        shop.pool.send(0, Stop())
        assert await shop.hears(WorkerExited) == WorkerExited(0, pid, "exit code 0", exit_code=0)
        assert all(event.pid == pid for event in shop.heard if isinstance(event, WorkerSaid))

    play(act)


def test_what_a_worker_is_started_with(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    caps = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"]
    caps += ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"]
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("SOMEBODY_S_OWN", "kept")
    deed = f"""
        told = [os.environ[name] for name in {[*caps, "SOMEBODY_S_OWN"]}]
        told += [os.readlink("/proc/self/fd/0"), str(os.getpgid(0) == os.getpid())]
        told.append(str(signal.getsignal(signal.SIGINT) is signal.SIG_IGN))
        return Measurement({{"deed": " ".join(told)}})
    """

    async def act(shop: Shop) -> None:
        pid = await shop.boots()
        assert oom_score_adj(pid) == "500"
        os.kill(pid, signal.SIGINT)
        result = await shop.does()
        assert result.values == {"deed": "1 1 1 1 1 1 kept /dev/null True True"}

    play(act, deed)


def test_worker_and_what_it_starts_give_way(play: Play) -> None:
    deed = """
        import subprocess
        read = "import os, psutil; print(os.nice(0), int(psutil.Process().ionice()[0]), *os.sched_getaffinity(0))"
        told = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True).stdout
        return Measurement({"deed": told.strip()})
    """
    before, cpu = psutil.Process().nice(), min(os.sched_getaffinity(0))
    nice = max(15, before)

    async def act(shop: Shop) -> None:
        await shop.boots()
        result = await shop.does()
        assert result.values == {"deed": f"{nice} {int(psutil.IOPRIO_CLASS_IDLE)} {cpu}"}
        assert psutil.Process().nice() == before

    play(act, deed, nice=nice, io_class="idle", cpus=(cpu,))


def test_nice_value_is_never_lowered(play: Play) -> None:
    own = psutil.Process().nice()

    async def act(shop: Shop) -> None:
        assert psutil.Process(await shop.boots()).nice() == own

    play(act, nice=own - 1)


def test_worker_shows_its_slot_and_what_it_does(play: Play) -> None:
    shows = """
        return Measurement({"deed": " ".join(open(f"/proc/self/{name}").read() for name in ("comm", "cmdline"))})
    """

    async def act(shop: Shop) -> None:
        pid = await shop.boots(3)
        eventually(lambda: command_line(pid) == "audiobatchd: worker 3: idle", 60, lambda: command_line(pid))
        during = (await shop.does(slot=3)).values["deed"]
        assert isinstance(during, str)
        comm, shown = during.replace("\0", " ").split("\n", 1)
        assert (comm, shown.strip()) == ("audiobatchd w3", "audiobatchd: worker 3: deed of full_mix.wav")
        assert command_line(pid) == "audiobatchd: worker 3: idle"

    play(act, shows)


def test_settings_are_not_on_the_command_line(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    start = subprocess.Popen

    def noted(command: list[str], **settings: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401  # passed on
        commands.append(command)
        return start(command, **settings)

    async def act(shop: Shop) -> None:
        monkeypatch.setattr(subprocess, "Popen", noted)
        await shop.boots()
        ((_, *arguments),) = commands
        assert arguments[:4] == ["-m", "audiobatchd.worker.process", "worker", "0"]
        assert len(arguments) == 5

    play(act)


def test_settings_too_long_for_a_packet_start_nothing(play: Play) -> None:
    async def act(shop: Shop) -> None:
        with pytest.raises(OSError, match=os.strerror(errno.EMSGSIZE)):
            shop.pool.spawn(0)
        assert shop.pool.pids() == []

    play(act, trusted_models=("0" * (1 << 20),))


def test_signals_to_a_booting_worker_do_not_end_it(play: Play) -> None:
    async def act(shop: Shop) -> None:
        pid = shop.pool.spawn(0)
        for number in interrupts.SENT:
            os.kill(pid, number)
        await shop.hears(Ready)
        for number in interrupts.SENT:
            os.kill(pid, number)
        assert (await shop.does()).outcome is Outcome.DONE

    play(act)


@pytest.mark.parametrize(("number", "from_outside"), [(signal.SIGUSR1, True), (signal.SIGSEGV, False)])
def test_death_tells_whether_its_signal_came_from_outside(play: Play, number: int, from_outside: bool) -> None:
    async def act(shop: Shop) -> None:
        await shop.boots()
        shop.pool.send(0, shop.job())
        exited = await shop.hears(WorkerExited)
        assert (exited.signal, exited.from_outside) == (number, from_outside)

    play(act, f"signal.signal({int(number)}, signal.SIG_DFL); os.kill(os.getpid(), {int(number)})")


def test_a_program_of_an_analyzer_can_be_told_to_end(play: Play) -> None:
    deed = """
        import subprocess
        child = subprocess.Popen(["sleep", "1000"])
        child.terminate()
        return Measurement({"deed": child.wait()})
    """

    async def act(shop: Shop) -> None:
        await shop.boots()
        assert (await shop.does()).values == {"deed": -signal.SIGTERM}

    play(act, deed)


def test_two_slots_know_nothing_of_each_other(play: Play) -> None:
    async def act(shop: Shop) -> None:
        first, second = shop.pool.spawn(0), shop.pool.spawn(1)
        await shop.hears(Ready, 1)
        shop.pool.kill(0)
        exited = await shop.hears(WorkerExited, 0)
        assert (exited.pid, exited.how) == (first, "killed by signal 9, Killed")
        assert (await shop.does(slot=1)).outcome is Outcome.DONE
        again = await shop.boots(0)
        assert again not in (first, second)
        assert (await shop.does(2)).outcome is Outcome.DONE

    play(act)


def test_an_empty_slot_takes_everything(play: Play) -> None:
    async def act(shop: Shop) -> None:
        shop.pool.kill(0)
        shop.pool.send(0, Stop())
        assert shop.queue.empty()

    play(act)


# An early end


def test_a_worker_that_cannot_load_says_why(play: Play) -> None:
    async def act(shop: Shop) -> None:
        shop.pool.spawn(0)
        exited = await shop.hears(WorkerExited)
        assert exited.how.startswith('exit code 1 (audiobatchd.errors.ConfigError: cannot find the analyzer "none"')
        assert shop.heard == [exited]

    play(act, analyzers=("none",))


@pytest.mark.parametrize(
    ("deed", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11, Segmentation fault"),
        ("os.abort()", "killed by signal 6, Aborted"),
        ("os._exit(7)", "exit code 7"),
        ("sys.exit(5)", "exit code 5"),
        ("os.write(1, b'  \\n\\n'); os._exit(7)", "exit code 7"),
        ("os.write(2, b'out of luck\\nlast words'); os._exit(7)", "exit code 7 (last words)"),
        ("os.write(1, b'caf\\xe9\\n\\n'); os._exit(7)", r"exit code 7 (caf\xe9)"),
        ("os.write(2, b'x' * 5000 + b'the end'); os._exit(7)", f"exit code 7 ({'x' * 493}the end)"),
    ],
)
def test_end_is_told_with_the_last_words(play: Play, deed: str, how: str) -> None:
    async def act(shop: Shop) -> None:
        pid = await shop.boots()
        shop.pool.send(0, shop.job())
        exited = await shop.hears(WorkerExited)
        assert (exited.slot, exited.pid, exited.how) == (0, pid, how)
        status = signal.strsignal(exited.signal) if exited.signal else f"exit code {exited.exit_code}"
        assert how.removeprefix(f"killed by signal {exited.signal}, ").startswith(str(status))
        assert exited.lines[-1:] == ((how.partition(" (")[2].removesuffix(")"),) if "(" in how else ())
        last = shop.heard[-2]
        assert isinstance(last, WorkerSaid)
        assert last.message == Stage(1, "deed of full_mix.wav", 0.25)
        shop.pool.send(0, Stop())
        shop.pool.kill(0)
        assert shop.pool._workers == {}
        assert is_gone(pid)

    play(act, deed)


def test_what_it_said_counts_also_when_it_is_heard_after_its_end(play: Play) -> None:
    async def act(shop: Shop) -> None:
        pid = await shop.boots()
        shop.pool.send(0, shop.job())
        shop.pool.send(0, Stop())
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222  # meanwhile nothing is to be heard
        exited = await shop.hears(WorkerExited)
        assert exited.how == "exit code 0 (last words)"
        said = [event.message for event in shop.heard if isinstance(event, WorkerSaid)]
        assert isinstance(said[-1], Result)
        assert said[-1].outcome is Outcome.DONE
        assert shop.queue.empty()

    play(act, "os.write(2, b'last words'); return self.answer(audio)")


def test_what_it_started_ends_with_it(play: Play, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    deed = f"""
        import subprocess
        child = subprocess.Popen(["sleep", "1000"])
        pathlib.Path({str(told)!r}).write_text(str(child.pid))
        os._exit(7)
    """

    async def act(shop: Shop) -> None:
        await shop.boots()
        shop.pool.send(0, shop.job())
        assert (await shop.hears(WorkerExited)).how == "exit code 7"
        eventually(lambda: is_gone(int(told.read_text())))

    play(act, deed)


def test_a_worker_that_hears_nothing_can_be_killed(play: Play) -> None:
    async def act(shop: Shop) -> None:
        pid = await shop.boots()
        os.kill(pid, signal.SIGSTOP)
        shop.pool.send(0, Stop())
        shop.pool.kill(0)
        assert (await shop.hears(WorkerExited)).how == "killed by signal 9, Killed"

    play(act)


def test_it_ends_when_nobody_listens_any_more(play: Play) -> None:
    async def act(shop: Shop) -> None:
        await shop.boots()
        shop.pool.send(0, shop.job())
        await shop.hears(Stage)
        shop.pool._workers[0].channel.shutdown(socket.SHUT_RDWR)
        assert (await shop.hears(WorkerExited)).how.startswith("exit code 3")

    play(act, "signal.pause()")


# Nonsense


@pytest.mark.parametrize(
    "packet",
    ["b'\\xc1 garbage'", "b'\\x80'", "b'\\x81\\xa4type\\xa4Stop'", "b'x' * 198_000"],
    ids=["garbage", "of no type", "of the other side", "too long"],
)
def test_a_worker_that_sends_no_message_is_told_of(play: Play, packet: str) -> None:
    async def act(shop: Shop) -> None:
        pid = await shop.boots()
        shop.pool.send(0, shop.job())
        broke = await shop.hears(WorkerBroke)
        assert (broke.slot, broke.pid) == (0, pid)
        assert broke.what.startswith("it sent no message: ")
        assert (await shop.hears(Result)).outcome is Outcome.DONE

    play(act, f"os.write(int(sys.argv[3]), {packet}); return self.answer(audio)")


def test_a_flood_of_words_is_read_and_not_kept(play: Play) -> None:
    deed = """
        for _ in range(200):
            os.write(2, b"word " * 200 + b"\\n")
        os.write(1, b"x" * 1_000_000)
        return self.answer(audio)
    """

    async def act(shop: Shop) -> None:
        await shop.boots()
        assert (await shop.does()).outcome is Outcome.DONE
        worker = shop.pool._workers[0]
        assert len(worker.lines) == 20
        assert {len(line) for line in worker.lines} == {500}
        assert len(worker.partial) == 500

    play(act, deed)


def test_a_result_that_is_too_long_to_be_told_is_told_of(play: Play) -> None:
    async def act(shop: Shop) -> None:
        await shop.boots()
        result = await shop.does()
        assert (result.outcome, result.charge, result.values) == (Outcome.ERROR, True, {})
        assert result.reasons[""].startswith("its result is too long to be told")

    play(act, "return Measurement({'deed': 'x' * 200_000})")


def test_a_fault_whose_text_is_no_text_ends_no_worker(play: Play) -> None:
    async def act(shop: Shop) -> None:
        await shop.boots()
        result = await shop.does()
        assert (result.outcome, result.charge) == (Outcome.ERROR, True)
        assert result.reasons == {"full_mix.wav": r"analyzer deed failed: OSError: caf\xe9"}
        assert (await shop.does(2)).outcome is Outcome.ERROR

    play(act, r"raise OSError('caf\udce9')")


# Where the machine cannot


def test_process_that_cannot_be_started_leaves_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    async def act(shop: Shop) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", refuse)
            with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
                shop.pool.spawn(0)
        assert shop.pool._workers == {}

    play(act)


def test_spawn_without_descriptors_leaves_nothing_open() -> None:
    async def spawn() -> tuple[int, int]:
        heard: asyncio.Queue[Event] = asyncio.Queue()
        pool = Pool(WorkerSettings(analyzers=()), heard.put_nowait)
        before, refused = len(os.listdir("/proc/self/fd")), 0
        highest = max(map(int, os.listdir("/proc/self/fd")))
        for soft in range(LEAST, highest + 12):
            with descriptors(soft):
                try:
                    pool.spawn(0)
                    break
                except OSError:
                    refused += 1
            assert len(os.listdir("/proc/self/fd")) == before
        pool.kill(0)
        await heard.get()
        return refused, len(pool.pids())

    refused, left = asyncio.run(spawn())
    assert refused > 0
    assert left == 0
