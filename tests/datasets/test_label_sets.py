"""What tiny drawn masks say about each pixel."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.datasets.label_sets import (
    ANYTHING,
    BACKGROUND,
    CLASSES,
    LEFT,
    MEDIASTINUM,
    RIGHT,
    allowed_classes,
    assign_sides,
    mediastinal_band,
)

R, L, B, M = RIGHT, LEFT, BACKGROUND, MEDIASTINUM


def mask(*rows: str) -> np.ndarray:
    """Lung where there is a #."""
    return np.array([[255 * (letter == "#") for letter in row] for row in rows], np.uint8)


TWO_LUNGS = mask(
    ".......................",
    ".##########.##########.",
    ".##########.##########.",
    "...#####.........###...",
)
TWO = np.where(TWO_LUNGS == 0, 0, np.where(np.arange(23) < 11, 1, 2)).astype(np.uint8)
"""The same as labels."""


def test_bits_stand_in_the_order_of_the_classes() -> None:
    assert CLASSES == ("background", "right lung", "left lung", "mediastinum")
    assert [1 << i for i in range(4)] == [BACKGROUND, RIGHT, LEFT, MEDIASTINUM]
    assert ANYTHING == 15


def test_a_lung_mask_is_sure_inside_and_leaves_the_mediastinum_open_outside() -> None:
    allowed = allowed_classes(TWO, "field")
    assert allowed.dtype == np.uint8
    assert allowed[1].tolist() == [B | M] + [R] * 10 + [B | M] + [L] * 10 + [B | M]
    assert allowed[3].tolist() == [B | M] * 3 + [R] * 5 + [B | M] * 9 + [L] * 3 + [B | M] * 3
    assert (allowed[0] == B | M).all()


def test_a_mask_with_the_heart_is_sure_outside_and_in_the_outer_fifth_of_each_row() -> None:
    allowed = allowed_classes(TWO, "through-heart")
    assert allowed[1].tolist() == [B] + [R] * 2 + [R | M] * 8 + [B] + [L | M] * 8 + [L] * 2 + [B]
    assert (
        allowed[3].tolist()
        == [B] * 3 + [R] * 1 + [R | M] * 4 + [B] * 9 + [L | M] * 2 + [L] * 1 + [B] * 3
    )
    assert (allowed[0] == B).all()


def test_a_partial_mask_says_nothing_outside() -> None:
    assert allowed_classes(TWO, "aerated")[1].tolist() == [ANYTHING] + [R] * 10 + [ANYTHING] + [
        L
    ] * 10 + [ANYTHING]


@pytest.mark.parametrize(
    ("lung_extent", "outside"), [("field", B | M), ("through-heart", B), ("aerated", ANYTHING)]
)
def test_an_empty_mask(lung_extent, outside) -> None:
    assert (allowed_classes(np.zeros((3, 4), np.uint8), lung_extent) == outside).all()


def test_the_band_is_the_inner_half_of_the_right_and_two_thirds_of_the_left_lung() -> None:
    band = mediastinal_band(TWO)
    assert band.dtype == bool
    assert np.flatnonzero(band[1]).tolist() == [*range(6, 11), *range(12, 19)]
    # Of five and three columns: depths 0.1 0.3 0.5 0.7 0.9, and 1/6 1/2 5/6 from the right.
    assert np.flatnonzero(band[3]).tolist() == [6, 7, 17, 18]
    assert not band[0].any()


def test_a_hole_counts_as_width_but_is_not_in_the_band() -> None:
    with_hole = TWO.copy()
    with_hole[1, 8] = 0
    assert np.flatnonzero(mediastinal_band(with_hole)[1]).tolist() == [6, 7, 9, 10, *range(12, 19)]


def test_sides_of_two_lungs() -> None:
    sides = assign_sides(TWO_LUNGS)
    assert sides.dtype == np.uint8
    np.testing.assert_array_equal(sides, TWO)


def test_both_lungs_in_one_half_of_the_picture_are_told_apart() -> None:
    sides = assign_sides(mask("###.###......................", "###.###......................"))
    assert sides[0].tolist() == [1] * 3 + [0] + [2] * 3 + [0] * 22


def test_small_pieces_join_the_nearer_lung() -> None:
    sides = assign_sides(
        mask(
            ".....#...........#....",
            "......................",
            "########....##########",
            "########....##########",
        )
    )
    assert sides[0].tolist() == [0] * 5 + [1] + [0] * 11 + [2] + [0] * 4


@pytest.mark.parametrize(
    "rows",
    [
        ("..##########",) * 3,
        ("..##########",) * 3 + ("............", "#..........."),
        ("..##########", "...........#"),
    ],
    ids=["one piece", "and a crumb", "touching at a corner"],
)
def test_a_single_piece_is_cut_at_the_middle_of_the_picture(rows) -> None:
    drawn = mask(*rows)
    np.testing.assert_array_equal(
        assign_sides(drawn), np.where(drawn == 0, 0, np.where(np.arange(12) < 6, 1, 2))
    )


def test_no_lung_has_no_sides() -> None:
    assert not assign_sides(np.zeros((4, 5), np.uint8)).any()
    assert not mediastinal_band(np.zeros((4, 5), np.uint8)).any()
