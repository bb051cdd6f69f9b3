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
from lungseg.errors import InputError
from lungseg.evaluate import MaskScore, score_cases
from lungseg.evaluate.cases import score
from lungseg.evaluate.scoring import EVERYTHING
from lungseg.evaluate.tables import summarise_ratio
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.measurement import Measurements
from lungseg.radiograph.findings import measure_findings
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.result import Result
from lungseg.structures import HEART, LUNGS, OPACITY, Structure
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
    labels: np.ndarray,
    status: str = "ok",
    *,
    spacing=None,
    raw: np.ndarray | None = None,
    structures: tuple[Structure, ...] = LUNGS,
) -> Result:
    """A result with these labels; `raw` is what thresholding alone would give, the same if not
    given."""
    image = Image(np.indices(SHAPE).sum(axis=0).astype(np.uint8), ImageGeometry(SHAPE, spacing))
    raw = labels if raw is None else raw
    names = tuple(structure.name for structure in structures)
    card = ModelCard("m", "0", "radiograph", (names,), "none", SHAPE, "")
    return Result(
        image,
        image.with_labels(labels, structures),
        Measurements(),
        Verdict(status, ()),
        card,
        probabilities_of(image, raw, structures=structures),
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
    both = replace(best, components=2)
    assert found.scores == {
        "lungs": replace(both, hd95_at_1024=0),
        "right lung": best,
        "left lung": best,
    }
    assert (found.raw, found.is_empty) == ({"lungs": both}, False)


def test_scores_are_of_both_lungs_and_of_each() -> None:
    labels = lungs()
    labels[16:32, 10:40] = 0  # half of the right lung, 480 of 960 pixels
    labels[0:4, 100:110] = 2  # and 40 too many, apart from the left one
    found = score(CASE, lungs(), result(labels, "review"))
    tp, fp, fn = 1920 - 480, 40, 480
    assert found.first.dice == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert found.first.iou == pytest.approx(tp / (tp + fp + fn))
    assert found.first.accuracy == pytest.approx(1 - (fp + fn) / (64 * 128))
    assert found.first.precision == pytest.approx(tp / (tp + fp))
    assert found.first.recall == pytest.approx(tp / (tp + fn))
    assert found.first.specificity == pytest.approx(1 - fp / (64 * 128 - 1920))
    assert found.first.relative_area_error == pytest.approx((fp - fn) / 1920)
    assert found.scores["right lung"].dice == pytest.approx(2 * 480 / (480 + 960))
    assert found.scores["right lung"].hd == 16
    assert found.scores["left lung"].dice == pytest.approx(2 * 960 / (2 * 960 + 40))
    assert (
        found.first.components,
        found.scores["right lung"].components,
        found.scores["left lung"].components,
    ) == (3, 1, 2)
    assert found.verdict == "review"


def test_a_lung_under_the_wrong_name_counts_for_each_lung_only() -> None:
    labels = lungs()
    labels[labels > 0] = 3 - labels[labels > 0]
    found = score(CASE, lungs(), result(labels))
    assert (found.first.dice, found.scores["right lung"].dice, found.scores["left lung"].dice) == (
        1,
        0,
        0,
    )


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
    assert (found.unit, found.first.hd, found.first.hd95) == (unit, distance, distance)
    assert found.first.hd95_at_1024 == 2 * 1024 / 128
    assert (found.first.nsd_1 == 1, found.first.nsd_2 == 1) == nsd


def test_nothing_found_is_infinitely_far() -> None:
    found = score(CASE, lungs(), result(np.zeros(SHAPE, np.uint8)))
    assert (
        found.first.dice,
        found.first.precision,
        found.first.nsd_3,
        found.first.relative_area_error,
    ) == (
        0,
        1,
        0,
        -1,
    )
    assert (found.first.hd, found.first.assd, found.first.hd95_at_1024, found.first.components) == (
        math.inf,
        math.inf,
        math.inf,
        0,
    )


def test_what_postprocessing_changes_is_seen() -> None:
    raw = lungs()
    raw[0:2, 0:2] = 2
    found = score(CASE, lungs(), result(lungs(), raw=raw))
    assert (found.first.dice, found.first.hd, found.first.components) == (1, 0, 2)
    assert found.raw["lungs"].dice == pytest.approx(2 * 1920 / (2 * 1920 + 4))
    assert (found.raw["lungs"].hd, found.raw["lungs"].components) == (math.hypot(10, 16), 3)


def test_a_mask_with_the_heart_inside_is_judged_outside_the_band_only() -> None:
    case = replace(CASE, lung_extent="through-heart")
    ground_truth = lungs()
    labels = lungs()
    labels[mediastinal_band(ground_truth)] = 0  # no heart in what was found: right
    found = score(case, ground_truth, result(labels))
    assert [
        found.first.dice,
        found.first.iou,
        found.first.precision,
        found.first.recall,
        found.raw["lungs"].dice,
    ] == [1.0] * 5
    unknown = (
        found.scores["right lung"].dice,
        found.scores["left lung"].dice,
        found.first.hd95,
        found.first.nsd_1,
        found.raw["lungs"].assd,
        found.first.hd95_at_1024,
    )
    assert all(math.isnan(value) for value in unknown)
    assert (found.scores["right lung"].components, found.first.components) == (1, 2)

    labels[16:48, 10:12] = (
        0  # 64 pixels of the outer right lung missed: of 15 + 10 columns of 32 that count
    )
    found = score(case, ground_truth, result(labels))
    assert found.first.recall == pytest.approx(1 - 64 / (25 * 32))
    labels[0, :16] = 1  # and 16 pixels outside the ground truth
    found = score(case, ground_truth, result(labels))
    assert found.first.precision == pytest.approx(1 - 16 / (25 * 32 - 64 + 16))
    assert found.first.relative_area_error == pytest.approx((16 - 64) / (25 * 32))


def with_heart() -> np.ndarray:
    """The lungs, and a heart of 20 x 20 between them."""
    labels = lungs()
    labels[24:44, 45:65] = HEART.number
    return labels


def test_each_structure_that_the_mask_decides_is_scored() -> None:
    case = replace(CASE, decides=("right lung", "left lung", "heart"))
    labels = with_heart()
    labels[24:29, 45:65] = 0  # a quarter of the heart is missed
    found = score(case, with_heart(), result(labels, structures=(*LUNGS, HEART)))
    assert list(found.scores) == ["lungs", "heart", "right lung", "left lung"]
    assert list(found.raw) == ["lungs", "heart"]
    assert (found.name, found.first.dice, found.scores["left lung"].dice) == ("lungs", 1, 1)
    assert (found.scores["heart"].recall, found.scores["heart"].hd) == (0.75, 5)
    assert found.scores["heart"].hd95_at_1024 == 5 * 1024 / 128


def test_what_the_mask_does_not_decide_is_not_scored() -> None:
    found = score(CASE, lungs(), result(with_heart(), structures=(*LUNGS, HEART)))
    assert list(found.scores) == ["lungs", "right lung", "left lung"]
    heart = np.where(with_heart() == HEART.number, HEART.number, 0).astype(np.uint8)
    alone = score(
        replace(CASE, decides=("heart",)),
        heart,
        result(with_heart(), structures=(*LUNGS, HEART)),
    )
    assert (list(alone.scores), alone.first.dice) == (["heart"], 1)


def test_a_model_that_predicts_nothing_that_the_mask_decides_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        score(replace(CASE, decides=("heart",)), lungs(), result(lungs()))
    assert str(refused.value) == (
        "m.png: the mask decides heart, and the model predicts lungs; give a case "
        "whose mask decides what the model predicts."
    )


def test_beneath_what_hides_it_a_lung_is_not_judged() -> None:
    ground_truth = lungs()
    ground_truth[16:24, 10:40] = OPACITY.number  # of the right lung's 960 pixels 240
    case = replace(CASE, decides=("right lung", "left lung", "opacity"))
    labels = lungs()
    labels[16:24, 10:25] = 0
    found = score(case, ground_truth, result(labels))
    assert found.first.dice == 1
    unknown = (found.first.hd95, found.scores["right lung"].dice)
    assert all(math.isnan(value) for value in unknown)


def write_case(folder: Path, name: str, *, mask_shape: tuple[int, int] = (160, 200)) -> Case:
    cv2.imwrite(str(folder / f"{name}.png"), dark_ellipses())
    cv2.imwrite(
        str(folder / f"{name}_mask.png"),
        np.where(dark_ellipses(mask_shape) < 100, 255, 0).astype(np.uint8),
    )
    return replace(CASE, case=name, image=folder / f"{name}.png", mask=folder / f"{name}_mask.png")


@pytest.mark.parametrize("workers", [1, 3])
def test_cases_are_scored_in_their_order_and_what_cannot_be_is_named(
    tmp_path, caplog, workers
) -> None:
    segmenter = RadiographSegmenter(write_tiny_model(tmp_path), threads=1)
    cases = [write_case(tmp_path, name) for name in "abcde"]
    cases[1].image.write_bytes(b"no image")
    cases[3] = write_case(tmp_path, "d", mask_shape=(80, 100))
    found, failures = score_cases(segmenter, cases, workers=workers)
    assert [each.case for each in found] == ["a", "c", "e"]
    assert min(each.first.dice for each in found) > 0.97
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
        score_cases(segmenter, [case], replace(EVERYTHING, spacing=spacing))
        for spacing in (None, (0.5, 0.5))
    )
    assert (pixels.unit, millimetres.unit) == ("pixels", "mm")
    assert millimetres.first.assd == pytest.approx(pixels.first.assd / 2)
    assert millimetres.first.hd95_at_1024 == pixels.first.hd95_at_1024


def test_structures_with_masks_of_their_own_are_scored_where_they_overlap_the_lungs() -> None:
    heart = np.zeros(SHAPE, bool)
    heart[20:40, 30:80] = True
    labels = lungs()
    labels[20:40, 40:70] = 3
    case = replace(CASE, other_masks=(("heart", Path("h.png")),))
    found = score(case, lungs(), result(labels, structures=(*LUNGS, HEART)), {"heart": heart})
    assert list(found.raw) == ["lungs", "heart"]
    assert found.first.dice == 1
    assert found.scores["heart"].dice == pytest.approx(2 * 600 / (600 + 1000))
    assert not found.is_empty


def test_the_cardiothoracic_ratio_is_compared_with_that_of_the_masks() -> None:
    heart, labels = np.zeros(SHAPE, bool), lungs()
    heart[20:40, 40:70], labels[20:40, 40:64] = True, 3
    case = replace(CASE, other_masks=(("heart", Path("h.png")),))
    found = result(labels, structures=(*LUNGS, HEART))
    found = replace(found, measurements=measure_findings(found.segmentation))
    scored = score(case, lungs(), found, {"heart": heart})
    columns = np.flatnonzero(lungs().any(axis=0))
    assert scored.ratio_error == pytest.approx((24 - 30) / (1 + columns[-1] - columns[0]))
    table = summarise_ratio(
        [scored, replace(scored, ratio_error=0.03), score(CASE, lungs(), found)]
    )
    assert [row[1:] for row in table.rows] == [["2", "-0.018", "0.048", "0.065", "0.067"]]
    assert summarise_ratio([score(CASE, lungs(), result(lungs()))]).rows == []
    aerated = replace(case, lung_extent="aerated")  # which does not say where the chest ends
    assert math.isnan(score(aerated, lungs(), found, {"heart": heart}).ratio_error)
