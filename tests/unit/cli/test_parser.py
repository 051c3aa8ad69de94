"""The parser of `audiobatchctl`: a line leads to its command, and what is odd is refused with the reason."""

from __future__ import annotations

import pytest

from audiobatchd.cli.parser import parser


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


@pytest.mark.parametrize("line", ["--socket /a status", "status --socket /a"])
def test_the_socket_stands_before_or_after_the_command(line: str) -> None:
    assert str(parser("audiobatchctl").parse_args(line.split()).socket) == "/a"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "the following arguments are required: COMMAND"),
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
