"""The page of the packaged service, whose unit has no network until `setup --web` opens it."""

from __future__ import annotations

import json

from support.service import TIMEOUT, eventually
from system.machine import Machine
from system.unit import CONFIGURATION, DROP_INS, MUSIC, Unit

LISTEN = "127.0.0.1:8787"
ASK = """
import sys
from http.client import HTTPConnection

method, path, cookie, csrf = sys.argv[1:]
connection = HTTPConnection("127.0.0.1", 8787, timeout=20)
headers = {"Cookie": cookie, "Origin": "http://127.0.0.1:8787", "X-CSRF-Token": csrf}
connection.request(method, path, b"{}" if method == "POST" else None, headers)
answer = connection.getresponse()
print(answer.status, (answer.getheader("Set-Cookie") or "").partition(";")[0])
sys.stdout.write(answer.read().decode(errors="replace"))
"""


def asked(machine: Machine, method: str, path: str, cookie: str = "", csrf: str = "") -> tuple[str, str, str]:
    """Ask from within the machine; the status, the cookie that is set, and the body."""
    head, _, body = machine.run("python3", "-c", ASK, method, path, cookie, csrf).out.partition("\n")
    status, _, set_cookie = head.partition(" ")
    return status, set_cookie, body


def test_a_page_is_set_up_used_and_taken_back(unit: Unit) -> None:
    unit.begin(MUSIC)
    machine = unit.machine
    before = machine.path(CONFIGURATION).read_text()
    off = machine.run("audiobatchctl", "web", check=False)
    assert (off.code, "[web] listen" in off.text) == (1, True)

    with machine.path(CONFIGURATION).open("a") as file:
        file.write(f'[web]\nlisten = "{LISTEN}"\n')
    machine.run("systemctl", "reload", "audiobatchd")
    eventually(lambda: unit.events("web-fails"), TIMEOUT, unit.log)
    assert "setup --web" in machine.run("audiobatchctl", "web", check=False).text
    machine.path(CONFIGURATION).write_text(before)

    said = machine.run("audiobatchctl", "setup", "--web").out
    assert "IPAddressAllow=localhost" in said
    assert machine.path(f"{DROP_INS}/web.conf").exists()
    eventually(lambda: unit.events("web-listens"), TIMEOUT, unit.log)
    link = json.loads(machine.run("audiobatchctl", "web", "--json").out)
    status, cookie, _ = asked(machine, "GET", link["url"].partition("8787")[2])
    assert status == "303"
    csrf = json.loads(asked(machine, "GET", "/api/session", cookie)[2])["csrf"]
    unit.add("Mia - Long Way")
    unit.becomes(complete=1)
    heard = asked(machine, "GET", f"/api/audio?dataset={MUSIC}&folder=Mia%20-%20Long%20Way&role=full_mix", cookie)
    assert heard[0] == "200"
    assert asked(machine, "POST", "/api/pause", cookie, csrf)[0] == "200"
    assert [each["AUDIOBATCH_UID"] for each in unit.events("change-asked", request="POST /api/pause")] == ["0"]
    assert asked(machine, "POST", "/api/resume", cookie, csrf)[0] == "200"

    machine.run("audiobatchctl", "setup", "--web", "--undo")
    assert not machine.path(f"{DROP_INS}/web.conf").exists()
    assert machine.path(CONFIGURATION).read_text().strip() == before.strip()
    assert unit.show("PrivateNetwork") == "yes"
