"""The parser of `audiobatchctl`: a line leads to its command, and what is odd is refused with the reason."""

from __future__ import annotations

import pytest

from audiobatchd.cli.parser import parser, parser_of
from audiobatchd.errors import UsageError


@pytest.mark.parametrize(
    ("line", "run", "endless"),
    [
        ("status", "status:status", False),
        ("top", "top:top", True),
        ("follow --since 0", "follow:follow", True),
        ("config show", "settings:show", False),
        ("locks cleanup /music", "locks:clean_up", False),
    ],
)
def test_a_line_leads_to_its_function(line: str, run: str, endless: bool) -> None:
    found = parser("audiobatchctl").parse_args(line.split())
    assert (found.run, found.endless, found.json) == (run, endless, False)


GENERAL = "--socket /a --config /b --json"


@pytest.mark.parametrize("command", ["status", "config show", "locks list /music", "models list", "help retry"])
def test_options_of_all_commands_stand_anywhere(command: str) -> None:
    first, _, rest = command.partition(" ")
    for line in (f"{GENERAL} {command}", f"{command} {GENERAL}", f"{first} {GENERAL} {rest}"):
        found = parser("audiobatchctl").parse_args(line.split())
        assert (str(found.socket), str(found.config), found.json) == ("/a", "/b", True)
        found = parser("audiobatchctl").parse_args(command.split())
        assert (found.socket, found.config, found.json) == (None, None, False)


def test_the_later_of_two_options_counts() -> None:
    line = "--socket /a --config /a config --config /b show --socket /c"
    found = parser("audiobatchctl").parse_args(line.split())
    assert (str(found.socket), str(found.config)) == ("/c", "/b")


def test_the_help_fits_on_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = parser("audiobatchctl").format_help().splitlines()
    assert len(lines) < 25
    assert max(map(len, lines)) <= 80
    assert any(
        line.split() == ["Look", "on", "status,", "top,", "follow,", "wait,", "workers,", "web"] for line in lines
    )


@pytest.mark.parametrize("line", ["", "retry", "models fetch"])
def test_a_parser_is_found_by_its_words(line: str) -> None:
    assert parser_of(line.split(), parser("p")).prog == f"p {line}".strip()


@pytest.mark.parametrize("line", ["retri", "retry folder", "models fetched"])
def test_no_parser_is_found_by_other_words(line: str) -> None:
    with pytest.raises(UsageError, match="cannot find the command"):
        parser_of(line.split(), parser("p"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "audiobatchctl help COMMAND tells all about one"),
        ("locks", "the following arguments are required: ACTION"),
        ("statsu", 'cannot find the command "statsu": did you mean "status"?'),
        ("locks lst", 'cannot find the command "lst": did you mean "list"? There are: cleanup, list, test'),
        ("setup --grant --undo /music", "not allowed with argument"),
        ("pause --for soon", 'expected a duration like "30s"'),
        ("follow --since -1", "expected"),
        ("follow --since ²", "expected a whole number, got '²'"),
    ],
)
def test_a_wrong_line_is_refused(line: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser("audiobatchctl").parse_args(line.split())
    assert left.value.code == 2
    assert reason in capsys.readouterr().err
