"""How long a file may be, and how large one that is no longer than it promises."""

from __future__ import annotations

import pytest

from audiobatchd.audio.limit import Limit
from audiobatchd.errors import BeyondLimitError, DamagedFileError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("limit", "words"), [(7200.0, "2 h"), (5400.0, "90 min"), (45.0, "45 s"), (0.5, "0.5 s"), (3601.0, "3601 s")]
)
def test_what_is_too_long_is_told_as_it_is_configured(limit: float, words: str) -> None:
    with pytest.raises(BeyondLimitError, match=f"^longer than {words}$") as caught:
        Limit(limit).check(limit + 0.001)
    assert caught.value.seconds == limit + 0.001


def test_the_limit_itself_is_not_too_long() -> None:
    limit = Limit(60.0)
    limit.check(60.0)
    assert (limit.is_passed(60.0), limit.is_passed(60.001)) == (False, True)


def test_large_file_without_a_promise_is_too_long() -> None:
    with pytest.raises(BeyondLimitError, match=r"^longer than 1 min, by its size$"):
        Limit(60.0).check_size(None, 50 * GIB, 50 * GIB)
    Limit(60.0).check_size(None, GIB, GIB)


def test_size_beyond_what_is_promised_is_damage() -> None:
    with pytest.raises(DamagedFileError, match=r"far more than the 1\.000 s that it promises can take"):
        Limit(60.0).check_size(1.0, 50 * GIB, 50 * GIB)


def test_what_stands_behind_the_audio_may_be_larger() -> None:
    Limit(60.0).check_size(1.0, 8 * GIB, GIB)
    with pytest.raises(DamagedFileError):
        Limit(60.0).check_size(1.0, 9 * GIB, GIB)
