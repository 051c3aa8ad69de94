"""The page of a real service: as people turn it on, come to it, and put nginx before it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tomllib
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.audio_files import make_track
from support.certificates import made_certificate
from support.control_rig import read_until
from support.service import Service, configuration, eventually, run, service
from support.web_rig import free_port, read_all

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "look-at-the-page.md"


def asked(url: str, cookie: str = "", method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
    """Ask as a browser would; the status, the cookie that is set, and the body."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, path, b"{}", sent | {"Cookie": cookie})
    answer = connection.getresponse()
    told = answer.status, (answer.getheader("Set-Cookie") or "").partition(";")[0], answer.read()
    connection.close()
    return told


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short track."""
    return make_track(tmp_path_factory.mktemp("music") / "Track", seconds=1.0, stems=())


def configured(path: Path, dataset: Path, **keys: object) -> Path:
    """Write a configuration with a page."""
    configuration(path, dataset, workers=1)
    web = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    path.write_text(f"{path.read_text()}[web]\n{web}")
    return path


def link(daemon: Service) -> str:
    """Return a link, once the page is there."""

    def asked_for() -> str:
        code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "web", "--json")
        return str(json.loads(out)["url"]) if code == 0 else ""

    return eventually(asked_for)


def reload(daemon: Service) -> None:
    assert run("audiobatchctl", "--socket", daemon.socket, "reload")[0] == 0


def test_a_page_is_turned_on_used_and_moved_by_reloads(tmp_path: Path, track: Path) -> None:
    dataset = tmp_path / "music"
    shutil.copytree(track, dataset / "Song")
    config = configuration(tmp_path / "c.toml", dataset, workers=1)
    with service(tmp_path / "d", config) as daemon:
        eventually(daemon.status)
        code, _, err = run("audiobatchctl", "--socket", daemon.socket, "web", "--config", config)
        assert code == 1
        assert "[web] listen" in err

        first, second = free_port(), free_port()
        configured(config, dataset, listen=f"127.0.0.1:{first}")
        reload(daemon)
        status, cookie, _ = asked(link(daemon))
        assert status == 303
        base = f"http://127.0.0.1:{first}"
        told = json.loads(asked(f"{base}/api/session", cookie)[2])
        assert told["operator"] is True
        assert told["datasets"] == [str(dataset)]
        change = {"Origin": base, "X_CSRF_Token": told["csrf"]}
        assert asked(f"{base}/api/pause", cookie, "POST", **change)[0] == 200
        assert json.loads(asked(f"{base}/api/status", cookie)[2])["datasets"][0]["state"] == "paused"
        assert asked(f"{base}/api/resume", cookie, "POST", **change)[0] == 200
        (mix,) = (dataset / "Song").glob("full_mix.*")
        audio = f"/api/audio?dataset={dataset}&folder=Song&role=full_mix"
        assert asked(base + audio, cookie, Range="bytes=1-4") == (206, "", mix.read_bytes()[1:5])

        configured(config, dataset, listen=f"127.0.0.1:{second}")
        reload(daemon)
        assert eventually(lambda: listens(second))
        assert asked(f"http://127.0.0.1:{second}/api/session", cookie)[0] == 200
        assert not listens(first)
        assert daemon.stop() == 0


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_behind_nginx_as_documented(tmp_path: Path, track: Path) -> None:
    dataset = tmp_path / "music"
    shutil.copytree(track, dataset / "Song")
    told = PAGE.read_text().partition("## Behind nginx")[2]
    keys = tomllib.loads(re.findall(r"```toml\n(.*?)```", told, re.DOTALL)[0])["web"]
    page, port = tmp_path / "web.sock", free_port()
    config = configured(tmp_path / "c.toml", dataset, **{**keys, "listen": str(page)})
    (location,) = re.findall(r"```nginx\n(.*?)```", told, re.DOTALL)
    location = location.replace(keys["listen"], str(page))
    certificate, key = made_certificate(tmp_path)
    (tmp_path / "nginx.conf").write_text(
        # The directory of tests is closed to the user that nginx would become.
        f"{'user root; ' * (os.geteuid() == 0)}daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;\n"
        f"fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n"
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};\n"
        f"{location} }} }}\n"
    )
    with service(tmp_path / "d", config) as daemon:
        url = link(daemon)
        assert url.startswith("https://music.example.org/music/login/")
        nginx = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
        try:
            assert eventually(lambda: listens(port))
            head = proxied(port, certificate, urlsplit(url).path)
            assert head.startswith("HTTP/1.1 303")
            assert "Secure" in head
            cookie = head.partition("Set-Cookie: ")[2].partition(";")[0]
            assert '"operator":true' in proxied(port, certificate, "/music/api/session", cookie)
            assert "text/event-stream" in proxied(port, certificate, "/music/api/events", cookie, until="since")
        finally:
            nginx.terminate()
            nginx.wait(60)
        assert daemon.stop() == 0


def proxied(port: int, certificate: Path, path: str, cookie: str = "", until: str = "") -> str:
    """Ask nginx by TLS for a path, as a browser that knows it as music.example.org."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    close = "" if until else "Connection: close\r\n"
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, server_hostname="music.example.org") as connection,
    ):
        query = "?since=0" if until else ""
        head = f"GET {path}{query} HTTP/1.1\r\nHost: music.example.org\r\nCookie: {cookie}\r\n{close}\r\n"
        connection.sendall(head.encode())
        return read_until(connection, b"service-started").decode() if until else read_all(connection).decode()


def listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0
