"""An inbox of the packaged service, whose unit sees it by a mount of its own."""

from __future__ import annotations

from support.service import TIMEOUT, eventually
from system.unit import CONFIGURATION, DROP_INS, MUSIC, TRACKS, Unit

INBOX = "/srv/inbox"


def test_an_inbox_is_set_up_emptied_and_taken_back(unit: Unit) -> None:
    unit.begin(MUSIC)
    machine = unit.machine
    machine.run("install", "-d", "-o", "otto", "-g", "otto", "-m", "755", INBOX)
    with machine.path(CONFIGURATION).open("a") as file:
        file.write(f'[[inbox]]\npath = "{INBOX}"\ndataset = "{MUSIC}"\nsettle = 1\n')
    before = machine.run("getfacl", "-R", INBOX).out
    refused = machine.run("audiobatchctl", "setup", "--no-grant", MUSIC, check=False)
    assert (refused.code, f"{INBOX}: Permission denied" in refused.out) == (1, True)
    machine.run("audiobatchctl", "setup", MUSIC)
    drop_ins = machine.path(DROP_INS)
    assert sorted(path.name for path in drop_ins.iterdir()) == ["dataset-srv-music.conf", "inbox-srv-inbox.conf"]

    script = 'mkdir -p "$2/Artist/Album" && cp "$1/full_mix.flac" "$2/Artist/Album/01 Song.flac"'
    machine.sh(script, f"{TRACKS}/short", INBOX, user="otto")
    content = machine.path(f"{TRACKS}/short/full_mix.flac").read_bytes()
    folder = machine.path(f"{MUSIC}/Artist - Album - Song")
    eventually((folder / f"{folder.name}.INFO").exists, TIMEOUT, unit.log)
    assert (folder / "full_mix.flac").read_bytes() == content
    eventually(lambda: [path.name for path in machine.path(INBOX).iterdir()] == [".audiobatch-inbox"], TIMEOUT)
    assert [each["AUDIOBATCH_FOLDER"] for each in unit.events("inbox-moved")] == [folder.name]

    machine.run("audiobatchctl", "setup", "--undo", MUSIC)
    assert list(drop_ins.iterdir()) == []
    machine.run("rm", f"{INBOX}/.audiobatch-inbox")
    assert machine.run("getfacl", "-R", INBOX).out == before
