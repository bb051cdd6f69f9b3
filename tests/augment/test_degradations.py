"""Degraded radiographs and what is known of them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from lungseg.augment.degradations import (
    DEGRADATIONS,
    MAX_SIDE,
    LabelledImage,
    degrade,
    jpeg,
    shrink,
)
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.scores import dice
from tiny_model import dark_ellipses

GEOMETRIC = {"rotate", "shear", "crop", "frame"}


@cache
def phantom() -> LabelledImage:
    """A radiograph; the ground truth of its uppermost rows is not known."""
    drawn = radiograph_phantom((160, 200), seed=0)
    known = np.ones((160, 200), bool)
    known[:20] = False
    return shrink(drawn.image.array, drawn.ground_truth.labels, known)


def test_a_large_image_is_shrunk_with_its_labels_and_its_greys_become_0_to_1() -> None:
    pixels = dark_ellipses((1200, 1600))
    image = shrink(pixels, (pixels < 100).astype(np.uint8), np.ones(pixels.shape, bool))
    assert image.grey.shape == image.labels.shape == image.known.shape == (384, MAX_SIDE)
    assert (image.grey.min(), image.grey.max()) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert image.grey.dtype == np.float32
    assert dice(image.labels > 0, image.grey < 0.5) > 0.99
    assert image.known.all()


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_keeps_its_input_as_it_was_and_labels_where_they_belong(name: str) -> None:
    image = phantom()
    before = [a.copy() for a in (image.grey, image.labels, image.known)]
    degraded = DEGRADATIONS[name](image, np.random.default_rng(3))
    for now, then in zip((image.grey, image.labels, image.known), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert degraded.grey.shape == degraded.labels.shape == degraded.known.shape
    assert not np.array_equal(degraded.grey, image.grey)
    assert np.array_equal(degraded.labels, image.labels) == (name not in GEOMETRIC)


@pytest.mark.parametrize("name", sorted(GEOMETRIC))
def test_labels_move_as_greys_do(name: str) -> None:
    lungs = (phantom().labels > 0).astype(np.float32)
    image = LabelledImage(lungs, phantom().labels, lungs > 0)
    degraded = DEGRADATIONS[name](image, np.random.default_rng(3))
    inside = (degraded.labels > 0).astype(np.uint8)
    around = cv2.dilate(inside, np.ones((7, 7), np.uint8)) > inside
    assert degraded.grey[inside > 0].mean() > 0.97
    assert degraded.grey[around].mean() < 0.25


def test_the_same_seed_gives_the_same_image_and_another_one_another() -> None:
    one, same, other = (degrade(phantom(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one is not None
    assert same is not None
    assert other is not None
    assert one[1] == same[1] != other[1]
    np.testing.assert_array_equal(one[0].grey, same[0].grey)
    assert set(one[1].split("+")) <= set(DEGRADATIONS)
    assert one[0].grey.min() >= 0
    assert one[0].grey.max() <= 1


def test_where_too_little_of_the_lungs_is_left_there_is_none() -> None:
    image = phantom()
    small = LabelledImage(image.grey, np.zeros_like(image.labels), image.known)
    small.labels[60:70, 40:60] = 1
    assert degrade(small, np.random.default_rng(0)) is None
    heart = LabelledImage(
        image.grey, np.where(image.labels > 0, 3, 0).astype(np.uint8), image.known
    )
    assert degrade(heart, np.random.default_rng(0)) is None


def test_jpeg_of_low_quality_loses_more() -> None:
    grey = np.random.default_rng(0).random((64, 64), np.float32)
    fine, coarse = (np.abs(jpeg(grey, quality) - grey).mean() for quality in (95, 5))
    assert fine < 0.02 < coarse
