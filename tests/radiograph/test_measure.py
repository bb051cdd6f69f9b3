"""Measurements of shapes whose measures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.measurement import Measurements
from lungseg.radiograph.measure import doubt_of_scale, doubted, measure
from lungseg.segmentation import Segmentation
from lungseg.structures import LUNGS

SHAPE = (400, 500)
SURE = {"right lung": 0.98, "left lung": 0.97, "lungs": 0.99}
WRONG = "the pixel spacing may be wrong, and with it all that is in millimetres"
NAMES = ("area", "image_fraction", "height", "width", "confidence")


def ellipses(
    spacing: tuple[float, float] | None = None, plane: str = "patient", *, left: bool = True
) -> Segmentation:
    """Two ellipses, with semi-axes of 120 and 60, and of 100 and 50 pixels along rows and
    columns."""
    y, x = np.indices(SHAPE) + 0.5
    labels = np.zeros(SHAPE, np.uint8)
    labels[((y - 200) / 120) ** 2 + ((x - 140) / 60) ** 2 < 1] = 1
    if left:
        labels[((y - 200) / 100) ** 2 + ((x - 360) / 50) ** 2 < 1] = 2
    image = Image(
        np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE),
        ImageGeometry(SHAPE, spacing, plane),
    )  # type: ignore[arg-type]
    return image.with_labels(labels)


def found(segmentation: Segmentation) -> Measurements:
    return measure(segmentation, SURE)


def test_names_and_order_are_always_the_same() -> None:
    expected = [
        (name, label) for name in NAMES for label in ("right lung", "left lung", "lungs")
    ] + [("asymmetry", "lungs")]
    for segmentation in (ellipses(), ellipses((0.2, 0.2)), ellipses(left=False)):
        assert list(found(segmentation)) == expected


@pytest.mark.parametrize("spacing", [None, (0.2, 0.2), (0.5, 0.25)])
def test_two_ellipses(spacing: tuple[float, float] | None) -> None:
    rows, columns = spacing or (1.0, 1.0)
    values = {key: m.value for key, m in found(ellipses(spacing)).items()}
    right, left = math.pi * 120 * 60, math.pi * 100 * 50
    assert values["area", "right lung"] == pytest.approx(right * rows * columns, rel=0.01)
    assert values["area", "left lung"] == pytest.approx(left * rows * columns, rel=0.01)
    assert values["area", "lungs"] == pytest.approx(
        values["area", "right lung"] + values["area", "left lung"]
    )
    assert values["image_fraction", "lungs"] == pytest.approx(
        100 * (right + left) / (400 * 500), rel=0.01
    )
    assert values["height", "right lung"] == 240 * rows
    assert values["width", "right lung"] == 120 * columns
    assert (values["height", "left lung"], values["width", "left lung"]) == (
        200 * rows,
        100 * columns,
    )
    assert (values["height", "lungs"], values["width", "lungs"]) == (
        240 * rows,
        (410 - 80) * columns,
    )
    assert values["asymmetry", "lungs"] == pytest.approx(100 * (7200 - 5000) / 12200, rel=0.01)
    assert [values["confidence", label] for label in ("right lung", "left lung", "lungs")] == [
        0.98,
        0.97,
        0.99,
    ]


@pytest.mark.parametrize(
    ("spacing", "plane", "length", "area", "restriction"),
    [
        (None, "patient", "pixels", "pixels", None),
        ((0.2, 0.2), "patient", "mm", "mm2", None),
        ((0.2, 0.2), "detector", "mm", "mm2", "detector plane"),
        (None, "detector", "pixels", "pixels", None),
    ],
)
def test_units_follow_from_what_is_known(
    spacing: tuple[float, float] | None,
    plane: str,
    length: str,
    area: str,
    restriction: str | None,
) -> None:
    units = {name: m.unit for (name, _), m in found(ellipses(spacing, plane)).items()}
    assert units == {
        "area": area,
        "image_fraction": "percent",
        "height": length,
        "width": length,
        "confidence": "1",
        "asymmetry": "percent",
    }
    restricted = {name: m.restriction for (name, _), m in found(ellipses(spacing, plane)).items()}
    assert restricted == {
        name: restriction if name in ("area", "height", "width") else None for name in units
    }


@pytest.mark.parametrize(
    ("spacing", "plane", "doubt"),
    [
        (None, "patient", None),
        (0.6, "patient", None),
        (
            0.36,
            "patient",
            "the lungs would be 86 mm high: unless a part of them is missing or this is a small "
            f"child, {WRONG}",
        ),
        (
            1.75,
            "detector",
            f"the lungs would be 420 mm high at the detector: {WRONG}",
        ),
    ],
)
def test_a_height_that_no_lungs_have_speaks_against_the_spacing(
    spacing: float | None, plane: str, doubt: str | None
) -> None:
    of_spacing = None if spacing is None else (spacing, spacing)
    assert doubt_of_scale(measure(ellipses(of_spacing, plane), SURE)) == doubt


def test_what_is_in_millimetres_of_a_doubtful_spacing_is_restricted() -> None:
    restricted = doubted(found(ellipses((1.75, 1.75), "detector")))
    assert list(restricted) == list(found(ellipses()))
    assert {name for (name, _), m in restricted.items() if m.restriction is None} == {
        "image_fraction",
        "confidence",
        "asymmetry",
    }
    assert restricted["area", "lungs"].restriction == "implausible spacing"


def test_no_lungs_speak_against_no_spacing() -> None:
    nothing = Segmentation((np.zeros(SHAPE, np.uint8),), (LUNGS,), ImageGeometry(SHAPE, (0.2, 0.2)))
    assert doubt_of_scale(measure(nothing, SURE)) is None


def test_a_lung_that_is_missing_measures_zero() -> None:
    values = {key: m.value for key, m in found(ellipses(left=False)).items()}
    assert [
        values[name, "left lung"] for name in ("area", "image_fraction", "height", "width")
    ] == [0.0] * 4
    assert values["asymmetry", "lungs"] == 100.0
    empty = Segmentation((np.zeros(SHAPE, np.uint8),), (LUNGS,), ImageGeometry(SHAPE))
    nothing = measure(empty, dict.fromkeys(SURE, 0.0))
    assert {m.value for m in nothing.values()} == {0.0}
