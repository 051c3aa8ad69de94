"""Downloads over HTTP, from a server that does what servers do on bad days."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from audiobatchd.errors import ModelError, UsageError
from audiobatchd.models.download import Terms, check_base
from support.model_fetch import BODY, CUT, OTHER, THREE_TRIES, Fetch, good, one_after_the_other, ranges
from support.model_files import digest
from support.model_server import METADATA, Request, Script, Server, serving

# What goes well


def test_a_file_comes_whole_and_readable(fetch: Fetch) -> None:
    with serving(good()) as server:
        assert fetch(server, digest(BODY))
    assert fetch.target.read_bytes() == BODY
    assert fetch.left == ["tiny.pb"]
    assert fetch.target.stat().st_mode & 0o777 == 0o644
    assert fetch.seen[0] == (0, len(BODY))
    assert fetch.seen[-1] == (len(BODY), len(BODY))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_followed(fetch: Fetch, status: int) -> None:
    def script(request: Request) -> None:
        if request.path.startswith("/some/"):
            request.send(b"", status, Location="/elsewhere/tiny.pb")
        else:
            request.send_file(BODY)

    with serving(script) as server:
        fetch(server)
        assert server.paths == ["/some/tiny.pb", "/elsewhere/tiny.pb"]
    assert fetch.target.read_bytes() == BODY


def test_a_length_need_not_be_told(fetch: Fetch) -> None:
    with serving(lambda request: request.send(BODY, length=-1)) as server:
        fetch(server)
    assert fetch.target.read_bytes() == BODY
    assert fetch.seen[-1] == (len(BODY), None)


def test_a_chunked_body(fetch: Fetch) -> None:
    def script(request: Request) -> None:
        request.protocol_version = "HTTP/1.1"
        request.close_connection = True
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:CUT], BODY[CUT:], b""))
        request.send(chunks, length=-1, Transfer_Encoding="chunked")

    with serving(script) as server:
        fetch(server)
    assert fetch.target.read_bytes() == BODY


def test_the_proxy_of_the_environment_is_asked(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base)
        fetch("http://models.example")
        assert proxy.paths == ["http://models.example/some/tiny.pb"]
    assert fetch.target.read_bytes() == BODY


def test_no_proxy_is_asked_for_what_is_excepted(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(good()) as server:
        assert fetch(server)


# What breaks, and is taken up again


def test_a_broken_connection_is_taken_up_where_it_broke(fetch: Fetch) -> None:
    with serving(one_after_the_other(good(cut=CUT), good(cut=1000), good())) as server:
        fetch(server, digest(BODY))
        assert ranges(server) == [None, f"bytes={CUT}-", f"bytes={CUT + 1000}-"]
    assert fetch.target.read_bytes() == BODY
    assert fetch.left == ["tiny.pb"]


def test_download_that_keeps_breaking_goes_on_next_call(fetch: Fetch) -> None:
    with serving(one_after_the_other(*[good(cut=1000)] * 3, good())) as server:
        with pytest.raises(ModelError, match="the connection broke 3 times; the 3,000 bytes that came are kept"):
            fetch(server)
        assert fetch.left == ["tiny.pb.part", "tiny.pb.part.origin"]
        fetch(server)
        assert ranges(server)[-1] == "bytes=3000-"
    assert fetch.target.read_bytes() == BODY


def test_a_broken_chunk_is_taken_up(fetch: Fetch) -> None:
    def broken(request: Request) -> None:
        request.protocol_version = "HTTP/1.1"
        request.close_connection = True
        chunk = b"%x\r\n%s" % (len(BODY), BODY[:CUT])
        request.send(chunk, length=-1, Transfer_Encoding="chunked", ETag='"one"')

    with serving(one_after_the_other(broken, good())) as server:
        fetch(server)
    assert fetch.target.read_bytes() == BODY


def test_download_that_stalls_goes_on_next_call(fetch: Fetch) -> None:
    over = threading.Event()

    def stalling(request: Request) -> None:
        request.send(BODY[:CUT], length=len(BODY), ETag='"one"')
        over.wait(60)

    with serving(one_after_the_other(stalling, good())) as server:
        try:
            with pytest.raises(ModelError, match=r"nothing came for 0\.2 s; the 150,000 bytes that came are kept"):
                fetch(server, terms=Terms(timeout=0.2))
            fetch(server, digest(BODY))
            assert ranges(server) == [None, f"bytes={CUT}-"]
        finally:
            over.set()


def test_a_server_that_never_answers_is_given_up(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ModelError, match=r"nothing came for 0\.2 s$"):
            fetch(base, terms=Terms(timeout=0.2))
    assert fetch.left == []


def test_a_server_that_hangs_up_without_a_word_is_given_up(fetch: Fetch) -> None:
    with serving(lambda request: None) as server:
        with pytest.raises(ModelError, match=r"the connection broke 3 times$"):
            fetch(server)
        assert len(server.paths) == 3
    assert fetch.left == []


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_part_without_a_validator_starts_over(fetch: Fetch, tag: str) -> None:
    with serving(
        one_after_the_other(
            lambda request: request.send(BODY[:CUT], length=len(BODY), ETag=tag),
            lambda request: request.send(BODY, ETag=tag),
        )
    ) as server:
        fetch(server)
        assert ranges(server) == [None, None]
    assert fetch.target.read_bytes() == BODY


def test_last_modified_vouches_where_there_is_no_tag(fetch: Fetch) -> None:
    changed = "Tue, 31 Mar 2020 10:00:00 GMT"

    def rest(request: Request) -> None:
        assert request.headers["If-Range"] == changed
        told = f"bytes {CUT}-{len(BODY) - 1}/{len(BODY)}"
        request.send(BODY[CUT:], 206, Content_Range=told, Last_Modified=changed)

    first: Script = lambda request: request.send(BODY[:CUT], length=len(BODY), Last_Modified=changed)  # noqa: E731
    with serving(one_after_the_other(first, rest)) as server:
        fetch(server)
        assert ranges(server) == [None, f"bytes={CUT}-"]
    assert fetch.target.read_bytes() == BODY


# What is refused


def refused(fetch: Fetch, script: Script, sha256: str | None = None, terms: Terms = THREE_TRIES) -> str:
    """The error; nothing may be left of the file."""
    with serving(script) as server, pytest.raises(ModelError) as caught:
        fetch(server, sha256, terms)
    assert fetch.left == []
    address = f"{server.base}/some/{fetch.target.name}"
    assert str(caught.value).startswith(f"cannot fetch {address}: ")
    return str(caught.value)


def test_a_wrong_digest_is_told_beside_the_right_one(fetch: Fetch) -> None:
    error = refused(fetch, good(OTHER), digest(BODY))
    assert f"its SHA-256 is {digest(OTHER)} instead of {digest(BODY)}; what came was removed" in error


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b'{"error": "busy"}', "it is text"),
        (b"", "it is empty"),
    ],
)
def test_file_that_is_no_graph_is_refused(fetch: Fetch, body: bytes, reason: str) -> None:
    assert reason in refused(fetch, good(body))


@pytest.mark.parametrize("body", [b"<html></html>", b'{"message": "gone"}', METADATA[:10]])
def test_file_that_is_no_metadata_is_refused(fetch: Fetch, body: bytes) -> None:
    fetch.target = fetch.directory / "tiny.json"
    refused(fetch, good(body))


def test_a_length_that_is_too_short_gives_a_cut_graph(fetch: Fetch) -> None:
    assert "cut or damaged" in refused(fetch, lambda request: request.send(BODY, length=CUT))


def test_a_length_that_is_too_long_is_a_broken_connection(fetch: Fetch) -> None:
    error = refused(fetch, lambda request: request.send(BODY, length=len(BODY) + 10))
    assert "the connection broke 3 times" in error


def test_more_than_a_range_announced_is_refused(fetch: Fetch) -> None:
    def more(request: Request) -> None:
        told = f"bytes {CUT}-{len(BODY) - 1}/{len(BODY)}"
        request.send(BODY[CUT:] + b"more", 206, -1, Content_Range=told, ETag='"one"')

    error = refused(fetch, one_after_the_other(good(cut=CUT), more))
    assert f"more comes than the {len(BODY):,} bytes announced" in error


def test_too_large_file_is_refused_announced_or_not(fetch: Fetch) -> None:
    terms = Terms(largest=1000)
    assert "more than the 1,000 allowed" in refused(fetch, good(), terms=terms)
    assert "more comes than the 1,000 bytes allowed" in refused(fetch, lambda r: r.send(BODY, length=-1), terms=terms)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (lambda request: request.send(b"<html>", 404), "the server answers 404 Not Found"),
        (lambda request: request.send(b"", 503), "the server answers 503 Service Unavailable"),
        (lambda request: request.send(b"", 204), "the server answers 204 No Content"),
        (lambda request: request.send(b"x", 206), "the server answers 206 Partial Content"),
        (lambda request: request.send(b"", 416), "the server answers 416"),
        (lambda request: request.send(b"", 302, Location="/some/tiny.pb"), "infinite loop"),
        (lambda request: request.send(b"", 302, Location="file:///etc/passwd"), "the server answers 302"),
        (lambda request: request.send(b"", 302, Location="ftp://127.0.0.1/x"), "unknown url type: ftp"),
        (lambda request: request.send(b"x", Content_Encoding="gzip"), "packed"),
        (lambda request: request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n") and None, "SSH-2.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusal_of_a_server_is_told(fetch: Fetch, script: Script, reason: str) -> None:
    assert reason in refused(fetch, script)


def test_refused_connection_is_told(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(
        ModelError, match=rf"^cannot fetch http://127\.0\.0\.1:{port}/some/tiny\.pb: Connection refused$"
    ):
        fetch(f"http://127.0.0.1:{port}")
    assert fetch.left == []


def test_unknown_host_name_is_told(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        ModelError, match=r"models\.example/some/tiny\.pb: its host cannot be found: Name or service not known$"
    ):
        fetch("http://models.example")


def test_a_server_that_does_not_encrypt_is_told(fetch: Fetch) -> None:
    with serving(good()) as server, pytest.raises(ModelError, match="no encrypted connection: "):
        fetch(server.base.replace("http:", "https:"))


def test_an_encrypted_address_does_not_lead_to_a_plain_one(fetch: Fetch, encrypted: Callable[[Script], Server]) -> None:
    with serving(good()) as plain:
        server = encrypted(lambda request: request.send(b"", 302, Location=f"{plain.base}/tiny.pb"))
        with pytest.raises(ModelError, match=r"the server sends us from https to http://"):
            fetch(f"https://127.0.0.1:{server.server_port}")
        assert plain.paths == []


def test_untrusted_certificate_is_told(
    fetch: Fetch, encrypted: Callable[[Script], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = encrypted(good())
    base = f"https://127.0.0.1:{server.server_port}"
    assert fetch(base)
    monkeypatch.delenv("SSL_CERT_FILE")
    fetch.target.unlink()
    with pytest.raises(ModelError, match=r"the server's certificate is not valid: self.signed certificate"):
        fetch(base)


# Addresses


@pytest.mark.parametrize("address", ["https://essentia.upf.edu/models", "http://nas.local:8080/", "http://[::1]/m"])
def test_a_base_is_taken(address: str) -> None:
    check_base(address)


@pytest.mark.parametrize(
    "address",
    [
        "", "models", "/srv/models", "file:///srv/models", "ftp://nas/models", "http://", "http://[", "http://h:x",
        "http://user:secret@nas/models", "http://nas/?of=1", "http://nas/#here", "http://nas:99999/",
    ],
)  # fmt: skip
def test_address_that_is_no_base_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="expected an address as"):
        check_base(address)
