"""Pictures of images and lungs, to the exact pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lungseg.draw.picture import (
    CAPTION,
    GAP,
    REFUSED,
    coloured,
    contour,
    display,
    grey,
    in_proportion,
    montage,
    outline_width,
    overlay,
    paint,
    refused_stamp,
    thumbnail,
    to_8_bits,
    window,
)
from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.options import OverlayStyle
from lungseg.structures import HEART, LEFT_LUNG, OPACITY, RIGHT_LUNG
from lungseg.verdict import Verdict


def image_of(pixels):
    return Image(pixels, ImageGeometry(pixels.shape))


@pytest.fixture
def chest():
    """A ramp of greys with a square for either lung, the left one cut off by the border."""
    pixels = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    labels = np.zeros(pixels.shape, np.uint8)
    labels[10:30, 8:24] = 1
    labels[10:30, 44:64] = 2
    image = image_of(pixels)
    return image, image.with_labels(labels)


def test_eight_bit_pixels_are_shown_as_they_are(chest):
    shown = display(chest[0])
    np.testing.assert_array_equal(shown, chest[0].array)
    shown[:] = 0  # a picture of its own
    assert chest[0].array.max() == 252


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deeper_pixels_are_windowed_between_percentiles(dtype):
    pixels = np.linspace(1000, 3000, 64 * 64).reshape(64, 64).astype(dtype)
    pixels[0, 0], pixels[-1, -1] = 0, 60000  # outliers do not take the window
    shown = display(image_of(pixels))
    low, high = np.percentile(pixels, (0.5, 99.5))
    expected = np.rint((np.clip(pixels.astype(float), low, high) - low) * 255 / (high - low))
    assert shown.dtype == np.uint8
    assert np.abs(shown - expected).max() <= 1
    assert (shown[0, 0], shown[-1, -1]) == (0, 255)


def test_an_image_that_is_constant_but_for_a_few_pixels_is_still_shown():
    pixels = np.full((64, 64), 7, np.uint16)
    pixels[5, 5] = 4000
    shown = display(image_of(pixels))
    assert shown[5, 5] == 255
    assert np.count_nonzero(shown) == 1


@pytest.mark.parametrize(
    ("shape", "width"),
    [((32, 32), 1), ((384, 900), 1), ((385, 900), 2), ((512, 512), 2), ((1024, 1024), 4)],
)
def test_outlines_widen_with_the_image(shape, width):
    assert outline_width(shape) == width


def test_a_contour_is_the_rim_of_the_mask():
    mask = np.zeros((9, 9), np.uint8)
    mask[2:7, 2:9] = 3
    rim = np.zeros((9, 9), bool)
    rim[2:7, 2:9] = True
    thick = rim.copy()
    rim[3:6, 3:8] = False  # closed at the border of the array, too
    thick[4, 4:7] = False
    np.testing.assert_array_equal(contour(mask, 1), rim)
    np.testing.assert_array_equal(contour(mask, 2), thick)


def test_outside_the_lungs_the_picture_stays_grey(chest):
    image, ground_truth = chest
    picture = overlay(image, ground_truth)
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    outside = ground_truth.labels == 0
    for channel in range(3):
        np.testing.assert_array_equal(picture[..., channel][outside], image.array[outside])


@pytest.mark.parametrize("opacity", [0.0, 0.25, 0.6, 1.0])
def test_lungs_are_tinted_by_the_stated_formula_and_outlined_in_their_colours(chest, opacity):
    image, ground_truth = chest
    picture = overlay(image, ground_truth, OverlayStyle(opacity))
    for label, box, core in (
        (RIGHT_LUNG, np.s_[10:30, 8:24], np.s_[11:29, 9:23]),
        (LEFT_LUNG, np.s_[10:30, 44:64], np.s_[11:29, 45:63]),
    ):
        grey = image.array[core].astype(float)[..., None]
        np.testing.assert_array_equal(
            picture[core], np.rint((1 - opacity) * grey + opacity * np.array(label.colour))
        )
        rim = np.zeros(image.array.shape, bool)
        rim[box] = True
        rim[core] = False
        assert rim.sum() > 60
        assert (picture[rim] == label.colour).all()


def test_both_lungs_may_have_one_colour(chest):
    image, ground_truth = chest
    red = overlay(image, ground_truth, OverlayStyle(colour=(255, 0, 0)))
    both = image.with_labels((ground_truth.labels > 0).astype(np.uint8))
    plain = overlay(image, both).astype(int)
    lungs = ground_truth.labels > 0
    np.testing.assert_array_equal(red[~lungs], grey(image)[~lungs])
    core = np.s_[11:29, 9:23]
    np.testing.assert_array_equal(red[core][..., 0], np.rint(0.75 * image.array[core] + 0.25 * 255))
    np.testing.assert_array_equal(red[core][..., 1], np.rint(0.75 * image.array[core]))
    outlined = (plain == RIGHT_LUNG.colour).all(axis=2)
    np.testing.assert_array_equal((red == (255, 0, 0)).all(axis=2), outlined)


def test_outlines_are_as_wide_as_the_style_says(chest):
    image, ground_truth = chest
    tinted, wide = (overlay(image, ground_truth, OverlayStyle(0.25, width)) for width in (0, 5))
    assert not (tinted == RIGHT_LUNG.colour).all(axis=2).any()
    assert (wide == RIGHT_LUNG.colour).all(axis=2).sum() == 20 * 16 - 10 * 6


def test_an_overlay_of_another_size_is_painted_at_that_size(chest):
    image, ground_truth = chest
    for size, shape in ((32, (24, 32, 3)), (128, (96, 128, 3))):
        picture = overlay(image, ground_truth, size=size)
        assert (picture.shape, picture.dtype) == (shape, np.uint8)
        outline = (picture == RIGHT_LUNG.colour).all(axis=2)
        scale = size / 64
        assert outline.sum() == 2 * (20 * scale + 16 * scale) - 4  # one pixel wide


def test_every_structure_of_a_label_map_is_marked(chest):
    image, ground_truth = chest
    labels = ground_truth.labels.copy()
    labels[35:45, 25:40] = HEART.number
    picture = paint(image.array, labels)
    assert tuple(picture[35, 30]) == HEART.colour
    assert tuple(picture[10, 10]) == RIGHT_LUNG.colour
    np.testing.assert_array_equal(
        picture[40, 30], np.rint(0.75 * image.array[40, 30] + 0.25 * np.array(HEART.colour))
    )


def test_label_maps_are_painted_in_the_colours_of_their_labels(chest):
    labels = chest[1].labels.copy()
    labels[40, 40] = HEART.number
    picture = coloured(labels)
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    assert [tuple(picture[at].tolist()) for at in ((0, 0), (12, 10), (12, 50), (40, 40))] == [
        (0, 0, 0),
        RIGHT_LUNG.colour,
        LEFT_LUNG.colour,
        HEART.colour,
    ]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((400, 200), (100, 50)),
        ((50, 80), (62, 100)),
        ((3, 900), (1, 100)),
        ((100, 100), (100, 100)),
    ],
)
def test_a_thumbnail_keeps_its_proportions(shape, expected):
    picture = np.full((*shape, 3), (10, 20, 30), np.uint8)
    small = thumbnail(picture, 100)
    assert (small.shape, small.dtype) == ((*expected, 3), np.uint8)
    assert (small == (10, 20, 30)).all()


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [
        (None, (40, 60)),
        ((0.2, 0.2), (40, 60)),
        ((0.2, 0.201), (40, 60)),
        ((0.4, 0.2), (80, 60)),
        ((0.2, 0.3), (40, 90)),
        ((0.1, 5.0), (40, 60)),  # such a film there is not
    ],
)
def test_pixels_become_as_wide_as_high(spacing, shape):
    assert in_proportion(np.zeros((40, 60, 3), np.uint8), spacing).shape == (*shape, 3)


def test_drawing_changes_neither_the_image_nor_the_segmentation(chest):
    image, ground_truth = chest
    pixels, labels = image.array.copy(), ground_truth.labels.copy()
    overlay(image, ground_truth)[:] = 0
    np.testing.assert_array_equal(image.array, pixels)
    np.testing.assert_array_equal(ground_truth.labels, labels)


def test_without_lungs_the_overlay_is_the_image(chest):
    image = chest[0]
    picture = overlay(image, image.with_labels(np.zeros(image.array.shape, np.uint8)))
    np.testing.assert_array_equal(picture, cv2.cvtColor(image.array, cv2.COLOR_GRAY2RGB))


def test_an_overlay_needs_one_grid(chest):
    image, ground_truth = chest
    with pytest.raises(
        UsageError, match=r"shape \(48, 64\) is not one of an image of shape \(40, 64\)"
    ):
        overlay(image_of(np.ascontiguousarray(image.array[:40])), ground_truth)


def test_a_montage_has_cells_of_one_size_with_gaps():
    tiles = [np.full((20, 30, 3), 10 + number, np.uint8) for number in range(5)]
    tiles[4] = np.full((10, 20, 3), 99, np.uint8)
    sheet = montage(tiles, 3)
    assert sheet.shape == (GAP + 2 * (20 + GAP), GAP + 3 * (30 + GAP), 3)
    np.testing.assert_array_equal(sheet[GAP : GAP + 20, GAP : GAP + 30], tiles[0])
    np.testing.assert_array_equal(sheet[2 * GAP + 20 : 2 * GAP + 40, GAP : GAP + 30], tiles[3])
    top, left = 2 * GAP + 20 + 5, 2 * GAP + 30 + 5  # the small tile, in the middle of its cell
    np.testing.assert_array_equal(sheet[top : top + 10, left : left + 20], tiles[4])
    assert int(sheet.sum()) == sum(int(tile.sum()) for tile in tiles)


def test_a_montage_has_no_more_columns_than_tiles():
    assert montage([np.zeros((8, 8, 3), np.uint8)], 6).shape == (8 + 2 * GAP, 8 + 2 * GAP, 3)


def test_rows_of_a_montage_are_as_high_as_their_tiles():
    tiles = [np.full((rows, 30, 3), rows, np.uint8) for rows in (20, 8, 12)]
    sheet = montage(tiles, 2)
    assert sheet.shape == (GAP + 20 + GAP + 12 + GAP, GAP + 2 * (30 + GAP), 3)
    assert (sheet[GAP + 20 + GAP :][:12, GAP : GAP + 30] == 12).all()


def test_captions_stand_under_their_tiles():
    tiles = [np.zeros((40, 90, 3), np.uint8)] * 2
    sheet = montage(tiles, 2, ["Dice 0.98 and more words than the cell is wide", ""])
    assert sheet.shape == (2 * GAP + 40 + CAPTION, 3 * GAP + 180, 3)
    assert sheet[GAP + 40 : GAP + 40 + CAPTION, GAP : GAP + 90].max() > 150
    assert sheet[: GAP + 40].max() == 0
    assert sheet[:, GAP + 90 :].max() == 0


def test_a_montage_of_nothing_is_refused():
    tile = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UsageError, match="needs tiles and columns, not 0 tiles in 2 columns"):
        montage([], 2)
    with pytest.raises(UsageError, match="not 1 tiles in 0 columns"):
        montage([tile], 0)
    with pytest.raises(UsageError, match="of 2 tiles needs as many captions, not 1"):
        montage([tile, tile], 2, ["one"])


def test_a_refused_picture_says_so_in_its_edge_and_keeps_its_size():
    picture = np.full((200, 300, 3), 90, np.uint8)
    marked = refused_stamp(picture, Verdict("refused", ("not_frontal",), ("this is a hand",)))
    assert marked.shape == picture.shape
    assert picture.max() == 90
    assert [
        tuple(marked[row, column]) for row, column in ((199, 150), (100, 0), (100, 299), (3, 295))
    ] == [REFUSED] * 4
    assert marked[4:16].max() == 255  # white letters
    np.testing.assert_array_equal(marked[30:190, 10:290], picture[30:190, 10:290])


@pytest.mark.parametrize("verdict", [Verdict("ok"), Verdict("review", ("small",), ("a reason",))])
def test_other_pictures_are_not_marked(verdict):
    picture = np.full((40, 40, 3), 90, np.uint8)
    assert refused_stamp(picture, verdict) is picture


@pytest.mark.parametrize("shape", [(32, 32), (40, 900), (900, 40)])
def test_pictures_of_any_shape_can_be_marked(shape):
    marked = refused_stamp(
        np.zeros((*shape, 3), np.uint8),
        Verdict("refused", ("no_lung",), ("a very long reason " * 9,)),
    )
    assert marked[0, 0].tolist() == list(REFUSED)
    assert marked[shape[0] // 2 + 8, shape[1] // 2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(2000, 2000), (160, 160, 160)])
def test_the_window_of_many_values_is_that_of_about_a_million_of_them(shape):
    values = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    low, high = window(values)
    assert (low, high) == pytest.approx(np.percentile(values, (0.5, 99.5)), abs=4)
    assert list(to_8_bits(np.array([low - 1, low, high, high + 1]), low, high)) == [0, 0, 255, 255]


def test_layers_that_overlap_the_lungs_are_painted_over_them() -> None:
    image = image_of(np.full((64, 64), 100, np.uint8) + np.eye(64, dtype=np.uint8))
    labels, opacity = np.zeros((2, 64, 64), np.uint8)
    labels[10:50, 5:25] = 1
    opacity[20:40, 8:20] = 5
    layers = ((RIGHT_LUNG, LEFT_LUNG), (OPACITY,))
    found = overlay(image, image.with_layers((labels, opacity), layers))
    plain = overlay(image, image.with_labels(labels))
    same = (found == plain).all(axis=2)
    assert same[opacity == 0].all()
    assert not same[opacity > 0].any()
    assert tuple(found[20, 8]) == OPACITY.colour
