"""What is called a lung and is a part of what fills the place of one."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.ct.opaque_lung import remove_opaque_remnant


def drawn(columns: int, hu: int) -> tuple[np.ndarray, np.ndarray]:
    """A right lung of ten columns, and a left one of some, of a density."""
    labels = np.zeros((4, 10, 30), np.uint8)
    labels[:, :, 2:12], labels[:, :, 15 : 15 + columns] = 1, 2
    return labels, np.array([40, -800, hu], np.int16)[labels]


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
    remove_opaque_remnant(labels, voxels)
    assert (labels == 2).any() == stays
    assert np.count_nonzero(labels == 1) == 400


def test_a_lung_alone_is_left_alone() -> None:
    labels, voxels = drawn(0, 0)
    before = labels.copy()
    remove_opaque_remnant(labels, voxels)
    assert np.array_equal(labels, before)
    labels[:] = 0
    remove_opaque_remnant(labels, voxels)
    assert not labels.any()
