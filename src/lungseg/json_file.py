"""JSON that somebody else may have written: what no honest file has is refused, before it makes
trouble far from here.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

MAX_BYTES: Final = 16_000_000
MAX_DEPTH: Final = 50
MAX_NUMBER: Final = 2**63


def read_json(path: Path) -> Any:
    """What a JSON file holds, in UTF-8.

    Raises:
        OSError: it cannot be read.
        ValueError: it has more than `MAX_BYTES`, or `parse_json` refuses it.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES / 1e6:.0f} MB")
    return parse_json(content.decode("utf-8-sig"))


def parse_json(text: str | bytes) -> Any:
    """What a text in JSON says.

    Raises:
        ValueError: it is no JSON, has lists or objects deeper than `MAX_DEPTH` in one another, or a
            number that is not finite (which `json` takes) or beyond `MAX_NUMBER`.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("its lists and objects lie too deep in one another") from None
    inside = [value]
    for _ in range(MAX_DEPTH):
        inside = [one for outer in inside for one in _parts(outer)]
        if not inside:
            return value
    raise ValueError("its lists and objects lie too deep in one another")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it has a number that is not finite")
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise ValueError(f"it has a number of {len(str(abs(value)))} digits")
    return []
