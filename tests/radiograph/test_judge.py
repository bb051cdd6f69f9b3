"""Verdicts: each reason by the one thing that is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg.errors import ModelError
from lungseg.geometry import ImageGeometry
from lungseg.measurement import Measurement, Measurements
from lungseg.quality.confidence import Confidence
from lungseg.quality.features import first_signs, second_signs
from lungseg.quality.model import ExpectedDice, Learned, Line, learned_path
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


LINE = Line(
    signs=("a", "b"),
    mean=(1.0, 0.0),
    deviation=(2.0, 0.5),
    weights=(3.0, -1.0),
    squares=(0.0, 0.25),
    offset=10.0,
)


def learned(**changes: object) -> Learned:
    values = {
        "model": "0" * 64,
        "frontal": LINE,
        "refuse": -3.0,
        "doubt": 1.0,
        "clear": 4.0,
        "dice": LINE,
        "scores": (0.0, 10.0, 20.0),
        "expected": (0.5, 0.9, 1.0),
        "low": (0.0, 0.8, 0.9),
        "high": (0.7, 1.0, 1.0),
        "uncertain": 0.9,
    }
    return Learned(**{**values, **changes})


def test_a_line_weighs_signs_and_squares() -> None:
    assert LINE({"a": 3.0, "b": 1.0}) == 10 + 3 * 1 - 2 + 0.25 * 4


def test_an_absent_sign_counts_as_its_mean_and_a_far_one_as_four_deviations() -> None:
    assert LINE({}) == 10
    assert LINE({"a": 1e9}) == 10 + 3 * 4
    assert LINE({"b": -7.0}) == 10 + 4 + 0.25 * 16


def test_the_expected_dice_is_interpolated() -> None:
    assert learned().expected_dice({"a": 1.0, "b": 0.0}) == ExpectedDice(0.9, 0.8, 1.0)
    half = learned().expected_dice({"a": 1.0 + 2 * 5 / 3})
    assert (half.value, half.low, half.high) == pytest.approx((0.95, 0.85, 1.0))


def test_what_was_learned_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = learned_path(tmp_path / "cxr.onnx")
    assert path.name == "cxr.judge.json"
    learned().write(path)
    assert Learned.read(path) == learned()


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"frontal": {}, "dice": {}}'])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cxr.judge.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        ModelError,
        match=r"cxr\.judge\.json: what was learned to judge this model's masks cannot be read; "
        r"write it again",
    ):
        Learned.read(path)


@pytest.mark.parametrize(
    "changes",
    [{"refuse": "low"}, {"low": (0.0,)}, {"scores": ("a", "b", "c")}, {"dice": {"signs": ["a"]}}],
)
def test_what_cannot_be_computed_is_found_when_it_is_read(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = tmp_path / "cxr.judge.json"
    learned().write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")
    with pytest.raises(
        ModelError,
        match=r"cxr\.judge\.json: what was learned to judge this model's masks cannot be read",
    ):
        Learned.read(path)


def test_a_line_has_as_many_weights_as_signs(tmp_path: Path) -> None:
    path = tmp_path / "cxr.judge.json"
    learned(frontal=replace(LINE, weights=(1.0,))).write(path)
    with pytest.raises(ModelError, match="cannot be read"):
        Learned.read(path)


def lungs(turned: float = 0.0, *, left: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of two ellipses, the second one leaning."""
    labels = np.zeros((256, 256), np.uint8)
    cv2.ellipse(labels, (80, 128), (30, 80), 0, 0, 360, 1, -1)
    if left:
        cv2.ellipse(labels, (176, 128), (30, 80), turned, 0, 360, 2, -1)
    return np.stack([labels == n for n in range(3)]).astype(np.float32), labels


def test_signs_of_two_equal_ellipses() -> None:
    probabilities, labels = lungs()
    picture = np.where(labels > 0, -1, 1).astype(np.float32)
    signs = first_signs(picture, probabilities, labels, Confidence(0.9, 0.8, 0.85))
    assert signs["confidence"] == 0.85
    assert signs["lower confidence"] == 0.8
    assert signs["undecided"] == signs["dropped"] == 0
    assert signs["both sides"] == -3
    assert signs["contrast"] == pytest.approx(2)
    assert signs["spread"] == pytest.approx(0, abs=1e-6)
    assert signs["area"] == pytest.approx(np.pi * 30 * 80 / 65536, rel=0.03)
    assert signs["taper"] == pytest.approx(1, abs=0.01)
    assert signs["solidity"] == pytest.approx(1, abs=0.03)
    assert (signs["top"], signs["bottom"], signs["gap"]) == (48 / 256, 209 / 256, 35 / 256)
    assert [signs[f"unequal {what}"] for what in ("areas", "heights", "tops", "solidities")] == [
        0,
        0,
        0,
        0,
    ]
    assert signs["common lean"] == pytest.approx(0, abs=1e-6)


def test_a_lung_that_leans_shows_in_the_signs() -> None:
    probabilities, labels = lungs(turned=20)
    signs = first_signs(
        np.zeros((256, 256), np.float32), probabilities, labels, Confidence(1, 1, 1)
    )
    assert signs["common lean"] == pytest.approx(np.deg2rad(10), abs=0.01)
    assert signs["unequal heights"] > 0.02


def test_what_cannot_be_told_of_a_missing_lung_is_absent() -> None:
    probabilities, labels = lungs(left=False)
    signs = first_signs(
        np.zeros((256, 256), np.float32), probabilities, labels, Confidence(1, 0, 1)
    )
    assert "contrast" in signs
    assert "area" not in signs
    nothing = first_signs(
        np.zeros((256, 256), np.float32),
        np.zeros((3, 256, 256), np.float32),
        np.zeros_like(labels),
        Confidence(0, 0, 0),
    )
    assert nothing == {
        "confidence": 0,
        "lower confidence": 0,
        "undecided": 0,
        "both sides": -3,
        "dropped": 0,
    }


def test_two_looks_agree_with_themselves_only() -> None:
    probabilities, labels = lungs()
    assert second_signs(probabilities, probabilities, labels, 0.9) == {
        "agreement": 1,
        "mask agreement": 1,
        "lower agreement": 1,
        "other confidence": 0.9,
    }
    one, _ = lungs(left=False)
    other = second_signs(probabilities, one, labels, 0.9)
    assert other["lower agreement"] == 0
    assert other["agreement"] == pytest.approx(2 / 3)


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
