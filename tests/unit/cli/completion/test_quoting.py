"""Lines and names as shells quote them."""

from __future__ import annotations

import subprocess

import pytest

from audiobatchd.cli.completion.quoting import quoted, split_line, words_of


@pytest.mark.parametrize(
    ("line", "words", "quote"),
    [
        ("", [""], ""),
        ("a  b ", ["a", "b", ""], ""),
        (r"My\ Song it\'s", ["My Song", "it's"], ""),
        ("'My So", ["My So"], "'"),
        (r'"a \" \$ \x', [r"a \" $ \x".replace('\\"', '"')], '"'),
        ("'a'b\"c\"", ["abc"], ""),
        ("''", [""], ""),
        ("a\\", ["a"], ""),
    ],
)
def test_a_line_is_split_as_a_shell_does(line: str, words: list[str], quote: str) -> None:
    assert split_line(line) == (words, quote)


HOSTILE = ["My Song", "it's", 'the "best"', "$HOME `id` $(id)", r"a\x0ab", "~root", "#1", "{a,b}*?[c]", "!!", "日本"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_bash_takes_a_quoted_name_as_it_is(name: str, quote: str) -> None:
    line = f"printf %s {quote}{quoted(name, quote)}{quote}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == name
    assert split_line(line)[0][-1] == name


@pytest.mark.parametrize("before", ["audiobatchctl", "sudo audiobatchctl", "X=1 /opt/bin/audiobatchctl", "ctl"])
def test_words_begin_behind_the_program(before: str) -> None:
    assert words_of(f"{before} a b", "audiobatchctl") == ["a", "b"]
