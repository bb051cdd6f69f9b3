"""What is called a lung and is a part of what fills the place of one."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.ct.opaque_lung import (
    join_torn_lung,
    name_lung_alone,
    remove_fat,
    remove_opaque_remnant,
    sizes_of,
)


def drawn(columns: int, hu: int) -> tuple[np.ndarray, np.ndarray]:
    """A right lung of ten columns, and a left one of some, of a density."""
    labels = np.zeros((4, 10, 30), np.uint8)
    labels[:, :, 2:12], labels[:, :, 15 : 15 + columns] = 1, 2
    return labels, np.array([40, -800, hu], np.int16)[labels]


@pytest.mark.parametrize(("hu", "stays"), [(-100, False), (-700, True), (45, True)])
def test_a_piece_of_fat_beside_a_lung_is_none(hu, stays) -> None:
    """One of air, or of consolidated lung, may be cut off; and a lung that is all fat is left to
    those who judge it.
    """
    labels = np.zeros((6, 20, 60), np.uint8)
    labels[1:5, 2:18, 5:25], labels[1:5, 2:18, 35:55] = 1, 2
    labels[1:3, 2:8, 56:60] = 2
    labels[1:3, 2:8, 55] = 0
    voxels = np.where(labels == 2, hu, -800).astype(np.int16)
    whole = labels.copy()
    remove_fat(labels, voxels)
    assert (labels[1:3, 2:8, 56:60] == 2).all() == stays
    np.testing.assert_array_equal(labels[..., :56], whole[..., :56])


@pytest.mark.parametrize(
    ("columns", "hu", "stays"),
    [
        (2, 45, False),
        (2, -250, False),
        (2, -500, True),
        (3, 45, True),
        (9, 45, True),
        (9, 10, False),
    ],
    ids=["small", "nearly airless", "collapsed, with air", "a third", "a white lung", "fluid"],
)
def test_a_small_airless_second_lung_is_none(columns, hu, stays) -> None:
    labels, voxels = drawn(columns, hu)
    remove_opaque_remnant(labels, voxels, sizes_of(labels))
    assert (labels == 2).any() == stays
    assert np.count_nonzero(labels == 1) == 400


def test_next_to_nothing_beside_a_whole_lung_is_none() -> None:
    labels = np.zeros((6, 20, 60), np.uint8)
    labels[1:5, 2:18, 5:25] = 1
    labels[2, 5:8, 50:56] = 2  # 18 of 1280
    voxels = np.full(labels.shape, -800, np.int16)
    whole = labels.copy()
    remove_opaque_remnant(whole, voxels, sizes_of(whole))
    assert set(np.unique(whole)) == {0, 1}
    cut = labels.copy()
    cut[0] = cut[1]  # the base of the other lung may be all that was scanned of it
    remove_opaque_remnant(cut, voxels, sizes_of(cut))
    assert set(np.unique(cut)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("columns", "first", "joined"),
    [(2, 12, True), (2, 13, False), (9, 12, False)],
    ids=["a part of it", "beside it", "large"],
)
def test_a_part_of_a_lung_that_lies_on_it_is_no_second_one(columns, first, joined) -> None:
    labels = np.zeros((4, 10, 30), np.uint8)
    labels[:, :, 2:12], labels[:, 2:8, first : first + columns] = 1, 2
    assert join_torn_lung(labels, sizes_of(labels)) == joined
    assert (labels == 2).any() != joined
    assert np.count_nonzero(labels) == 400 + 4 * 6 * columns


@pytest.mark.parametrize(("first", "side"), [(14, 1), (32, 2)], ids=["right", "left"])
@pytest.mark.parametrize("called", [1, 2])
def test_a_lung_alone_has_the_side_of_the_spine_that_it_lies_on(first, side, called) -> None:
    """Also where it reaches across the middle, of the picture and of the spine."""
    labels = np.zeros((6, 40, 80), np.uint8)
    labels[1:5, 5:30, first : first + 34] = called
    voxels = np.where(labels > 0, -800, 40).astype(np.int16)
    voxels[:, 28:38, 37:43] = 600
    voxels[:, 36:38, 10:70] = 400  # ribs
    expected = np.where(labels > 0, side, 0)
    name_lung_alone(labels, voxels)
    np.testing.assert_array_equal(labels, expected)


def test_a_lung_alone_keeps_its_name_where_nothing_tells() -> None:
    labels = np.zeros((6, 40, 80), np.uint8)
    labels[1:5, 5:30, 5:30] = 2
    voxels = np.where(labels > 0, -800, 40).astype(np.int16)
    before = labels.copy()
    name_lung_alone(labels, voxels)  # no bone
    np.testing.assert_array_equal(labels, before)
    voxels[:, 28:38, 15:20] = 600
    name_lung_alone(labels, voxels)  # before the spine
    np.testing.assert_array_equal(labels, before)
    labels[1:5, 5:30, 60:70] = 1
    before = labels.copy()
    voxels[:, 28:38, 60:70] = 600
    name_lung_alone(labels, voxels)  # not alone
    np.testing.assert_array_equal(labels, before)
    labels[:] = 0
    name_lung_alone(labels, voxels)
    assert not labels.any()


def test_a_lung_alone_is_left_alone() -> None:
    labels, voxels = drawn(0, 0)
    before = labels.copy()
    remove_opaque_remnant(labels, voxels, sizes_of(labels))
    assert np.array_equal(labels, before)
    labels[:] = 0
    remove_opaque_remnant(labels, voxels, sizes_of(labels))
    assert not labels.any()
