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
from lungseg.datasets.label_sets import mediastinal_band
from lungseg.evaluate import MaskScore, score_cases
from lungseg.evaluate.cases import score
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.measurement import Measurements
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.result import Result
from lungseg.verdict import Verdict
from made_up_probabilities import probabilities_of
from tiny_model import dark_ellipses, write_tiny_model

CASE = Case("c", "p", Path("c.png"), Path("m.png"), "here", notes="odd")
SHAPE = (64, 128)


def lungs() -> np.ndarray:
    """Right lung 32 x 30 at columns 10 to 39, left lung 32 x 30 at columns 70 to 99."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[16:48, 10:40], labels[16:48, 70:100] = 1, 2
    return labels


def result(
    labels: np.ndarray, status: str = "ok", *, spacing=None, raw: np.ndarray | None = None
) -> Result:
    """A result with these labels; `raw` is what thresholding alone would give, the same if not
    given."""
    image = Image(np.indices(SHAPE).sum(axis=0).astype(np.uint8), ImageGeometry(SHAPE, spacing))
    raw = labels if raw is None else raw
    card = ModelCard("m", "0", "radiograph", (("right lung", "left lung"),), "none", SHAPE, "")
    return Result(
        image,
        image.with_labels(labels),
        Measurements(),
        Verdict(status, ()),
        card,
        probabilities_of(image, raw),
        {},
    )


def test_a_perfect_mask() -> None:
    found = score(CASE, lungs(), result(lungs()))
    assert (found.case, found.patient, found.source) == ("c", "p", "here")
    assert (found.lung_extent, found.notes, found.verdict, found.unit) == (
        "field",
        "odd",
        "ok",
        "pixels",
    )
    best = MaskScore(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1)
    assert (found.right, found.left) == (best, best)
    assert found.lungs == found.uncleaned == replace(best, components=2)
    assert found.hd95_of_1024 == 0


def test_scores_are_of_both_lungs_and_of_each() -> None:
    labels = lungs()
    labels[16:32, 10:40] = 0  # half of the right lung, 480 of 960 pixels
    labels[0:4, 100:110] = 2  # and 40 too many, apart from the left one
    found = score(CASE, lungs(), result(labels, "review"))
    tp, fp, fn = 1920 - 480, 40, 480
    assert found.lungs.dice == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert found.lungs.iou == pytest.approx(tp / (tp + fp + fn))
    assert found.lungs.accuracy == pytest.approx(1 - (fp + fn) / (64 * 128))
    assert found.lungs.precision == pytest.approx(tp / (tp + fp))
    assert found.lungs.recall == pytest.approx(tp / (tp + fn))
    assert found.lungs.specificity == pytest.approx(1 - fp / (64 * 128 - 1920))
    assert found.lungs.area_error == pytest.approx((fp - fn) / 1920)
    assert found.right.dice == pytest.approx(2 * 480 / (480 + 960))
    assert found.right.hd == 16
    assert found.left.dice == pytest.approx(2 * 960 / (2 * 960 + 40))
    assert (found.lungs.components, found.right.components, found.left.components) == (3, 1, 2)
    assert found.verdict == "review"


def test_a_lung_under_the_wrong_name_counts_for_each_lung_only() -> None:
    labels = lungs()
    labels[labels > 0] = 3 - labels[labels > 0]
    found = score(CASE, lungs(), result(labels))
    assert (found.lungs.dice, found.right.dice, found.left.dice) == (1, 0, 0)


@pytest.mark.parametrize(
    ("spacing", "unit", "distance", "nsd"),
    [
        (None, "pixels", 2, (False, True)),
        ((0.5, 0.5), "mm", 1, (True, True)),
        ((0.7, 2.0), "mm", 4, (False, False)),
    ],
)
def test_distances_are_in_millimetres_where_they_are_known_and_scaled_to_1024_pixels(
    spacing, unit, distance, nsd
) -> None:
    found = score(CASE, lungs(), result(np.roll(lungs(), 2, axis=1), spacing=spacing))
    assert (found.unit, found.lungs.hd, found.lungs.hd95) == (unit, distance, distance)
    assert found.hd95_of_1024 == 2 * 1024 / 128
    assert (found.lungs.nsd_1 == 1, found.lungs.nsd_2 == 1) == nsd


def test_nothing_found_is_infinitely_far() -> None:
    found = score(CASE, lungs(), result(np.zeros(SHAPE, np.uint8)))
    assert (found.lungs.dice, found.lungs.precision, found.lungs.nsd_3, found.lungs.area_error) == (
        0,
        1,
        0,
        -1,
    )
    assert (found.lungs.hd, found.lungs.assd, found.hd95_of_1024, found.lungs.components) == (
        math.inf,
        math.inf,
        math.inf,
        0,
    )


def test_what_cleaning_changes_is_seen() -> None:
    raw = lungs()
    raw[0:2, 0:2] = 2
    found = score(CASE, lungs(), result(lungs(), raw=raw))
    assert (found.lungs.dice, found.lungs.hd, found.lungs.components) == (1, 0, 2)
    assert found.uncleaned.dice == pytest.approx(2 * 1920 / (2 * 1920 + 4))
    assert (found.uncleaned.hd, found.uncleaned.components) == (math.hypot(10, 16), 3)


def test_a_mask_with_the_heart_inside_is_judged_outside_the_band_only() -> None:
    case = replace(CASE, lung_extent="through-heart")
    truth = lungs()
    labels = lungs()
    labels[mediastinal_band(truth)] = 0  # no heart in what was found: right
    found = score(case, truth, result(labels))
    assert [
        found.lungs.dice,
        found.lungs.iou,
        found.lungs.precision,
        found.lungs.recall,
        found.uncleaned.dice,
    ] == [1.0] * 5
    unknown = (
        found.right.dice,
        found.left.dice,
        found.lungs.hd95,
        found.lungs.nsd_1,
        found.uncleaned.assd,
        found.hd95_of_1024,
    )
    assert all(math.isnan(value) for value in unknown)
    assert (found.right.components, found.lungs.components) == (1, 2)

    labels[16:48, 10:12] = (
        0  # 64 pixels of the outer right lung missed: of 15 + 10 columns of 32 that count
    )
    found = score(case, truth, result(labels))
    assert found.lungs.recall == pytest.approx(1 - 64 / (25 * 32))
    labels[0, :16] = 1  # and 16 pixels outside the truth
    found = score(case, truth, result(labels))
    assert found.lungs.precision == pytest.approx(1 - 16 / (25 * 32 - 64 + 16))
    assert found.lungs.area_error == pytest.approx((16 - 64) / (25 * 32))


def write_case(folder: Path, name: str, *, mask_shape: tuple[int, int] = (160, 200)) -> Case:
    cv2.imwrite(str(folder / f"{name}.png"), dark_ellipses())
    cv2.imwrite(
        str(folder / f"{name}_mask.png"),
        np.where(dark_ellipses(mask_shape) < 100, 255, 0).astype(np.uint8),
    )
    return replace(CASE, case=name, image=folder / f"{name}.png", mask=folder / f"{name}_mask.png")


@pytest.mark.parametrize("jobs", [1, 3])
def test_cases_are_scored_in_their_order_and_what_cannot_be_is_named(
    tmp_path, caplog, jobs
) -> None:
    segmenter = RadiographSegmenter(write_tiny_model(tmp_path), threads=1)
    cases = [write_case(tmp_path, name) for name in "abcde"]
    cases[1].image.write_bytes(b"no image")
    cases[3] = write_case(tmp_path, "d", mask_shape=(80, 100))
    found, failures = score_cases(segmenter, cases, jobs=jobs)
    assert [each.case for each in found] == ["a", "c", "e"]
    assert min(each.lungs.dice for each in found) > 0.97
    assert [each.case for each in failures] == ["b", "d"]
    assert failures[0].why.startswith(f"{tmp_path / 'b.png'}: ")
    assert failures[1].why == (
        f"{tmp_path / 'd_mask.png'}: the mask has shape (80, 100), its image (160, 200); "
        "correct the pair."
    )
    assert "case b of here is left out" in caplog.text


def test_a_spacing_that_is_given_is_used(tmp_path) -> None:
    segmenter = RadiographSegmenter(write_tiny_model(tmp_path), threads=1)
    case = write_case(tmp_path, "a")
    ((pixels,), _), ((millimetres,), _) = (
        score_cases(segmenter, [case], spacing=spacing) for spacing in (None, (0.5, 0.5))
    )
    assert (pixels.unit, millimetres.unit) == ("pixels", "mm")
    assert millimetres.lungs.assd == pytest.approx(pixels.lungs.assd / 2)
    assert millimetres.hd95_of_1024 == pixels.hd95_of_1024
