from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from lungseg.errors import UnreadableError
from lungseg.measurement import NAMES, OWNERS, RESTRICTIONS, Measurement, Measurements, Unit
from lungseg.modality import MODALITIES
from lungseg.options import SegmentOptions
from lungseg.result import Result
from lungseg.verdict import FAILURES, REASONS, WHY_LEFT_OUT
from lungseg.writers import LEFT_OUT, failure, left_out, record_schema, versions
from lungseg.writers.record import SCHEMA, SEVERITY
from made_up_records import failed, made_up, measured

VALIDATOR = Draft202012Validator(record_schema())


def wrong(entry: Any) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(entry)]


def test_record_says_everything_and_is_json(result: Result) -> None:
    entry = json.loads(json.dumps(result.record(), allow_nan=False))
    assert wrong(entry) == []
    assert entry.pop("versions")["numpy"] == np.__version__
    assert entry == {
        "schema": "1.3",
        "input": "/a/b.png",
        "sha256": "ab12",
        "modality": "radiograph",
        "format": "PNG",
        "transfer_syntax": None,
        "grid": {
            "rows": 100,
            "columns": 120,
            "spacing_mm": [0.5, 0.5],
            "spacing_plane": "patient",
        },
        "notes": ["a note"],
        "verdict": "review",
        "codes": ["small"],
        "reasons": ["a reason"],
        "measurements": [
            {
                "name": "area",
                "structure": "right lung",
                "value": 1234.5678,
                "unit": "mm2",
                "restriction": "detector plane",
                "points": [],
            },
            {
                "name": "asymmetry",
                "structure": "lungs",
                "value": None,
                "unit": "percent",
                "restriction": None,
                "points": [],
            },
        ],
        "model": {"name": "cxr", "version": "1", "sha256": "f00d"},
        "seconds": {"read": 0.1235},
        "options": SegmentOptions().record(),
        "sides": "predicted",
    }


def test_a_failure_has_the_code_of_its_error_and_its_sentence() -> None:
    error = UnreadableError("is empty", where="/a/c.png", cure="export it again")
    entry = failure("/a/c.png", error, str(error))
    assert wrong(entry) == []
    assert (entry["verdict"], entry["codes"], entry["error"], entry["reasons"]) == (
        "failed",
        ["unreadable"],
        "UnreadableError",
        ["/a/c.png: is empty; export it again."],
    )
    assert failure("/a", ZeroDivisionError(), "odd")["codes"] == ["unexpected"]


def test_what_was_left_out_has_a_code_and_nothing_of_an_input() -> None:
    entry = left_out("/a/dose.dcm", "no_pixels", "of modality SR: without pixels")
    assert wrong(entry) == []
    assert wrong(entry | {"codes": ["unreadable"]}) == ["$.codes[0]"]
    assert wrong(entry | {"name": "dose"}) == ["$"]


def test_the_schema_lists_what_the_tables_have() -> None:
    schema = record_schema()
    Draft202012Validator.check_schema(schema)
    of = schema["$defs"]["measurement"]["properties"]
    assert schema["properties"]["schema"]["const"] == SCHEMA
    assert schema["properties"]["modality"]["enum"] == list(MODALITIES)
    assert sorted(schema["properties"]["verdict"]["enum"]) == sorted([*SEVERITY, LEFT_OUT])
    others = schema["allOf"][0]["else"]["then"]["properties"]["codes"]["items"]["enum"]
    assert others == list(WHY_LEFT_OUT)
    options = schema["properties"]["options"]
    assert options["required"] == list(options["properties"]) == list(SegmentOptions().record())
    assert options["properties"]["modality"]["enum"] == [None, *MODALITIES]
    assert of["name"]["enum"] == list(NAMES)
    assert of["structure"]["enum"] == [*OWNERS, ""]
    assert of["unit"]["enum"] == list(get_args(Unit))
    assert of["restriction"]["enum"] == [None, *RESTRICTIONS]
    codes = [branch["then"]["properties"]["codes"]["items"]["enum"] for branch in schema["allOf"]]
    assert codes == [
        list(FAILURES.values()),
        *([reason.code for reason in REASONS[modality]] for modality in MODALITIES),
    ]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"schema": "2.0"}, "$.schema"),
        ({"kind": "radiograph"}, "$"),
        ({"verdict": "odd"}, "$.verdict"),
        ({"codes": ["slices_missing"]}, "$.codes[0]"),
        ({"error": "UnreadableError"}, "$"),
        ({"grid": {"rows": 3, "columns": 4}}, "$.grid"),
        ({"measurements": [measured("share", 1.0, "percent")]}, "$.measurements[0].name"),
        ({"measurements": [measured("area", 1.0, "mm2 at detector")]}, "$.measurements[0].unit"),
        ({"measurements": [measured("area", 1.0, "mm2", "chest")]}, "$.measurements[0].structure"),
        ({"outputs": {"mask": ""}}, "$.outputs.mask"),
    ],
)
def test_what_is_no_record_breaks_the_schema(changes: dict[str, Any], path: str) -> None:
    assert path in wrong(made_up("/a/x.png") | changes)


@pytest.mark.parametrize("field", ["sha256", "measurements", "model", "codes", "schema"])
def test_a_record_that_lacks_a_field_breaks_the_schema(field: str) -> None:
    assert wrong(made_up("/a/x.png", "ct")) == wrong(failed("/a/x.png")) == []
    assert wrong({key: value for key, value in made_up("/a").items() if key != field}) == ["$"]


def test_points_of_a_line_are_kept(result: Result) -> None:
    line = Measurement("width", "lungs", 9.0, "mm", points=((1.0, 2.0), (1.0, 11.0)))
    object.__setattr__(result, "measurements", Measurements([line]))
    (entry,) = result.record()["measurements"]
    assert entry["points"] == [[1.0, 2.0], [1.0, 11.0]]
    assert wrong(result.record()) == []


def test_versions_name_package_and_libraries() -> None:
    assert {"lungseg", "python", "numpy", "onnxruntime", "pydicom"} <= versions().keys()
