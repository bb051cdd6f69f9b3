"""Augmentation: replayed from its numbers, labels and picture moved alike, and each change doing
what it says and no more."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lungseg.augment import parameters as augment
from lungseg.augment.parameters import NONE, Draw, Strength, apply, draw, swap_sides
from lungseg.datasets.label_sets import (
    ANYTHING,
    BACKGROUND,
    LEFT,
    MEDIASTINUM,
    RIGHT,
    allowed_classes,
)
from lungseg.errors import UsageError
from lungseg.phantom.radiograph import radiograph_phantom

NEUTRAL = Draw(
    mirror=False,
    flip=False,
    half_turn=False,
    matrix=np.array([[1, 0, 0], [0, 1, 0]], np.float32),
    bend=np.zeros((2, 4, 4), np.float32),
    fill=0.0,
    obscured=(),
    gamma=1.0,
    contrast=1.0,
    brightness=0.0,
    shade=None,
    equalise=None,
    blur=0.0,
    coarse=1.0,
    noise=0.0,
    seed=0,
    jpeg=None,
    window=(0.0, 0.0),
    negative=False,
)
SIZE = (64, 48)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.array(radiograph_phantom(SIZE).image.array)


@pytest.fixture(scope="module")
def allowed() -> np.ndarray:
    return allowed_classes(radiograph_phantom(SIZE).truth.labels, "lung and heart")


def grey_after(picture, allowed, **changes) -> np.ndarray:
    return apply(picture, allowed, replace(NEUTRAL, **changes), SIZE)[0]


def test_the_same_seed_draws_the_same_sample_and_the_same_draw_gives_it_again(
    picture, allowed
) -> None:
    for seed in range(40):
        drawn = draw(np.random.default_rng(seed))
        first = apply(picture, allowed, drawn, SIZE)
        for again in (drawn, draw(np.random.default_rng(seed))):
            for a, b in zip(first, apply(picture, allowed, again, SIZE), strict=True):
                np.testing.assert_array_equal(a, b)


def test_two_seeds_give_two_samples(picture, allowed) -> None:
    samples = [
        apply(picture, allowed, draw(np.random.default_rng(seed)), SIZE)[0] for seed in range(10)
    ]
    assert all(not np.array_equal(a, b) for i, a in enumerate(samples) for b in samples[:i])


@pytest.mark.parametrize(
    ("convention", "sets"),
    [("lung", {2, 4, 9}), ("lung and heart", {1, 2, 4, 10, 12}), ("partial", {2, 4, 15})],
)
def test_samples_have_the_asked_shape_and_only_sets_that_masks_make(
    picture, convention, sets
) -> None:
    assert (BACKGROUND, RIGHT, LEFT, MEDIASTINUM, ANYTHING) == (1, 2, 4, 8, 15)
    allowed = allowed_classes(radiograph_phantom(SIZE).truth.labels, convention)
    seen: set[int] = set()
    for seed in range(60):
        grey, moved = apply(picture, allowed, draw(np.random.default_rng(seed)), (32, 56))
        assert (grey.shape, grey.dtype, moved.shape, moved.dtype) == (
            (32, 56),
            np.float32,
            (32, 56),
            np.uint8,
        )
        assert np.isfinite(grey).all()
        seen |= set(np.unique(moved).tolist())
    assert seen == sets | {BACKGROUND}  # of the padding


def test_inputs_are_left_as_they_are(picture, allowed) -> None:
    before = picture.copy(), allowed.copy()
    for seed in range(20):
        apply(picture, allowed, draw(np.random.default_rng(seed)), SIZE)
    np.testing.assert_array_equal(picture, before[0])
    np.testing.assert_array_equal(allowed, before[1])


def test_neutral_numbers_give_the_picture_back(picture, allowed) -> None:
    grey, sets = apply(picture, allowed, NEUTRAL, SIZE)
    np.testing.assert_allclose(grey, picture / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed)


def test_mirror_turns_the_picture_over_and_swaps_the_lungs(picture, allowed) -> None:
    grey, sets = apply(picture, allowed, replace(NEUTRAL, mirror=True), SIZE)
    np.testing.assert_allclose(grey, picture[:, ::-1] / 255, atol=1e-6)
    swapped = {1: 1, 2: 4, 4: 2, 10: 12, 12: 10}
    np.testing.assert_array_equal(sets, np.vectorize(swapped.__getitem__)(allowed[:, ::-1]))


def test_swap_sides_of_every_set_of_classes() -> None:
    sets = np.arange(16, dtype=np.uint8)
    expected = [(s & 9) | (4 if s & 2 else 0) | (2 if s & 4 else 0) for s in range(16)]
    np.testing.assert_array_equal(swap_sides(sets), expected)


def test_a_shift_moves_picture_and_sets_alike_and_pads_with_fill_and_background(
    picture, allowed
) -> None:
    quarter = np.array(
        [[1, 0, 0.25], [0, 1, -0.125]], np.float32
    )  # looks a quarter to the right and an eighth up
    grey, sets = apply(picture, allowed, replace(NEUTRAL, matrix=quarter, fill=0.5), SIZE)
    np.testing.assert_allclose(grey[8:, :36], picture[:-8, 12:] / 255, atol=1e-5)
    np.testing.assert_array_equal(sets[8:, :36], allowed[:-8, 12:])
    np.testing.assert_allclose(grey[:8], 128 / 255, atol=1e-6)
    np.testing.assert_allclose(grey[:, 36:], 128 / 255, atol=1e-6)
    assert (sets[:8] == BACKGROUND).all()
    assert (sets[:, 36:] == BACKGROUND).all()


def test_a_turn_by_half_a_circle_is_exact(picture, allowed) -> None:
    grey, sets = apply(
        picture,
        allowed,
        replace(NEUTRAL, matrix=np.array([[-1, 0, 0], [0, -1, 0]], np.float32)),
        SIZE,
    )
    np.testing.assert_allclose(grey, picture[::-1, ::-1] / 255, atol=1e-5)
    np.testing.assert_array_equal(sets, allowed[::-1, ::-1])


def test_every_geometry_moves_the_sets_with_the_picture(allowed) -> None:
    # A picture of the lungs themselves: where they go, their sets go.
    lungs = np.where((allowed & (RIGHT | LEFT)) > 0, 255, 0).astype(np.uint8)
    for seed in range(30):
        drawn = draw(np.random.default_rng(seed))
        grey, sets = apply(
            lungs,
            allowed,
            replace(NEUTRAL, matrix=drawn.matrix, bend=drawn.bend, mirror=drawn.mirror),
            SIZE,
        )
        disagree = (grey > 0.5) != ((sets & (RIGHT | LEFT)) > 0)
        assert disagree.mean() < 0.015
        assert (np.abs(grey - 0.5)[disagree] < 0.5).all()  # on the outline only


def test_a_larger_picture_is_brought_to_the_asked_size() -> None:
    phantom = radiograph_phantom((96, 72))
    allowed = allowed_classes(phantom.truth.labels, "lung")
    grey, sets = apply(phantom.image.array, allowed, NEUTRAL, (32, 24))
    np.testing.assert_allclose(grey, phantom.image.array[1::3, 1::3] / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed[1::3, 1::3])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"negative": True}, lambda g: 1 - g),
        ({"gamma": 2.0}, lambda g: g**2),
        ({"contrast": 0.5}, lambda g: (g - 0.5) / 2 + 0.5),
        ({"contrast": 2.0}, lambda g: np.clip((g - 0.5) * 2 + 0.5, 0, 1)),
        ({"brightness": 0.25}, lambda g: np.clip(g + 0.25, 0, 1)),
        ({"window": (0.1, 0.3)}, lambda g: np.clip((g - 0.1) / 0.6, 0, 1)),
        ({"shade": np.full((3, 3), -0.125, np.float32)}, lambda g: np.clip(g - 0.125, 0, 1)),
    ],
)
def test_changes_of_grey_are_what_they_say(picture, allowed, changes, expected) -> None:
    np.testing.assert_allclose(
        grey_after(picture, allowed, **changes), expected(picture / 255), atol=1e-5
    )


def test_noise_has_the_drawn_deviation_and_seed(allowed) -> None:
    plain = np.full(SIZE, 128, np.uint8)
    noisy = grey_after(plain, allowed, noise=0.05)
    assert (noisy - 128 / 255).std() == pytest.approx(0.05, rel=0.05)
    np.testing.assert_array_equal(noisy, grey_after(plain, allowed, noise=0.05))
    assert not np.array_equal(noisy, grey_after(plain, allowed, noise=0.05, seed=1))


@pytest.mark.parametrize("changes", [{"blur": 1.0}, {"coarse": 2.5}])
def test_blurring_and_coarsening_take_detail_away(picture, allowed, changes) -> None:
    def detail(grey) -> float:
        return float(np.abs(np.diff(grey, axis=1)).mean())

    plain, changed = grey_after(picture, allowed), grey_after(picture, allowed, **changes)
    assert detail(changed) < 0.9 * detail(plain)
    assert changed.mean() == pytest.approx(plain.mean(), abs=0.01)


def test_jpeg_stays_near_the_picture_and_is_not_it(picture, allowed) -> None:
    difference = np.abs(grey_after(picture, allowed, jpeg=60) - picture / 255)
    assert 0.001 < difference.mean() < 0.05


def test_equalising_spreads_the_greys(picture, allowed) -> None:
    flat = (picture // 4 + 100).astype(np.uint8)
    assert grey_after(flat, allowed, equalise=4.0).std() > 1.5 * (flat / 255).std()


def test_obscuring_things_are_painted_in_order_after_the_mirror(picture, allowed) -> None:
    class Recorder:
        def onto(self, grey, sets, rng):
            seen.append(sets.copy())
            return np.full_like(grey, 0.25 * len(seen))

    seen: list[np.ndarray] = []
    grey, sets = apply(
        picture, allowed, replace(NEUTRAL, mirror=True, obscured=(Recorder(), Recorder())), SIZE
    )
    np.testing.assert_allclose(grey, 0.5, atol=1e-6)
    for given in seen:
        np.testing.assert_array_equal(given, augment.swap_sides(allowed[:, ::-1]))
    np.testing.assert_array_equal(sets, seen[0])


def test_a_plain_sample_is_moved_little_and_not_disguised() -> None:
    wild, plain = (draw(np.random.default_rng(5), Strength(plain=share)) for share in (0.0, 1.0))
    still = np.eye(2, 3)
    assert np.allclose(plain.matrix - still, augment.PLAIN_MOVES * (wild.matrix - still), atol=1e-6)
    assert plain.mirror == wild.mirror
    assert (plain.obscured, plain.shade, plain.equalise, plain.jpeg) == ((), None, None, None)
    assert (plain.blur, plain.noise, plain.coarse, plain.negative) == (0.0, 0.0, 1.0, False)


def test_a_worn_sample_differs_in_one_or_two_things_from_what_it_would_have_been() -> None:
    seen: set[str] = set()
    for seed in range(40):
        fresh, worn = (
            json.loads(draw(np.random.default_rng(seed), Strength(wear=share)).to_json())
            for share in (0.0, 1.0)
        )
        differ = {name for name in fresh if fresh[name] != worn[name]}
        assert 1 <= len(differ) <= 2
        seen |= differ
        assert worn["blur"] >= 1.4 or "blur" not in differ
        assert worn["coarse"] >= 3.0 or "coarse" not in differ
        assert worn["noise"] >= 0.08 or "noise" not in differ
        covers = worn["obscured"][len(fresh["obscured"]) :]
        assert {thing["kind"] for thing in covers} == ({"Block"} if "obscured" in differ else set())
    assert seen == {"blur", "coarse", "shade", "noise", "obscured"}


def test_an_effusion_is_added_to_what_would_have_been_drawn() -> None:
    for seed in range(20):
        fresh, hidden = (
            draw(np.random.default_rng(seed), Strength(wear=0.5, plain=0.5, effusion=share))
            for share in (0.0, 1.0)
        )
        assert type(hidden.obscured[0]).__name__ == "Effusion"
        assert replace(hidden, obscured=hidden.obscured[1:]).to_json() == fresh.to_json()


def test_numbers_written_as_json_give_the_same_sample_to_the_last_bit(picture, allowed) -> None:
    kinds: set[str] = set()
    for seed in range(120):
        drawn = draw(np.random.default_rng(seed), Strength(flip=0.5, plain=0.1, effusion=0.2))
        again = Draw.from_json(drawn.to_json())
        for a, b in zip(
            apply(picture, allowed, drawn, SIZE), apply(picture, allowed, again, SIZE), strict=True
        ):
            np.testing.assert_array_equal(a, b)
        assert again.to_json() == drawn.to_json()
        kinds |= {type(thing).__name__ for thing in again.obscured}
    assert len(kinds) == 8


def test_without_strength_nothing_happens(picture, allowed) -> None:
    for seed in range(20):
        grey, sets = apply(picture, allowed, draw(np.random.default_rng(seed), NONE), SIZE)
        np.testing.assert_allclose(grey, picture / 255, atol=1e-6)
        np.testing.assert_array_equal(sets, allowed)


def only(**strength: float) -> list[Draw]:
    """What is drawn where nothing else is."""
    return [draw(np.random.default_rng(seed), replace(NONE, **strength)) for seed in range(400)]


def test_rotation_is_in_degrees_and_nothing_else() -> None:
    turns = [drawn.matrix for drawn in only(rotation=10)]
    for matrix in turns:
        np.testing.assert_allclose(matrix[:, :2] @ matrix[:, :2].T, np.eye(2), atol=1e-6)
        np.testing.assert_array_equal(matrix[:, 2], 0)
    calm = 0.25**2 / 8 + 7 / 8
    degrees = [np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])) for matrix in turns]
    assert np.std(degrees) == pytest.approx(10 * calm**0.5, rel=0.1)


@pytest.mark.parametrize(("name", "row"), [("shift_x", 0), ("shift_y", 1)])
def test_shifts_are_along_their_own_axis(name, row) -> None:
    shifts = np.array([drawn.matrix - np.eye(2, 3) for drawn in only(**{name: 0.1})])
    assert shifts[:, row, 2].std() == pytest.approx(0.1 * (7 / 8 + 1 / 128) ** 0.5, rel=0.1)
    shifts[:, row, 2] = 0
    assert (shifts == 0).all()


def test_zoom_keeps_proportions_and_warp_does_not() -> None:
    for drawn in only(zoom=0.2):
        assert drawn.matrix[0, 0] == drawn.matrix[1, 1]
        assert drawn.matrix[0, 1] == drawn.matrix[1, 0] == 0
        assert not drawn.bend.any()
    warped = only(warp=2)
    assert any(drawn.bend.any() for drawn in warped)
    assert any(abs(drawn.matrix[0, 0] - drawn.matrix[1, 1]) > 0.1 for drawn in warped)


def test_padding_sets_the_picture_in_a_frame() -> None:
    assert all((np.diag(drawn.matrix[:, :2]) > 1.0).any() for drawn in only(padding=1))
    assert np.mean(
        [(drawn.matrix != np.eye(2, 3)).any() for drawn in only(padding=0.25)]
    ) == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("name", ["mirror", "flip", "half_turn"])
def test_chances_of_mirror_flip_and_half_turn(name) -> None:
    others = {"mirror", "flip", "half_turn"} - {name}
    for chance in (0.0, 0.3, 1.0):
        drawn = only(**{name: chance})
        assert np.mean([getattr(d, name) for d in drawn]) == pytest.approx(
            chance, abs=0.07 if chance == 0.3 else 0
        )
        assert not any(getattr(d, other) for d in drawn for other in others)


def test_a_flip_turns_the_picture_upside_down_and_keeps_the_sides(picture, allowed) -> None:
    grey, sets = apply(picture, allowed, replace(NEUTRAL, flip=True), SIZE)
    np.testing.assert_allclose(grey, picture[::-1] / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed[::-1])


def test_half_a_turn_takes_the_labels_along(picture, allowed) -> None:
    grey, sets = apply(picture, allowed, replace(NEUTRAL, half_turn=True), SIZE)
    np.testing.assert_allclose(grey, picture[::-1, ::-1] / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed[::-1, ::-1])


def test_how_often_and_how_far_greys_are_windowed_bent_and_inverted_can_be_set() -> None:
    drawn = only(greys=1, gamma=0.1, window=0.5, cut=0.4, negative=0.3)
    logs = [np.log(d.gamma) for d in drawn if d.gamma != 1]
    assert np.std(logs) == pytest.approx(0.1, abs=0.02)
    cuts = [share for d in drawn for share in d.window if share]
    assert len(cuts) / 2 / len(drawn) == pytest.approx(0.5, abs=0.07)
    assert 0.35 < max(cuts) < 0.4
    assert np.mean([d.negative for d in drawn]) == pytest.approx(0.3, abs=0.07)
    still = only(greys=1)
    assert {d.gamma for d in still} == {1.0}
    assert not any(d.negative or any(d.window) for d in still)


@pytest.mark.parametrize(
    ("strength", "words"),
    [
        ({"cut": 0.46}, "cut is a share, 0 to 0.45, not 0.46"),
        ({"window": 1.1}, "window is a chance, 0 to 1, not 1.1"),
        ({"gamma": -1.0}, "gamma is a number from 0 on, not -1.0"),
    ],
)
def test_strengths_out_of_range_are_refused(strength, words) -> None:
    with pytest.raises(UsageError, match=words):
        Strength(**strength)


def test_greys_and_things_that_obscure_have_chances_of_their_own() -> None:
    neutral = {
        f: getattr(NEUTRAL, f)
        for f in (
            "gamma",
            "contrast",
            "brightness",
            "blur",
            "coarse",
            "noise",
            "window",
            "negative",
            "fill",
        )
    }
    for drawn in only(obscure=1):
        assert {f: getattr(drawn, f) for f in neutral} == neutral
        assert (drawn.shade, drawn.equalise, drawn.jpeg) == (None, None, None)
    assert any(drawn.obscured for drawn in only(obscure=1))
    assert not any(drawn.obscured for drawn in only(greys=1))
    assert np.mean([drawn.contrast != 1 for drawn in only(greys=0.4)]) == pytest.approx(
        0.4, abs=0.07
    )


def test_one_strength_does_not_change_what_another_draws() -> None:
    for seed in range(50):
        usual, still = (
            draw(np.random.default_rng(seed), strength)
            for strength in (Strength(), Strength(rotation=0, shift_x=0, zoom=0))
        )
        assert (usual.mirror, usual.gamma, usual.seed) == (still.mirror, still.gamma, still.seed)
        assert usual.matrix[1, 2] == still.matrix[1, 2]


@pytest.mark.parametrize(
    ("strength", "words"),
    [
        ({"mirror": 1.5}, "mirror is a chance, 0 to 1, not 1.5"),
        ({"rotation": -1}, "rotation is a number from 0 on, not -1"),
        ({"zoom": float("inf")}, "zoom is a number from 0 on, not inf"),
        ({"greys": float("nan")}, "greys is a chance, 0 to 1, not nan"),
    ],
)
def test_impossible_strengths_are_refused(strength, words) -> None:
    with pytest.raises(UsageError, match=words):
        Strength(**strength)


def test_the_shipped_models_samples_are_still_drawn() -> None:
    # Numbers of the first release: a change of order would make another training of the same
    # settings.
    drawn = draw(np.random.default_rng((0, 3, 7)))
    assert (drawn.mirror, drawn.seed) == (False, 1861232562)
    np.testing.assert_allclose(
        drawn.matrix,
        [[0.899115, -0.00651984, 0.019553], [-0.0256714, 1.0718075, -0.028818]],
        rtol=1e-5,
    )
