from __future__ import annotations

import numpy as np
import pytest

from ellipsoids import ellipsoids, turned
from lungseg.draw.picture import CAPTION, GAP
from lungseg.draw.volume import COLUMNS, MAX_SLICE_SIDE, SHEET, overview, slice_picture
from lungseg.errors import UsageError
from lungseg.geometry import Reorientation, VolumeGeometry
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG
from lungseg.volume import Volume
from phantom_volumes import TURNS


def tiles(sheet: np.ndarray) -> list[np.ndarray]:
    """What stands on a sheet, in order; a strip of captions is above 20 pixels of black and its
    gap."""
    across = (sheet.shape[1] - GAP) // COLUMNS - GAP
    rest, found = sheet[GAP:], []
    while len(rest):
        # Captions are 235 at most; rows of pictures end where a whole row is black.
        high = int(np.flatnonzero(~rest.any(axis=(1, 2)))[0])
        found += [rest[:high, i * (across + GAP) + GAP :][:, :across] for i in range(COLUMNS)]
        rest = rest[high + CAPTION + GAP :]
    return found


def where(tile: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((tile == colour).all(axis=2))


def test_three_planes_in_true_proportions() -> None:
    volume, labels = ellipsoids((30, 80, 100), spacing=(5.0, 2.0, 2.0))
    sheet = overview(volume, volume.with_labels(labels))
    # 150 mm high, 160 deep, 200 across: four times 200 mm and five gaps are the sheet's width.
    assert sheet.shape == (GAP + 2 * 316 + 296 + 296 + 4 * (CAPTION + GAP), SHEET, 3)
    found = tiles(sheet)
    assert len(found) == 16
    for tile, size in ((found[3], (316, 395)), (found[8], (296, 395)), (found[12], (296, 316))):
        shown = np.argwhere(tile[: size[0]].any(axis=2))
        assert np.ptp(shown, axis=0) == pytest.approx(np.array(size) - 1, abs=1)


@pytest.mark.parametrize("size", [300, 800, 2001])
def test_the_longer_side_of_a_sheet_can_be_asked_for(size: int) -> None:
    volume, labels = ellipsoids((30, 80, 100), spacing=(5.0, 2.0, 2.0))
    sheet = overview(volume, volume.with_labels(labels), size=size)
    assert size - 4 <= max(sheet.shape) <= size
    flat, labels = ellipsoids((1, 80, 96))
    assert overview(flat, flat.with_labels(labels), size=size).shape[1] == size


def test_the_patients_right_is_on_the_left_and_his_head_is_up() -> None:
    volume, labels = ellipsoids((30, 80, 100))
    labels[:10] = 0  # the upper two thirds are left
    tile = tiles(overview(volume, volume.with_labels(labels)))[8 + 2]
    right, left = where(tile, RIGHT_LUNG.colour), where(tile, LEFT_LUNG.colour)
    assert right[:, 1].max() < left[:, 1].min()
    assert right[:, 0].mean() < tile.shape[0] / 2


@pytest.mark.parametrize(
    "turn",
    [Reorientation((2, 0, 1), (True, False, True)), Reorientation((1, 2, 0), (False, True, False))],
)
def test_the_order_in_the_file_makes_no_difference_but_to_captions(turn: Reorientation) -> None:
    volume, labels = ellipsoids((20, 60, 64))
    stored = turned(volume, turn)
    plain, other = (
        overview(volume, volume.with_labels(labels)),
        overview(stored, stored.with_labels(turn.apply(labels))),
    )
    for one, two in zip(tiles(plain), tiles(other), strict=True):
        np.testing.assert_array_equal(one, two)


def test_one_slice_has_the_sheet_to_itself() -> None:
    volume, labels = ellipsoids((1, 80, 96))
    assert overview(volume, volume.with_labels(labels)).shape == (80, 96, 3)
    large, labels = ellipsoids((1, 1500, 2048))
    assert overview(large, large.with_labels(labels)).shape == (750, MAX_SLICE_SIDE, 3)


def test_greys_without_lungs_and_few_slices() -> None:
    greys = np.zeros((2, 40, 50), np.uint8)
    greys[1, 5:9] = 200
    volume = Volume(greys, VolumeGeometry(greys.shape), hounsfield=False)
    sheet = overview(volume, volume.with_labels(np.zeros_like(greys)))
    assert np.array_equal(sheet[..., 0], sheet[..., 1])


def test_another_shape_is_refused() -> None:
    volume, labels = ellipsoids((4, 40, 50))
    other, _ = ellipsoids((5, 40, 50))
    with pytest.raises(
        UsageError,
        match=r"a segmentation of shape \(4, 40, 50\) is not one of a volume of shape \(5, 40, "
        r"50\)",
    ):
        overview(other, volume.with_labels(labels))


def test_the_unmarked_sheet_shows_the_same_slices_in_greys() -> None:
    volume, labels = ellipsoids((12, 40, 50))
    segmentation = volume.with_labels(labels)
    plain = overview(volume, segmentation, marked=False)
    painted = overview(volume, segmentation)
    assert plain.shape == painted.shape
    assert np.array_equal(plain[..., 0], plain[..., 1])
    colourless = (painted[..., 0] == painted[..., 1]) & (painted[..., 1] == painted[..., 2])
    assert np.array_equal(plain[colourless], painted[colourless])
    assert 0.02 < 1 - colourless.mean() < 0.6


def test_a_slice_picture_is_one_slice_in_true_proportions_whatever_the_order() -> None:
    volume, labels = ellipsoids((20, 40, 48), spacing=(10.0, 5.0, 5.0))
    straight = [
        slice_picture(volume, labels, axis, number, 120)
        for axis, number in ((0, 10), (1, 20), (2, 14))
    ]
    assert [picture.shape for picture in straight] == [(100, 120, 3), (100, 120, 3), (120, 120, 3)]
    for turn in TURNS[3::11]:
        stored = turned(volume, turn)
        assert np.array_equal(slice_picture(stored, labels, 1, 20, 120), straight[1])
    columns = [
        np.flatnonzero((straight[1] == lung.colour).all(axis=2).any(axis=0))
        for lung in (RIGHT_LUNG, LEFT_LUNG)
    ]
    assert columns[0].max() < 60 < columns[1].min()  # the patient's right is on the left
