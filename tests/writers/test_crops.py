"""Crops, square ones and those of one size, and images with all but the lungs blanked."""

from __future__ import annotations

import numpy as np
import pytest

import lungseg
from ellipsoids import ellipsoids
from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.options import SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.segmentation import Segmentation
from lungseg.volume import Volume
from lungseg.writers.crops import crop, crop_box, masked

SQUARE = SegmentOptions(crop_square=True)


def boxed(image: Image, box: tuple[slice, slice]) -> Segmentation:
    """A right lung that fills a box."""
    labels = np.zeros(image.array.shape, np.uint8)
    labels[box] = 1
    return image.with_labels(labels)


def test_a_crop_is_the_lungs_with_a_margin_in_their_own_type(
    image: Image, lungs: Segmentation
) -> None:
    # Both boxes together are 50 x 100, so the margin is 2 pixels.
    assert crop_box(lungs) == (18, 8, 72, 112)
    part = crop(image, lungs)
    assert part.dtype == np.uint16
    np.testing.assert_array_equal(part, image.array[18:72, 8:112])


def test_a_crop_stays_in_the_image(image: Image) -> None:
    assert crop_box(boxed(image, np.s_[:, :1])) == (0, 0, 100, 3)


def test_a_crop_without_lungs_is_the_whole_image(image: Image) -> None:
    nothing = image.with_labels(np.zeros((100, 120), np.uint8))
    np.testing.assert_array_equal(crop(image, nothing), image.array)
    assert crop_box(nothing, SQUARE) == (-10, 0, 110, 120)


@pytest.mark.parametrize(
    ("box", "square"),
    [
        (np.s_[40:50, 30:80], (19, 29, 71, 81)),  # 12 x 52 with the margin, in the middle
        (np.s_[0:10, 30:80], (0, 29, 52, 81)),  # moved down, as there is nothing above
        (np.s_[30:80, 115:120], (29, 68, 81, 120)),  # moved to the left
        (np.s_[40:50, 0:120], (-10, 0, 110, 120)),  # wider than the image is high
    ],
)
def test_a_square_is_moved_into_the_image_and_else_filled_up(
    image: Image, box: tuple[slice, slice], square: tuple[int, int, int, int]
) -> None:
    segmentation = boxed(image, box)
    assert crop_box(segmentation, SQUARE) == square
    top, left, bottom, right = square
    part = crop(image, segmentation, SQUARE)
    assert part.shape == (bottom - top, right - left)
    within = image.array[max(0, top) : bottom, left:right]
    np.testing.assert_array_equal(part[-min(0, top) :][: len(within)], within)
    assert part.sum() == within.sum()  # black beyond


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_crops_of_one_size_have_it_whatever_the_image(dtype: type) -> None:
    pixels = np.tile(np.linspace(10, 200, 90), (120, 1)).astype(dtype)
    image = Image(pixels, ImageGeometry((120, 90)))
    part = crop(image, boxed(image, np.s_[20:100, 5:85]), SegmentOptions(crop_size=64))
    assert (part.shape, part.dtype) == ((64, 64), dtype)
    assert part.mean() == pytest.approx(pixels[18:102, 3:87].mean(), rel=0.01)
    assert (np.diff(part.astype(float), axis=1) >= 0).all()


def test_what_is_no_lung_is_black(image: Image, lungs: Segmentation) -> None:
    blanked = masked(image, lungs)
    assert blanked.dtype == np.uint16
    np.testing.assert_array_equal(blanked, np.where(lungs.labels > 0, image.array, 0))
    real = Image(np.linspace(-2, 3, 12000, dtype=np.float32).reshape(100, 120), image.geometry)
    outside = masked(real, real.with_labels(lungs.labels))[lungs.labels == 0]
    assert np.unique(outside).tolist() == [-2.0]


@pytest.mark.parametrize(("hounsfield", "black"), [(True, -1024), (False, 0)])
def test_a_volume_is_cut_and_blanked_in_space(*, hounsfield: bool, black: int) -> None:
    scan, labels = ellipsoids((12, 40, 48))
    voxels = scan.array if hounsfield else (scan.array + 1024).astype(np.uint16)
    volume = Volume(voxels, scan.geometry, hounsfield=hounsfield)
    segmentation = volume.with_labels(labels)
    inside = np.argwhere(labels)
    assert crop(volume, segmentation).shape == tuple(np.ptp(inside, axis=0) + 3)
    assert np.unique(masked(volume, segmentation)[labels == 0]).tolist() == [black]


@pytest.mark.slow
def test_a_result_gives_them_as_its_options_or_its_arguments_say() -> None:
    film = radiograph_phantom((256, 200)).image
    result = lungseg.segment(film, SegmentOptions(crop_size=64))
    assert result.crop().shape == (64, 64)
    assert result.crop(48).shape == (48, 48)
    plain = lungseg.segment(film)
    rows, columns = plain.crop().shape
    assert plain.crop(square=True).shape == (max(rows, columns),) * 2
    np.testing.assert_array_equal(plain.masked() > 0, (plain.mask > 0) & (film.array > 0))
    scan = lungseg.segment(ellipsoids((12, 64, 64))[0])
    with pytest.raises(UsageError, match="`crop_size` is for radiographs, and this is CT"):
        scan.crop(512)
