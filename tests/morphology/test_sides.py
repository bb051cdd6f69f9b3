"""Which of two lungs a pixel belongs to, by where it lies."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.morphology.sides import (
    by_place,
    cut_in_the_middle,
    is_undecided,
    lung_mask,
    sides_by_place,
)

SHAPE = (100, 120)


def boxes(*places: tuple[int, int, int, int]) -> np.ndarray:
    """A mask with boxes: first row, row after the last, first column, column after the last."""
    mask = np.zeros(SHAPE, np.uint8)
    for top, bottom, first, last in places:
        mask[top:bottom, first:last] = 1
    return mask


RIGHT, LEFT = (20, 80, 15, 50), (20, 80, 70, 105)
NECK, BRIDGE = (48, 52, 50, 70), (25, 75, 50, 70)


@pytest.mark.parametrize(
    ("places", "right", "left"),
    [
        ((RIGHT, LEFT), (50, 20), (50, 100)),
        ((RIGHT, LEFT, NECK), (50, 52), (50, 68)),  # a narrow neck is parted in its middle
        (((20, 45, 15, 50), (55, 80, 15, 50), LEFT), (70, 30), (30, 80)),  # a lung in two
        ((RIGHT,), (50, 20), (50, 100)),  # the only one, in its own half
        ((LEFT,), (50, 20), (50, 100)),
        (((20, 80, 5, 40), (20, 80, 45, 75)), (50, 20), (50, 60)),  # off the middle
        ((), (50, 20), (50, 100)),
    ],
)
def test_lungs_beside_each_other_have_the_side_of_their_place(places, right, left) -> None:
    side = sides_by_place(boxes(*places), 60)
    assert side is not None
    assert (side[right], side[left]) == (1, 2)
    assert set(np.unique(side)) <= {1, 2}


@pytest.mark.parametrize(
    "places",
    [
        (RIGHT, LEFT, BRIDGE),  # too wide to be parted
        ((20, 45, 40, 80), (55, 80, 40, 80)),  # above each other, in the middle
        ((20, 80, 5, 25), (20, 80, 30, 50)),  # two in one half may be parts of one lung
    ],
)
def test_where_nothing_tells_there_are_no_sides(places) -> None:
    assert sides_by_place(boxes(*places), 60) is None


def test_probabilities_are_parted_and_lose_nothing() -> None:
    lungs = (0.1 + 0.8 * boxes(RIGHT, LEFT)).astype(np.float32)
    right, left = by_place(lungs, 0.5, 0.005)
    np.testing.assert_array_equal(right + left, lungs)
    assert right[50, 30] > 0.5 > left[50, 30]
    assert not is_undecided(right, left, 0.5).any()


def test_undecided_probabilities_are_halves_that_can_be_cut() -> None:
    lungs = (0.9 * boxes(RIGHT, LEFT, BRIDGE)).astype(np.float32)
    right, left = by_place(lungs, 0.5, 0.005)
    np.testing.assert_array_equal(right, left)
    np.testing.assert_array_equal(is_undecided(right, left, 0.5), lungs > 0)
    for cut, inside in zip(cut_in_the_middle(right, left), (30, 90), strict=True):
        np.testing.assert_allclose(cut[50, inside], 0.9)
        assert cut[50, 120 - inside] == 0
    wide = np.rint(255 * np.stack([right, left])).astype(np.uint8)
    assert max(part.max() for part in cut_in_the_middle(*wide)) == 230


def test_lungs_as_one_are_lung() -> None:
    assert lung_mask(np.array([0, 1, 2, 3, 255])).tolist() == [False, True, True, False, True]
