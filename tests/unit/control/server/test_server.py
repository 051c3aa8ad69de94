"""The control socket with both its ends: a real server in a thread, the real client, and everything in between."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from audiobatchd.cli.control import main
from audiobatchd.config import places
from audiobatchd.config.checks import operators
from audiobatchd.config.places import default_socket
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import CLEAN_LOCKS
from audiobatchd.control.requests import CleanLocks, FolderName, RetryFolders
from audiobatchd.control.server import server
from audiobatchd.control.server.server import REQUEST_LIMIT, ControlServer
from audiobatchd.control.server.socket_file import SocketFile
from audiobatchd.control.status import Status
from audiobatchd.errors import AlreadyRunningError, AudiobatchError, ConfigError, NoDaemonError, UsageError
from support.control_rig import Told, serving
from support.service import eventually

NOBODY = 65534


@contextmanager
def listening(path: Path, answer: bytes | None) -> Iterator[None]:
    """Somebody on the socket who answers every connection with `answer`, or never."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            if answer is not None:
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    if answer is not None:
        thread.start()
    try:
        yield
    finally:
        if answer is not None:
            thread.join(10)
        listener.close()


def ask(path: Path, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send `request` as it is: (status, headers, body)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def request(method: str, resource: str, more: str = "") -> bytes:
    """A request without a body, after which the server is to close."""
    return f"{method} {resource} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n".encode()


# Answers


def test_client_gets_what_the_daemon_tells(tmp_path: Path, busy: Status) -> None:
    with serving(tmp_path / "control.sock", lambda: busy):
        assert ControlClient(tmp_path / "control.sock").status() == busy


@pytest.mark.parametrize(
    ("sent", "code", "error"),
    [
        (request("GET", "/"), 404, "not found: GET /"),
        (request("GET", "/v2/%1b[31m"), 404, r"not found: GET /v2/\x1b[31m"),
        (request("POST", "/v1/status"), 405, "method not allowed: POST /v1/status"),
        (
            request("GET", "/v1/status", f"Content-Length: {REQUEST_LIMIT + 1}\r\n") + b"x" * (REQUEST_LIMIT + 1),
            413,
            "request entity too large: GET /v1/status",
        ),
    ],
    ids=["not found", "escape sequence", "method", "too large"],
)
def test_refusals_are_json(tmp_path: Path, busy: Status, sent: bytes, code: int, error: str) -> None:
    with serving(tmp_path / "control.sock", lambda: busy):
        status, headers, body = ask(tmp_path / "control.sock", sent)
    assert (status, json.loads(body)) == (code, {"error": error})
    assert headers["content-type"].startswith("application/json")
    assert (code == 405) == ("allow" in headers)


def test_failing_answer_is_logged_and_ends_nothing(
    tmp_path: Path, busy: Status, caplog: pytest.LogCaptureFixture
) -> None:
    def status() -> Status:
        if not caplog.records:
            raise ZeroDivisionError
        return busy

    client = ControlClient(tmp_path / "control.sock")
    with serving(tmp_path / "control.sock", status):
        with pytest.raises(AudiobatchError, match="cannot ask for the status: the daemon failed to answer"):
            client.status()
        assert client.status() == busy
    assert "request-failed" in caplog.text


# The socket file


def test_socket_is_for_owner_and_group_whatever_the_umask(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "run" / "control.sock"
    before = os.umask(0o077)
    try:
        with serving(path, lambda: busy):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)
    assert not path.exists()


def test_stale_socket_is_replaced(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(path, lambda: busy):
        assert ControlClient(path).status() == busy


def test_second_server_is_refused_and_hurts_nobody(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        with pytest.raises(AlreadyRunningError, match=str(path)), serving(path, lambda: busy):
            pass
        assert ControlClient(path).status() == busy


def test_only_its_own_socket_is_removed(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


def test_a_removed_socket_is_made_again(
    tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.05)
    path = tmp_path / "run" / "control.sock"

    def answers() -> bool:
        try:
            return ControlClient(path).status() == busy
        except NoDaemonError:
            return False

    with serving(path, lambda: busy):
        for remove in (path.unlink, lambda: shutil.rmtree(path.parent), lambda: path.rename(path.parent / "moved")):
            remove()
            eventually(answers)
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()
    assert [record.getMessage() for record in caplog.records] == ["socket-made-again"] * 3


def test_a_socket_that_is_removed_as_it_is_made_is_made_again(
    tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.01)
    path = tmp_path / "control.sock"
    bound: list[socket.socket] = []

    class Socket(socket.socket):
        """Its file is removed right after it was made, the first time."""

        def bind(self, address: bytes) -> None:  # type: ignore[override]  # of one family here
            super().bind(address)
            bound.append(self)
            if len(bound) == 1:
                path.unlink()

    monkeypatch.setattr("audiobatchd.control.server.socket_file.socket.socket", Socket)
    with serving(path, lambda: busy):
        eventually(path.is_socket)
        assert ControlClient(path).status() == busy
    assert len(bound) == 2


def test_what_stands_in_the_socket_s_place_is_told_once(
    tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.01)
    path = tmp_path / "control.sock"
    looks: list[bool] = []
    look = SocketFile.is_there

    def counted(file: SocketFile) -> bool:
        looks.append(look(file))
        return looks[-1]

    monkeypatch.setattr(SocketFile, "is_there", counted)
    with serving(path, lambda: busy):
        path.unlink()
        path.write_text("precious")
        eventually(lambda: caplog.records)
        seen = len(looks)
        eventually(lambda: len(looks) > seen + 5)
        assert [record.getMessage() for record in caplog.records] == ["socket-lost"]
        assert path.read_text() == "precious"
        path.unlink()
        eventually(path.is_socket)


def test_another_living_service_keeps_its_socket(
    tmp_path: Path, busy: Status, idle: Status, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.05)
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        # So soon that the new file may get the inode number of the old one.
        path.unlink()
        with serving(path, lambda: idle):
            eventually(lambda: "socket-lost" in caplog.text)
            assert ControlClient(path).status() == idle
        eventually(lambda: "socket-made-again" in caplog.text)
        assert ControlClient(path).status() == busy
    assert not path.exists()


def test_a_socket_that_another_has_is_left_at_the_end(tmp_path: Path, busy: Status, idle: Status) -> None:
    path = tmp_path / "control.sock"
    with ExitStack() as second:
        with serving(path, lambda: busy):
            path.unlink()
            second.enter_context(serving(path, lambda: idle))
        assert ControlClient(path).status() == idle


def test_stop_without_start_does_nothing(tmp_path: Path, busy: Status) -> None:
    asyncio.run(ControlServer(tmp_path / "control.sock", Told(lambda: busy)).stop())


def test_what_is_no_socket_is_left_alone(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(UsageError, match="something that is no socket is there"), serving(path, lambda: busy):
        pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("below", "cause"), [("no/such/control.sock", "there is no directory .*no"), ("x" * 107, "107 allowed")]
)
def test_impossible_places_are_named(tmp_path: Path, busy: Status, below: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause), serving(tmp_path / below, lambda: busy):
        pass


# No answer


def test_no_such_socket(tmp_path: Path) -> None:
    with pytest.raises(NoDaemonError, match=r"no daemon answers on .*none\.sock: there is no such socket"):
        ControlClient(tmp_path / "none.sock").status()


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(NoDaemonError, match="nobody listens"):
        ControlClient(tmp_path / "dead.sock").status()


def test_permission_denied(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    root = os.geteuid() == 0
    with serving(path, lambda: busy):
        path.chmod(0)
        if root:
            os.seteuid(NOBODY)
        try:
            with pytest.raises(NoDaemonError, match="permission denied"):
                ControlClient(path).status()
        finally:
            if root:
                os.seteuid(0)


def test_silence_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    with listening(path, None), pytest.raises(NoDaemonError, match=r"no answer within 0\.05 s"):
        ControlClient(path, timeout=0.05).status()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "broke off"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no audiobatchd of this version"),
    ],
)
def test_strangers_are_told_from_daemons(tmp_path: Path, answer: bytes, cause: str) -> None:
    path = tmp_path / "stranger.sock"
    with listening(path, answer), pytest.raises(NoDaemonError, match=cause):
        ControlClient(path).status()


# Its place


@pytest.mark.parametrize(
    ("environ", "uid", "service", "expected"),
    [
        ({"AUDIOBATCHD_SOCKET": "/a/b.sock"}, 0, True, "/a/b.sock"),
        ({"AUDIOBATCHD_SOCKET": "", "XDG_RUNTIME_DIR": "/x"}, 7, False, "/x/audiobatchd/control.sock"),
        ({}, 0, False, "SERVICE"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, 7, True, "SERVICE"),
        ({}, 7, False, "/run/user/7/audiobatchd/control.sock"),
    ],
)
def test_default_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    uid: int,
    service: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(places, "SERVICE_SOCKET", tmp_path / "service.sock")
    if service:
        (tmp_path / "service.sock").touch()
    where = str(tmp_path / "service.sock") if expected == "SERVICE" else expected
    assert str(default_socket(environ, uid)) == where


# The command


@pytest.mark.parametrize("before", [True, False])
def test_status_as_text(tmp_path: Path, busy: Status, capsys: pytest.CaptureFixture[str], before: bool) -> None:
    path = str(tmp_path / "control.sock")
    with serving(Path(path), lambda: busy):
        assert main(["--socket", path, "status"] if before else ["status", "--socket", path]) == 0
    out = capsys.readouterr().out
    assert "6,240 complete" in out
    assert "\x1b" not in out


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", str(tmp_path / "none.sock"), "status"]) == 3
    assert capsys.readouterr().err.startswith("audiobatchctl: no daemon answers on ")
    assert main(["--socket", "/" + "x" * 200, "status"]) == 2
    for wrong in ([], ["frobnicate"], ["status", "--frobnicate"]):
        with pytest.raises(SystemExit) as left:
            main(wrong)
        assert left.value.code == 2


def test_status_json_loads_nothing_heavy(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    program = (
        "import sys\n"
        "from audiobatchd.cli.control import main\n"
        "code = main(sys.argv[1:])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "print(*(name for name in sys.modules if name.startswith('audiobatchd.')), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", program, "status", "--json", "--socket", str(path)]
    with serving(path, lambda: busy):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["datasets"][0]["folders"]["complete"] == 6240
    loaded, ours = map(str.split, done.stderr.splitlines()[-2:])
    heavy = {"rich", "aiohttp", "asyncio", "numpy", "av", "scipy", "watchdog", "fasteners", "systemd", "logging"}
    assert not heavy & set(loaded)
    rooms = {"cli", "cli.commands", "cli.terminal", "config", "control", "vocabulary"}
    modules = {
        *(
            "cli.commands.status",
            "cli.control",
            "cli.grammar",
            "cli.terminal.output",
            "cli.terminal.text",
            "config.places",
        ),
        *("control.client", "control.operations", "control.requests", "control.status", "errors", "plugin_api"),
        *("vocabulary.exits", "vocabulary.files", "vocabulary.names", "vocabulary.states"),
    }
    assert set(ours) <= {f"audiobatchd.{name}" for name in rooms | modules}


def test_reader_that_leaves_is_no_error(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    reader, writer = os.pipe()
    os.close(reader)
    program = "import sys; from audiobatchd.cli.control import main; sys.exit(main(sys.argv[1:]))"
    try:
        with serving(path, lambda: busy):
            done = subprocess.run(
                [sys.executable, "-c", program, "status", "--socket", str(path)],
                stdout=writer,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_locale_without_the_signs_gets_plain_ones(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    program = "import sys; from audiobatchd.cli.control import main; sys.exit(main(sys.argv[1:]))"
    with serving(path, lambda: busy):
        done = subprocess.run(
            [sys.executable, "-c", program, "status", "--socket", str(path)],
            capture_output=True,
            timeout=60,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            check=True,
        )
    assert "#" * 30 + "!" in done.stdout.decode("ascii")


CLEAN_UP = "POST /v1/locks/clean-up HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}"


def post(path: Path, body: str) -> tuple[int, str]:
    """Ask for a clean-up with this body: (status, the answer's text)."""
    status, _, answer = ask(path, CLEAN_UP.format(len(body), body).encode())
    return status, answer.decode()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ('{"dataset": "/music"}', 200, '"Song.lock"'),
        ('{"dataset": "/nowhere"}', 400, "no such dataset: /nowhere"),
        ("{}", 400, "dataset"),
        ('{"dataset": 7}', 400, "Expected `str`"),
        ('{"dataset": "/music", "force": true}', 400, "unknown field `force`"),
        ("[]", 400, "Expected `object`"),
        ("not JSON", 400, "malformed"),
        ("", 400, "missing required field `dataset`"),
    ],
)
def test_a_change_is_done_or_refused_with_the_reason(
    tmp_path: Path, busy: Status, body: str, status: int, message: str
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        answer = post(path, body)
    assert (answer[0], message in answer[1]) == (status, True), answer


def test_a_change_is_logged_with_who_asked(tmp_path: Path, busy: Status, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "control.sock"
    with caplog.at_level("INFO"), serving(path, lambda: busy):
        assert ControlClient(path).ask(CLEAN_LOCKS, CleanLocks("/music", dry_run=True)).found == 1
    (record,) = [each for each in caplog.records if each.message == "change-asked"]
    fields = record.__dict__["fields"]
    assert (fields["uid"], fields["pid"]) == (os.getuid(), os.getpid())
    assert (fields["dataset"], fields["dry_run"]) == ("/music", True)


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_a_reader_changes_nothing(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from audiobatchd.control.client import ControlClient\n"
        "from audiobatchd.control.operations import CLEAN_LOCKS\n"
        "from audiobatchd.control.requests import CleanLocks\n"
        "os.setgroups([])\n"
        f"os.setresuid({NOBODY}, {NOBODY}, {NOBODY})\n"
        "client = ControlClient(Path(sys.argv[1]))\n"
        "print(client.status().pid)\n"
        "client.ask(CLEAN_LOCKS, CleanLocks('/music'))\n"
    )
    with serving(path, lambda: busy):
        for each in (*path.parents, path):
            if each.is_relative_to(tmp_path.parents[1]):
                each.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout.strip() == str(busy.pid), done.stderr
    assert "only root, the daemon's own user and its operators may change anything" in done.stderr


def test_operators_are_users() -> None:
    assert operators(("root",)) == {0, os.geteuid()}
    with pytest.raises(ConfigError, match="no user is called 'nobody-at-all'"):
        operators(("nobody-at-all",))


# Failures, retry, explain, reload


def ctl(path: Path, *arguments: str) -> int:
    """Run the command."""
    return main([*arguments, "--socket", str(path)])


def test_failures_are_told_whole(tmp_path: Path, busy: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        assert ctl(path, "failures") == 1
        text = capsys.readouterr().out
        assert ctl(path, "failures", "--json") == 1
        told = json.loads(capsys.readouterr().out)
    assert [each["folder"] for each in told] == [trouble.folder for trouble in busy.troubles]
    assert text.count("holds 57.1 s of the 240.0 s") >= len(busy.troubles)
    assert "\x1b" not in text


def test_no_failures(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "failures") == 0
        assert ctl(path, "failures", "--dataset", "/srv/nowhere") == 2
    told = capsys.readouterr()
    assert told.out == "No folder failed or is blocked.\n"
    assert "no dataset of the daemon's: /srv/nowhere (/srv/music)" in told.err


def test_one_folder_explained(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "explain", "/srv/music/A - B") == 0
    assert capsys.readouterr().out.splitlines() == [
        "/srv/music/A - B",
        "  State:   backoff",
        "  Reason:  its worker ended",
        "  Since:   2026-11-25T09:00:00+00:00",
        "  Due:     full_mix: loudness, rhythm",
        "  Next:    it is tried again (in 12 s)",
        "  Lacking: 2 features unavailable on this machine",
        "  Charges: 1 of 3, then it is given up",
        "  Attempts that came to no good end, the latest first:",
        "    2026-11-25T09:00:00+00:00  error after 3 s, charged",
        "      killed by signal 11, Segmentation fault",
        "      while: rhythm of full_mix.mp3",
        "      | last words",
    ]


@pytest.mark.parametrize(
    ("folder", "code", "told"),
    [
        ("nowhere", 1, "there is no track folder nowhere in /music"),
        ("/elsewhere/A - B", 2, "/elsewhere/A - B is in no dataset of the daemon's (/srv/music)"),
    ],
)
def test_a_folder_that_is_none(
    tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str], folder: str, code: int, told: str
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "explain", folder) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["/srv/music/A", "B/C"], RetryFolders([FolderName("/srv/music", "A"), FolderName("/srv/music", "B/C")])),
        ([r"caf\xe9"], RetryFolders([FolderName("/srv/music", r"caf\xe9")])),
        (["--all"], RetryFolders(all=True)),
        (["--dataset", "/srv/music"], RetryFolders(dataset="/srv/music")),
    ],
)
def test_what_a_retry_asks_for(tmp_path: Path, idle: Status, arguments: list[str], asked: RetryFolders) -> None:
    path = tmp_path / "control.sock"
    told = Told(lambda: idle)
    with serving(path, lambda: idle, told):
        assert ctl(path, "retry", *arguments) == 0
    assert told.asked == [asked]


@pytest.mark.parametrize("arguments", [[], ["A", "--all"], ["--all", "--dataset", "/srv/music"]])
def test_a_retry_of_nothing_or_of_too_much(
    tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "retry", *arguments) == 2
    assert "name folders, or --all, or --dataset DATASET" in capsys.readouterr().err


def test_a_reload_that_is_refused_says_why(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "reload") == 1
    assert "cannot have the configuration read again: c.toml: unknown key `worker`" in capsys.readouterr().err
