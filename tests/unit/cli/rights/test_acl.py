"""ACLs as data: whatever they say, a grant takes from no one, and what is written is read again."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.cli.rights.acl import Acl, sections

SERVICE, MIA, BAND = 64_001, 64_002, 64_004

KEYS = st.sampled_from([f"user:{MIA}", f"user:{SERVICE}", f"group:{BAND}"])


LETTERS = st.frozensets(st.sampled_from("rwx"))


@st.composite
def acls(draw: Callable[..., object]) -> Acl:
    """Valid ACLs: the three base entries, and a mask where there are named ones."""
    entries: dict[str, frozenset[str]] = {}
    for kind in ("", "default:") if draw(st.booleans()) else ("",):
        named = draw(st.dictionaries(KEYS, LETTERS))
        assert isinstance(named, dict)
        keys = ["user:", "group:", "other:", *named, *(["mask:"] if named else [])]
        entries |= {kind + key: draw(LETTERS) for key in keys}
    return Acl(entries)


def effective(acl: Acl, kind: str, key: str) -> frozenset[str]:
    found = acl.entries.get(kind + key, frozenset())
    return found if key in ("user:", "other:") else found & acl.entries.get(f"{kind}mask:", found)


@given(acls())
def test_a_grant_takes_from_nobody_and_gives_to_nobody_else(old: Acl) -> None:
    new = old.with_user(SERVICE, "rwx")
    assert effective(new, "", f"user:{SERVICE}") == frozenset("rwx")
    for key in ("user:", "group:", "other:", f"user:{MIA}", f"group:{BAND}"):
        assert effective(new, "", key) == effective(old, "", key)
    heirs = new.with_heirs(SERVICE, MIA, BAND)
    assert heirs.with_user(SERVICE, "rwx").with_heirs(SERVICE, MIA, BAND) == heirs
    assert {key: heirs.entries[key] for key in new.entries if "default" not in key} == {
        key: value for key, value in new.entries.items() if "default" not in key
    }
    less = heirs.without(SERVICE)
    assert not less.names(SERVICE)
    for kind in ("", "default:"):
        for key in ("user:", "group:", "other:", f"user:{MIA}", f"group:{BAND}"):
            assert effective(less, kind, key) <= effective(heirs, kind, key)


@given(acls(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_an_acl_is_read_as_it_is_written(acl: Acl, path: str) -> None:
    assert list(sections(acl.section(path))) == [(path, acl)]
