"""The licence of a Python package, from its metadata."""

from __future__ import annotations

import re

from publishing.libraries import Json

SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""Identifiers of what older metadata writes in words; "BSD License" alone may be several."""
IDENTIFIER = re.compile(r"(?:0BSD|AGPL|Apache|BSD|GPL|ISC|LGPL|MIT|MPL|PSF|Zlib)(?:-[\w.]+)*")
CLASSIFIER = "License :: OSI Approved :: "


def licence(told: Json) -> Json:
    """The licence as CycloneDX has it: today's expression, else older fields, as an identifier where that is sure."""
    expression = told.get("license_expression")
    if expression:
        return {"expression": expression}
    field = (told.get("license") or "").strip()
    classified = [each.removeprefix(CLASSIFIER) for each in told.get("classifier", []) if each.startswith(CLASSIFIER)]
    for words in (field, *classified):
        if words in SPDX or IDENTIFIER.fullmatch(words):
            return {"expression": SPDX.get(words, words)}
    return {"license": {"name": (classified or [field.partition("\n")[0]])[0][:200] or "not told"}}
