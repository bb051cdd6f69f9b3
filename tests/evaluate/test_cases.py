"""Scores of single cases, exact on drawn masks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg.card import ModelCard
from lungseg.datasets import Case
from lungseg.datasets.convention import mediastinal_band
from lungseg.errors import InputError
from lungseg.evaluate import score_cases
from lungseg.evaluate.cases import score
from lungseg.findings import Verdict
from lungseg.geometry import Geometry
from lungseg.image import Image
from lungseg.pipeline import Segmenter
from lungseg.result import Result
from tiny_model import dark_ellipses, write_tiny_model

CASE = Case("c", "p", Path("c.png"), Path("m.png"), "here", notes="odd")
SHAPE = (64, 128)


def lungs() -> np.ndarray:
    """Right lung 32 x 30 at columns 10 to 39, left lung 32 x 30 at columns 70 to 99."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[16:48, 10:40], labels[16:48, 70:100] = 1, 2
    return labels


def result(labels: np.ndarray, status: str = "ok") -> Result:
    image = Image(np.indices(SHAPE).sum(axis=0).astype(np.uint8), Geometry(SHAPE))
    card = ModelCard("m", "0", "radiograph", "none", SHAPE, ("background", "right lung", "left lung"), "")
    return Result(image, image.with_labels(labels), (), Verdict(status, ()), card, {}, lambda: np.zeros((3, *SHAPE), np.float32))


def test_a_perfect_mask() -> None:
    found = score(CASE, lungs() > 0, result(lungs()))
    assert (found.case, found.source, found.convention, found.notes, found.verdict) == ("c", "here", "lung", "odd", "ok")
    assert [found.dice, found.iou, found.precision, found.recall, found.dice_right, found.dice_left] == [1.0] * 6
    assert (found.hd95, found.components) == (0.0, 1)


def test_scores_are_of_both_lungs_and_of_each() -> None:
    labels = lungs()
    labels[16:32, 10:40] = 0  # half of the right lung, 480 of 960 pixels
    labels[0:4, 100:110] = 2  # and 40 too many, apart from the left one
    found = score(CASE, lungs() > 0, result(labels, "review"))
    tp, fp, fn = 1920 - 480, 40, 480
    assert found.dice == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert found.iou == pytest.approx(tp / (tp + fp + fn))
    assert found.precision == pytest.approx(tp / (tp + fp))
    assert found.recall == pytest.approx(tp / (tp + fn))
    assert found.dice_right == pytest.approx(2 * 480 / (480 + 960))
    assert found.dice_left == pytest.approx(2 * 960 / (2 * 960 + 40))
    assert (found.components, found.verdict) == (2, "review")


def test_a_lung_under_the_wrong_name_counts_for_each_lung_only() -> None:
    labels = lungs()
    labels[labels > 0] = 3 - labels[labels > 0]
    found = score(CASE, lungs() > 0, result(labels))
    assert (found.dice, found.dice_right, found.dice_left) == (1, 0, 0)


def test_distances_are_scaled_to_a_side_of_1024() -> None:
    shifted = np.roll(lungs(), 2, axis=1)
    assert score(CASE, lungs() > 0, result(shifted)).hd95 == pytest.approx(2 * 1024 / 128)


def test_nothing_found_is_infinitely_far() -> None:
    found = score(CASE, lungs() > 0, result(np.zeros(SHAPE, np.uint8)))
    assert (found.dice, found.hd95, found.components) == (0, math.inf, 0)


def test_a_mask_with_the_heart_inside_is_judged_outside_the_band_only() -> None:
    case = replace(CASE, convention="lung and heart")
    truth = lungs() > 0
    labels = lungs()
    labels[mediastinal_band(truth)] = 0  # no heart in what was found: right
    found = score(case, truth, result(labels))
    assert [found.dice, found.iou, found.precision, found.recall] == [1.0] * 4
    assert all(math.isnan(value) for value in (found.dice_right, found.dice_left, found.hd95))

    labels[16:48, 10:12] = 0  # 64 pixels of the outer right lung missed: of 15 + 10 columns of 32 that count
    found = score(case, truth, result(labels))
    assert found.recall == pytest.approx(1 - 64 / (25 * 32))
    labels[0, :16] = 1  # and 16 pixels outside the truth
    found = score(case, truth, result(labels))
    assert found.precision == pytest.approx(1 - 16 / (25 * 32 - 64 + 16))


def test_cases_are_segmented_and_scored_one_after_another(tmp_path) -> None:
    segmenter = Segmenter(write_tiny_model(tmp_path), threads=1)
    cv2.imwrite(str(tmp_path / "c.png"), dark_ellipses())
    cv2.imwrite(str(tmp_path / "m.png"), np.where(dark_ellipses() < 100, 255, 0).astype(np.uint8))
    case = replace(CASE, image=tmp_path / "c.png", mask=tmp_path / "m.png")
    ((found, done),) = score_cases(segmenter, [case])
    assert found == score(case, dark_ellipses() < 100, done)
    assert found.dice > 0.97
    assert done.mask.shape == (160, 200)


def test_a_mask_of_another_shape_is_refused(tmp_path) -> None:
    segmenter = Segmenter(write_tiny_model(tmp_path), threads=1)
    cv2.imwrite(str(tmp_path / "c.png"), dark_ellipses())
    cv2.imwrite(str(tmp_path / "m.png"), dark_ellipses((80, 100)))
    case = replace(CASE, image=tmp_path / "c.png", mask=tmp_path / "m.png")
    with pytest.raises(InputError) as refused:
        next(score_cases(segmenter, [case]))
    assert str(refused.value) == f"{tmp_path / 'm.png'}: the mask has shape (80, 100), its image (160, 200); correct the pair."
