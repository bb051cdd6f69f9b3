"""Verdicts: each reason by the one thing that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.measurement import Measurement, Measurements
from lungseg.radiograph.judge import is_cut_short, judge, without_padding
from lungseg.radiograph.measure import measure
from lungseg.segmentation import Segmentation
from lungseg.structures import LUNGS
from lungseg.verdict import REASONS, Verdict
from verdicts import given

SHAPE = (100, 100)
PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"


def verdict(*boxes: tuple[int, int, int, int, int], sure: float = 0.97) -> Verdict:
    """Of an image of 100 by 100 with boxes of a label, first row, row after the last, first column,
    column after the last."""
    labels = np.zeros(SHAPE, np.uint8)
    for label, top, bottom, first, last in boxes:
        labels[top:bottom, first:last] = label
    segmentation = Segmentation((labels,), (LUNGS,), ImageGeometry(SHAPE))
    return judge(
        segmentation, measure(segmentation, {"right lung": sure, "left lung": sure, "lungs": sure})
    )


def test_two_ordinary_lungs_are_ok() -> None:
    assert verdict((1, 20, 80, 15, 40), (2, 20, 80, 60, 85)) == Verdict("ok")


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("one_lung", [(1, 20, 80, 15, 40)]),
        ("small", [(1, 40, 56, 30, 46), (2, 40, 56, 54, 70)]),
        ("large", [(1, 5, 95, 5, 49), (2, 5, 95, 51, 95)]),
        ("asymmetric", [(1, 20, 80, 15, 45), (2, 20, 80, 60, 70)]),
        ("cut_off", [(1, 20, 80, 0, 30), (2, 20, 80, 60, 85)]),
        ("cut_off", [(1, 20, 80, 15, 40), (2, 40, 100, 60, 85)]),
    ],
)
def test_each_reason(name: str, boxes: list[tuple[int, int, int, int, int]]) -> None:
    assert verdict(*boxes) == given("radiograph", "review", name)


def test_a_network_that_is_unsure() -> None:
    lungs = (1, 20, 80, 15, 40), (2, 20, 80, 60, 85)
    assert verdict(*lungs, sure=0.89) == given("radiograph", "review", "uncertain")
    assert verdict(*lungs, sure=0.9).status == "ok"


@pytest.mark.parametrize("side", range(4))
def test_a_lung_that_ends_just_before_the_edge_is_cut_off(side: int) -> None:
    labels = np.zeros((1000, 1000), np.uint8)
    labels[200:800, 150:400], labels[200:800, 600:850] = 1, 2
    labels[200:995, 150:400] = 1
    image = Image(
        np.arange(10**6).reshape(1000, 1000).astype(np.uint16), ImageGeometry((1000,) * 2)
    )
    segmentation = image.with_labels(np.ascontiguousarray(np.rot90(labels, side)))
    sure = {"right lung": 0.97, "left lung": 0.97, "lungs": 0.97}
    assert judge(segmentation, measure(segmentation, sure)).codes == ("cut_off",)


def test_a_corner_at_the_edge_is_not_cut_off() -> None:
    assert verdict((1, 20, 80, 15, 40), (2, 40, 99, 60, 85), (2, 99, 100, 60, 70)).status == "ok"


def test_what_only_fills_up_an_image_is_not_its_edge() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    for label, top, bottom, first, last in BOXES:
        labels[top:bottom, first:last] = label
    segmentation = Segmentation((labels,), (LUNGS,), ImageGeometry(SHAPE))
    found = judge(
        segmentation,
        measure(segmentation, {"right lung": 0.97, "left lung": 0.97, "lungs": 0.97}),
        shown=(slice(0, 80), slice(0, 100)),
    )
    assert found == given("radiograph", "review", "cut_off")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_edges_of_a_picture_are_where_it_ends(dtype: type) -> None:
    pixels = np.zeros((40, 50), dtype)
    pixels[3:30, 7:45] = np.arange(27 * 38).reshape(27, 38) % 200 + 50
    assert without_padding(pixels, negative=False) == (slice(3, 30), slice(7, 45))
    pixels[:3, ::2], pixels[30:, 1] = 4, 4  # what JPEG leaves
    assert without_padding(pixels, negative=False) == (slice(3, 30), slice(7, 45))
    pixels[35, 5] = 60  # a mark is part of the picture
    assert without_padding(pixels, negative=False) == (slice(3, 36), slice(5, 45))
    assert without_padding(pixels.max() - pixels, negative=True) == (slice(3, 36), slice(5, 45))
    assert without_padding(pixels.max() - pixels, negative=False) == (slice(0, 40), slice(0, 50))


def test_several_reasons_are_all_given() -> None:
    assert verdict((1, 0, 16, 0, 16), sure=0.5).codes == (
        "one_lung",
        "small",
        "cut_off",
        "uncertain",
    )


def test_without_a_lung_it_is_refused() -> None:
    assert verdict() == given("radiograph", "refused", "no_lung")


BOXES = (1, 20, 80, 15, 40), (2, 20, 80, 60, 85)


def seen(*names: str, expected: float | None = None, sure: float = 0.97) -> Verdict:
    labels = np.zeros(SHAPE, np.uint8)
    for label, top, bottom, first, last in BOXES:
        labels[top:bottom, first:last] = label
    segmentation = Segmentation((labels,), (LUNGS,), ImageGeometry(SHAPE))
    measured = measure(segmentation, {"right lung": sure, "left lung": sure, "lungs": sure})
    if expected is not None:
        measured |= Measurements([Measurement("expected_dice", "lungs", expected, "1")])
    return judge(segmentation, measured, names)


@pytest.mark.parametrize("name", ["doubtful_view", "ct_slice", "rotated", "uncertain"])
def test_what_the_picture_says_sends_it_to_review(name: str) -> None:
    assert seen(name) == given("radiograph", "review", name)


def test_what_is_no_frontal_radiograph_is_refused_whatever_else_there_is() -> None:
    assert seen("uncertain", "ct_slice", "not_frontal") == given(
        "radiograph", "refused", "not_frontal", "ct_slice", "uncertain"
    )


def test_where_there_is_an_expected_dice_confidence_does_not_decide() -> None:
    assert seen(sure=0.5).codes == ("uncertain",)
    assert seen(sure=0.5, expected=0.97).status == "ok"


def test_the_page_of_verdicts_has_every_reason_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Reasons\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \| (review|refused) \|", section, re.MULTILINE)
    assert rows == [
        (reason.code, reason.sentence, "refused" if reason.refuses else "review")
        for reason in REASONS["radiograph"]
    ]


@pytest.mark.parametrize(
    ("rows", "grey", "short"),
    [
        (40, 128, True),
        (6, 128, True),
        (5, 128, False),  # fewer than 4 in 100
        (40, 0, False),  # black and white fill pictures up
        (40, 255, False),
        (0, 128, False),
    ],
)
def test_an_image_that_ends_in_even_grey_is_cut_short(rows, grey, short) -> None:
    pixels = np.tile(np.linspace(0, 255, 120), (150, 1)).astype(np.uint8)
    pixels[len(pixels) - rows :] = grey
    assert is_cut_short(pixels) is short
    assert is_cut_short(255 - pixels) is short


def test_even_grey_at_the_top_or_with_something_in_it_is_a_picture() -> None:
    pixels = np.tile(np.linspace(0, 255, 120), (150, 1)).astype(np.uint8)
    pixels[:60] = 128
    assert not is_cut_short(pixels)
    pixels[90:] = 128
    pixels[90:, 3] = 150
    assert not is_cut_short(pixels)
    assert not is_cut_short(np.full((20, 20), 7, np.uint8))
