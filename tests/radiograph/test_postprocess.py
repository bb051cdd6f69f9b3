"""Cleaning: drawn cases, and properties that hold for any probabilities."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lungseg.errors import UsageError
from lungseg.morphology.dilation import dilate
from lungseg.morphology.hull import hull
from lungseg.preprocess import resize_back, smooth
from lungseg.radiograph.postprocess import (
    MIN_LUNG_FRACTION,
    postprocess,
    postprocess_layers,
    postprocess_lungs,
)
from lungseg.scores import components
from lungseg.structures import HEART, LUNGS, OPACITY

BOTH = [lung.number for lung in LUNGS]

SHAPE = (100, 120)


def box(top: int, bottom: int, first: int, last: int) -> np.ndarray:
    plane = np.zeros(SHAPE, np.float32)
    plane[top:bottom, first:last] = 1.0
    return plane


RIGHT, LEFT = box(20, 80, 15, 50), box(20, 80, 70, 105)
NOTHING = np.zeros(SHAPE, np.float32)


def test_two_lungs_stay_as_they_are() -> None:
    labels = postprocess_lungs(RIGHT, LEFT)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, RIGHT + 2 * LEFT)


def test_nothing_stays_nothing_and_one_stays_one() -> None:
    assert not postprocess_lungs(NOTHING, NOTHING).any()
    np.testing.assert_array_equal(postprocess_lungs(RIGHT, NOTHING), RIGHT)
    np.testing.assert_array_equal(postprocess_lungs(NOTHING, LEFT), 2 * LEFT)


def test_both_probabilities_together_reach_the_threshold() -> None:
    np.testing.assert_array_equal(postprocess_lungs(0.3 * RIGHT, 0.25 * RIGHT), RIGHT)
    assert not postprocess_lungs(0.3 * RIGHT, 0.15 * RIGHT).any()
    np.testing.assert_array_equal(
        postprocess_lungs(0.3 * RIGHT, 0.15 * RIGHT, threshold=0.4), RIGHT
    )


def test_islands_are_removed() -> None:
    islands = box(2, 12, 2, 12) + box(90, 95, 60, 65)
    np.testing.assert_array_equal(postprocess_lungs(RIGHT + islands, LEFT), RIGHT + 2 * LEFT)
    assert MIN_LUNG_FRACTION * RIGHT.size < 100, (
        "the larger island is removed for not being the largest, not for its size"
    )


def test_what_is_smaller_than_any_lung_is_none() -> None:
    assert MIN_LUNG_FRACTION * RIGHT.size == 60
    assert not postprocess_lungs(box(40, 46, 40, 50) - box(40, 41, 40, 41), NOTHING).any()
    assert postprocess_lungs(box(40, 46, 40, 50), NOTHING).sum() == 60


def test_a_patch_of_the_other_side_takes_the_lungs_side() -> None:
    patch = box(20, 40, 15, 30)
    np.testing.assert_array_equal(postprocess_lungs(RIGHT - patch, LEFT + patch), RIGHT + 2 * LEFT)


def test_a_patch_of_the_other_side_alone_makes_no_second_lung() -> None:
    patch = box(40, 50, 25, 45)
    np.testing.assert_array_equal(postprocess_lungs(RIGHT - patch, patch), RIGHT)


def test_lungs_that_touch_are_parted_where_the_probabilities_cross() -> None:
    np.testing.assert_array_equal(
        postprocess_lungs(box(20, 80, 15, 60), box(20, 80, 60, 105)),
        box(20, 80, 15, 60) + 2 * box(20, 80, 60, 105),
    )


def test_holes_are_filled() -> None:
    hole = box(40, 60, 25, 40)
    np.testing.assert_array_equal(postprocess_lungs(RIGHT - hole, LEFT), RIGHT + 2 * LEFT)


def test_a_bay_is_not_filled() -> None:
    bay = box(40, 60, 15, 40)
    np.testing.assert_array_equal(postprocess_lungs(RIGHT - bay, LEFT), RIGHT - bay + 2 * LEFT)


@pytest.mark.parametrize(("rows", "filled"), [(4, True), (20, False)])
def test_a_gap_between_lungs_is_filled_unless_it_is_large(rows: int, filled: bool) -> None:
    gap = box(50, 50 + rows, 56, 64)
    right, left = box(20, 80, 15, 60) * (1 - gap), box(20, 80, 60, 105) * (1 - gap)
    assert (postprocess_lungs(right, left)[gap > 0] > 0).all() == filled


def random_probabilities(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth noise: anything from scattered islands to one region that fills the image."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(40, 160)), int(rng.integers(40, 160)))
    scale = rng.uniform(0.5, 12)
    lung, side = (
        cv2.GaussianBlur(rng.normal(size=shape), (0, 0), scale) * scale * 3 for _ in range(2)
    )
    lung = 1 / (1 + np.exp(-lung - rng.normal()))
    share = 1 / (1 + np.exp(-4 * side))
    return (lung * share).astype(np.float32), (lung * (1 - share)).astype(np.float32)


def fill(mask: np.ndarray) -> np.ndarray:
    """The mask and all that it encloses, found otherwise than in `clean`."""
    contours, _ = cv2.findContours(
        np.pad(mask, 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    filled = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return filled[1:-1, 1:-1] > 0


@pytest.mark.parametrize("seed", range(80))
def test_properties_of_any_cleaned_mask(seed: int) -> None:
    right, left = random_probabilities(seed)
    labels = postprocess_lungs(right, left)
    lung = right + left >= 0.5
    assert not (labels.astype(bool) & ~fill(lung)).any(), "nothing but holes was added"
    for number, plane in ((1, right), (2, left)):
        mask = labels == number
        assert components(mask) <= 1
        if mask.any():
            assert mask.sum() >= MIN_LUNG_FRACTION * mask.size
            assert (mask & lung & (plane >= right + left - plane)).any(), (
                "each lung has pixels that the network gave it"
            )
            assert not ((labels == 0) & fill(mask)).any(), "no holes are left"
    if not lung.any():
        assert not labels.any()


@pytest.mark.parametrize("seed", range(80))
def test_cleaning_twice_is_cleaning_once(seed: int) -> None:
    right, left = random_probabilities(seed)
    once = postprocess_lungs(right, left)
    one_hot = (once == 1).astype(np.float32), (once == 2).astype(np.float32)
    twice = postprocess_lungs(*one_hot)
    areas = [(once == number).sum() for number in (1, 2)]
    if min(areas) == 0 or 0.25 < areas[0] / sum(areas) < 0.75:
        np.testing.assert_array_equal(twice, once)
    else:
        # Two that touch may have become one-sided when leftovers were dropped; then they become one
        # lung, and nothing is lost.
        assert not ((once > 0) & (twice == 0)).any()


def disc(size: int, radius: float) -> np.ndarray:
    y, x = np.indices((size, size)) + 0.5
    return np.clip(radius - np.hypot(x - size / 2, y - size / 2) + 0.5, 0, 1).astype(np.float32)


@pytest.mark.parametrize("enlargement", [2, 5, 16])
def test_an_enlarged_outline_is_smooth_and_keeps_its_area(enlargement: int) -> None:
    size, radius = 64, 20.0
    rough = resize_back(disc(size, radius), (size * enlargement, size * enlargement))
    mask = smooth(rough, (enlargement, enlargement)) >= 0.5
    assert mask.sum() == pytest.approx(np.pi * (radius * enlargement) ** 2, rel=0.01)
    y, x = np.indices(mask.shape) + 0.5 - size * enlargement / 2
    distances = np.hypot(x, y)
    # The outline of the true disc is nowhere farther than a tenth of a network pixel, or one of the
    # image where that is larger.
    tolerance = max(0.1 * enlargement, 1.0)
    assert mask[distances < radius * enlargement - tolerance].all()
    assert not mask[distances > radius * enlargement + tolerance].any()


def test_what_is_not_enlarged_is_not_smoothed() -> None:
    plane = disc(64, 20)
    assert smooth(plane, (1.0, 0.5)) is plane
    stretched = smooth(plane, (1.0, 4.0))
    np.testing.assert_allclose(smooth(plane.T.copy(), (4.0, 1.0)), stretched.T, atol=1e-6)
    assert np.abs(stretched - plane).max() > 0.1


def test_widening_by_pixels() -> None:
    labels = np.zeros((41, 41), np.uint8)
    labels[20, 20] = 1
    y, x = np.indices(labels.shape) - 20
    np.testing.assert_array_equal(dilate(labels, 7, BOTH), np.hypot(x, y) <= 7)
    np.testing.assert_array_equal(dilate(labels, 0, BOTH), labels)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (1.0, 0.5), (0.5, 1.5)])
def test_widening_by_millimetres(spacing: tuple[float, float]) -> None:
    labels = np.zeros((61, 61), np.uint8)
    labels[30, 30] = 2
    wide = dilate(labels, 6.0, BOTH, spacing)
    y, x = (np.indices(labels.shape) - 30) * np.reshape(spacing, (2, 1, 1))
    distances = np.hypot(x, y)
    slack = 0.0 if spacing[0] == spacing[1] else max(spacing) / 2
    assert set(np.unique(wide)) == {0, 2}
    assert (wide[distances <= 6.0 - slack] == 2).all()
    assert not wide[distances > 6.0 + slack + 1e-9].any()


def test_between_two_lungs_the_nearer_one_grows_and_neither_shrinks() -> None:
    labels = np.zeros((20, 40), np.uint8)
    labels[5:15, 2:10] = 1
    labels[5:15, 21:30] = 2
    wide = dilate(labels, 30, BOTH)
    np.testing.assert_array_equal(wide[labels > 0], labels[labels > 0])
    np.testing.assert_array_equal(wide[10, 10:21], [1] * 6 + [2] * 5)
    assert (wide > 0).all()


def test_widening_invents_no_lung() -> None:
    assert not dilate(np.zeros((9, 9), np.uint8), 5, BOTH).any()
    labels = np.zeros((9, 9), np.uint8)
    labels[4, 4] = 1
    assert set(np.unique(dilate(labels, 20, BOTH))) == {1}


def test_the_hull_takes_in_what_lies_between_the_lungs() -> None:
    labels = np.zeros((20, 40), np.uint8)
    labels[5:15, 2:10] = 1
    labels[3:15, 21:30] = 2
    wide = hull(labels, BOTH)
    np.testing.assert_array_equal(wide[labels > 0], labels[labels > 0])
    np.testing.assert_array_equal(wide[14, 10:21], [1] * 6 + [2] * 5)
    assert (wide[5:15, 2:30] > 0).all()
    assert not wide[15:].any()
    assert not wide[:, 30:].any()
    assert not wide[3, :15].any()
    one = np.where(labels == 1, labels, 0)
    np.testing.assert_array_equal(hull(one, BOTH), one)
    assert not hull(np.zeros_like(labels), BOTH).any()
    np.testing.assert_array_equal(hull(np.asfortranarray(labels), BOTH), wide)


@pytest.mark.parametrize("radius", [-1.0, float("nan"), float("inf")])
def test_a_radius_without_meaning_is_refused(radius: float) -> None:
    with pytest.raises(
        UsageError, match="a mask is widened by a finite radius of at least 0, not by"
    ):
        dilate(np.ones((9, 9), np.uint8), radius, BOTH)


def test_a_radius_beyond_the_image_covers_it_and_is_no_overflow() -> None:
    labels = np.zeros((40, 50), np.uint8)
    labels[10:20, 5:15], labels[10:20, 35:45] = 1, 2
    widened = dilate(labels, 1e308, BOTH, (0.1, 0.1))
    assert set(np.unique(widened)) == {1, 2}


def test_pixels_too_oblong_are_refused() -> None:
    labels = np.ones((40, 50), np.uint8)
    with pytest.raises(
        UsageError,
        match=r"a mask with 0\.1 mm between rows and 5 mm between columns cannot be widened; "
        r"state the right spacing",
    ):
        dilate(labels, 3, BOTH, (0.1, 5.0))


def test_only_the_labels_that_are_named_are_widened() -> None:
    labels = np.zeros((9, 12), np.uint8)
    labels[4, 1], labels[4, 4], labels[4, 10] = 1, 3, 2
    np.testing.assert_array_equal(dilate(labels, 2, BOTH)[4], [1, 1, 1, 1, 3, 0, 0, 0, 2, 2, 2, 2])
    np.testing.assert_array_equal(hull(labels, BOTH)[4, 1:11], [1, 1, 1, 3, 1, 2, 2, 2, 2, 2])


def test_other_structures_take_what_the_lungs_leave() -> None:
    right, left, heart, opacity = np.zeros((4, 100, 100), np.float32)
    right[20:80, 10:40], left[20:80, 60:90] = 0.9, 0.9
    heart[40:80, 35:70] = 0.6
    heart[55:60, 45:50] = 0  # a hole
    heart[5:8, 5:8] = 0.6  # an island
    opacity[30:40, 12:20], opacity[60:65, 70:80] = 0.7, 0.5
    both = {"right lung": right, "left lung": left}
    labels = postprocess(both | {"heart": heart}, [*LUNGS, HEART], 0.5)
    np.testing.assert_array_equal(np.where(labels < 3, labels, 0), postprocess_lungs(right, left))
    assert (labels[40:80, 40:60] == 3).all()
    assert np.count_nonzero(labels == 3) == 40 * 20
    assert set(np.unique(labels[:20])) == {0}
    np.testing.assert_array_equal(
        postprocess({"opacity": opacity}, [OPACITY], 0.5), np.where(opacity >= 0.5, 5, 0)
    )


def test_an_opacity_lies_on_the_lungs_alone() -> None:
    layers = ((*LUNGS, HEART), (OPACITY,))
    everywhere = np.ones_like(RIGHT)
    found = {"right lung": RIGHT, "left lung": LEFT, "heart": everywhere, "opacity": everywhere}
    lungs, opacity = postprocess_layers(found, layers, 0.5)
    assert set(np.unique(lungs)) == {1, 2, 3}
    np.testing.assert_array_equal(opacity == 5, np.isin(lungs, (1, 2)))
    (alone,) = postprocess_layers(found, layers[1:], 0.5)
    assert (alone == 5).all()
