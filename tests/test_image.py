"""The two values that travel: checked at birth, and read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lungseg.errors import InputError, UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.provenance import Provenance

PIXELS = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)


def image(pixels: Any = PIXELS) -> Image:
    return Image(pixels, ImageGeometry(pixels.shape), Provenance("film.png"))


def with_value(value: float) -> Any:
    pixels = PIXELS.astype(np.float32)
    pixels[3, 4] = value
    return pixels


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (PIXELS.astype(np.float64), "pixels are uint8, uint16 or float32, not float64"),
        (
            PIXELS[:31],
            "the image has 31 x 50 pixels, too few to show lungs; give an image of at least 32 x "
            "32 pixels",
        ),
        (
            with_value(np.nan),
            "the image contains NaN or infinite values; replace them by finite numbers first",
        ),
        (with_value(np.inf), "the image contains NaN or infinite values"),
        (
            np.full((40, 50), 7, np.uint8),
            r"every pixel has the same value \(7\), so there is nothing to see",
        ),
    ],
)
def test_what_is_no_image_is_refused(pixels: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"film\.png: {sentence}"):
        image(pixels)


def test_another_grid_than_the_pixels_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"pixels of shape \(40, 50\) do not fit a geometry of shape \(50, 40\)"
    ):
        Image(PIXELS, ImageGeometry((50, 40)))


def test_nothing_can_be_changed_afterwards() -> None:
    born = image()
    segmentation = born.with_labels(np.ones((40, 50), np.uint8))
    for array in (born.array, segmentation.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_a_segmentation_is_on_the_grid_of_its_image_and_holds_labels_only() -> None:
    with pytest.raises(
        UsageError, match=r"labels of shape \(40, 49\) do not fit an image of shape \(40, 50\)"
    ):
        image().with_labels(np.zeros((40, 49), np.uint8))
    with pytest.raises(
        UsageError, match="3 is not a label; labels are 0 background, 1 right lung, 2 left lung"
    ):
        image().with_labels(np.full((40, 50), 3, np.uint8))


@pytest.mark.parametrize("value", [256, -1, 0.5])
def test_labels_are_not_bent_to_fit(value: float) -> None:
    with pytest.raises(UsageError, match=r"film.png: labels are whole numbers from 0 to 255\."):
        image().with_labels(np.full((40, 50), value))
