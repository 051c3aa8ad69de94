"""The names of channels, said by the file or by number alone (RFC 9639, 9.1.3)."""

from __future__ import annotations

import av
import pytest

from audiobatchd.audio.layout import MOST_CHANNELS, channel_names


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("mono", ("FC",)),
        ("stereo", ("FL", "FR")),
        ("5.1(side)", ("FL", "FR", "FC", "LFE", "SL", "SR")),
        ("downmix", ("DL", "DR")),
        ("FR+FL", ("FR", "FL")),
        # No text says where these are: RFC 9639, 9.1.3.
        ("1 channels", ("FC",)),
        ("2 channels", ("FL", "FR")),
        ("3 channels", ("FL", "FR", "FC")),
        ("4 channels", ("FL", "FR", "BL", "BR")),
        ("5 channels", ("FL", "FR", "FC", "BL", "BR")),
        ("6 channels", ("FL", "FR", "FC", "LFE", "BL", "BR")),
        ("7 channels", ("FL", "FR", "FC", "LFE", "BC", "SL", "SR")),
        ("8 channels", ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")),
    ],
)
def test_channel_names(layout: str, names: tuple[str, ...]) -> None:
    assert channel_names(av.AudioLayout(layout)) == names
    assert len(names) <= MOST_CHANNELS == 8
