"""What tiny drawn masks say about each pixel."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.datasets.label_sets import (
    LUNG_LAYERS,
    ONLY_BACKGROUND,
    LayerClasses,
    allowed_sets,
    assign_sides,
    judged_pixels,
    layer_classes,
    lungs_of,
    mediastinal_band,
    mirror_table,
    narrowed,
    reopened,
)
from lungseg.errors import UsageError
from lungseg.structures import HEART, LEFT_LUNG, OPACITY, RIGHT_LUNG, TRACHEA

B, R, L, M = 1, 2, 4, 8
"""Bits of the layer of the two lungs: background, right lung, left lung, mediastinum."""
ANYTHING = 15
LUNGS = ("right lung", "left lung")
CHEST = layer_classes(((*LUNGS, "heart"),))
"""The same with the heart, whose bit comes before that of the mediastinum."""
H, M_OF_CHEST = 8, 16


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


def allowed(labels: np.ndarray, lung_extent: str, decides=LUNGS, layers=LUNG_LAYERS) -> np.ndarray:
    """The sets of the first layer."""
    sets = allowed_sets(labels, layers, decides=decides, lung_extent=lung_extent)
    assert (sets.shape, sets.dtype) == ((len(layers), *labels.shape), np.uint8)
    return sets[0]


def test_bits_stand_in_the_order_of_the_channels() -> None:
    (lungs,) = LUNG_LAYERS
    assert lungs.names == ("background", "right lung", "left lung", "mediastinum")
    assert [lungs.bits(name) for name in lungs.names] == [B, R, L, M]
    assert (lungs.anything, ONLY_BACKGROUND) == (ANYTHING, B)
    assert lungs.bits("left lung", "background", "heart") == L | B


def test_the_mediastinum_is_the_last_class_of_the_layer_of_the_lungs_alone() -> None:
    layers = layer_classes(((*LUNGS, "heart"), ("opacity",), ("trachea", "heart")))
    assert [classes.names for classes in layers] == [
        ("background", "right lung", "left lung", "heart", "mediastinum"),
        ("background", "opacity"),
        ("background", "trachea", "heart"),
    ]
    assert [classes.anything for classes in layers] == [31, 3, 7]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            (("right lung", "heart"),),
            "right lung is learnt in one layer with left lung; name both.",
        ),
        ((("left lung",), ("right lung",)), "left lung is learnt in one layer with right lung"),
    ],
)
def test_half_a_pair_is_refused(layers, words) -> None:
    with pytest.raises(UsageError, match=words):
        layer_classes(layers)


def test_more_classes_than_bits_are_refused(monkeypatch) -> None:
    monkeypatch.setattr("lungseg.datasets.label_sets.MAX_CLASSES", 4)
    with pytest.raises(
        UsageError,
        match="a layer has at most 4 classes, not background, right lung, left lung, heart, "
        "mediastinum; learn some of its structures in a layer of their own",
    ):
        layer_classes((("right lung", "left lung", "heart"), ("trachea",)))


def test_a_mask_of_the_field_is_sure_inside_and_leaves_the_mediastinum_open_outside() -> None:
    sets = allowed(TWO, "field")
    assert sets[1].tolist() == [B | M] + [R] * 10 + [B | M] + [L] * 10 + [B | M]
    assert sets[3].tolist() == [B | M] * 3 + [R] * 5 + [B | M] * 9 + [L] * 3 + [B | M] * 3
    assert (sets[0] == B | M).all()


def test_a_mask_through_the_heart_is_sure_outside_and_in_the_outer_fifth_of_each_row() -> None:
    sets = allowed(TWO, "through-heart")
    assert sets[1].tolist() == [B] + [R] * 2 + [R | M] * 8 + [B] + [L | M] * 8 + [L] * 2 + [B]
    assert (
        sets[3].tolist()
        == [B] * 3 + [R] * 1 + [R | M] * 4 + [B] * 9 + [L | M] * 2 + [L] * 1 + [B] * 3
    )
    assert (sets[0] == B).all()


def test_a_mask_of_aerated_lung_says_nothing_outside() -> None:
    assert allowed(TWO, "aerated")[1].tolist() == [ANYTHING] + [R] * 10 + [ANYTHING] + [L] * 10 + [
        ANYTHING
    ]


@pytest.mark.parametrize(
    ("lung_extent", "outside"), [("field", B | M), ("through-heart", B), ("aerated", ANYTHING)]
)
def test_an_empty_mask(lung_extent, outside) -> None:
    assert (allowed(np.zeros((3, 4), np.uint8), lung_extent) == outside).all()


ROW = np.array([[0, 1, 1, 3, 3, 2, 2, 0]], np.uint8)
"""Right lung, heart, left lung."""


def test_a_structure_that_is_decided_is_sure_and_excludes_the_others_of_its_layer() -> None:
    sets = allowed(ROW, "field", (*LUNGS, "heart"), CHEST)
    outside = B | M_OF_CHEST
    assert sets[0].tolist() == [outside, R, R, H, H, L, L, outside]


def test_a_structure_that_is_not_decided_stays_open_where_no_other_is() -> None:
    without = np.where(ROW == 3, 0, ROW)
    outside = B | H | M_OF_CHEST
    assert allowed(without, "field", LUNGS, CHEST)[0].tolist() == [
        outside, R, R, outside, outside, L, L, outside,
    ]  # fmt: skip
    through = np.array([[1] * 10 + [2] * 10], np.uint8)
    inner = [R | H | M_OF_CHEST] * 8 + [L | H | M_OF_CHEST] * 8
    assert allowed(through, "through-heart", LUNGS, CHEST)[0].tolist() == [
        R, R, *inner, L, L,
    ]  # fmt: skip


def test_lungs_that_are_not_decided_stay_open_but_where_the_heart_is() -> None:
    only = np.where(ROW == 3, 3, 0).astype(np.uint8)
    outside = B | R | L | M_OF_CHEST
    for lung_extent in ("field", "through-heart", "aerated"):
        assert allowed(only, lung_extent, ("heart",), CHEST)[0].tolist() == [
            outside, outside, outside, H, H, outside, outside, outside,
        ]  # fmt: skip


def test_a_mask_of_aerated_lung_that_decides_the_heart_leaves_lung_open_beside_it() -> None:
    sets = allowed(ROW, "aerated", (*LUNGS, "heart"), CHEST)
    outside = B | R | L | M_OF_CHEST
    assert sets[0].tolist() == [outside, R, R, H, H, L, L, outside]


def test_each_layer_has_sets_of_its_own() -> None:
    layers = layer_classes((LUNGS, ("heart",), ("trachea",)))
    sets = allowed_sets(ROW, layers, decides=(*LUNGS, "heart"), lung_extent="field")
    assert sets[:, 0].tolist() == [
        [B | M, R, R, B | M, B | M, L, L, B | M],
        [1, 1, 1, 2, 2, 1, 1, 1],
        [3] * 8,  # nothing is known of the trachea
    ]


def test_beneath_an_opacity_nothing_is_known_of_the_lungs() -> None:
    labels = np.array([[0, 1, 5, 1, 2]], np.uint8)
    layers = layer_classes((LUNGS, ("opacity",)))
    sets = allowed_sets(labels, layers, decides=(*LUNGS, "opacity"), lung_extent="field")
    assert sets[:, 0].tolist() == [[B | M, R, ANYTHING, R, L], [1, 1, 2, 1, 1]]


def test_a_mirror_swaps_the_bits_of_a_pair_and_no_others() -> None:
    table = mirror_table(LayerClasses((RIGHT_LUNG, LEFT_LUNG, HEART)))
    assert (table.shape, table.dtype) == ((256,), np.uint8)
    expected = [(s & ~6) | (4 if s & 2 else 0) | (2 if s & 4 else 0) for s in range(32)]
    assert table[:32].tolist() == expected
    assert mirror_table(LayerClasses((OPACITY,)))[:4].tolist() == [0, 1, 2, 3]


def test_where_each_lung_is() -> None:
    """Where a mask leaves all open nothing is known to be lung."""
    layers = (LayerClasses((HEART, TRACHEA)), *LUNG_LAYERS)
    sets = np.array([[[2, 4, 7, 1]], [[R, L | M, B | M, ANYTHING]]], np.uint8)
    found = lungs_of(sets, layers)
    assert found["right"].tolist() == [[True, False, False, False]]
    assert found["left"].tolist() == [[False, True, False, False]]
    assert not any(lung.any() for lung in lungs_of(sets[:1], layers[:1]).values())


def test_masks_through_the_heart_are_not_judged_in_the_band() -> None:
    band = mediastinal_band(TWO)
    for lungs in ([RIGHT_LUNG, LEFT_LUNG], [LEFT_LUNG]):
        np.testing.assert_array_equal(judged_pixels(TWO, lungs, "through-heart"), ~band)
        assert judged_pixels(TWO, lungs, "field") is None
        np.testing.assert_array_equal(judged_pixels(TWO, lungs, "aerated"), TWO > 0)
    assert judged_pixels(TWO, [HEART], "through-heart") is None
    assert judged_pixels(TWO, [HEART], "aerated") is None


def test_what_lies_beneath_an_opacity_is_not_judged() -> None:
    labels = np.array([[0, 1, 5, 5, 2]], np.uint8)
    beside = [[True, True, False, False, True]]
    assert judged_pixels(labels, [RIGHT_LUNG, LEFT_LUNG], "field").tolist() == beside
    assert judged_pixels(labels, [HEART], "field").tolist() == beside
    assert judged_pixels(labels, [OPACITY], "field") is None


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


def test_masks_of_their_own_narrow_what_the_mask_of_the_lungs_leaves_open() -> None:
    layers = layer_classes((LUNGS, ("heart",), ("opacity",)))
    lungs = allowed_sets(ROW, layers, decides=LUNGS, lung_extent="field")
    heart = np.where(np.arange(ROW.shape[1]) < 3, np.uint8(3), np.uint8(0))[np.newaxis]
    hearts = allowed_sets(heart, layers, decides=("heart",), lung_extent="field")
    both = narrowed(lungs, hearts)
    np.testing.assert_array_equal(both[0], lungs[0])
    np.testing.assert_array_equal(both[1], np.where(heart == 3, 2, 1))
    assert (both[2] == 3).all()
    contradicting = np.array([[[1]]], np.uint8), np.array([[[4]]], np.uint8)
    assert narrowed(*contradicting) == 5


def test_where_an_opacity_was_painted_it_is_open_whether_there_is_one() -> None:
    layers = layer_classes((LUNGS, ("opacity",)))
    sets = np.ones((2, 1, 3), np.uint8)
    opened = reopened(sets, layers, np.array([[True, False, False]]))
    assert opened.tolist() == [[[1, 1, 1]], [[3, 1, 1]]]
    assert reopened(sets[:1], layers[:1], np.ones((1, 3), bool)) is not None
    np.testing.assert_array_equal(reopened(sets[:1], layers[:1], np.ones((1, 3), bool)), sets[:1])


ONE = layer_classes((("lungs",),))[0]


def test_lungs_as_one_take_no_side_from_a_mask() -> None:
    labels = np.array([[0, 1, 2]], np.uint8)
    assert ONE.names == ("background", "lungs", "mediastinum")
    (sets,) = allowed_sets(labels, [ONE], decides=LUNGS, lung_extent="field")
    outside = ONE.bits("background", "mediastinum")
    assert sets.tolist() == [[outside, ONE.bits("lungs"), ONE.bits("lungs")]]
    (half,) = allowed_sets(labels, [ONE], decides=("right lung",), lung_extent="field")
    assert half.tolist() == [[ONE.anything, ONE.bits("lungs"), ONE.anything]]
    np.testing.assert_array_equal(mirror_table(ONE)[sets], sets)


def test_the_sides_of_lungs_as_one_are_those_of_their_places() -> None:
    sets = np.full((1, 20, 40), ONE.bits("background"), np.uint8)
    sets[0, 5:15, 4:14] = sets[0, 5:15, 26:36] = ONE.bits("lungs")
    found = lungs_of(sets, [ONE])
    assert found["right"][10, 8]
    assert found["left"][10, 30]
    assert not (found["right"] & found["left"]).any()
