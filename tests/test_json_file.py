"""JSON that no honest file has is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from lungseg import json_file
from lungseg.json_file import parse_json, read_json


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "lie too deep in one another"),
        ("[" * 100 + "]" * 100, "lie too deep in one another"),
        ('{"a":' * 60 + "1" + "}" * 60, "lie too deep in one another"),
        ("[NaN]", "a number that is not finite"),
        ('{"a": -Infinity}', "a number that is not finite"),
        ("1e999", "a number that is not finite"),
        ("[" + "9" * 400 + "]", "a number of 400 digits"),
        ("9" * 5000, "Exceeds the limit"),
        ("{", "Expecting property name"),
        (b"\xff\xfe\xff", "codec can't decode"),
    ],
)
def test_what_no_honest_file_has_is_refused(text: str | bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_json(text)


def test_anything_else_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text('\ufeff{"a": [1, -2.5, true, null, "ü"], "b": {}}', encoding="utf-8")
    assert read_json(path) == {"a": [1, -2.5, True, None, "ü"], "b": {}}
    monkeypatch.setattr(json_file, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="it has more than 0 MB"):
        read_json(path)
