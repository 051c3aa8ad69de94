"""Rows: in their order, of the columns asked for, in parts; names and values are of unknown origin."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from audiobatchd.control.results import Column, Query, Row
from audiobatchd.errors import UsageError
from audiobatchd.results import query
from audiobatchd.results.figures import Results
from audiobatchd.results.sources import open_disk
from audiobatchd.scan.values import LARGEST_VALUE
from support.results_rig import opened


def rows(
    results: Results, *columns: str, where: str = "", sort: tuple[str, ...] = (), limit: int | None = None
) -> list[Row]:
    return list(results.rows(Query(columns or None, where, sort, limit)))


def test_rows_come_in_the_order_of_folders(tmp_path: Path) -> None:
    with opened(tmp_path, b={"n": 1}, B={"n": 2}, a={"n": None}) as results:
        assert rows(results) == [("B", 2), ("a", None), ("b", 1)]
        assert rows(results, "n") == [(2,), (None,), (1,)]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [(("n",), "badc"), (("-n",), "dabc"), (("t", "-n"), "dabc"), (("-t", "n"), "cbad"), (("-folder",), "dcba")],
)
def test_order_puts_missing_values_last(tmp_path: Path, sort: tuple[str, ...], expected: str) -> None:
    records = {"a": {"n": 2, "t": "x"}, "b": {"n": 1, "t": "x"}, "c": {"t": "y"}, "d": {"n": 3.5, "t": "x"}}
    with opened(tmp_path, **records) as results:
        assert "".join(str(row[0]) for row in rows(results, "folder", sort=sort)) == expected


def test_parts_and_limits_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_PART", 2)
    records = {f"f{number}": {"n": number % 3} for number in range(7)}
    with opened(tmp_path, **records) as results:
        for sort, limit in itertools.product([(), ("n",)], [None, 0, 1, 2, 3, 7, 9]):
            told = rows(results, "folder", "n", sort=sort, limit=limit)
            whole = sorted(
                ((name, each["n"]) for name, each in records.items()),
                key=lambda each: (each[1] if sort else 0, each[0]),
            )
            assert told == whole[: len(whole) if limit is None else limit]


@pytest.mark.parametrize("sort", [(), ("-n",)])
def test_parts_are_short_where_values_may_be_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: tuple[str, ...]
) -> None:
    monkeypatch.setattr(query, "_ROOM", 4 * LARGEST_VALUE)
    records = {f"{number}": {"n": -number, "a": "x", "m": {"Rock": 0.5}} for number in range(5)}
    with opened(tmp_path, **records) as results:
        parts = list(results.parts(Query(("folder", "a", "m", "n"), sort=sort), bytes))
        assert [len(part) for part in parts] == [2, 2, 1]
        assert [row[0] for part in parts for row in part] == ["0", "1", "2", "3", "4"]
        assert [len(part) for part in results.parts(Query(("folder", "n"), sort=sort), bytes)] == [5]


def test_kinds_and_values_are_those_of_the_records(tmp_path: Path) -> None:
    values = {
        "n": 1.5,
        "i": 3,
        "t": "x",
        "yes": True,
        "no": False,
        "m": {"Rock": 0.5, "deep": {"x": [1]}},
        "l": [1, "a"],
    }
    with opened(tmp_path, a=values, b={"mixed": 1}, c={"mixed": "one"}, d={"both": True}, e={"both": 2}) as results:
        kinds = {column.name: column.kind for column in results.columns()}
        assert kinds == {
            **dict.fromkeys(("folder", "state", "why", "t", "l", "mixed"), "text"),
            **dict.fromkeys(("n", "i", "both"), "number"),
            **dict.fromkeys(("yes", "no"), "flag"),
            "m": "mapping",
        }
        [told] = rows(results, *values, where="folder = 'a'")
        assert told == (*(values[name] for name in values if name != "l"), '[1,"a"]')
        assert rows(results, "mixed", where="mixed is not null") == [(1,), ("one",)]
        assert rows(results, "folder", where="yes and not no and m ->> '$.Rock' = 0.5") == [("a",)]


def test_huge_and_odd_values_are_told_or_left_out(tmp_path: Path) -> None:
    text = '{"big": 1' + "0" * 30 + ', "huge": 1' + "0" * 400 + ', "nan": NaN, "inf": -Infinity, "over": 1e999, '
    text += '"long": "' + "x" * 20000 + '", "half": "\\ud800", "zero": "a\\u0000b", "_audiobatch": {"format": 1}}'
    with opened(tmp_path, a=text, b={"x" * 300: 1, "state": "mine", "Folder": 1}) as results:
        names = [column.name for column in results.columns()]
        assert names == ["folder", "state", "why", "big", "half", "zero"]
        assert rows(results, "big", "half", "zero", limit=1) == [(1e30, "?", "a\0b")]


@pytest.mark.parametrize(
    "key",
    ["a b", 'a"b', "a'b", "]", "v0", "t", "path", "select", "-n", "x); DROP TABLE x; --", "\u202e", "日本", "\x1b[1m"],
)
def test_hostile_keys_are_columns_like_any(tmp_path: Path, key: str) -> None:
    with opened(tmp_path, a={key: 1}, b={key: 2}) as results:
        assert results.columns()[3:] == (Column(key, "number"),)
        assert rows(results, key, where='"' + key.replace('"', '""') + '" > 1') == [(2,)]
        assert rows(results, "folder", sort=("-" + key,)) == [("b",), ("a",)]
        assert results.histogram(key, 2).counts == (1, 1)
        assert [each.count for each in results.summary((key,))] == [2]


def test_hostile_folder_names_are_shown(tmp_path: Path) -> None:
    names = ("caf\udce9", "a\nb", "back\\slash", "<img src=x onerror=alert(1)>", "日本")
    with opened(tmp_path, **{f"deep/{name}": {"n": 1} for name in names}) as results:
        told = {row[0] for row in rows(results, "folder")}
        assert told == {
            "deep/caf\\xe9", "deep/a\\x0ab", "deep/back\\x5cslash", "deep/<img src=x onerror=alert(1)>", "deep/日本",
        }  # fmt: skip
        assert rows(results, "n", where="folder = 'deep/caf\\xe9'") == [(1,)]


def test_letter_case_tells_columns_apart_in_rows(tmp_path: Path) -> None:
    with opened(tmp_path, a={"BPM": 1, "bpm": 2}) as results:
        assert rows(results, "bpm", "BPM") == [(2, 1)]
        assert rows(results, "bpm", where="bpm = 2 and BPM = 1") == [(2,)]
        assert rows(results, "bpm", where="Bpm = 2 and STATE = 'complete'") == [(2,)], "no name is exactly this one"


def test_letter_case_does_not_count_without_need(tmp_path: Path) -> None:
    with opened(tmp_path, a={"BPM": 1, "Bpm": 2, "Key": "C"}) as results:
        assert rows(results, "folder", where="bpm = 1 and Bpm = 2 and key = 'C'") == [("a",)], "the first by name"


def test_empty_dataset_has_no_row(tmp_path: Path) -> None:
    with open_disk(str(tmp_path)) as results:
        assert (rows(results), rows(results, "folder", where="state = 'x'", sort=("why",))) == ([], [])
        assert [column.name for column in results.columns()] == ["folder", "state", "why"]


@pytest.mark.parametrize("asked", [Query(("bmp",)), Query(sort=("-bmp",)), Query(where="bmp > 1")])
def test_unknown_column_is_refused_with_the_nearest(tmp_path: Path, asked: Query) -> None:
    with opened(tmp_path, a={"bpm": 1}) as results, pytest.raises(UsageError, match=r'"bmp": did you mean "bpm"\?'):
        list(results.rows(asked))


@pytest.mark.parametrize("where", ["abs(-9223372036854775807 - 1) > n", "n >", "json_extract(n, '$[') = 1", "n n"])
def test_what_sqlite_refuses_is_told(tmp_path: Path, where: str) -> None:
    with opened(tmp_path, a={"n": 1}) as results, pytest.raises(UsageError, match=r"^cannot evaluate the condition "):
        rows(results, where=where)


def test_integers_that_overflow_become_fractions(tmp_path: Path) -> None:
    with opened(tmp_path, a={"n": (1 << 63) - 1}) as results:
        assert rows(results, "n", where="n + n > 1e18") == [((1 << 63) - 1,)]


def test_pages_together_are_all_rows(tmp_path: Path) -> None:
    records = {f"f{number}": {"n": number % 3, "yes": number > 3} for number in range(7)}
    with opened(tmp_path, **records) as results:
        for sort in ((), ("n",), ("-n",)):
            whole = rows(results, "folder", "n", "yes", sort=sort)
            asked = Query(("folder", "n", "yes"), "", sort, 3)
            pages = [results.page(asked, "", offset) for offset in (0, 3, 6, 9)]
            assert [row for page, _ in pages for row in page] == whole
            assert {total for _, total in pages} == {7}


def test_page_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_ROOM_OF_PAGE", 1 << 20)
    with opened(
        tmp_path, **{f"{number:03}": {"a": "x" * 16_000, "m": {"y" * 16_000: 1}} for number in range(40)}
    ) as results:
        with pytest.raises(UsageError, match=r"more than 1 MiB; ask for fewer columns or fewer rows"):
            results.page(Query(), "", 0)
        for smaller in (Query(("folder", "a")), Query(limit=30)):
            assert results.page(smaller, "", 0)[1] == 40


def test_page_of_a_dataset_never_walked_is_empty(tmp_path: Path) -> None:
    with opened(tmp_path) as results:
        assert results.page(Query(), "x", 0) == ([], 0)
