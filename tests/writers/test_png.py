from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from lungseg.draw import picture as draw
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.segmentation import Segmentation
from lungseg.structures import STRUCTURES
from lungseg.verdict import Verdict
from lungseg.writers.png import image_png, mask_png, stamped_png


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_mask_is_an_indexed_png_whose_values_are_the_labels(lungs: Segmentation) -> None:
    picture = Picture.open(io.BytesIO(mask_png(lungs)))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "P", (120, 100))
    np.testing.assert_array_equal(np.array(picture), lungs.labels)
    palette = picture.getpalette()
    assert palette is not None
    assert palette[:18] == [part for structure in STRUCTURES for part in structure.colour]


def test_mask_looks_like_its_colours(lungs: Segmentation) -> None:
    colours = np.array(Picture.open(io.BytesIO(mask_png(lungs))).convert("RGB"))
    assert [tuple(colours[at]) for at in ((0, 0), (40, 20), (40, 80))] == [
        structure.colour for structure in STRUCTURES[:3]
    ]


def test_binary_mask_is_grey_0_and_255(lungs: Segmentation) -> None:
    picture = Picture.open(io.BytesIO(mask_png(lungs, binary=True)))
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.array(picture), np.where(lungs.labels > 0, 255, 0))


def test_a_painted_picture_is_stored_in_red_green_blue(image: Image, lungs: Segmentation) -> None:
    painted = draw.overlay(image, lungs)
    picture = Picture.open(io.BytesIO(stamped_png(painted, Verdict("ok"))))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.array(picture), painted)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_whole_numbers_are_kept_as_they_are(kind: type) -> None:
    pixels = np.arange(1600).reshape(40, 40).astype(kind)
    picture = decoded(image_png(pixels, of=Image(pixels, ImageGeometry((40, 40)))))
    assert picture.dtype == kind
    np.testing.assert_array_equal(picture, pixels)


def test_real_numbers_are_spread_over_16_bits_by_the_range_of_the_whole_image() -> None:
    pixels = np.full((40, 40), -1.0, np.float32)
    pixels[10:30, 10:30] = 0.0
    pixels[0, 0] = 3.0
    image = Image(pixels, ImageGeometry((40, 40)))
    part = image_png(pixels[11:29, 11:29], of=image)
    np.testing.assert_array_equal(decoded(part), np.full((18, 18), round(65535 / 4)))
