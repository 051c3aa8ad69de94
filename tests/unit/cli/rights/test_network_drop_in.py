"""A drop-in that opens the network: what it says, and when it is written."""

from __future__ import annotations

from pathlib import Path

from audiobatchd.cli.rights.network_drop_in import content, differs


def test_it_says_who_wrote_it_and_what_is_allowed() -> None:
    text = content("--x", "For x", ["localhost", "10.0.0.1"])
    assert "setup --x --undo` removes it" in text
    assert "PrivateNetwork=no\n" in text
    assert "IPAddressAllow=localhost 10.0.0.1\n" in text


def test_one_that_is_another_or_no_text_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    assert differs(path, "a")
    path.write_text("a")
    assert not differs(path, "a")
    path.write_bytes(b"\xff")
    assert differs(path, "a")
