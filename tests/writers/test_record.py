from __future__ import annotations

import json

import numpy as np

from lungseg.errors import UnreadableError
from lungseg.result import Result
from lungseg.writers import failure, versions
from lungseg.writers.record import COLUMNS, row


def test_record_says_everything_and_is_json(result: Result) -> None:
    entry = json.loads(json.dumps(result.record(), allow_nan=False))
    assert entry.pop("versions")["numpy"] == np.__version__
    assert entry == {
        "input": "/a/b.png",
        "sha256": "ab12",
        "kind": "radiograph",
        "format": "PNG",
        "rows": 100,
        "columns": 120,
        "spacing_mm": [0.5, 0.5],
        "spacing_plane": "patient",
        "notes": ["a note"],
        "verdict": "review",
        "reasons": ["a reason"],
        "measurements": [
            {"name": "area", "label": "right lung", "value": 1234.5678, "unit": "mm2"},
            {"name": "asymmetry", "label": "lungs", "value": None, "unit": "1"},
        ],
        "model": {"name": "cxr", "version": "1", "sha256": "f00d"},
        "seconds": {"read": 0.1235},
    }


def test_row_has_a_column_a_measurement(result: Result) -> None:
    assert row(result.record() | {"name": "b"}) == {
        "input": "/a/b.png",
        "name": "b",
        "kind": "radiograph",
        "verdict": "review",
        "reasons": "a reason",
        "right_lung_area_mm2": "1234.57",
        "lungs_asymmetry": "",
    }


def test_failure_keeps_the_sentence() -> None:
    entry = failure(
        "/a/c.png", UnreadableError("is empty", where="/a/c.png", cure="export it again")
    )
    assert (entry["verdict"], entry["error"]) == ("failed", "UnreadableError")
    assert row(entry) == dict.fromkeys(COLUMNS, "") | {
        "input": "/a/c.png",
        "verdict": "failed",
        "reasons": "/a/c.png: is empty; export it again.",
    }


def test_versions_name_package_and_libraries() -> None:
    assert {"lungseg", "python", "numpy", "onnxruntime", "pydicom"} <= versions().keys()
