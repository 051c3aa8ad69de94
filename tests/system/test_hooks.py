"""Hooks of the packaged service: a command within its hardening, and a URL that `setup --hooks` lets it reach."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.service import TIMEOUT, eventually
from system.machine import Machine
from system.unit import CONFIGURATION, DROP_INS, MUSIC, Unit

TOLD, HEARD = "/var/lib/audiobatchd/told", "/root/heard"
HOOKS = f"""
[[hook]]
name = "script"
on = ["folder-done"]
command = ["sh", "-c", "cat >> {TOLD}; touch /etc/forbidden 2>/dev/null || printf ' %s' $(id -un) >> {TOLD}"]

[[hook]]
name = "url"
on = ["folder-done"]
url = "http://me:password@127.0.0.1:8799/secret-path"
secret_file = "hook-secret"
"""
RECEIVER = f"""
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("{HEARD}", "ab") as file:
            file.write(self.headers["webhook-signature"].encode() + b" " + body + b"\\n")
        self.send_response(204)
        self.end_headers()
HTTPServer(("127.0.0.1", 8799), Handler).serve_forever()
"""


@pytest.fixture
def receiver(unit: Unit) -> Iterator[Machine]:
    """The machine, with something that listens at the URL."""
    unit.machine.run("systemd-run", "--collect", "--unit=receiver", "python3", "-c", RECEIVER)
    yield unit.machine
    unit.machine.run("systemctl", "stop", "receiver", check=False)


def test_hooks_are_told_within_the_hardening(unit: Unit, receiver: Machine) -> None:
    unit.begin(MUSIC)
    machine = receiver
    refused = machine.run("audiobatchctl", "setup", "--hooks", check=False)
    assert (refused.code, "no [[hook]]" in refused.text) == (2, True)
    machine.sh(f"umask 077; printf 'correct horse battery staple' > /etc/audiobatchd/hook-secret; rm -f {TOLD} {HEARD}")
    machine.run("chown", "audiobatch:", "/etc/audiobatchd/hook-secret")
    with machine.path(CONFIGURATION).open("a") as file:
        file.write(HOOKS)
    machine.run("systemctl", "reload", "audiobatchd")
    unit.add("Mia - Long Way")
    unit.becomes(complete=1)

    # A command needs nothing: it is the service's user, and can write where that can.
    eventually(
        lambda: machine.path(TOLD).exists() and "audiobatch" in machine.path(TOLD).read_text(), TIMEOUT, unit.log
    )
    assert json.loads(machine.path(TOLD).read_text().partition(" audiobatch")[0])["folder"] == "Mia - Long Way"
    assert not machine.path("/etc/forbidden").exists()

    # A URL is out of reach, and says so; no word of it is in the journal.
    eventually(lambda: unit.events("hook-failed", hook="url"), TIMEOUT, unit.log)
    told = machine.run("audiobatchctl", "doctor", check=False).text
    assert "sudo audiobatchctl setup --hooks" in " ".join(told.split())
    assert not any(each in unit.log() + told for each in ("password", "secret-path"))
    assert not machine.path(HEARD).exists()

    # What waited is sent by the service that the drop-in starts again.
    said = machine.run("audiobatchctl", "setup", "--hooks").out
    assert "IPAddressAllow=localhost" in said
    eventually(machine.path(HEARD).exists, TIMEOUT, unit.log)
    assert machine.path(HEARD).read_text().startswith("v1,")
    assert machine.run("audiobatchctl", "hooks", "test", "url").code == 0

    machine.run("audiobatchctl", "setup", "--hooks", "--undo")
    assert not machine.path(f"{DROP_INS}/hooks.conf").exists()
    assert unit.show("PrivateNetwork") == "yes"
    assert machine.run("audiobatchctl", "hooks", "test", "url", check=False).code == 1
