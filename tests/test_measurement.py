"""Measurements: what they may be, and how they are asked for."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from lungseg.measurement import QUANTITIES, RESTRICTIONS, Measurement, Measurements

PAGE = Path(__file__).parents[1] / "docs" / "measurements.md"
AREA = Measurement("area", "right lung", 120.0, "mm2", "detector plane")
BOTH = Measurement("area", "lungs", 200.0, "mm2", "detector plane")
DICE = Measurement("expected_dice", "lungs", 0.95, "1")


def test_measurements_are_a_mapping_by_name_and_structure_in_order() -> None:
    measurements = Measurements([AREA, BOTH]) | Measurements([DICE])
    assert list(measurements) == [
        ("area", "right lung"),
        ("area", "lungs"),
        ("expected_dice", "lungs"),
    ]
    assert measurements["area", "lungs"] is BOTH
    assert measurements.get(("area", "left lung")) is None
    assert repr(measurements) == "<Measurements: area, expected_dice>"
    assert pickle.loads(pickle.dumps(measurements)) == measurements


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (("volume", "lungs"), "'volume' was not measured on this image; there is area"),
        (("area", "heart"), "area was measured of right lung, lungs, not of 'heart'"),
        ("area", r"asked for by name and structure, as in \('area', 'lungs'\)"),
    ],
)
def test_a_measurement_that_is_not_there_is_answered_by_those_that_are(
    key: Any, words: str
) -> None:
    with pytest.raises(KeyError, match=words):
        Measurements([AREA, BOTH])[key]


def test_where_nothing_was_measured_that_is_said() -> None:
    with pytest.raises(KeyError, match="'area' was not measured on this image; there is nothing"):
        Measurements()["area", "lungs"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "share"}, "there is no quantity 'share'; choose from area, image_fraction"),
        ({"structure": "lung"}, "there is no structure 'lung'; choose from"),
        (
            {"unit": "mm2 at detector"},
            "there is no unit 'mm2 at detector'; choose from mm, mm2, mL",
        ),
        ({"restriction": "gaps"}, "there is no restriction 'gaps'; choose from detector plane"),
    ],
)
def test_what_no_table_has_is_refused(changes: dict[str, Any], words: str) -> None:
    values = {"name": "area", "structure": "lungs", "value": 1.0, "unit": "mm2"}
    with pytest.raises(ValueError, match=words):
        Measurement(**(values | changes))


def test_no_quantity_is_listed_twice() -> None:
    for quantities in QUANTITIES.values():
        names = [quantity.name for quantity in quantities]
        assert len(names) == len(set(names))


def cells(section: str) -> list[list[str]]:
    """The rows of the first table behind a heading of the page."""
    text = PAGE.read_text(encoding="utf-8").split(f"{section}\n")[1].split("\n#")[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][
        1:
    ]


@pytest.mark.parametrize(
    ("section", "modality"), [("\n## Definitions", "radiograph"), ("### Definitions of CT", "ct")]
)
def test_the_page_of_measurements_defines_every_quantity_in_order(
    section: str, modality: Any
) -> None:
    names = [name for row in cells(section) for name in row[0].split(", ")]
    assert names == [quantity.name for quantity in QUANTITIES[modality]]


def test_the_page_of_measurements_lists_every_restriction() -> None:
    assert [(row[0].strip("`"), row[2]) for row in cells("## Restrictions")] == list(
        RESTRICTIONS.items()
    )
