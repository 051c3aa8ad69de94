"""Gives stable-audio-tools the values that audiobatchd measured, of the files in metadata.jsonl beside this one.

Written by `audiobatchctl export`, always the same.
"""

import json
import sys
import types
from pathlib import Path
from typing import Any

INDEX = str(Path(__file__).resolve().parent / "metadata.jsonl")
RESERVED = frozenset(
    {
        "path",
        "relpath",
        "timestamps",
        "seconds_start",
        "seconds_total",
        "padding_mask",
        "sample_rate",
        "load_time",
        "audio",
    }
)
"""Keys that the loader sets: a value of such a name comes as `track_` and the name."""


def get_custom_metadata(info: dict[str, Any], audio: object) -> dict[str, Any]:  # noqa: ARG001  # the loader's form
    """Return the values of the file at `info["relpath"]`; of one that is not listed, as a stem, that it is rejected."""
    # The loader pickles this function by its content and makes it again for every sample, so that what is to last
    # stands in sys.modules.
    name = "audiobatchd_export:" + INDEX
    kept = sys.modules.get(name)
    with open(INDEX, "rb") as index:
        if kept is None:
            offsets, offset = {}, 0
            for line in index:
                offsets[json.loads(line)["relpath"]] = offset
                offset += len(line)
            kept = types.ModuleType(name)
            kept.__dict__["offsets"] = offsets
            sys.modules[name] = kept
        offset = kept.__dict__["offsets"].get(info.get("relpath"), -1)
        if offset < 0:
            return {"__reject__": True}
        index.seek(offset)
        values = json.loads(index.readline())["values"]
    return {f"track_{key}" if key in RESERVED or key.startswith("__") else key: value for key, value in values.items()}
