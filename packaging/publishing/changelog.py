"""The section of a version in CHANGELOG.md, in the form of Keep a Changelog."""

from __future__ import annotations

import re

from publishing.signing import PublishingError

LINK = re.compile(r"^\[[^\]]+\]: \S+\n?", re.MULTILINE)


def section(text: str, version: str) -> str:
    """Find the version's section, without its heading. Raises PublishingError where there is none, or no date."""
    heading = re.compile(rf"^## \[{re.escape(version)}\](?P<date>.*)\n(?P<told>(?:(?!## ).*\n?)*)", re.MULTILINE)
    found = heading.search(text)
    if found is None:
        message = f"CHANGELOG.md has no section [{version}]; rename [Unreleased], and add the date"
        raise PublishingError(message)
    if not re.fullmatch(r" - \d{4}-\d\d-\d\d", found["date"]):
        message = f"the section [{version}] of CHANGELOG.md has no date: `## [{version}] - 2026-01-31`"
        raise PublishingError(message)
    told = LINK.sub("", found["told"]).strip()
    if not re.search(r"^- ", told, re.MULTILINE):
        message = f"the section [{version}] of CHANGELOG.md tells nothing"
        raise PublishingError(message)
    return told + "\n"
