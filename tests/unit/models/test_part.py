"""A file while it arrives: gone on with, waited for, and written where that can be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.disk.boot import boot_id
from audiobatchd.errors import ModelError
from audiobatchd.models.download import Terms, Wanted, download
from audiobatchd.models.graph_file import check_of
from support.model_fetch import BODY, CUT, OTHER, Fetch, good, nothing, one_after_the_other, ranges
from support.model_files import digest
from support.model_server import Request, Script, Server, serving

ROOT = os.geteuid() == 0


def without_ranges(body: bytes = BODY, cut: int | None = None) -> Script:
    return lambda request: request.send(body[:cut], length=len(body), ETag='"one"')


# A part of an earlier call


def left_by_an_earlier_call(fetch: Fetch) -> Server:
    """A part with `CUT` bytes of BODY, whose origin is the server that is given back (closed, its port is free)."""
    with serving(good(cut=CUT)) as server, pytest.raises(ModelError):
        fetch(server, terms=Terms(tries=1))
    assert fetch.part.read_bytes() == BODY[:CUT]
    return server


@pytest.mark.parametrize(
    ("script", "body"),
    [
        (good(), BODY),
        (good(OTHER, '"two"'), OTHER),
        (without_ranges(), BODY),
        (without_ranges(OTHER), OTHER),
    ],
    ids=["unchanged", "changed", "no ranges", "no ranges, changed"],
)
def test_a_part_is_gone_on_with_only_where_the_file_is_the_same(fetch: Fetch, script: Script, body: bytes) -> None:
    with serving(one_after_the_other(good(cut=CUT), script)) as server:
        with pytest.raises(ModelError):
            fetch(server, terms=Terms(tries=1))
        fetch(server, digest(body))
        assert ranges(server)[1] == f"bytes={CUT}-"
    assert fetch.target.read_bytes() == body
    assert fetch.left == ["tiny.pb"]


def wrong_rest(start: int, etag: str = '"one"', length: int | None = None) -> Script:
    told = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    return lambda request: request.send(OTHER[start:], 206, length, Content_Range=told, ETag=etag)


@pytest.mark.parametrize(
    "script",
    [
        wrong_rest(CUT, '"two"'),
        wrong_rest(CUT - 1),
        wrong_rest(CUT, length=5),
        lambda request: request.send(b"rest", 206, ETag='"one"'),
        lambda request: request.send(b"", 416, Content_Range="bytes */20"),
        lambda request: request.send(b"", 416),
    ],
    ids=["of another state", "from elsewhere", "of another length", "without a range", "too much", "too much, silent"],
)
def test_a_rest_that_does_not_fit_makes_it_start_over(fetch: Fetch, script: Script) -> None:
    with serving(one_after_the_other(good(cut=CUT), script, good())) as server:
        fetch(server, digest(BODY))
        assert ranges(server) == [None, f"bytes={CUT}-", None]
    assert fetch.target.read_bytes() == BODY


def test_a_part_that_was_whole_is_delivered(fetch: Fetch) -> None:
    with serving(one_after_the_other(good(cut=CUT), good())) as server:
        with pytest.raises(ModelError):
            fetch(server, terms=Terms(tries=1))
        fetch.part.write_bytes(BODY)
        fetch(server)
        assert ranges(server)[-1] == f"bytes={len(BODY)}-"
    assert fetch.target.read_bytes() == BODY


@pytest.mark.parametrize("memo", [b"", b"not JSON", b'{"address": 3}', b"[" * 10_000])
def test_a_part_of_unknown_origin_starts_over(fetch: Fetch, memo: bytes) -> None:
    fetch.part.write_bytes(OTHER[:CUT])
    (fetch.directory / "tiny.pb.part.origin").write_bytes(memo)
    with serving(good()) as server:
        fetch(server)
        assert ranges(server) == [None]
    assert fetch.target.read_bytes() == BODY


def test_part_of_another_boot_or_address_starts_over(fetch: Fetch) -> None:
    for changed in (boot_id(), "/some/tiny.pb"):
        left_by_an_earlier_call(fetch)
        memo = fetch.directory / "tiny.pb.part.origin"
        memo.write_text(memo.read_text().replace(changed, "another"))
        with serving(good()) as server:
            fetch(server)
            assert ranges(server) == [None]
        fetch.target.unlink()


KILLED = """
import sys
from pathlib import Path
from audiobatchd.models.graph_file import check_graph
from audiobatchd.models.download import Terms, Wanted, download
wanted = Wanted(sys.argv[1], Path(sys.argv[2]), check_graph)
download(wanted, Terms(), lambda size, total: print(size, flush=True), lambda: print("waiting", flush=True))
"""


def fetching(server: Server, fetch: Fetch) -> subprocess.Popen[str]:
    """Start another process that fetches the same file; it prints the bytes that have come."""
    command = [sys.executable, "-c", KILLED, f"{server.base}/some/tiny.pb", str(fetch.target)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str], text: str) -> None:
    """Read on until the other process has printed this."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == text:
            return
    pytest.fail(f"it never said {text}")


def held_back(over: threading.Event) -> Script:
    """Send most of the body, and the rest when the event comes."""

    def script(request: Request) -> None:
        request.send(BODY[:CUT], length=len(BODY), ETag='"one"')
        over.wait(60)
        request.wfile.write(BODY[CUT:])

    return script


def test_a_killed_fetch_leaves_a_part_and_the_next_one_goes_on(fetch: Fetch) -> None:
    over = threading.Event()
    with serving(one_after_the_other(held_back(over), good())) as server:
        try:
            with fetching(server, fetch) as process:
                said(process, str(CUT))
                process.send_signal(signal.SIGKILL)
            assert fetch.left == ["tiny.pb.part", "tiny.pb.part.origin"]
            fetch(server, digest(BODY))
            assert ranges(server) == [None, f"bytes={CUT}-"]
        finally:
            over.set()
    assert fetch.target.read_bytes() == BODY
    assert fetch.left == ["tiny.pb"]


def test_two_at_once_fetch_it_once(fetch: Fetch) -> None:
    over = threading.Event()
    with serving(held_back(over)) as server:
        try:
            with fetching(server, fetch) as first:
                said(first, str(CUT))
                with fetching(server, fetch) as second:
                    said(second, "waiting")
                    over.set()
                    first.communicate()
                    second.communicate()
        finally:
            over.set()
        assert (first.returncode, second.returncode) == (0, 0)
        assert len(server.paths) == 1
    assert fetch.target.read_bytes() == BODY
    assert fetch.left == ["tiny.pb"]


def test_waiting_fetch_goes_on_where_the_other_was_killed(fetch: Fetch) -> None:
    over = threading.Event()
    with serving(one_after_the_other(held_back(over), good())) as server:
        try:
            with fetching(server, fetch) as first:
                said(first, str(CUT))
                with fetching(server, fetch) as second:
                    said(second, "waiting")
                    first.kill()
                    second.communicate()
        finally:
            over.set()
        assert second.returncode == 0
        assert ranges(server) == [None, f"bytes={CUT}-"]
    assert fetch.target.read_bytes() == BODY


def test_error_of_the_callback_is_not_the_connections(fetch: Fetch) -> None:
    def broken_pipe(*_: object) -> None:
        raise BrokenPipeError

    with serving(good()) as server, pytest.raises(BrokenPipeError):
        download(Wanted(f"{server.base}/tiny.pb", fetch.target, check_of("tiny.pb")), Terms(), broken_pipe, nothing)


# Where it cannot be written


def test_a_directory_that_is_not_there_is_told(fetch: Fetch) -> None:
    fetch.directory.rmdir()
    with serving(good()) as server, pytest.raises(ModelError, match=rf"cannot write {fetch.part}: No such file"):
        fetch(server)


def test_a_file_in_place_of_the_directory_is_told(fetch: Fetch) -> None:
    fetch.directory.rmdir()
    fetch.directory.write_text("")
    with serving(good()) as server, pytest.raises(ModelError, match=rf"cannot write {fetch.part}: Not a directory"):
        fetch(server)


def test_a_directory_in_place_of_the_file_is_told(fetch: Fetch) -> None:
    fetch.target.mkdir()
    with serving(good()) as server, pytest.raises(ModelError, match=rf"cannot write {fetch.target}: Is a directory"):
        fetch(server)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (os.mkfifo, "it is no regular file"),
        (lambda path: path.symlink_to("/dev/null"), "Too many levels of symbolic links"),
    ],
    ids=["directory", "fifo", "link"],
)
def test_something_else_in_place_of_the_part_is_told(fetch: Fetch, make: Callable[[Path], None], reason: str) -> None:
    make(fetch.part)
    with serving(good()) as server, pytest.raises(ModelError, match=rf"cannot write {fetch.part}: {reason}"):
        fetch(server)


def test_link_in_place_of_the_origin_is_not_written_through(fetch: Fetch) -> None:
    precious = fetch.directory.parent / "precious"
    precious.write_text("precious")
    (fetch.directory / "tiny.pb.part.origin").symlink_to(precious)
    with serving(good()) as server:
        fetch(server)
    assert precious.read_text() == "precious"
    assert fetch.left == ["tiny.pb"]


@pytest.mark.skipif(not ROOT, reason="mounting a small file system takes root")
def test_a_full_disk_is_told_and_given_back_what_was_taken(fetch: Fetch) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", fetch.directory], check=True)
    try:
        with (
            serving(good()) as server,
            pytest.raises(ModelError, match=rf"write {fetch.part}: No space left on device"),
        ):
            fetch(server)
        assert fetch.left == []
    finally:
        subprocess.run(["umount", fetch.directory], check=True)
